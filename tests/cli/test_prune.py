"""edgeneuro prune."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgeneuro.cli.main import main
from edgeneuro.cli.prune import parse_strength
from edgeneuro.errors import UsageError
from edgeneuro.training.checkpoint import CONFIG, read_config, read_metrics
from tests.cli.conftest import Validate
from tests.export.prune.toy import macs_by_hand
from tests.export.prune.trained import SIDE, Trained, trained

__all__ = ["trained"]
QUICK = ("--epochs", "1", "--batch-size", "8", "--round-to", "1", "--threads", "1")


def test_json_tells_every_round_and_follows_the_schema(
    trained: Trained, tmp_path: Path, capfd: pytest.CaptureFixture[str], validate: Validate
) -> None:
    out = str(tmp_path / "small")
    call = ["prune", str(trained.folder), "--target-macs", "0.5", "--rounds", "2", *QUICK, "--out", out, "--json"]
    assert main(call) == 0
    printed = capfd.readouterr()
    found = json.loads(printed.out)
    validate("prune", found)
    assert [row["checkpoint"] for row in found["rounds"]] == [str(tmp_path / "small" / "rounds" / "1"), out]
    last = found["rounds"][-1]["pruned"]
    assert last["macs"][1] <= 0.5 * last["unpruned_macs"] == 0.5 * macs_by_hand(SIDE)
    assert found["start"]["test"] == read_metrics(trained.folder)["test"]
    assert [text[:9] for text in printed.err.splitlines()] == ["round 1 o", "epoch   1", "round 2 o", "epoch   2"]
    assert main([*call, "--resume", "--quiet"]) == 0
    assert json.loads(capfd.readouterr().out) == found


def test_a_line_says_what_became_smaller_and_what_that_cost(
    trained: Trained, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "small"
    assert main(["prune", str(trained.folder), "--target-macs", "0.5", *QUICK, "--out", str(out), "--quiet"]) == 0
    (line,) = capfd.readouterr().out.splitlines()
    metrics = read_metrics(out)
    (_, macs), (params, fewer) = metrics["pruned"]["macs"], metrics["pruned"]["params"]
    assert f"{macs_by_hand(SIDE):,} -> {macs:,} multiply-accumulates ({macs / macs_by_hand(SIDE):.3f} of the un" in line
    assert f"{params:,} -> {fewer:,} parameters" in line
    start, cut, end = (
        scores["test"]["interval"] for scores in (read_metrics(trained.folder), metrics["before"], metrics)
    )
    assert f"{start['value']:.3f} before, {cut['value']:.3f} after it, {end['value']:.3f} ({end['low']:.3f}" in line


def test_options_reach_the_cut(trained: Trained, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    options = ["--importance", "magnitude", "--keep", "hidden", "--strength", "blocks=0.5", "--remove", "blocks.1"]
    out = tmp_path / "small"
    call = ["prune", str(trained.folder), "--target-macs", "0.4", *options, "--low-rank", "0.6", *QUICK]
    assert main([*call, "--learning-rate", "0.002", "--out", str(out), "--quiet"]) == 0
    config = read_config(out)
    assert config.made_from is not None and config.learning_rate == 0.002
    pruned = dict(config.made_from.pruned)
    assert pruned.pop("target_macs") == pytest.approx(0.4)
    assert pruned == {
        "importance": "magnitude",
        "round_to": 1,
        "keep": ["hidden"],
        "strength": {"blocks": 0.5},
        "removed": ["blocks.1"],
        "low_rank": 0.6,
    }


def test_masks_are_told_as_such(
    trained: Trained, tmp_path: Path, capfd: pytest.CaptureFixture[str], validate: Validate
) -> None:
    call = ["prune", str(trained.folder), "--sparsity", "0.5", "--epochs", "1", "--batch-size", "8", "--threads", "1"]
    assert main([*call, "--out", str(tmp_path / "sparse"), "--quiet", "--json"]) == 0
    found = json.loads(capfd.readouterr().out)
    validate("prune", found)
    assert main([*call, "--out", str(tmp_path / "sparse"), "--quiet", "--resume"]) == 0
    assert f"{found['masks']['share']:.1%} of its parameters zero" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "nothing to take away"),
        (["--target-macs", "1.5"], 2, "--target-macs 1.5: expected a share above 0 and below 1"),
        (["--target-macs", "0.5", "--sparsity", "0.5"], 2, "--target-macs: goes with neither --sparsity nor --pattern"),
        (["--sparsity", "0.5", "--pattern", "2:4"], 2, "--sparsity and --pattern: got both"),
        (["--pattern", "1:2"], 2, "--pattern 1:2: is not known"),
        (["--pattern", "2:4", "--round-to", "8"], 2, "--round-to: is for --target-macs"),
        (["--low-rank", "0.9", "--remove", "blocks.0"], 2, "--remove: is for --target-macs"),
        (["--pattern", "2:4", "--low-rank", "0.9"], 2, "--low-rank: goes with --target-macs or alone"),
        (["--target-macs", "0.5", "--strength", "blocks"], 2, "expected LAYER=FACTOR"),
        (["--target-macs", "0.5", "--keep", "blcks.0"], 2, "did you mean blocks.0 or"),
        (["--target-macs", "0.5", "--importance", "size"], 2, "--importance size: is not known"),
        (["--target-macs", "0.5", "--resume", "--force"], 2, "--resume and --force: got both"),
    ],
)
def test_wrong_use_is_told_in_one_line(
    arguments: list[str], code: int, said: str, trained: Trained, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "small"
    assert main(["prune", str(trained.folder), *arguments, "--out", str(out)]) == code
    (line,) = capfd.readouterr().err.splitlines()
    assert said in line and not out.exists()


def test_a_source_that_is_no_checkpoint_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["prune", str(tmp_path / "none"), "--target-macs", "0.5"]) == 1
    assert main(["prune", "resnet18", "--target-macs", "0.5"]) == 1
    none, bare = capfd.readouterr().err.splitlines()
    assert "is not a checkpoint folder" in none and "comes without weights; train it" in bare


def test_a_model_name_stands_for_its_packaged_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["prune", "myositis", "--target-macs", "0.5", "--keep", "bloks"]) == 2
    assert "--keep bloks: no layer is called so; did you mean blocks" in capfd.readouterr().err
    unfinished = tmp_path / "runs" / "myositis-pruned"
    unfinished.mkdir(parents=True)
    (unfinished / CONFIG).write_text("{}")
    assert main(["prune", "myositis", "--target-macs", "0.5"]) == 1
    assert "runs/myositis-pruned: exists already" in capfd.readouterr().err


def test_strength_is_a_layer_and_a_number() -> None:
    assert parse_strength("blocks.4=0.5") == ("blocks.4", 0.5)
    with pytest.raises(UsageError, match="expected LAYER=FACTOR"):
        parse_strength("blocks.4=much")
