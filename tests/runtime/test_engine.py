"""Opening a bundle and classifying frames."""

from __future__ import annotations

import logging
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeneuro.errors import BackendError, BundleError, FrameError, IntegrityError, SelfTestError, ShapeError
from edgeneuro.manifest import Manifest
from edgeneuro.preprocess import Preprocess
from edgeneuro.runtime import open_engine, open_graph
from edgeneuro.runtime.backends import unavailable
from edgeneuro.spec import Array, Frame
from tests.runtime.bundles import (
    PHANTOM,
    SIDE,
    golden_batch,
    logits_of,
    tiny_calibration,
    tiny_graph,
    tiny_manifest,
    tiny_members,
    tiny_onnx,
    write_bundle,
)


def grey(level: int, height: int = 48, width: int = 40) -> Frame:
    return np.full((height, width), level, np.uint8)


@pytest.mark.parametrize(("level", "label"), [(0, "dark"), (128, "grey"), (255, "bright")])
def test_a_frame_gets_the_label_of_its_brightness(edge: Path, level: int, label: str) -> None:
    with open_engine(edge) as engine:
        assert engine.classify(grey(level)).label == label


def test_probabilities_are_the_softmax_of_the_logits(edge: Path) -> None:
    with open_engine(edge) as engine:
        made = engine.classify(grey(80))
        logits = logits_of(np.full((1, 1, SIDE, SIDE), 80 / 255, np.float32))[0].astype(float)
    expected = np.exp(logits) / np.exp(logits).sum()
    assert list(made.probabilities) == ["dark", "grey", "bright"]
    np.testing.assert_allclose(list(made.probabilities.values()), expected, rtol=1e-4)  # float32 through e^12
    assert set(made.ms) == {"preprocess", "inference", "postprocess"}
    assert made.flags == ()


def test_preprocessing_is_the_manifests(edge: Path) -> None:
    frame = np.arange(48 * 40, dtype=np.uint8).reshape(48, 40)
    with open_engine(edge) as engine:
        np.testing.assert_array_equal(engine.feed(frame)["image"][0], engine.manifest.frame_preprocess(frame))


def test_a_batch_gives_the_logits_of_each_frame(edge: Path) -> None:
    batch = np.random.default_rng(0).random((3, 1, SIDE, SIDE), np.float32)
    with open_engine(edge) as engine:
        np.testing.assert_allclose(engine.infer({"image": batch})["logits"], logits_of(batch), atol=1e-4)


def test_many_frames_give_the_logits_of_each_in_order(edge: Path) -> None:
    batch = np.random.default_rng(0).random((9, 1, SIDE, SIDE), np.float32)
    with open_engine(edge, threads=2, streams=2) as engine:
        many = engine.infer_many({"image": frame[None]} for frame in batch)
        np.testing.assert_allclose(np.concatenate([one["logits"] for one in many]), logits_of(batch), atol=1e-4)


def test_a_frame_that_does_not_fit_is_refused_after_the_answers_before_it(edge: Path) -> None:
    good, bad = {"image": np.zeros((1, 1, SIDE, SIDE), np.float32)}, {"image": np.zeros((1, 3, SIDE, SIDE), np.float32)}
    with open_engine(edge, threads=2, streams=2) as engine:
        many = engine.infer_many(iter([good, bad, good]))
        assert next(many)["logits"].shape == (1, 3)
        with pytest.raises(ShapeError, match="tensor 'image'"):
            next(many)


def test_a_closed_engine_answers_no_stream(edge: Path) -> None:
    engine = open_engine(edge, threads=2, streams=2)
    engine.close()
    with pytest.raises(BackendError, match="closed"):
        list(engine.infer_many([{"image": np.zeros((1, 1, SIDE, SIDE), np.float32)}]))


def test_a_backend_is_taken_by_name_with_the_float_graph(edge: Path) -> None:
    if unavailable("openvino"):
        pytest.skip(f"openvino {unavailable('openvino')}")
    with open_engine(edge, precision="fp32", backend="openvino", threads=1) as engine:
        assert (engine.graph.path, engine.graph.backend, engine.flags) == ("model.onnx", "openvino", ())
        assert engine.self_test_difference is not None
        assert engine.choice is None
        assert engine.classify(grey(255)).label == "bright"


@pytest.mark.parametrize("batch", [np.zeros((1, 3, SIDE, SIDE), np.float32), np.zeros((1, 1, SIDE, SIDE))])
def test_a_batch_of_another_shape_or_type_is_refused(edge: Path, batch: Array) -> None:
    with open_engine(edge) as engine, pytest.raises(ShapeError, match="tensor 'image'"):
        engine.infer({"image": batch})


def test_a_frame_that_is_none_is_refused(edge: Path) -> None:
    with open_engine(edge) as engine, pytest.raises(FrameError, match="at least 32 px"):
        engine(grey(0, height=8))


def test_several_threads_may_share_an_engine(edge: Path) -> None:
    levels = [0, 128, 255] * 20
    with open_engine(edge, threads=1) as engine, ThreadPoolExecutor(4) as pool:
        labels = list(pool.map(lambda level: engine.classify(grey(level)).label, levels))
    assert labels == ["dark", "grey", "bright"] * 20


def test_a_closed_engine_says_so(edge: Path) -> None:
    engine = open_engine(edge)
    engine.close()
    engine.close()
    with pytest.raises(BackendError, match="is closed"):
        engine(grey(0))


# --- promises kept at start-up


def test_the_self_test_reports_how_close_the_golden_outputs_came(edge: Path) -> None:
    with open_engine(edge) as engine:
        assert engine.self_test_difference is not None
        assert engine.self_test_difference <= engine.graph.tolerance
        assert set(engine.start_ms) == {"verify", "choose", "load", "self_test"}
    with open_engine(edge, self_test=False) as engine:
        assert engine.self_test_difference is None


def members_with_golden(shift: float) -> dict[str, bytes]:
    batch = np.full((2, 1, SIDE, SIDE), 0.5, np.float32)
    expected = logits_of(batch)
    expected[1, 2] += shift  # one element of the last frame
    return {"golden.npz": golden_batch({"model.onnx:logits": expected}, batch), "model.onnx": tiny_onnx()}


@pytest.mark.parametrize("shift", [0.1, -0.1, np.nan, np.inf])
def test_one_wrong_golden_value_stops_the_engine(tmp_path: Path, shift: float) -> None:
    path = write_bundle(tmp_path / "wrong.edge", members=members_with_golden(shift))
    with pytest.raises(
        SelfTestError, match=r"model\.onnx: output 'logits' differs .* of the largest .* allowed 0\.001"
    ):
        open_engine(path)
    open_engine(path, self_test=False).close()
    open_engine(write_bundle(tmp_path / "right.edge", members=members_with_golden(1e-4))).close()


@pytest.mark.parametrize("golden", [b"", b"no archive", golden_batch({}, np.zeros((1, 1, SIDE, SIDE), np.float32))])
def test_golden_outputs_that_cannot_be_read_are_named(tmp_path: Path, golden: bytes) -> None:
    members = tiny_members(tiny_manifest()) | {"golden.npz": golden}
    with pytest.raises(BundleError, match=r"golden\.npz: cannot be read"):
        open_engine(write_bundle(tmp_path / "golden.edge", members=members))


def test_no_golden_input_at_all_proves_nothing_and_is_refused(tmp_path: Path) -> None:
    none = np.zeros((0, 1, SIDE, SIDE), np.float32)
    members = tiny_members(tiny_manifest()) | {
        "golden.npz": golden_batch({"model.onnx:logits": np.zeros((0, 3), np.float32)}, none)
    }
    with pytest.raises(BundleError, match="holds 0 of input:image"):
        open_engine(write_bundle(tmp_path / "empty.edge", members=members))


def test_pickled_golden_outputs_are_never_unpickled(tmp_path: Path) -> None:
    objects = golden_batch({"model.onnx:logits": np.array([{}], object)}, np.zeros((1, 1, SIDE, SIDE), np.float32))
    members = tiny_members(tiny_manifest()) | {"golden.npz": objects}
    with pytest.raises(BundleError, match="allow_pickle=False"):
        open_engine(write_bundle(tmp_path / "pickled.edge", members=members))


def test_no_byte_reaches_the_backend_before_the_bundle_is_verified(edge: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def reached(*_: object, **__: object) -> None:
        raise AssertionError("the backend was opened")

    monkeypatch.setattr(open_graph, "open_backend", reached)
    with pytest.raises(AssertionError, match="was opened"):
        open_engine(edge)
    data = bytearray(edge.read_bytes())
    data[data.index(b"GlobalAveragePool")] ^= 1
    edge.write_bytes(data)
    with pytest.raises(IntegrityError, match="checksum"):
        open_engine(edge)


def test_a_graph_the_library_refuses_is_a_backend_error(tmp_path: Path) -> None:
    members = tiny_members(tiny_manifest()) | {"model.onnx": b"no network"}
    with pytest.raises(BackendError, match=r"onnxruntime .*: refuses the graph"):
        open_engine(write_bundle(tmp_path / "bad.edge", members=members))


def test_a_graph_with_other_names_than_the_manifest_is_refused(tmp_path: Path) -> None:
    manifest = tiny_manifest()
    manifest = replace(manifest, outputs=(replace(manifest.outputs[0], name="scores"),))
    with pytest.raises(BundleError, match="has outputs logits, the manifest says scores"):
        open_engine(write_bundle(tmp_path / "names.edge", manifest, tiny_members(tiny_manifest())))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"preprocess": Preprocess(height=SIDE, width=64)}, r"inputs of shape \[\(1, 32, 32\)\] .* \[\(1, 32, 64\)\]"),
        ({"classes": ("dark", "bright")}, r"first output of shape \[\(3,\)\] .* \[\(2,\)\]"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(BundleError, match=words):
        open_engine(write_bundle(tmp_path / "odd.edge", tiny_manifest(**changes)))


# --- what a reader must know


def test_training_on_simulation_is_flagged_in_every_result_and_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_bundle(tmp_path / "phantom.edge", tiny_manifest(trained_on=PHANTOM))
    with caplog.at_level(logging.WARNING, "edgeneuro"), open_engine(path) as engine:
        assert engine(grey(0)).flags == ("simulated_training",)
    assert "trained on simulated data" in caplog.text


@pytest.mark.parametrize(
    ("frame", "flags"),
    [
        (grey(0, 32, 64), ()),
        (grey(0, 32, 65), ("size_unseen",)),
        (grey(0, 200, 40), ("size_unseen",)),
        (grey(0, 40, 40).astype(np.uint16), ("bit_depth_unseen",)),
        (grey(0, 65, 65).astype(np.uint16), ("size_unseen", "bit_depth_unseen")),
    ],
)
def test_frames_unlike_those_of_the_calibration_are_flagged_not_refused(
    tmp_path: Path, frame: Frame, flags: tuple[str, ...]
) -> None:
    path = write_bundle(tmp_path / "calibrated.edge", tiny_manifest(calibration=tiny_calibration()))
    with open_engine(path) as engine:
        assert engine(frame).flags == flags


def two_graphs() -> Manifest:
    int8 = tiny_graph("graphs/onnxruntime.int8.onnx", precision="int8", requires=("x86_64", "vnni"))
    return tiny_manifest(precision="int8", graphs=(tiny_graph(), int8))


@pytest.mark.parametrize(
    ("features", "path", "flags"),
    [
        ({"x86_64", "vnni"}, "graphs/onnxruntime.int8.onnx", ()),
        ({"x86_64"}, "model.onnx", ("int8_needs_vnni",)),
        ({"aarch64", "vnni"}, "model.onnx", ("int8_needs_x86_64",)),
    ],
)
def test_the_int8_graph_runs_only_where_the_processor_computes_it_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, features: set[str], path: str, flags: tuple[str, ...]
) -> None:
    monkeypatch.setattr("edgeneuro.runtime.choose.cpu_features", lambda: frozenset(features))
    with open_engine(write_bundle(tmp_path / "two.edge", two_graphs())) as engine:
        assert engine.graph.path == path
        assert engine(grey(0)).flags == flags


def test_importing_the_runtime_wakes_no_heavy_library() -> None:
    code = (
        "import sys, edgeneuro.runtime, edgeneuro.runtime.verify, edgeneuro.runtime.stream; "
        "print(sorted({'torch', 'onnx', 'nncf', 'onnxruntime'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_running_an_engine_loads_neither_torch_nor_onnx(edge: Path) -> None:
    code = (
        "import sys, numpy; from edgeneuro.runtime import open_engine; "
        f"open_engine({str(edge)!r})(numpy.zeros((40, 40), 'uint8')); "
        "print(sorted({'torch', 'onnx', 'nncf'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
