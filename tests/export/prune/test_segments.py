"""Which channels go together."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgeneuro.benchmarks.nets import UNet
from edgeneuro.errors import UsageError
from edgeneuro.export.prune.coupling import Slot
from edgeneuro.export.prune.segments import Segment, segments_of
from edgeneuro.export.prune.settings import CutSettings
from tests.export.prune import nets

SETTINGS = CutSettings(target_macs=0.5)


def with_outputs_of(segments: tuple[Segment, ...], layer: str) -> list[Segment]:
    """Segments of a layer's output channels, in their order."""
    slot = Slot(layer, "outputs")
    found = [segment for segment in segments if slot in segment.places]
    return sorted(found, key=lambda segment: int(segment.places[slot].min()))


def test_the_blocks_of_stanet_fall_into_the_channels_that_they_add() -> None:
    segments = segments_of(nets.of("myositis"), nets.example(), SETTINGS)
    slot = Slot("blocks.4.second.conv", "outputs")
    trunk = with_outputs_of(segments, slot.layer)
    assert [segment.places[slot].flatten().tolist() for segment in trunk] == [
        list(range(first, last)) for first, last in ((0, 16), (16, 24), (24, 48), (48, 88), (88, 176))
    ]
    assert [segment.fixed for segment in trunk] == ["stem.conv sees the image", "", "", "", ""]
    assert not any(segment.essential for segment in trunk[1:])
    assert Slot("blocks.1.first.depthwise", "outputs") in trunk[1].places
    assert Slot("blocks.1.first.depthwise", "outputs") not in trunk[2].places
    assert with_outputs_of(segments, "blocks.0.first.pointwise")[0].essential
    assert {segment.fixed for segment in with_outputs_of(segments, "classifier")} == {"they are the network's outputs"}


def test_every_output_channel_is_in_exactly_one_segment() -> None:
    network = nets.of("mobilenet-v2")
    seen: dict[str, list[int]] = {}
    for segment in segments_of(network, nets.example(), SETTINGS):
        for slot, places in segment.places.items():
            if slot.side == "outputs":
                seen.setdefault(slot.layer, []).extend(places.flatten().tolist())
    widths = {
        name: len(layer.get_parameter("weight"))
        for name, layer in network.named_modules()
        if isinstance(layer, (nn.Conv2d, nn.Linear, nn.BatchNorm2d))
    }
    assert {layer: sorted(channels) for layer, channels in seen.items()} == {
        layer: list(range(width)) for layer, width in widths.items()
    }


def test_a_skip_is_read_behind_the_channels_it_is_concatenated_to() -> None:
    segments = segments_of(nets.other(lambda: UNet(nets.CLASSES, 1)), nets.example(), SETTINGS)
    reader = Slot("up.2.0.0", "inputs")
    (skip,), (grown,) = with_outputs_of(segments, "down.0.2.0"), with_outputs_of(segments, "grow.2")
    assert skip.places[reader].flatten().tolist() == list(range(32))
    assert grown.places[reader].flatten().tolist() == list(range(32, 64))
    assert Slot("down.1.0.0", "inputs") in skip.places


def test_a_flattened_channel_takes_all_its_pixels_with_it() -> None:
    segments = segments_of(nets.other(nets.Flattened), nets.example(), SETTINGS)
    (segment,) = with_outputs_of(segments, "features.2")
    assert segment.places[Slot("head", "inputs")][1].tolist() == [4, 5, 6, 7]


class Both(nn.Module):
    """Two branches side by side, added to one that is as wide as both; zeros in front of a third."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3)
        self.left, self.right = nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)
        self.whole, self.late = nn.Conv2d(4, 8, 1), nn.Conv2d(4, 2, 1)
        self.head = nn.Conv2d(8, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        late = F.pad(self.late(x), (0, 0, 0, 0, 6, 0))
        made: Tensor = self.head((torch.cat([self.left(x), self.right(x)], 1) + self.whole(x) + late).relu())
        return made


def test_channels_padded_in_front_are_those_behind() -> None:
    segments = segments_of(Both(), nets.example(), SETTINGS)
    parts = with_outputs_of(segments, "whole")
    assert [len(part) for part in parts] == [4, 2, 2]
    assert [[slot.layer for slot in sorted(part.places)] for part in parts] == [
        ["head", "left", "whole"],
        ["head", "right", "whole"],
        ["head", "late", "right", "whole"],
    ]
    assert parts[2].places[Slot("late", "outputs")].flatten().tolist() == [0, 1]
    assert parts[2].places[Slot("right", "outputs")].flatten().tolist() == [2, 3]


def test_a_branch_that_looks_twice_is_one_layer_in_one_segment() -> None:
    segments = segments_of(nets.other(nets.Siamese, 2), nets.example(2), SETTINGS)
    (segment,) = with_outputs_of(segments, "branch.2.0")
    assert segment.places[Slot("head.0", "inputs")].shape == (32, 1)


class Grouped(nn.Module):
    """Convolutions in groups, whose weights are shared among channels in a way that is not cut here."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 8, 3), nn.Conv2d(8, 16, 1), nn.Conv2d(16, 16, 3, groups=4), nn.Conv2d(16, 8, 1),
            nn.GroupNorm(2, 8), nn.Conv2d(8, 8, 1), nn.Conv2d(8, 2, 1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        made: Tensor = self.layers(x)
        return made


def test_channels_of_layers_that_cannot_be_made_smaller_stay() -> None:
    segments = segments_of(Grouped(), nets.example(), SETTINGS)
    fixed = {f"layers.{i}": with_outputs_of(segments, f"layers.{i}")[0].fixed for i in (1, 3, 5)}
    assert fixed == {
        "layers.1": "layers.2 is a grouped convolution",
        "layers.3": "GroupNorm cannot be made smaller",
        "layers.5": "",
    }


def test_a_prefix_that_no_layer_has_is_refused() -> None:
    for settings in (CutSettings(target_macs=0.3, keep=("feat",)), CutSettings(target_macs=0.3, strength={"feat": 1})):
        with pytest.raises(
            UsageError, match="'feat': no layer has this name or prefix, expected one under features, head"
        ):
            segments_of(nets.Flattened(), nets.example(), settings)
