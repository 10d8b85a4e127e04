"""edgeneuro v1 decode, over a tiny engine bound to a session."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgeneuro.cli.main import main
from edgeneuro.data.recordings import Recording
from edgeneuro.data.recordings.as_data import response_spec
from edgeneuro.data.recordings.gratings import read_gratings
from edgeneuro.runtime.bundle import pack_bundle
from edgeneuro.spec import TensorSpec
from tests.cli.conftest import Validate
from tests.gratings import DIRECTIONS, NEURONS, write_session
from tests.runtime.bundles import golden_npz, tiny_manifest

# columns are the neurons before, early and late; neuron n answers direction n % 4: its early response is the logit of that direction
WEIGHT = np.zeros((3 * NEURONS, len(DIRECTIONS)), np.float32)
WEIGHT[NEURONS : NEURONS + len(DIRECTIONS)] = 10 * np.eye(len(DIRECTIONS))


def write_decoder(path: Path, recording: Recording) -> Path:
    """responses (batch, column) @ WEIGHT, as an engine of the session of `recording`."""
    columns, classes = WEIGHT.shape
    node = helper.make_node("Gemm", ["responses", "weight"], ["logits"])
    graph = helper.make_graph(
        [node],
        "decoder",
        [helper.make_tensor_value_info("responses", TensorProto.FLOAT, ["batch", columns])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", classes])],
        [numpy_helper.from_array(WEIGHT, "weight")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    logits = TensorSpec(name="logits", shape=(-1, classes), axes=("batch", "class"), dtype="float32", unit="logit")
    manifest = tiny_manifest(
        model="v1-mlp",
        classes=recording.classes,
        inputs=(response_spec(columns),),
        outputs=(logits,),
        preprocess=None,
        session=recording.session,
    )
    first = recording.responses[:1]
    golden = golden_npz({"model.onnx:logits": (first @ WEIGHT)[None]}, {"responses": first[None]})
    path.write_bytes(pack_bundle(manifest, {"model.onnx": model.SerializeToString(), "golden.npz": golden}))
    return path


@pytest.fixture
def session(tmp_path: Path) -> Path:
    return write_session(tmp_path / "mouse.npz")


@pytest.fixture
def engine(tmp_path: Path, session: Path) -> Path:
    return write_decoder(tmp_path / "mouse.edge", read_gratings(session))


def lines(printed: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in printed.splitlines()]


def pipe(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    """`data` on standard input."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def run(*arguments: object) -> int:
    return main(["v1", "decode", *map(str, arguments)])


def of(answers: Sequence[dict[str, Any]], key: str) -> list[Any]:
    return [answer[key] for answer in answers]


def test_every_trial_gets_a_line_in_order_with_what_was_shown(
    engine: Path, session: Path, capsys: pytest.CaptureFixture[str], validate: Validate
) -> None:
    assert run(engine, session, "-v") == 0
    printed = capsys.readouterr()
    answers = lines(printed.out)
    for answer in answers:
        validate("decode", answer)
    assert of(answers, "trial") == list(range(40))
    assert of(answers, "shown")[:4] == ["0 deg", "90 deg", "180 deg", "270 deg"]
    assert np.mean(np.equal(of(answers, "class"), of(answers, "shown"))) > 0.8
    assert sum(answers[0]["probabilities"].values()) == pytest.approx(1.0)
    assert "40 vectors: p50 " in printed.err and "p99 " in printed.err


def test_vectors_on_a_stream_are_answered_as_trials_of_the_session_are(
    engine: Path, session: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(engine, session)
    from_file = lines(capsys.readouterr().out)
    pipe(monkeypatch, read_gratings(session).responses.astype("<f4").tobytes())
    assert run(engine, session, "--stream") == 0
    streamed = lines(capsys.readouterr().out)
    assert of(streamed, "class") == of(from_file, "class") and set(of(streamed, "shown")) == {None}


def test_a_vector_that_is_not_finite_gets_its_line_and_the_rest_goes_on(
    engine: Path, session: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], validate: Validate
) -> None:
    vectors = read_gratings(session).responses[:3].copy()
    vectors[1, 4] = np.nan
    pipe(monkeypatch, vectors.tobytes())
    assert run(engine, session, "--stream") == 1
    first, second, third = lines(capsys.readouterr().out)
    validate("decode", second)
    assert second["error"].startswith("trial 1: 1 of 18 responses are NaN") and second["class"] is None
    assert first["error"] is None and third["trial"] == 2 and third["class"] is not None


def test_a_stream_that_ends_inside_a_vector_is_refused(
    engine: Path, session: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pipe(monkeypatch, bytes(75))
    assert run(engine, session, "--stream") == 1
    printed = capsys.readouterr()
    assert len(lines(printed.out)) == 1
    assert "ended after 3 bytes of a vector, expected 72 (18 float32)" in printed.err


def test_an_engine_refuses_another_session_with_both_names(
    engine: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(engine, write_session(tmp_path / "rat.npz")) == 1
    printed = capsys.readouterr()
    assert printed.out == "" and "trained on session mouse (18 neurons), got session rat (18 neurons)" in printed.err


def test_an_engine_of_frames_is_refused(edge: Path, session: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(edge, session) == 2
    assert "was not trained on a session of neurons" in capsys.readouterr().err
