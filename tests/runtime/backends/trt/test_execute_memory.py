"""Memory, CUDA graphs and arrays on the device, on a fake GPU: nothing is wasted and nothing left behind."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeneuro.errors import BackendError
from edgeneuro.runtime.backends.cuda.device_array import DeviceArray
from edgeneuro.runtime.backends.cuda.open import open_cuda
from tests.runtime.backends.trt.setup import BATCH, Setup, frames, set_up
from tests.runtime.bundles import logits_of


def test_nothing_is_allocated_while_frames_run(setup: Setup) -> None:
    opened = setup.open()
    opened.run({"image": frames(1)})
    before = setup.gpu.counts
    for seed in range(100):
        opened.run({"image": frames(1, seed)})
    after = setup.gpu.counts
    for kind in ("malloc", "free", "host_alloc", "host_free", "cudaStreamCreateWithFlags"):
        assert after.get(kind, 0) == before.get(kind, 0), kind
    opened.close()


def test_a_larger_batch_moves_the_buffers_and_a_smaller_one_does_not(plain: Setup) -> None:
    opened = plain.open(settings=BATCH)
    counts = []
    for size in (1, 4, 2, 4, 1):
        x = frames(size)
        np.testing.assert_allclose(opened.run({"image": x})["logits"], logits_of(x), atol=1e-4)
        counts.append(plain.gpu.counts["malloc"])
    assert counts == [counts[0], counts[0] + 2, counts[0] + 2, counts[0] + 2, counts[0] + 2]
    opened.close()


@pytest.mark.parametrize("version", ("10.3.0", "11.4.0"))
def test_nothing_is_copied_where_memory_is_shared(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, version: str
) -> None:
    made = set_up(monkeypatch, tmp_path, version, integrated=True)
    opened = made.open()
    for seed in range(5):
        x = frames(1, seed)
        np.testing.assert_allclose(opened.run({"image": x})["logits"], logits_of(x), atol=1e-4)
    assert {made.gpu.counts.get(kind, 0) for kind in ("to_device", "to_host", "on_device")} == {0}
    opened.close()
    assert (made.gpu.problems, made.gpu.live) == ([], {})


def test_closing_gives_everything_back_in_order(setup: Setup) -> None:
    opened = setup.open(streams=2)
    list(opened.run_many([{"image": frames(1, seed)} for seed in range(8)]))
    setup.gpu.releases.clear()  # of the build
    opened.close()
    opened.close()
    assert setup.gpu.live == {}
    last = {kind: len(setup.gpu.releases) - setup.gpu.releases[::-1].index(kind) for kind in setup.gpu.releases}
    first = {kind: setup.gpu.releases.index(kind) for kind in setup.gpu.releases}
    assert last["context"] <= first["engine"]
    assert last["engine"] <= first["runtime"]
    assert last["runtime"] <= min(first["host"], first["device"])
    assert max(last["host"], last["device"]) <= last["stream"]
    if not setup.rtx:
        assert last["executable"] <= first["context"]


def test_after_closing_nothing_runs(plain: Setup) -> None:
    opened = plain.open(streams=2)
    opened.close()
    with pytest.raises(BackendError, match="closed; open it again"):
        opened.run({"image": frames(1)})
    with pytest.raises(BackendError, match="closed; open it again"):
        list(opened.run_many([{"image": frames(1)}]))


def test_a_failed_opening_leaves_nothing_behind(plain: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise BackendError("no")

    monkeypatch.setattr("edgeneuro.runtime.backends.trt.execute.read_interface", fail)
    with pytest.raises(BackendError, match="no"):
        plain.open()
    assert plain.gpu.live == {}


def test_each_shape_is_captured_once_and_replayed(plain: Setup) -> None:
    opened = plain.open(settings=BATCH)
    for size in (4, 1):
        for seed in range(6):
            x = frames(size, seed)
            np.testing.assert_allclose(opened.run({"image": x})["logits"], logits_of(x), atol=1e-4)
    [lane] = opened.lanes
    assert lane.graphs.captured == 2
    launched = plain.gpu.counts["launch"]
    opened.run({"image": frames(4)})
    assert plain.gpu.counts["launch"] == launched + 1
    opened.close()


def test_graphs_are_captured_anew_after_the_buffers_moved(plain: Setup) -> None:
    opened = plain.open(settings=BATCH)
    for size in (1, 1, 1, 1, 4, 1, 1, 1, 1):
        x = frames(size)
        np.testing.assert_allclose(opened.run({"image": x})["logits"], logits_of(x), atol=1e-4)
    [lane] = opened.lanes
    assert lane.graphs.captured == 2
    opened.close()


def test_nothing_is_captured_while_shapes_take_turns(plain: Setup) -> None:
    opened = plain.open(settings=BATCH)
    for size in (4, 1) * 5:
        opened.run({"image": frames(size)})
    [lane] = opened.lanes
    assert (lane.graphs.captured, lane.graphs.refused) == (0, 0)
    opened.run({"image": frames(1)})
    assert (lane.graphs.captured, lane.graphs.refused) == (1, 0)
    opened.close()


def test_graphs_can_be_switched_off(plain: Setup) -> None:
    opened = plain.open(graphs=False)
    for _ in range(6):
        opened.run({"image": frames(1)})
    assert "capture" not in plain.gpu.counts
    opened.close()


def test_a_network_that_cannot_be_captured_runs_without(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = set_up(monkeypatch, tmp_path, "10.3.0", captures=False)
    caplog.set_level(logging.INFO, "edgeneuro")
    opened = made.open()
    for seed in range(6):
        x = frames(1, seed)
        np.testing.assert_allclose(opened.run({"image": x})["logits"], logits_of(x), atol=1e-4)
    [lane] = opened.lanes
    assert (lane.graphs.captured, lane.graphs.refused) == (0, 1)
    assert caplog.text.count("no CUDA graph") == 1
    opened.close()


def test_a_device_array_gives_the_same_answer_and_keeps_the_graph(plain: Setup) -> None:
    opened = plain.open()
    cuda = open_cuda()
    for seed in range(6):
        x = frames(1, seed)
        address, stream = cuda.allocate(x.nbytes), cuda.create_stream()
        pinned = cuda.allocate_host(x.nbytes, mapped=False)
        pinned.array[:] = x.reshape(-1).view(np.uint8)
        cuda.copy(address, pinned.address, x.nbytes, "to_device", stream)
        cuda.synchronize(stream)
        given = DeviceArray(address, x.shape, x.dtype, None)
        np.testing.assert_allclose(opened.run({"image": given})["logits"], logits_of(x), atol=1e-4)
    [lane] = opened.lanes
    assert lane.graphs.captured == 1
    opened.close()
    cuda.close()


def test_an_array_with_dlpack_on_the_host_serves_like_numpy(plain: Setup) -> None:
    torch = pytest.importorskip("torch")
    opened = plain.open()
    x = frames(1)
    np.testing.assert_allclose(opened.run({"image": torch.from_numpy(x)})["logits"], logits_of(x), atol=1e-4)
    opened.close()
