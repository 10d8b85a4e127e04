"""Layers that are held against each other."""

import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from edgeneuro.errors import UsageError
from edgeneuro.export.distil.pairs import (
    FeatureMap,
    last_pair,
    pairs_by_resolution,
    parse_pair,
    refuse_unknown,
    student_maps,
    teacher_maps,
)
from edgeneuro.export.distil.teacher import OnnxTeacher
from edgeneuro.export.source import FloatModel, load_source
from edgeneuro.models.build import build_model
from edgeneuro.training.teaching import Pair
from tests.export.distil.toys import images

SIDE = 64
STANET = ("stem", "blocks.0", "blocks.1", "blocks.3", "blocks")
"""Its last module at each of five resolutions; `blocks` gives what its last block does."""


@pytest.fixture(scope="module")
def stanet() -> nn.Module:
    return build_model("myositis", classes=3, channels=1)


def saved(name: str, channels: int, file: Path) -> FloatModel:
    """A model of the table as a foreign file, written by torch's older exporter, which needs a second for it."""
    network = build_model(name, classes=3, channels=channels).eval()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(1, channels, SIDE, SIDE),),
            str(file),
            dynamo=False,
            opset_version=17,
            input_names=["input"],
            dynamic_axes={"input": {0: "batch"}},
        )
    return load_source(str(file))


@pytest.mark.parametrize(
    ("name", "channels", "widths", "library"),
    [
        pytest.param("resnet18", 1, (64, 64, 128, 256, 512), "torch", id="ResNet-18"),
        pytest.param("mobilenet-v2", 1, (96, 144, 192, 576, 1280), "torch", id="MobileNetV2"),
        pytest.param(
            "efficientnet-lite0", 3, (96, 144, 240, 672, 1280), "efficientnet_lite_pytorch", id="EfficientNet-Lite0"
        ),
    ],
)
def test_stanet_meets_a_large_network_at_five_resolutions(
    stanet: nn.Module, tmp_path: Path, name: str, channels: int, widths: tuple[int, ...], library: str
) -> None:
    pytest.importorskip(library)
    teacher = saved(name, channels, tmp_path / "teacher.onnx")
    student, there = student_maps(stanet, torch.zeros(1, 1, SIDE, SIDE)), teacher_maps(teacher)
    pairs = pairs_by_resolution(student, there)
    assert [pair.student for pair in pairs] == list(STANET)
    assert last_pair(student, there) == (pairs[-1],)
    maps = {found.name: found for found in there}
    for pair, width, halvings in zip(pairs, widths, range(1, 6), strict=True):
        found = maps[pair.teacher]
        assert (found.channels, found.height, found.halvings) == (width, SIDE >> halvings, halvings)
    lecture = OnnxTeacher(teacher, [pairs[-1].teacher], threads=1)(torch.randn(2, channels, SIDE, SIDE))
    assert lecture.features[pairs[-1].teacher].shape == (2, widths[-1], 2, 2)


def test_what_is_pooled_is_no_map_even_where_the_last_map_is_one_pixel_too(loaded: FloatModel) -> None:
    network = build_model("resnet18", classes=3, channels=1)
    student = student_maps(network, torch.zeros(1, 1, 32, 32))
    assert (student[-1].name, student[-1].height, student[-1].halvings) == ("stages", 1, 5)
    assert not any(found.name.startswith(("pool", "head")) for found in student)
    pooled = next(node for node in loaded.graph.graph.node if node.op_type == "GlobalAveragePool")
    assert teacher_maps(loaded)[-1].name == pooled.input[0]


def test_one_pixel_is_no_attention() -> None:
    two = FeatureMap(name="two", channels=4, height=2, width=2, halvings=4)
    one = FeatureMap(name="one", channels=4, height=1, width=1, halvings=5)
    assert pairs_by_resolution((two, one), (two, one)) == (Pair(student="two", teacher="two"),)
    assert last_pair((two, one), (two, one)) == (Pair(student="one", teacher="one"),)


class Odd(nn.Module):
    """Six convolutions of stride 2, one layer called twice, one that pads, one that is never called."""

    def __init__(self) -> None:
        super().__init__()
        self.halve = nn.ModuleList(nn.Conv2d(1, 1, 3, 2, 1) for _ in range(6))
        self.activation = nn.ReLU()
        self.pad = nn.ZeroPad2d(1)
        self.idle = nn.Conv2d(1, 1, 1)
        self.drop = nn.Dropout()

    def forward(self, image: Tensor) -> Tensor:
        for number, layer in enumerate(self.halve):
            image = layer(image)
            if number in (0, 3):
                image = self.activation(image)
        pooled: Tensor = self.drop(self.pad(image).mean((2, 3)))
        return pooled


def test_a_map_counts_where_its_module_was_last_called() -> None:
    network = Odd().train()
    found = student_maps(network, torch.zeros(1, 1, 96, 96))
    names = ["halve.0", "halve.1", "halve.2", "halve.3", "activation", "halve.4", "halve.5"]
    assert [one.name for one in found] == names
    assert [one.halvings for one in found] == [1, 2, 3, 4, 4, 5, 6]
    assert network.training and network.drop.training and not network.drop._forward_hooks


@pytest.mark.parametrize("side", [32, 40, 50, 96, 100, 224, 225])
def test_halvings_are_counted_right_where_sizes_are_odd(side: int) -> None:
    found = [one.halvings for one in student_maps(Odd(), torch.zeros(1, 1, side, side)) if "halve" in one.name]
    distinguishable = 5 if side == 32 else 6  # a sixth of 32 px is one pixel again
    assert found[:distinguishable] == list(range(1, distinguishable + 1))


def test_networks_of_other_input_sizes_meet_by_share_of_the_image(loaded: FloatModel, stanet: nn.Module) -> None:
    """The teacher's maps are 16, 8 and 4 px of 32, the student's 48, 24, 12, 6 and 3 of 96."""
    student, teacher = student_maps(stanet, torch.zeros(1, 1, 96, 96)), teacher_maps(loaded)
    pairs = pairs_by_resolution(student, teacher)
    assert [pair.student for pair in pairs] == ["stem", "blocks.0", "blocks.1"]
    given = OnnxTeacher(loaded, [pair.teacher for pair in pairs], threads=1)(images(1)).features
    assert [tuple(given[pair.teacher].shape[1:]) for pair in pairs] == [(8, 16, 16), (12, 8, 8), (16, 4, 4)]


def test_a_pair_is_read_from_what_the_user_writes(stanet: nn.Module) -> None:
    assert parse_pair("--hint", "blocks.1=/layer/x=y") == Pair(student="blocks.1", teacher="/layer/x=y")
    for wrong in ("auto", "blocks.1", "=relu", "blocks.1="):
        with pytest.raises(UsageError, match="expected STUDENT=TEACHER"):
            parse_pair("--hint", wrong)
    with pytest.raises(UsageError, match=r"'block\.1': is not in its network, expected one of stem, stem\.conv, "):
        refuse_unknown(stanet, [Pair(student="block.1", teacher="relu")])
