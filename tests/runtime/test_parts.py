"""Backends, processor features, softmax."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from edgeneuro.errors import BackendError
from edgeneuro.runtime.backends import BACKENDS, REMEDIES, is_installed, open_backend
from edgeneuro.runtime.cpu import cpu_features, features_in
from edgeneuro.runtime.postprocess import softmax
from tests.runtime.bundles import SIDE, tiny_onnx


@pytest.mark.parametrize("name", BACKENDS)
def test_every_backend_keeps_the_contract(name: str) -> None:
    if not is_installed(name):
        pytest.skip(f"{name} is not installed: {REMEDIES[name]}")
    backend = open_backend(name, tiny_onnx(), threads=1)
    assert [spec.name for spec in backend.inputs] == ["image"]
    assert backend.inputs[0].shape == (-1, 1, SIDE, SIDE)
    assert backend.inputs[0].dtype == "float32"
    outputs = backend.run({"image": np.zeros((2, 1, SIDE, SIDE), np.float32)})
    assert list(outputs) == [spec.name for spec in backend.outputs] == ["logits"]
    assert outputs["logits"].shape == (2, 3)
    with pytest.raises(BackendError, match="failed to run"):
        backend.run({"image": np.zeros((2, 1, 5, 5), np.float32)})
    backend.close()
    backend.close()
    with pytest.raises(BackendError, match="closed"):
        backend.run({"image": np.zeros((2, 1, SIDE, SIDE), np.float32)})


def test_every_backend_has_a_remedy() -> None:
    assert set(REMEDIES) == set(BACKENDS)


def test_an_unknown_backend_and_no_threads_are_refused() -> None:
    with pytest.raises(BackendError, match="'abacus': is not known here, expected one of onnxruntime"):
        open_backend("abacus", b"", threads=None)
    with pytest.raises(BackendError, match="got 0 threads"):
        open_backend("onnxruntime", tiny_onnx(), threads=0)


def test_a_library_that_is_not_installed_names_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "edgeneuro.runtime.backends.ort", raising=False)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(BackendError, match="run: pip install onnxruntime"):
        open_backend("onnxruntime", tiny_onnx(), threads=None)


def test_processor_features_are_read_from_cpuinfo_of_either_architecture() -> None:
    assert features_in("processor\t: 0\nflags\t\t: fpu avx2 avx512f avx512_vnni\n") == {"avx2", "avx512", "vnni"}
    assert features_in("flags : avx2 avx_vnni") == {"avx2", "vnni"}
    assert features_in("Features\t: fp asimd asimddp i8mm\n") == {"dotprod", "i8mm"}
    assert features_in("flags : sse2 not_avx512_vnni") == frozenset()
    assert features_in("") == frozenset()


def test_this_machine_names_its_architecture() -> None:
    assert cpu_features() & {"x86_64", "aarch64"}


def test_softmax_by_hand_and_far_out() -> None:
    np.testing.assert_allclose(softmax(np.log(np.array([[1.0, 3.0]], np.float32))), [[0.25, 0.75]], rtol=1e-6)
    assert softmax(np.array([[1e30, 0.0]], np.float32)).tolist() == [[1.0, 0.0]]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_softmax_of_no_number_is_refused(bad: float) -> None:
    with pytest.raises(BackendError, match="NaN or infinite"):
        softmax(np.array([[0.0, bad]], np.float32))
