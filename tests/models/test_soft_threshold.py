import torch

from edgeneuro.models.soft_threshold import SoftThresholdAttention, soft_threshold


def sign_form(x: torch.Tensor, tau: torch.Tensor) -> torch.Tensor:
    return torch.sign(x) * torch.clamp(x.abs() - tau, min=0.0)


def test_small_values_vanish_and_large_ones_shrink_by_tau() -> None:
    x = torch.tensor([-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 3.0])
    assert soft_threshold(x, torch.tensor(1.0)).tolist() == [-2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0]


def test_equals_the_sign_form_on_random_features_with_a_threshold_a_channel() -> None:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(4, 6, 5, 7, generator=generator)
    tau = torch.rand(4, 6, 1, 1, generator=generator)
    # |x| - tau and x - tau round once each; both forms then differ by at most one unit in the last place of |x| < 8
    torch.testing.assert_close(soft_threshold(x, tau), sign_form(x, tau), rtol=0, atol=1e-6)


def test_is_not_relu_of_the_difference_for_signed_features() -> None:
    x = torch.tensor([-3.0])
    assert soft_threshold(x, torch.tensor(1.0)) != torch.relu(x - 1.0)


def test_gradients_of_features_and_threshold_equal_those_of_the_sign_form() -> None:
    generator = torch.Generator().manual_seed(2)
    features = torch.randn(3, 4, 5, 5, generator=generator)
    thresholds = torch.rand(3, 4, 1, 1, generator=generator)
    weight = torch.randn(3, 4, 5, 5, generator=generator)
    gradients = []
    for form in (soft_threshold, sign_form):
        x, tau = features.clone().requires_grad_(), thresholds.clone().requires_grad_()
        torch.autograd.backward((form(x, tau) * weight).sum())
        gradients.append((x.grad, tau.grad))
    torch.testing.assert_close(gradients[0], gradients[1])


def test_gradient_is_one_outside_the_dead_zone_and_zero_inside_and_reaches_tau_with_the_opposite_sign() -> None:
    x = torch.tensor([-2.0, -0.5, 0.5, 2.0], requires_grad=True)
    tau = torch.ones(4, requires_grad=True)
    torch.autograd.backward(soft_threshold(x, tau).sum())
    assert x.grad is not None and x.grad.tolist() == [1.0, 0.0, 0.0, 1.0]
    assert tau.grad is not None and tau.grad.tolist() == [1.0, 0.0, 0.0, -1.0]


def test_threshold_of_the_attention_lies_between_zero_and_the_mean_magnitude_of_the_channel() -> None:
    torch.manual_seed(3)
    attention = SoftThresholdAttention(8).eval()
    x = torch.randn(2, 8, 6, 6)
    tau = attention.threshold(x)[:, :, 0, 0]
    assert (tau > 0).all() and (tau < x.abs().mean(dim=(2, 3))).all()


def test_threshold_of_the_attention_follows_the_input() -> None:
    torch.manual_seed(3)
    attention = SoftThresholdAttention(8).eval()
    x = torch.randn(2, 8, 6, 6)
    assert not torch.allclose(attention.threshold(x), attention.threshold(3 * x))
