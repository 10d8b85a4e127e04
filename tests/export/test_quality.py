"""A network that rates its frames: its quality is a second output of every graph, and changes no class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

from edgeneuro.export.candidates import candidate_placements
from edgeneuro.export.emulate import open_emulated
from edgeneuro.export.forms import form_named
from edgeneuro.export.lower import lower
from edgeneuro.export.make_plan import calibrated_plan
from edgeneuro.export.onnx_export import export_onnx, largest_difference, rates
from edgeneuro.export.plan import Plan, with_placement
from edgeneuro.export.specs import output_specs
from edgeneuro.models.build import build_model
from edgeneuro.runtime.backends import open_backend
from edgeneuro.spec import Feed
from tests.export.conftest import settled

CLASSES, SIDE = 3, 32


class Rating(nn.Module):
    """Two convolutions, a classifier, and a weight of the frame beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 8, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 16, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.head = nn.Linear(16, CLASSES)
        self.weight_head = nn.Linear(16, 1)

    def rated(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, 1, 32, 32) -> logits (batch, class) and quality (batch, 1)."""
        vector = self.features(image)
        return self.head(vector), self.weight_head(vector).sigmoid()

    def forward(self, image: Tensor) -> Tensor:
        """(batch, 1, 32, 32) -> logits (batch, class)."""
        return self.rated(image)[0]


@dataclass(frozen=True)
class Toy:
    network: Rating
    graph: onnx.ModelProto
    feeds: tuple[Feed, ...]
    plan: Plan


@pytest.fixture(scope="module")
def toy() -> Toy:
    torch.manual_seed(0)
    network = Rating()
    settled(network, 1, SIDE)
    graph, _ = export_onnx(network, channels=1, height=SIDE, width=SIDE)
    rng = np.random.default_rng(1)
    feeds = tuple({"image": rng.standard_normal((1, 1, SIDE, SIDE)).astype(np.float32)} for _ in range(6))
    return Toy(network, graph, feeds, calibrated_plan(graph, feeds))


def test_the_graph_gives_logits_then_quality_and_both_are_those_of_torch(toy: Toy) -> None:
    assert [item.name for item in toy.graph.graph.output] == ["logits", "quality"]
    frames = np.concatenate([feed["image"] for feed in toy.feeds])
    assert largest_difference(toy.network, toy.graph, frames) < 1e-5


def test_the_manifest_describes_what_the_quality_is(toy: Toy) -> None:
    outputs = open_backend("onnxruntime", toy.graph.SerializeToString(), threads=1).run(toy.feeds[0])
    of_feeds = {name: values[None] for name, values in outputs.items()}
    _, quality = output_specs(toy.graph, "classification", of_feeds, free_batch=True)
    assert (quality.shape, quality.axes) == ((-1, 1), ("batch", "quality"))
    assert quality.unit.startswith("0 to 1")


def test_both_heads_stay_in_float_whatever_the_search_tries(toy: Toy) -> None:
    heads = {node.name for node in toy.graph.graph.node if node.op_type == "Gemm"}
    assert len(heads) == 2
    for form in map(form_named, ("onnxruntime-x86-vnni", "onnxruntime-arm", "openvino", "tensorrt")):
        placements = candidate_placements(toy.graph, form)
        assert placements and all(heads.isdisjoint(nodes) for nodes in placements.values())


@pytest.mark.parametrize("form", ["onnxruntime-x86-vnni", "onnxruntime-x86", "tensorrt"])
def test_an_int8_graph_rates_frames_much_as_the_float_one(toy: Toy, form: str) -> None:
    chosen = form_named(form)
    placed = candidate_placements(toy.graph, chosen)
    lowered = lower(toy.graph, with_placement(toy.plan, chosen.target, next(iter(placed.values()))), chosen)
    whole = open_backend("onnxruntime", toy.graph.SerializeToString(), threads=1)
    rounded = open_emulated(lowered)
    for feed in toy.feeds:
        expected, got = whole.run(feed)["quality"], rounded.run(feed)["quality"]
        assert got.shape == (1, 1) and abs(float(expected[0, 0]) - float(got[0, 0])) < 0.02


def test_without_the_weight_head_there_is_one_output() -> None:
    with torch.device("meta"):
        assert not rates(build_model("morphology", classes=4, channels=3))
        assert rates(build_model("morphology", classes=4, channels=3, quality=True))


def test_the_morphology_network_has_the_size_its_page_states() -> None:
    network = build_model("morphology", classes=12, channels=3, quality=True)
    graph, compute = export_onnx(network, channels=3, height=224, width=224)
    assert (compute.params, compute.macs) == (11_463_245, 1_822_104_064)
    assert [item.name for item in graph.graph.output] == ["logits", "quality"]
