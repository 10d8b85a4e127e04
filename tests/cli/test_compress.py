"""`edgeneuro compress` as a user calls it; trials and the winner's training are made up, but for the last test."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from edgeneuro.benchmarks import fewer_compress
from edgeneuro.cli.compress import parse_latency
from edgeneuro.cli.main import main
from edgeneuro.errors import GateError, UsageError
from edgeneuro.export.compress import cluster, finish, space, trial
from edgeneuro.export.compress.finish import BUNDLE, FINAL, RESULT, Result
from edgeneuro.export.compress.judge import Judged
from edgeneuro.export.compress.latency import Latency
from edgeneuro.export.compress.records import BaseFacts, Outcome, SearchSettings
from edgeneuro.export.compress.trial import BASE_BUNDLE
from edgeneuro.files import write_bytes, write_json
from edgeneuro.manifest import DataIdentity, Gate, Interval, Verdict
from edgeneuro.records import to_json
from tests.cli.conftest import Validate
from tests.export.compress.fake_trials import facts, here, instant, suggest
from tests.export.compress.searched import Searched, searched

__all__ = ["searched"]


Capture = pytest.CaptureFixture[str]

pytest.importorskip("plotly", reason="the extra 'report' is not installed")

TEST_SCORE = 0.7654321
"""Looked for where it must not be."""


def judged(score: float, verdict: Verdict) -> Judged:
    return Judged(
        score=Interval(value=score, low=score - 0.1, high=score + 0.1),
        base=Interval(value=0.8, low=0.7, high=0.9),
        drop_points=Interval(value=100 * (0.8 - score), low=-1.0, high=8.0),
        gate=Gate(
            asked="1",
            metric="balanced_accuracy",
            verdict=verdict,
            data=DataIdentity(name="noise", licence="CC0", simulated=True, frames=12, groups=4),
            judgements=(),
        ),
    )


class Finish:
    """Stands for training the winner. written: whether the engine may be."""

    def __init__(self, written: bool = True) -> None:
        self.written = written
        self.calls = 0

    def __call__(
        self, settings: SearchSettings, base: BaseFacts, winner: Outcome, folder: Path, out: Path, **_: Any
    ) -> None:
        self.calls += 1
        result = Result(
            number=winner.number,
            candidate=winner.candidate,
            written=self.written,
            reason="" if self.written else "balanced accuracy drops by 3.46 points [1.10, 8.00], limit 1",
            macs=400_000,
            params=1_000,
            macs_share=0.4,
            latency=Latency(ms=(0.2, 0.19, 0.22), backend="openvino", precision="int8", ratio=0.5),
            validation=judged(0.81, "inconclusive"),
            test=judged(TEST_SCORE, "inconclusive" if self.written else "fail"),
            checkpoints={"pruned": "a" * 64, "distilled": "b" * 64},
        )
        write_json(folder / RESULT, to_json(result))
        write_bytes(folder / FINAL / BUNDLE, b"an engine")
        if not self.written:
            raise GateError(f"{out}: not written")
        write_bytes(out, b"an engine")


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> Finish:
    ending = Finish()
    monkeypatch.setattr(cluster, "open_cluster", lambda *_, **__: here())
    monkeypatch.setattr(trial, "run_trial", instant)
    monkeypatch.setattr(space, "base_facts", facts)
    monkeypatch.setattr(space, "suggest", suggest)
    monkeypatch.setattr(finish, "finish", ending)
    monkeypatch.setattr("edgeneuro.export.compress.study.POLL_S", 0.005)
    return ending


def compress(folder: Path, *more: str, goal: str = "0.5", trials: int = 6) -> int:
    """In `folder`; the seed's trials are on both sides of a goal of 0.5."""
    places = ["--study", str(folder / "study"), "--out", str(folder / "small.edge")]
    numbers = ["--trials", str(trials), "--epochs", "3", "--seed", "1"]
    return main(["compress", "myositis", "--target-macs", goal, *numbers, *places, *more])


def test_the_document_follows_its_schema_and_is_pareto_json(
    made_up: Finish, tmp_path: Path, capsys: Capture, validate: Validate
) -> None:
    assert compress(tmp_path, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    validate("compress", document)
    assert document == json.loads((tmp_path / "study" / "pareto.json").read_text())
    inside = [one for one in document["trials"] if one["state"] == "complete"]
    assert {one["state"] for one in document["trials"]} == {"complete", "too slow", "stopped early"}
    assert document["winner"] == max(inside, key=lambda one: one["score"]["value"])["number"]
    assert (tmp_path / "small.edge").read_bytes() == b"an engine"


def test_what_no_other_trial_beats_is_listed_cheapest_first(made_up: Finish, tmp_path: Path, capsys: Capture) -> None:
    assert compress(tmp_path, "--json", trials=12) == 0
    document = json.loads(capsys.readouterr().out)
    scored = {one["number"]: (one["macs"], one["score"]["value"]) for one in document["trials"] if one["score"]}
    front = []
    best = -1.0
    for number, (_, score) in sorted(scored.items(), key=lambda item: item[1]):
        if score > best:
            front.append(number)
            best = score
    assert 1 < len(front) < len(scored)
    assert document["not_beaten"]["macs"] == front


def test_the_test_part_is_spoken_of_once_and_never_among_the_trials(
    made_up: Finish, tmp_path: Path, capsys: Capture
) -> None:
    assert compress(tmp_path) == 0
    said = capsys.readouterr()
    assert "76.5" in said.out and "4 groups, seen once" in said.out
    assert "76.5" not in said.err  # lines of trials
    page = (tmp_path / "study" / "pareto.md").read_text()
    result, rest = page.split("## Accuracy against cost")
    assert result.count("76.5") == 1 and "76.5" not in rest
    document = json.loads((tmp_path / "study" / "pareto.json").read_text())
    assert str(TEST_SCORE) not in json.dumps(document["trials"])


def test_a_finished_study_becomes_a_table_whose_rows_are_of_the_validation_part(
    made_up: Finish, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert compress(tmp_path) == 0
    monkeypatch.chdir(tmp_path)
    fewer_compress.main(tmp_path / "study")
    written = json.loads((tmp_path / "docs" / "results" / "fewer_compress_phantom.json").read_text())
    trials = json.loads((tmp_path / "study" / "pareto.json").read_text())["trials"]
    assert [(row["trial"], row["state"]) for row in written["rows"]] == [
        (one["number"], one["state"]) for one in trials
    ]
    assert "76.5" not in json.dumps(written["rows"])
    assert sum("76.5" in note for note in written["context"]["notes"]) == 1


def test_a_study_that_has_not_ended_becomes_no_table(tmp_path: Path) -> None:
    (tmp_path / "pareto.json").write_text('{"result": null}')
    with pytest.raises(UsageError, match="has not ended"):
        fewer_compress.main(tmp_path)


def test_every_trial_is_told_with_its_state(made_up: Finish, tmp_path: Path, capsys: Capture) -> None:
    assert compress(tmp_path) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if "MACs" in line]
    assert [int(line.split()[1]) for line in lines] == list(range(6))
    trials = json.loads((tmp_path / "study" / "pareto.json").read_text())["trials"]
    for line, one in zip(lines, trials, strict=True):
        assert line.partition("%")[2].strip().partition(":")[0] == one["state"]
        assert f" {one['candidate']['image_size']} px" in line


def test_an_engine_outside_the_margin_is_code_3_and_the_page_says_why(
    made_up: Finish, tmp_path: Path, capsys: Capture, validate: Validate
) -> None:
    made_up.written = False
    assert compress(tmp_path, "--json") == 3
    said = capsys.readouterr()
    validate("compress", json.loads(said.out))
    assert said.err.splitlines()[-1].startswith(
        f"error: {tmp_path / 'small.edge'}: not written: balanced accuracy drops"
    )
    assert not (tmp_path / "small.edge").exists()
    assert "Balanced accuracy drops by 3.46 points" in (tmp_path / "study" / "pareto.html").read_text()


def test_a_search_that_has_ended_is_shown_again_without_a_second_look_at_the_test_part(
    made_up: Finish, tmp_path: Path, capsys: Capture
) -> None:
    assert compress(tmp_path) == 0
    first = capsys.readouterr().out
    (tmp_path / "small.edge").unlink()
    assert compress(tmp_path, "--resume") == 0
    assert capsys.readouterr().out == first
    assert made_up.calls == 1
    assert (tmp_path / "small.edge").read_bytes() == b"an engine"
    assert compress(tmp_path, "--resume", trials=7) == 1
    assert "its test part was looked at; give another --study" in capsys.readouterr().err


def test_nothing_inside_the_goal_is_code_3_and_names_the_nearest(
    made_up: Finish, tmp_path: Path, capsys: Capture
) -> None:
    assert compress(tmp_path, goal="0.01", trials=4) == 3
    said = capsys.readouterr().err.splitlines()[-1]
    assert "None of 4 trials is complete and inside 0.01 of the base's multiply-accumulates. The least was" in said
    document = json.loads((tmp_path / "study" / "pareto.json").read_text())
    assert document["winner"] is None and document["result"] is None
    assert made_up.calls == 0


def test_what_exists_is_not_replaced_unasked(made_up: Finish, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "small.edge").write_bytes(b"another")
    assert compress(tmp_path) == 1
    assert "exists already" in capsys.readouterr().err
    assert not (tmp_path / "study").exists()
    assert compress(tmp_path, "--force") == 0
    assert compress(tmp_path) == 1
    assert compress(tmp_path, "--force", "--quiet") == 0
    assert made_up.calls == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["myositis"], "expected exactly one of them"),
        (["myositis", "--target-macs", "0.5", "--target-latency", "1ms"], "expected exactly one of them"),
        (["myositis", "--target-macs", "15"], "--target-macs 15: expected a share above 0 and below 1"),
        (["myositis", "--target-latency", "0.3"], "--target-latency 0.3: expected a time with its unit"),
        (["myositis", "--target-macs", "0.5", "--max-drop", "little"], "--max-drop little: is no number"),
        (["myositis", "--target-macs", "0.5", "--scheduler", "tcp://a:1", "--workers", "2"], "expected one"),
        (["net.onnx", "--target-macs", "0.5"], "net.onnx: is no checkpoint folder and no model"),
    ],
)
def test_a_request_that_makes_no_sense_is_code_2(arguments: list[str], said: str, capsys: Capture) -> None:
    assert main(["compress", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_latencies_are_read_in_their_units() -> None:
    assert parse_latency("0.3ms") == 0.3
    assert parse_latency(" 250 us ") == parse_latency("250µs") == parse_latency("250μs") == pytest.approx(0.25)
    assert parse_latency("0.001s") == pytest.approx(1.0)
    for text in ("0.3", "ms", "-1ms", "1e3ms", "3 min"):
        with pytest.raises(UsageError, match="expected a time with its unit"):
            parse_latency(text)


def test_a_real_search_ends_in_an_engine_that_runs(
    searched: Searched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture, validate: Validate
) -> None:
    def known(settings: SearchSettings) -> BaseFacts:
        shutil.copy(searched.study / BASE_BUNDLE, tmp_path / "study")  # building it takes longer than all else
        return searched.facts

    monkeypatch.setattr(space, "base_facts", known)
    monkeypatch.setattr(cluster, "open_cluster", lambda *_, **__: here())  # other processes do not have the toy
    arguments = ["--target-macs", "0.95", "--max-drop", "100", "--trials", "2", "--epochs", "1", "--final-epochs", "2"]
    places = ["--study", str(tmp_path / "study"), "--out", str(tmp_path / "small.edge"), "--backend", "onnxruntime"]
    assert main(["compress", str(searched.base), *arguments, *places, "--threads", "1", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    validate("compress", document)
    complete = [one for one in document["trials"] if one["state"] == "complete"]
    assert document["winner"] in [one["number"] for one in complete]
    assert all(one["macs"] <= 0.95 * searched.facts.macs for one in complete)
    assert document["result"]["macs"] <= 0.95 * searched.facts.macs
    sample = searched.part("test").samples[0]
    assert main(["run", str(tmp_path / "small.edge"), str(searched.path(sample)), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)
