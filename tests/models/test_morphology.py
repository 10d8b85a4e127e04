import pytest
import torch
from torch import Tensor, nn

from edgeneuro.errors import InputError
from edgeneuro.models.build import build_model, multiply_accumulates, parameters
from edgeneuro.models.morphology import Bottleneck, MorphologyNet, build
from edgeneuro.models.resnet import from_torchvision


@pytest.mark.parametrize(
    ("reconstruction", "params", "macs"),
    [
        ("bottleneck", 11_463_245, 1_822_104_064),
        ("full", 11_183_181 + 2_360_320, 1_813_568_000 + 58_982_400),
        ("crop", 11_183_181, 1_813_568_000),
        ("gate", 11_183_181 + 49, 1_813_568_000),
        ("none", 11_183_181, 1_813_568_000),
    ],
)
def test_parameters_and_operations_are_those_of_the_table(reconstruction: str, params: int, macs: int) -> None:
    network = build(classes=12, reconstruction=reconstruction, quality=True)
    assert parameters(network) == params
    assert parameters(network.without_quality()) == params - 513
    assert multiply_accumulates(network, 3, 224, 224) == macs - 512  # forward leaves the weight out


@pytest.mark.parametrize(
    ("reconstruction", "side"), [("bottleneck", 5), ("full", 5), ("crop", 5), ("gate", 7), ("none", 7)]
)
def test_the_rim_is_gone_where_it_is_cut_off(reconstruction: str, side: int) -> None:
    module = build(classes=12, reconstruction=reconstruction).reconstruction
    assert module.eval()(torch.zeros(1, 512, 7, 7)).shape == (1, 512, side, side)


@pytest.mark.parametrize("reconstruction", ["crop", "gate"])
@torch.no_grad()
def test_what_lies_in_the_rim_alone_is_not_seen(reconstruction: str) -> None:
    module = build(classes=12, reconstruction=reconstruction).reconstruction
    rim = torch.ones(1, 512, 7, 7)
    rim[:, :, 1:-1, 1:-1] = 0.0
    assert module(rim).abs().max() == 0.0


@torch.no_grad()
def test_the_bottleneck_adds_what_it_rebuilds_to_the_centre() -> None:
    module = Bottleneck().eval()
    x = torch.randn(2, 512, 7, 7).relu()
    norm = module.widen[1]
    assert isinstance(norm, nn.BatchNorm2d)
    norm.weight.zero_()
    assert torch.equal(module(x), x[:, :, 1:-1, 1:-1])
    norm.bias.fill_(0.25)
    torch.testing.assert_close(module(x), x[:, :, 1:-1, 1:-1] + 0.25)


@torch.no_grad()
def test_the_weight_lies_between_0_and_1_and_leaves_with_its_head_alone() -> None:
    torch.manual_seed(0)
    network = build(classes=12, quality=True).eval()
    images = torch.randn(3, 3, 96, 96)
    logits, alpha = network.rated(images)
    assert alpha.shape == (3, 1) and float(alpha.min()) > 0.0 and float(alpha.max()) < 1.0
    assert torch.equal(network(images), logits) and torch.equal(network.without_quality()(images), logits)
    assert network.weight_head is not None and network.without_quality().weight_head is None


def test_a_positive_weight_changes_no_predicted_class() -> None:
    torch.manual_seed(0)
    logits, alpha = torch.randn(5000, 12, dtype=torch.float64) * 4, torch.rand(5000, 1, dtype=torch.float64)
    assert torch.equal((alpha * logits).softmax(1).argmax(1), logits.argmax(1))


@pytest.mark.parametrize("side", [32, 64])
def test_pictures_whose_last_map_is_all_rim_are_refused(side: int) -> None:
    with pytest.raises(InputError, match=rf"got pictures of {side} x {side} px.* expected at least 65 px a side"):
        build(classes=12).eval()(torch.zeros(1, 3, side, side))


def test_the_smallest_picture_has_a_centre() -> None:
    assert build(classes=12).eval()(torch.zeros(1, 3, 65, 65)).shape == (1, 12)


def test_a_gate_is_for_one_size() -> None:
    with pytest.raises(InputError, match=r"gate got a last feature map of 4 x 4 places, expected 7 x 7"):
        build(classes=12, reconstruction="gate").eval()(torch.zeros(1, 3, 128, 128))


@pytest.mark.parametrize("options", [{"reconstruction": "rim"}, {"quality": "yes"}])
def test_unknown_options_are_refused_with_the_known_ones(options: dict[str, str]) -> None:
    with pytest.raises(InputError, match="expected one of bottleneck, crop, full, gate, none, and true or false"):
        build_model("morphology", classes=12, channels=3, **options)


def as_torchvision(network: MorphologyNet) -> dict[str, Tensor]:
    """The stem and stages under the names of torchvision's ResNet-18, with a classifier of a thousand classes."""
    state = {"fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}
    named = {"first.0": "conv1", "first.1": "bn1", "second.0": "conv2", "second.1": "bn2"}
    for name, value in network.state_dict().items():
        if name.startswith("stem."):
            state[name.replace("stem.0.0", "conv1").replace("stem.0.1", "bn1")] = value
        elif name.startswith("stages."):
            _, stage, block, *part, last = name.split(".")
            own = ".".join(part)
            state[f"layer{int(stage) + 1}.{block}.{named.get(own, own.replace('shortcut', 'downsample'))}.{last}"] = (
                value
            )
    return state


def test_weights_of_torchvision_s_resnet_18_get_our_names() -> None:
    torch.manual_seed(0)
    network = build(classes=12)
    renamed = from_torchvision(as_torchvision(network))
    backbone = {
        name: value
        for name, value in network.state_dict().items()
        if name.startswith(("stem.", "stages.")) and not name.endswith("num_batches_tracked")
    }
    assert len(backbone) == 100 and renamed.keys() == backbone.keys()
    assert all(torch.equal(value, renamed[name]) for name, value in backbone.items())


def test_what_is_no_part_of_a_resnet_18_keeps_its_name() -> None:
    strange = {"layer5.0.conv1.weight": torch.zeros(1), "layer1.0.conv3.weight": torch.zeros(1)}
    assert from_torchvision(strange).keys() == strange.keys()
