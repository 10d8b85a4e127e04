"""What cannot be compared, and what is said of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeneuro.benchmarks.compare.opened import Choice
from edgeneuro.errors import (
    BackendError,
    BundleError,
    CheckpointError,
    InputError,
    ModelFileError,
)
from edgeneuro.preprocess import Preprocess
from tests.benchmarks.compare.files import (
    arrays,
    write_float,
    write_int8,
    write_onnx,
)
from tests.benchmarks.compare.running import one, pictures, run
from tests.runtime.bundles import SIDE
from tests.runtime.foreign import sum_onnx, write_mask_bundle


def test_another_order_of_classes_is_refused_and_both_are_named(tmp_path: Path) -> None:
    first = write_float(tmp_path / "a.edge")
    second = write_float(tmp_path / "b.edge", classes=("grey", "dark", "bright"))
    with pytest.raises(
        InputError, match=r"b\.edge: has the classes grey, dark, bright, a\.edge has dark, grey, bright"
    ):
        run(first, second)


def test_other_preprocessing_another_task_and_other_tensors_are_refused(tmp_path: Path) -> None:
    first = write_float(tmp_path / "a.edge")
    second = write_float(tmp_path / "b.edge", preprocess=Preprocess(height=SIDE, width=SIDE, mean=(0.5,)))
    with pytest.raises(InputError, match=r"b\.edge: has the preprocessing .*mean=\(0\.5,\).*, a\.edge has"):
        run(first, second)
    with pytest.raises(
        InputError, match=r"m\.edge: has outputs logits \[-1, 1, 16, 16\] float32, a\.edge has logits \["
    ):
        run(first, write_mask_bundle(tmp_path / "m.edge"))
    (tmp_path / "sum.onnx").write_bytes(sum_onnx())
    with pytest.raises(InputError, match=r"sum\.onnx: has inputs left .*, steps .* int64, a\.edge has image"):
        run(first, tmp_path / "sum.onnx")


def test_files_that_are_missing_damaged_or_something_else_are_refused_by_name(tmp_path: Path) -> None:
    engine = write_int8(tmp_path / "a.edge")
    with pytest.raises(InputError, match=r"none\.edge: does not exist"):
        run(engine, tmp_path / "none.edge")
    (tmp_path / "note.txt").write_text("hello")
    with pytest.raises(InputError, match=r"note\.txt: is no \.edge file, \.onnx file or checkpoint folder"):
        run(engine, tmp_path / "note.txt")
    (tmp_path / "broken.onnx").write_bytes(b"no graph")
    with pytest.raises(ModelFileError, match=r"broken\.onnx: is not a readable ONNX file"):
        run(engine, tmp_path / "broken.onnx")
    (tmp_path / "cut.edge").write_bytes(engine.read_bytes()[:-40])
    with pytest.raises(BundleError, match=r"cut\.edge: is not a whole \.edge file"):
        run(engine, tmp_path / "cut.edge")
    (tmp_path / "folder").mkdir()
    with pytest.raises(CheckpointError, match=r"folder: is not a checkpoint folder, it has no config\.json"):
        run(engine, tmp_path / "folder")
    with pytest.raises(BackendError, match="'abacus': is not known here"):
        run(engine, choice=Choice(backends=("abacus",)))


def test_another_backend_for_an_onnx_file_is_taken_by_name(tmp_path: Path) -> None:
    both = Choice(backends=("openvino", "onnxruntime"))
    done = run(write_onnx(tmp_path / "a.onnx"), data=arrays(pictures()), choice=both)
    assert done.reference.name == "a.onnx: fp32 openvino"
    assert one(done).executable.name == "a.onnx: fp32 onnxruntime"
    assert one(done).verdict == "pass"
