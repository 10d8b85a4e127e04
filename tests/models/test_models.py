"""Every row of the model table through one contract."""

from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import edgeneuro.models
from edgeneuro.errors import InputError
from edgeneuro.models import MODELS, ModelEntry
from edgeneuro.models.build import build_model, parameters

# docs: the layer tables of both pages, one 224 x 224 frame, four classes
SIZES = {"myositis": (503_880, 81_438_680), "myositis-dual": (36_445_828, 34_856_764_416)}

every_model = pytest.mark.parametrize("entry", MODELS.values(), ids=list(MODELS))


def fresh(entry: ModelEntry, classes: int = 4) -> nn.Module:
    torch.manual_seed(0)
    return build_model(entry.name, classes=classes, channels=entry.channels).eval()


def macs(network: nn.Module, channels: int) -> int:
    """Multiply-accumulates of convolutions and fully connected layers for one 224 x 224 frame, without computing."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter, torch.no_grad():
        network.to("meta")(torch.empty(1, channels, 224, 224))
    flops: int = counter.get_total_flops()
    return flops // 2


@every_model
def test_params_and_macs_are_those_of_the_layer_table(entry: ModelEntry) -> None:
    network = fresh(entry)
    assert (parameters(network), macs(network, entry.channels)) == SIZES[entry.name]


@every_model
@torch.no_grad()
def test_logits_are_one_a_class_for_any_batch_and_class_number(entry: ModelEntry) -> None:
    network = fresh(entry, classes=3)
    for batch in (1, 2):
        assert network(torch.randn(batch, entry.channels, 64, 64)).shape == (batch, 3)


@every_model
@torch.no_grad()
def test_a_frame_scores_the_same_alone_and_in_a_batch(entry: ModelEntry) -> None:
    network = fresh(entry)
    frames = torch.randn(3, entry.channels, 64, 64)
    # another batch size may sum in another order: float32 rounding over a few thousand terms
    torch.testing.assert_close(network(frames)[1:2], network(frames[1:2]), rtol=1e-4, atol=1e-5)


@every_model
@torch.no_grad()
def test_scores_repeat_in_evaluation_and_depend_on_the_frame(entry: ModelEntry) -> None:
    network = fresh(entry)
    frame, other = torch.randn(2, 1, entry.channels, 64, 64)
    assert torch.equal(network(frame), network(frame))
    assert not torch.allclose(network(frame), network(other))


@every_model
def test_the_same_seed_gives_the_same_weights(entry: ModelEntry) -> None:
    one, two = fresh(entry).state_dict(), fresh(entry).state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)


@every_model
def test_every_weight_receives_gradient(entry: ModelEntry) -> None:
    network = fresh(entry).train()
    network(torch.randn(2, entry.channels, 64, 64)).square().sum().backward()
    untouched = [name for name, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert untouched == []


def test_stanet_stays_within_a_quarter_percent_of_dualvgg() -> None:
    light, dual = (macs(fresh(MODELS[name]), MODELS[name].channels) for name in ("myositis", "myositis-dual"))
    assert light <= 0.0025 * dual
    assert round(100 * light / dual, 4) == 0.2336


@pytest.mark.parametrize(
    ("options", "params"),
    [
        ({"attention": "none"}, 503_880 - (312 + 1_200 + 3_960 + 3_960 + 15_664) - 2 * (6 + 12 + 22 + 22 + 44)),
        ({"attention": "fixed"}, 503_880 - (312 + 1_200 + 3_960 + 3_960 + 15_664) - 2 * (6 + 12 + 22 + 22 + 44)),
        ({"convolutions": "separable"}, 113_792),
        ({"convolutions": "conventional"}, 732_912),
    ],
)
def test_ablations_change_what_they_name(options: dict[str, str], params: int) -> None:
    network = build_model("myositis", classes=4, channels=1, **options).eval()
    assert parameters(network) == params
    assert network(torch.randn(1, 1, 64, 64)).shape == (1, 4)


def test_odd_feature_sizes_pass_the_shortcut() -> None:
    network = build_model("myositis", classes=4, channels=1).eval()
    assert network(torch.randn(1, 1, 112, 99)).shape == (1, 4)


def test_an_unknown_model_names_the_nearest_one() -> None:
    with pytest.raises(InputError, match=r"did you mean 'myositis'\?"):
        build_model("myositiss", classes=4, channels=1)


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(InputError, match="no option 'depth', expected attention or convolutions or tau"):
        build_model("myositis", classes=4, channels=1, depth=3)
    with pytest.raises(InputError, match="expected soft-threshold, fixed or none"):
        build_model("myositis", classes=4, channels=1, attention="softmax")


def test_every_builder_in_the_folder_has_a_row_in_the_table() -> None:
    folder = Path(edgeneuro.models.__file__).parent
    builders = {path.stem for path in folder.glob("*.py") if "\ndef build(" in path.read_text()}
    assert builders == {entry.builder.split(":")[0].rsplit(".", 1)[1] for entry in MODELS.values()}
