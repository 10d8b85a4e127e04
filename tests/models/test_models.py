"""Every row of the model table through one contract."""

import re
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import nn

import edgeneuro.models
from edgeneuro.errors import InputError, ShapeError
from edgeneuro.models import MODELS, ModelEntry
from edgeneuro.models.build import build_model, multiply_accumulates, parameters
from edgeneuro.models.stanet import ZeroPadShortcut

# docs: the layer tables of both pages, one 224 x 224 frame, four classes; the others follow from PUBLISHED
SIZES = {
    "myositis": (503_880, 81_438_680),
    "myositis-dual": (36_445_828, 34_856_764_416),
    "skin": (180_452, 63_322_112 - 3 * 256 * 49),
    "morphology": (11_462_732 - 8 * 513, 1_822_103_552 - 8 * 512),
    "mobilenet-v2": (3_504_872 - 996 * 1281 - 2 * 32 * 9, 300_774_272 - 996 * 1280 - 2 * 32 * 9 * 112**2),
    "resnet18": (11_689_512 - 996 * 513 - 2 * 64 * 49, 1_814_073_344 - 996 * 512 - 2 * 64 * 49 * 112**2),
    "efficientnet-lite0": (4_652_008 - 996 * 1281, 385_187_552 - 996 * 1280),
}

# RGB, 1000 classes: parameters in millions to all published digits, multiply-accumulates in millions, and how far counts
# may lie apart. torchvision's page of weights has 3504872 and 0.30 G, 11689512 and 1.81 G. The table of EfficientNet-Lite
# (github.com/tensorflow/tpu, models/official/efficientnet/lite) has 4.7 M and 407 M; it counts normalisation too.
PUBLISHED = {
    "mobilenet-v2": (3.504872, 300, 0.01),
    "resnet18": (11.689512, 1_814, 0.001),
    "efficientnet-lite0": (4.7, 407, 0.06),
}


def rows(names: Iterable[str]) -> pytest.MarkDecorator:
    """A test of each row of the model table among `names`; left out where the row's library is not installed."""
    needs = {"efficientnet-lite0": "efficientnet_lite_pytorch"}
    missing = {name for name, library in needs.items() if find_spec(library) is None}
    skip = pytest.mark.skip(reason="needs the benchmark extra")
    cases = [pytest.param(MODELS[name], id=name, marks=[skip] if name in missing else []) for name in names]
    return pytest.mark.parametrize("entry", cases)


classifiers = [name for name, row in MODELS.items() if not (row.masks or row.responses)]
"""Of frames; the others have tests of their own."""
every_model = rows(classifiers)


def fresh(entry: ModelEntry, classes: int = 4) -> nn.Module:
    torch.manual_seed(0)
    return build_model(entry.name, classes=classes, channels=entry.channels).eval()


def macs(entry: ModelEntry) -> int:
    return multiply_accumulates(fresh(entry), entry.channels, 224, 224)


@every_model
def test_params_and_macs_are_those_of_the_layer_table(entry: ModelEntry) -> None:
    assert (parameters(fresh(entry)), macs(entry)) == SIZES[entry.name]


@rows(PUBLISHED)
def test_networks_to_compare_with_have_the_published_size(entry: ModelEntry) -> None:
    network = build_model(entry.name, classes=1000, channels=3)
    millions, mega_macs, apart = PUBLISHED[entry.name]
    digits = len(str(millions).partition(".")[2])
    assert round(parameters(network) / 1e6, digits) == millions
    assert multiply_accumulates(network, 3, 224, 224) / 1e6 == pytest.approx(mega_macs, rel=apart)


def test_counting_macs_leaves_the_network_as_it_is() -> None:
    network = fresh(MODELS["myositis"]).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    multiply_accumulates(network, 1, 32, 32)
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


@every_model
@torch.no_grad()
def test_logits_are_one_a_class_for_any_batch_and_class_number(entry: ModelEntry) -> None:
    network = fresh(entry, classes=3)
    for batch in (1, 2):
        assert network(torch.randn(batch, entry.channels, 72, 72)).shape == (batch, 3)


@every_model
@torch.no_grad()
def test_a_frame_scores_the_same_alone_and_in_a_batch(entry: ModelEntry) -> None:
    network = fresh(entry)
    frames = torch.randn(3, entry.channels, 72, 72)
    # another batch size may sum in another order: float32 rounding over a few thousand terms
    torch.testing.assert_close(network(frames)[1:2], network(frames[1:2]), rtol=1e-4, atol=1e-5)


@every_model
@torch.no_grad()
def test_scores_repeat_in_evaluation_and_depend_on_the_frame(entry: ModelEntry) -> None:
    network = fresh(entry)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.momentum = 1.0
    network.train()(torch.randn(4, entry.channels, 72, 72))  # or frames vanish in many layers of fresh statistics
    network.eval()
    frame, other = torch.randn(2, 1, entry.channels, 72, 72)
    assert torch.equal(network(frame), network(frame))
    assert not torch.allclose(network(frame), network(other))


@every_model
def test_the_same_seed_gives_the_same_weights(entry: ModelEntry) -> None:
    one, two = fresh(entry).state_dict(), fresh(entry).state_dict()
    assert all(torch.equal(one[name], two[name]) for name in one)


@every_model
def test_every_weight_receives_gradient(entry: ModelEntry) -> None:
    network = fresh(entry).train()
    # four frames: EfficientNet leaves blocks out at random, a frame at a time
    network(torch.randn(4, entry.channels, 72, 72)).square().sum().backward()
    untouched = [name for name, weight in network.named_parameters() if weight.grad is None or not weight.grad.any()]
    assert untouched == []


def test_stanet_stays_within_a_quarter_percent_of_dualvgg() -> None:
    light, dual = macs(MODELS["myositis"]), macs(MODELS["myositis-dual"])
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
    assert network(torch.randn(1, 1, 72, 72)).shape == (1, 4)


def test_odd_feature_sizes_pass_the_shortcut() -> None:
    network = build_model("myositis", classes=4, channels=1).eval()
    assert network(torch.randn(1, 1, 112, 99)).shape == (1, 4)


def test_the_shortcut_averages_and_fills_up_to_the_residual_s_channels() -> None:
    x = torch.arange(32.0).reshape(1, 2, 4, 4)
    y = ZeroPadShortcut(stride=2)(x, 5)
    assert y[0, :2].tolist() == [[[2.5, 4.5], [10.5, 12.5]], [[18.5, 20.5], [26.5, 28.5]]]
    assert y.shape == (1, 5, 2, 2) and not y[0, 2:].any()


def test_the_shortcut_refuses_to_drop_channels() -> None:
    with pytest.raises(ShapeError, match="got 6 channels, expected at most the 5 of the residual"):
        ZeroPadShortcut(stride=1)(torch.zeros(1, 6, 4, 4), 5)


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
    builders = {
        path.stem for path in folder.glob("*.py") if re.search(r"\ndef build(_\dd|_mlp|_cnn\dd)?\(", path.read_text())
    }
    assert builders == {entry.builder.split(":")[0].rsplit(".", 1)[1] for entry in MODELS.values()}
