"""Where a run on a smaller network starts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from edgeneuro.data import DataSet, open_data
from edgeneuro.errors import CheckpointError, UsageError
from edgeneuro.export.prune import start as start_module
from edgeneuro.export.prune.count import count
from edgeneuro.export.prune.cut import cut
from edgeneuro.export.prune.settings import CutSettings
from edgeneuro.export.prune.start import pruned_start
from edgeneuro.models.build import build_model
from edgeneuro.models.surgery import operate
from edgeneuro.training.checkpoint import MODEL, load_model, read_config, read_split
from tests.export.prune.toy import HIDDEN, macs_by_hand
from tests.export.prune.trained import SIDE, Trained, trained

__all__ = ["trained"]
SMALL = 32
HALF = CutSettings(target_macs=0.5, round_to=4)


def training_part(of: Trained, data: Path | None = None) -> DataSet:
    dataset = open_data(str(data or of.data))
    return dataset.subset(read_split(of.folder).part(dataset.samples, "training"))


def noise() -> Tensor:
    return torch.randn(3, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


def test_the_network_is_smaller_and_made_from_the_builder_by_its_surgery(trained: Trained, tmp_path: Path) -> None:
    trainee = pruned_start(trained.folder, HALF).prepare(training_part(trained), tmp_path)
    assert trainee.surgery is not None and trainee.surgery.shapes
    rebuilt = operate(build_model("toy", classes=2, channels=1), trainee.surgery)
    rebuilt.load_state_dict(trainee.network.state_dict())
    assert torch.equal(rebuilt.eval()(noise()), trainee.network(noise()))
    stored, ranges = trainee.finish(trainee.network)
    assert stored is trainee.network and ranges is None


def test_what_was_taken_away_is_counted_at_the_input_size(trained: Trained, tmp_path: Path) -> None:
    trainee = pruned_start(trained.folder, HALF).prepare(training_part(trained), tmp_path)
    whole, pruned = macs_by_hand(SIDE), trainee.notes["pruned"]
    assert pruned["macs"][0] == pruned["unpruned_macs"] == whole
    assert pruned["macs"][1] == count(trainee.network, noise()).macs <= 0.5 * whole
    assert pruned["params"][1] == sum(tensor.numel() for tensor in trainee.network.parameters()) < pruned["params"][0]
    assert pruned["widths"] and all(after < before for before, after in pruned["widths"].values())


def test_the_start_has_split_and_preprocessing_of_the_checkpoint_and_names_what_is_cut(trained: Trained) -> None:
    start, config = pruned_start(trained.folder, HALF), read_config(trained.folder)
    assert (start.split, start.preprocess) == (read_split(trained.folder), config.frame_preprocess)
    assert start.made_from.checkpoint == config.files[MODEL] == start.ancestors[-1].checkpoint
    assert start.made_from.pruned == {
        "target_macs": 0.5,
        "importance": "group",
        "round_to": 4,
        "keep": [],
        "strength": {},
        "removed": [],
    }
    nothing = pruned_start(trained.folder, None, image_size=SIDE)
    assert nothing.made_from.pruned == {}


def test_a_resumed_run_gets_what_was_cut_and_does_not_cut_again(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, part = pruned_start(trained.folder, HALF), training_part(trained)
    first = start.prepare(part, tmp_path)
    monkeypatch.setattr(start_module, "cut", None)
    again = pruned_start(trained.folder, HALF).prepare(part, tmp_path)
    assert again.network.state_dict().keys() == first.network.state_dict().keys()
    assert torch.equal(again.network(noise()), first.network(noise()))
    assert (again.surgery, again.notes) == (first.surgery, first.notes)
    with pytest.raises(TypeError, match="not callable"):  # other settings in the same folder are another cut
        pruned_start(trained.folder, replace(HALF, target_macs=0.6)).prepare(part, tmp_path)


def test_the_generator_is_where_it_was_whether_cut_or_read(trained: Trained, tmp_path: Path) -> None:
    part, states = training_part(trained), []
    for _ in range(2):
        torch.manual_seed(3)
        pruned_start(trained.folder, HALF).prepare(part, tmp_path)
        states.append(torch.random.get_rng_state())
    torch.manual_seed(3)
    assert all(torch.equal(state, torch.random.get_rng_state()) for state in states)


def test_a_smaller_input_alone_leaves_the_weights(trained: Trained, tmp_path: Path) -> None:
    start = pruned_start(trained.folder, None, image_size=SMALL)
    assert start.preprocess is not None
    assert (start.preprocess.height, start.preprocess.width) == (SMALL, SMALL)
    assert start.made_from.pruned == {"image_size": SMALL}
    trainee = start.prepare(training_part(trained), tmp_path)
    assert trainee.surgery is None
    assert torch.equal(trainee.network(noise()), load_model(trained.folder)(noise()))
    assert trainee.notes["pruned"]["macs"] == [macs_by_hand(SMALL)] * 2


def test_large_linear_layers_are_divided_before_channels_go(trained: Trained, tmp_path: Path) -> None:
    part = training_part(trained)
    alone = pruned_start(trained.folder, None, low_rank=0.5)
    assert alone.made_from.pruned == {"low_rank": 0.5}
    trainee = alone.prepare(part, tmp_path)
    (rank,) = trainee.notes["pruned"]["ranks"].values()
    assert trainee.surgery is not None and trainee.surgery.ranks == {"hidden": rank}
    saved = HIDDEN * HIDDEN - 2 * HIDDEN * rank
    assert trainee.notes["pruned"]["macs"] == [macs_by_hand(SIDE), macs_by_hand(SIDE) - saved]
    both = pruned_start(trained.folder, HALF, low_rank=0.5).prepare(part, tmp_path)
    assert both.surgery is not None and both.surgery.ranks and both.surgery.shapes
    before, after = both.notes["pruned"]["macs"]
    assert 0.3 * before < after <= 0.5 * before  # a half of the whole network, not of the divided one


def test_nothing_to_divide_is_refused(trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no linear layer of 65,536 weights or more"):
        pruned_start(trained.folder, None, low_rank=1.0).prepare(training_part(trained), tmp_path)


def test_taylor_looks_at_training_frames_chosen_by_the_seed(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def looking(network, built, settings, *, example, batches, surgery):  # type: ignore[no-untyped-def]
        seen.append([(images.clone(), targets) for images, targets in batches])
        return cut(network, built, settings, example=example, batches=seen[-1], surgery=surgery)

    monkeypatch.setattr(start_module, "cut", looking)
    part, settings = training_part(trained), replace(HALF, importance="taylor")
    for seed, folder in ((0, "a"), (0, "b"), (1, "c")):
        start = pruned_start(trained.folder, settings, seed=seed)
        assert start.made_from.pruned["seed"] == seed
        start.prepare(part, tmp_path / folder)
    images = [torch.cat([batch for batch, _ in batches]) for batches in seen]
    assert torch.equal(images[0], images[1]) and not torch.equal(images[0], images[2])
    preprocess = read_config(trained.folder).frame_preprocess
    expected = torch.stack([torch.from_numpy(preprocess(part.read(sample))) for sample in part.samples])
    assert len(images[0]) == len(part)
    assert all((expected == image).flatten(1).all(1).any() for image in images[0])


def test_other_data_are_refused(trained: Trained, tmp_path: Path) -> None:
    part = training_part(trained)
    with pytest.raises(CheckpointError, match="in the same split; give the same data with --data"):
        pruned_start(trained.folder, HALF).prepare(part.subset(part.samples[1:]), tmp_path)
    with pytest.raises(CheckpointError, match="is not a checkpoint folder"):
        pruned_start(tmp_path, HALF)
