"""Pruning from checkpoint to checkpoint."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from edgeneuro.errors import CheckpointError, OutputError, UsageError
from edgeneuro.export.onnx_export import largest_difference
from edgeneuro.export.prune.masks import MaskSettings
from edgeneuro.export.prune.rounds import share_to_keep
from edgeneuro.export.prune.run import PruneSettings, prune
from edgeneuro.export.prune.settings import CutSettings
from edgeneuro.export.source import FloatModel, load_source
from edgeneuro.training.checkpoint import CONFIG, MODEL, load_model, read_config, read_metrics, read_split
from edgeneuro.training.history import history
from edgeneuro.training.keeper import Progress
from edgeneuro.training.run import STATE
from tests.export.prune.toy import macs_by_hand
from tests.export.prune.trained import SIDE, Trained, trained
from tests.training.killing import Killed

__all__ = ["trained"]
TARGET = 0.4
SETTINGS = PruneSettings(how=CutSettings(target_macs=TARGET, round_to=1), rounds=2, epochs=2, batch_size=8)


@pytest.fixture(scope="module")
def pruned(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an uninterrupted run of two rounds."""
    out = tmp_path_factory.mktemp("pruned") / "run"
    prune(trained.folder, out, SETTINGS, threads=1)
    return out


@pytest.fixture(scope="module")
def source(pruned: Path) -> FloatModel:
    """As build-engine takes it."""
    return load_source(str(pruned))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / MODEL)


def equal(one: Path, other: Path) -> bool:
    got, expected = weights(one), weights(other)
    return got.keys() == expected.keys() and all(torch.equal(got[name], expected[name]) for name in expected)


def test_every_round_is_a_checkpoint_of_its_own_and_the_last_one_is_the_result(trained: Trained, pruned: Path) -> None:
    files = ["config.json", "metrics.json", "model.safetensors", "split.json"]
    assert sorted(path.name for path in pruned.iterdir()) == sorted([*files, "rounds"])
    assert [path.name for path in (pruned / "rounds").iterdir()] == ["1"]
    first, last = read_config(pruned / "rounds" / "1"), read_config(pruned)
    assert first.made_from is not None and last.made_from is not None
    assert first.made_from.checkpoint == read_config(trained.folder).files[MODEL]
    assert last.made_from.checkpoint == first.files[MODEL]
    assert read_split(pruned) == read_split(trained.folder)
    assert history(last)[1:] == tuple(
        f"pruned to {made.pruned['target_macs']:.3g} of its operations by group importance"
        for made in (first.made_from, last.made_from)
    )


def test_shares_go_down_geometrically_to_a_share_of_the_unpruned_model(trained: Trained, pruned: Path) -> None:
    whole = macs_by_hand(SIDE)
    first, last = (read_metrics(folder)["pruned"] for folder in (pruned / "rounds" / "1", pruned))
    assert first["unpruned_macs"] == last["unpruned_macs"] == first["macs"][0] == whole
    assert 0.85 * TARGET**0.5 * whole < first["macs"][1] <= TARGET**0.5 * whole
    assert last["macs"][0] == first["macs"][1]
    assert 0.85 * TARGET * whole < last["macs"][1] <= TARGET * whole
    assert last["params"][1] < last["params"][0] == first["params"][1] < first["params"][0]


def test_the_share_of_one_round_is_that_of_all_that_are_left() -> None:
    assert share_to_keep(1000, 125, 3) == pytest.approx(0.5)
    assert share_to_keep(500, 125, 2) == pytest.approx(0.5)
    assert share_to_keep(400, 125, 2) == pytest.approx((125 / 400) ** 0.5)
    assert share_to_keep(100, 125, 1) > 1.0


def test_metrics_tell_what_cutting_alone_cost(trained: Trained, tmp_path: Path) -> None:
    settings = replace(SETTINGS, rounds=1, epochs=1)
    result = prune(trained.folder, tmp_path / "run", settings, threads=1)
    before = result.metrics["before"]
    again = prune(trained.folder, tmp_path / "slow", replace(settings, learning_rate=1e-12), threads=1).metrics
    assert again["before"] == before
    assert (
        before["test"]["frames"] == read_metrics(trained.folder)["test"]["frames"] == result.metrics["test"]["frames"]
    )
    assert read_config(tmp_path / "run").learning_rate == pytest.approx(0.5e-3)  # half of the model's own


def test_the_result_is_dense_and_loads_without_torch_pruning(pruned: Path, tmp_path: Path) -> None:
    channels = {name: value.shape[0] for name, value in weights(pruned).items() if name.endswith("0.weight")}
    assert min(channels.values()) < 16
    frames = np.random.default_rng(0).standard_normal((3, 1, SIDE, SIDE)).astype(np.float32)
    np.save(tmp_path / "frames.npy", frames)
    script = (
        "import sys; sys.modules['torch_pruning'] = None\n"
        "from pathlib import Path; import numpy as np, torch\n"
        "from edgeneuro.models import MODELS; from tests.export.prune.toy import TOY; MODELS['toy'] = TOY\n"
        "from edgeneuro.training.checkpoint import load_model\n"
        "frames = torch.from_numpy(np.load(sys.argv[2]))\n"
        "np.save(sys.argv[3], load_model(Path(sys.argv[1]))(frames).detach().numpy())\n"
    )
    arguments = [str(pruned), str(tmp_path / "frames.npy"), str(tmp_path / "logits.npy")]
    subprocess.run([sys.executable, "-c", script, *arguments], check=True)
    expected = load_model(pruned)(torch.from_numpy(frames)).detach().numpy()
    np.testing.assert_allclose(
        np.load(tmp_path / "logits.npy"), expected, rtol=1e-5, atol=1e-6
    )  # threads sum otherwise


def test_its_graph_computes_the_same_with_the_operations_that_were_recorded(pruned: Path, source: FloatModel) -> None:
    recorded = read_metrics(pruned)["pruned"]
    assert (source.compute.macs, source.compute.params) == (recorded["macs"][1], recorded["params"][1])
    frames = np.random.default_rng(0).standard_normal((3, 1, SIDE, SIDE)).astype(np.float32)
    assert largest_difference(load_model(pruned), source.graph, frames) < 1e-5


def test_its_steps_reach_the_provenance_of_an_engine(trained: Trained, pruned: Path, source: FloatModel) -> None:
    steps = [source.provenance[f"step {number}"] for number in (1, 2, 3)]
    assert steps == list(history(read_config(pruned))) and steps[0] == f"trained on {trained.data.name}"
    assert not any(name.startswith("step") for name in load_source(str(trained.folder)).provenance)


@pytest.mark.parametrize(
    "reached",
    [
        pytest.param(lambda done: done.done == 1, id="before the first epoch ends"),
        pytest.param(lambda done: done.row is not None and done.row.epoch == 0, id="after an epoch of the first round"),
        pytest.param(
            lambda done: done.row is not None and done.row.epoch == 2, id="after an epoch of the second round"
        ),
    ],
)
def test_a_run_cut_off_in_any_round_resumes_to_the_same_weights(
    reached: Callable[[Progress], bool], trained: Trained, pruned: Path, tmp_path: Path
) -> None:
    def progress(done: Progress) -> None:
        if done.stage == "training" and reached(done):
            raise Killed

    out = tmp_path / "run"
    with pytest.raises(Killed):
        prune(trained.folder, out, SETTINGS, threads=1, progress=progress)
    with pytest.raises(OutputError, match="give --resume to go on"):
        prune(trained.folder, out, SETTINGS, threads=1)
    prune(trained.folder, out, SETTINGS, threads=1, resume=True)
    assert equal(out / "rounds" / "1", pruned / "rounds" / "1") and equal(out, pruned)
    assert not list(out.rglob(STATE.parts[0]))


def test_progress_counts_over_all_rounds(trained: Trained, tmp_path: Path) -> None:
    seen: list[Progress] = []
    prune(trained.folder, tmp_path / "run", SETTINGS, threads=1, progress=seen.append)
    training = [done for done in seen if done.stage == "training"]
    assert [done.row.epoch for done in training if done.row is not None][-1] == 3
    assert training[-1].done == training[-1].total == max(done.done for done in training)


def test_a_finished_run_is_resumed_at_once_and_another_one_is_refused(trained: Trained, pruned: Path) -> None:
    config = (pruned / CONFIG).read_bytes()
    result = prune(trained.folder, pruned, SETTINGS, resume=True)
    assert result.metrics == read_metrics(pruned) and (pruned / CONFIG).read_bytes() == config
    with pytest.raises(OutputError, match="exists already; give --force"):
        prune(trained.folder, pruned, SETTINGS)
    other = CutSettings(target_macs=0.3, round_to=1)
    with pytest.raises(CheckpointError, match=r"pruned with .* now got from weights .* target_macs"):
        prune(trained.folder, pruned, replace(SETTINGS, how=other), resume=True)


def test_force_starts_afresh_and_can_be_cut_off_too(trained: Trained, pruned: Path, tmp_path: Path) -> None:
    def progress(done: Progress) -> None:
        if done.stage == "training":
            raise Killed

    out = tmp_path / "run"
    prune(trained.folder, out, replace(SETTINGS, rounds=1, epochs=1), threads=1)
    with pytest.raises(Killed):
        prune(trained.folder, out, SETTINGS, threads=1, force=True, progress=progress)
    prune(trained.folder, out, SETTINGS, threads=1, resume=True)
    assert equal(out, pruned)


def test_a_pruned_checkpoint_is_pruned_again_to_a_share_of_the_unpruned_model(
    trained: Trained, pruned: Path, tmp_path: Path
) -> None:
    how = CutSettings(target_macs=0.25, round_to=1)
    result = prune(pruned, tmp_path / "run", PruneSettings(how=how, epochs=1, batch_size=8), threads=1)
    before, after = result.metrics["pruned"]["macs"]
    assert before == read_metrics(pruned)["pruned"]["macs"][1]
    assert 0.15 * macs_by_hand(SIDE) < after <= 0.25 * macs_by_hand(SIDE)
    assert len(history(result.config)) == 4 and load_model(tmp_path / "run") is not None
    with pytest.raises(UsageError, match=r"--target-macs 0.9: .* of the unpruned model; give less"):
        prune(pruned, tmp_path / "more", PruneSettings(how=CutSettings(target_macs=0.9)))
    assert not (tmp_path / "more").exists()


def test_a_block_is_left_out_in_the_first_round_and_stays_so(trained: Trained, tmp_path: Path) -> None:
    how = CutSettings(target_macs=0.3, round_to=1, removed=("blocks.1",))
    result = prune(trained.folder, tmp_path / "run", replace(SETTINGS, how=how, epochs=1), threads=1)
    assert result.config.surgery is not None and result.config.surgery.removed == ("blocks.1",)
    assert read_metrics(tmp_path / "run" / "rounds" / "1")["pruned"]["removed"] == ["blocks.1"]
    assert not any(name.startswith("blocks.1.") for name in weights(tmp_path / "run"))


def test_linear_layers_are_divided_once_and_channels_taken_in_every_round(trained: Trained, tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = prune(trained.folder, out, replace(SETTINGS, low_rank=0.5, epochs=1), threads=1)
    assert list(read_metrics(out / "rounds" / "1")["pruned"]["ranks"]) == ["hidden"]
    assert result.metrics["pruned"]["ranks"] == {} and list(result.config.surgery.ranks) == ["hidden"]  # type: ignore[union-attr]
    assert result.metrics["pruned"]["macs"][1] <= TARGET * macs_by_hand(SIDE)
    assert "factorised" in history(result.config)[1] and "factorised" not in history(result.config)[2]


def test_masks_leave_the_shapes(trained: Trained, tmp_path: Path) -> None:
    settings = PruneSettings(how=MaskSettings(sparsity=0.5), epochs=1, batch_size=8)
    prune(trained.folder, tmp_path / "run", settings, threads=1)
    masked, whole = weights(tmp_path / "run"), weights(trained.folder)
    assert {name: value.shape for name, value in masked.items()} == {name: value.shape for name, value in whole.items()}
    zeros = (masked["blocks.0.inner.0.weight"] == 0).float().mean()
    assert zeros == pytest.approx(0.5, abs=0.01) and (whole["blocks.0.inner.0.weight"] == 0).sum() == 0


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"keep": ("block.1",)}, r"--keep block.1: no layer is called so; did you mean blocks.1 or "),
        ({"keep": ("block",)}, r"--keep block: no layer is called so; did you mean blocks or "),
        ({"keep": ("blocks.1.inner",), "removed": ("blocks.1",)}, r"is in a block that --remove leaves out"),
        ({"strength": {"heda": 0.5}}, r"--strength heda: no layer is called so; did you mean head or "),
        ({"removed": ("stem",)}, r"--remove stem: is no block that can be left out; expected blocks"),
    ],
)
def test_layers_that_are_not_there_are_refused_with_the_nearest(
    how: dict[str, object], said: str, trained: Trained, tmp_path: Path
) -> None:
    settings = replace(SETTINGS, how=CutSettings(target_macs=0.5, **how))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=said):
        prune(trained.folder, tmp_path / "run", settings)
    assert not (tmp_path / "run").exists()


def test_a_target_that_only_the_last_round_would_miss_is_refused_at_once(trained: Trained, tmp_path: Path) -> None:
    how = CutSettings(target_macs=0.05, round_to=8, keep=("blocks.0",))
    with pytest.raises(UsageError, match=r"--target-macs: .* cannot be reached; at least"):
        prune(trained.folder, tmp_path / "run", replace(SETTINGS, how=how))
    with pytest.raises(UsageError, match="has no linear layer of 65,536 weights or more"):
        prune(trained.folder, tmp_path / "run", PruneSettings(low_rank=1.0))
    assert not (tmp_path / "run").exists()


def test_wrong_settings_are_refused(trained: Trained, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing to take away"):
        PruneSettings()
    with pytest.raises(UsageError, match="--low-rank: goes with --target-macs or alone"):
        PruneSettings(how=MaskSettings(pattern="2:4"), low_rank=0.9)
    with pytest.raises(UsageError, match="--rounds 2: is for --target-macs"):
        PruneSettings(low_rank=0.9, rounds=2)
    with pytest.raises(UsageError, match="holds the checkpoint to start from"):
        prune(trained.folder, trained.folder.parent, SETTINGS, force=True)
    with pytest.raises(CheckpointError, match="is a checkpoint of 'toy', expected 'myositis'"):
        prune(trained.folder, tmp_path / "run", SETTINGS, model="myositis")
