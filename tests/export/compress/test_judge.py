"""A candidate's engine against the base in float, and how long it takes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from edgeneuro.data import DataSet
from edgeneuro.export.compress.judge import BASE, ENGINE, judge, paired
from edgeneuro.export.compress.latency import bundle_latency
from edgeneuro.export.compress.records import Candidate
from edgeneuro.export.compress.steps import build_bundle, cut_checkpoint
from edgeneuro.export.compress.trial import BASE_BUNDLE
from edgeneuro.export.gate import Margin
from edgeneuro.metrics import balanced_accuracy, drop_interval
from edgeneuro.runtime import open_engine
from edgeneuro.runtime.backends import BACKENDS
from edgeneuro.training.checkpoint import load_model, read_config
from tests.export.compress.searched import Searched, searched

__all__ = ["searched"]
SMALLER = Candidate(image_size=32, share=1.0, precision="fp32")
METRIC = "balanced_accuracy"


@dataclass(frozen=True)
class Small:
    """The base with a smaller input, not trained on: a checkpoint and its float bundle."""

    checkpoint: Path
    bundle: Path


@pytest.fixture(scope="module")
def small(searched: Searched, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Small]:
    folder = tmp_path_factory.mktemp("small")
    training = searched.part("training")
    cut_checkpoint(searched.settings, searched.facts, SMALLER, training, folder / "cut")
    build_bundle(folder / "cut", folder / "cut.edge", SMALLER, searched.settings, training)
    yield Small(folder / "cut", folder / "cut.edge")


def predicted(checkpoint: Path, data: DataSet) -> NDArray[np.int64]:
    """(frame,) class numbers by torch, every frame at the checkpoint's own size."""
    preprocess, network = read_config(checkpoint).frame_preprocess, load_model(checkpoint)
    with torch.no_grad():
        images = np.stack([preprocess(data.read(sample)) for sample in data.samples])
        classes: NDArray[np.int64] = network(torch.from_numpy(images)).argmax(1).numpy()
    return classes


def test_the_drop_is_paired_frame_by_frame_and_each_network_sees_frames_at_its_own_size(
    searched: Searched, small: Small
) -> None:
    data = searched.part("training")  # the part with most frames; nothing here is chosen by it
    found = judge(small.bundle, searched.study / BASE_BUNDLE, data, margin=Margin(asked="1", points=1.0), metric=METRIC)
    targets = np.array([sample.target for sample in data.samples])
    mine, theirs = predicted(small.checkpoint, data), predicted(searched.base, data)
    assert (mine != theirs).any()
    groups = [sample.group for sample in data.samples]
    assert found.drop_points == drop_interval(METRIC, targets, theirs, mine, groups, 2)
    assert found.score.value == balanced_accuracy(targets, mine, 2)
    assert found.base.value == balanced_accuracy(targets, theirs, 2)
    assert found.gate.judgements[0].drop_points == found.drop_points
    assert found.gate.data.frames == len(data) and found.reason == found.gate.judgements[0].reason


def test_the_judged_graph_is_the_one_asked_for_and_the_reference_is_the_base_in_float(searched: Searched) -> None:
    data, bundle = searched.part("validation"), searched.study / BASE_BUNDLE
    itself = paired(bundle, bundle, data, backend="onnxruntime", precision="fp32", threads=1)
    assert np.array_equal(itself.probabilities[ENGINE], itself.probabilities[BASE])
    rounded = paired(bundle, bundle, data, backend="onnxruntime", precision="int8", threads=1)
    assert np.array_equal(rounded.probabilities[BASE], itself.probabilities[BASE])
    with closing(open_engine(bundle, backend="onnxruntime", precision="int8", threads=1)) as engine:
        expected = [engine.classify(data.read(sample)).probabilities for sample in data.samples]
    by_class = np.array([[answer[name] for name in searched.facts.classes] for answer in expected])
    assert np.allclose(rounded.probabilities[ENGINE], by_class, atol=1e-6)


def test_latency_is_of_a_graph_that_can_be_opened_again_and_comes_with_its_spread(
    searched: Searched, small: Small
) -> None:
    found = bundle_latency(small.bundle, threads=1, beside=searched.study / BASE_BUNDLE)
    median, low, high = found.ms
    assert 0.0 < low <= median <= high and found.ratio > 0.0
    assert found.backend in BACKENDS
    with closing(open_engine(small.bundle, backend=found.backend, precision=found.precision, threads=1)) as engine:
        assert engine.graph.backend == found.backend


def test_alone_a_bundle_is_compared_with_itself(small: Small) -> None:
    assert bundle_latency(small.bundle, threads=1).ratio == 1.0
