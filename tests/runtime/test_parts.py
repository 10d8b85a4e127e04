"""Backends, processor features, softmax."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np
import pytest

from edgeneuro.errors import BackendError
from edgeneuro.runtime import backends
from edgeneuro.runtime.backends import BACKENDS, library_version, open_backend, unavailable
from edgeneuro.runtime.cpu import cpu_features, features_in
from edgeneuro.runtime.postprocess import softmax
from edgeneuro.spec import Feed
from tests.runtime.bundles import SIDE, logits_of, tiny_onnx


@pytest.mark.parametrize("name", BACKENDS)
def test_every_backend_keeps_the_contract(name: str) -> None:
    if unavailable(name):
        pytest.skip(f"{name} {unavailable(name)}")
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


def brightness(count: int) -> list[Feed]:
    return [{"image": np.full((1, 1, SIDE, SIDE), number / count, np.float32)} for number in range(count)]


@pytest.mark.parametrize("streams", [1, 2, 3])
@pytest.mark.parametrize("name", BACKENDS)
def test_many_frames_are_answered_in_order_and_owned_by_the_caller(name: str, streams: int) -> None:
    if unavailable(name):
        pytest.skip(f"{name} {unavailable(name)}")
    feeds = brightness(12)
    with closing(open_backend(name, tiny_onnx(), threads=3, streams=streams)) as backend:
        many = list(backend.run_many(iter(feeds)))
        for feed, result in zip(feeds, many, strict=True):
            np.testing.assert_allclose(result["logits"], logits_of(np.asarray(feed["image"])), atol=1e-4)
            np.testing.assert_allclose(result["logits"], backend.run(feed)["logits"], atol=1e-4)


@pytest.mark.parametrize("streams", [1, 2])
@pytest.mark.parametrize("name", BACKENDS)
def test_no_backend_reads_ahead_of_what_it_can_compute(name: str, streams: int) -> None:
    if unavailable(name):
        pytest.skip(f"{name} {unavailable(name)}")
    taken: list[int] = []

    def camera() -> Iterator[Feed]:
        for number, feed in enumerate(brightness(50)):
            taken.append(number)
            yield feed

    with closing(open_backend(name, tiny_onnx(), threads=2, streams=streams)) as backend:
        results = backend.run_many(camera())
        assert taken == []
        next(results)
        next(results)
        assert len(taken) == 1 + streams


@pytest.mark.parametrize("streams", [1, 2])
@pytest.mark.parametrize("name", BACKENDS)
def test_a_frame_that_fails_or_a_closed_backend_ends_the_results_with_an_error(name: str, streams: int) -> None:
    if unavailable(name):
        pytest.skip(f"{name} {unavailable(name)}")
    backend = open_backend(name, tiny_onnx(), threads=2, streams=streams)
    good, bad = brightness(1)[0], {"image": np.zeros((1, 1, 5, 5), np.float32)}
    results = backend.run_many(iter([good, bad, good]))
    assert next(results)["logits"].shape == (1, 3)
    with pytest.raises(BackendError, match="failed to run"):
        next(results)
    results = backend.run_many(brightness(4))
    next(results)
    backend.close()
    with pytest.raises(BackendError, match="closed"):
        list(results)


@pytest.mark.parametrize("name", BACKENDS)
def test_several_threads_may_stream_through_one_backend(name: str) -> None:
    if unavailable(name):
        pytest.skip(f"{name} {unavailable(name)}")
    feeds = brightness(30)
    with closing(open_backend(name, tiny_onnx(), threads=2, streams=2)) as backend, ThreadPoolExecutor(3) as pool:
        alone = [backend.run(feed)["logits"] for feed in feeds]
        asked = [pool.submit(lambda: list(backend.run_many(iter(feeds)))) for _ in range(3)]
        for results in asked:
            np.testing.assert_array_equal([result["logits"] for result in results.result()], alone)


def test_more_streams_than_threads_are_refused() -> None:
    with pytest.raises(BackendError, match="got 3 streams, expected 1 to 2, since each needs a thread of its own"):
        open_backend("onnxruntime", tiny_onnx(), threads=2, streams=3)
    with pytest.raises(BackendError, match="got 0 streams, expected at least 1"):
        open_backend("onnxruntime", tiny_onnx(), threads=None, streams=0)


def test_a_backends_library_has_a_version_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    number = library_version("onnxruntime")
    assert number is not None
    assert number[0].isdigit()
    monkeypatch.setattr(backends, "unavailable", lambda name: "is not installed")
    assert library_version("onnxruntime") is None


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
