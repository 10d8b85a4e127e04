"""Decoders made smaller: the script, on sessions small enough for a test."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from edgeneuro.benchmarks import v1_compress
from edgeneuro.benchmarks.v1_compress import Job, write_gratings, write_large
from edgeneuro.benchmarks.v1_graphs import Answers, Found, judged_trials, pooled
from edgeneuro.data import open_data
from edgeneuro.data.sample import Sample
from edgeneuro.errors import UsageError
from edgeneuro.export.build import BuildSettings, build_engine
from edgeneuro.export.prune import start
from edgeneuro.export.prune.low_rank import factorise
from tests.gratings import write_session


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    """Where results go into tmp_path, and layers of any size are divided."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(start, "factorise", partial(factorise, smallest=1))
    quick = partial(BuildSettings, search_s=0.01, precision="fp32")
    monkeypatch.setattr(v1_compress, "BuildSettings", quick)
    session = write_session(tmp_path / "mouse.npz")
    return Job(
        data=str(session), folder=tmp_path / "runs", widths=(32, 16), small=(8,), components=4, energy=0.5, epochs=2
    )


def built_in_float(checkpoint: Path, dataset: object, *_: object, **__: object) -> tuple[Path, str]:
    path = checkpoint.with_suffix(".edge")
    build_engine(str(checkpoint), path, settings=BuildSettings(precision="fp32"), force=True)
    return path, "pass, 1"


def test_every_way_of_making_it_smaller_is_trained_built_and_decoded(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(v1_compress, "built", built_in_float)
    write_large(job)
    found = json.loads(Path("docs/results/v1_compress.json").read_text())
    rows = {row["network"]: row for row in found["rows"]}
    whole, thin, alone, taught = (rows[title] for title, _ in v1_compress.NETWORKS.values())
    assert whole["macs"] == 18 * 32 + 32 * 16 + 16 * 4 and whole["drop"] is None
    assert thin["macs"] < whole["macs"]
    assert alone["macs"] == taught["macs"] == 18 * 4 + 4 * 8 + 8 * 4
    assert all(row["gate"] == "pass, 1" and 0 < row["p50_ms"] <= row["p99_ms"] for row in rows.values())
    assert whole["bytes"] > alone["bytes"]


def test_a_second_start_trains_nothing_again(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    write_gratings(replace(job, components=None), [job.data])
    monkeypatch.delattr(v1_compress, "train")
    monkeypatch.delattr(v1_compress, "build_engine")
    write_gratings(replace(job, components=None), [job.data])
    (row,) = json.loads(Path("docs/results/v1_compress_gratings.json").read_text())["rows"]
    assert (row["session"], row["precision"]) == ("mouse", "fp32")


def test_engines_that_saw_other_trials_are_not_compared(job: Job) -> None:
    paths = {}
    for fold in (0, 1):
        one = replace(job, fold=fold)
        v1_compress.make_alone(one, job.folder / str(fold))
        paths[str(fold)] = built_in_float(job.folder / str(fold), None)[0]
    with pytest.raises(UsageError, match="have seen different trials"):
        judged_trials(paths, open_data(job.data))


def test_a_graph_that_one_fold_lacks_is_left_out_of_all() -> None:
    graph = Answers(
        network="small", precision="fp32", params=1, macs=1, bytes=1, probabilities=np.eye(2), ms=np.array([1.0, 2.0])
    )
    samples = tuple(Sample(source="mouse", index=trial, target=trial, group="block 0") for trial in range(2))
    whole = Found(samples=samples, graphs=(graph, replace(graph, precision="int8")))
    (one,) = pooled([whole, Found(samples=samples, graphs=(graph,))]).graphs
    assert one.precision == "fp32" and one.probabilities.shape == (4, 2) and len(one.ms) == 4
