"""Memory of a process that runs one engine, on a tiny real bundle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeneuro.benchmarks.power.memory import measure_memory
from edgeneuro.benchmarks.power.memory_child import blank_item
from edgeneuro.benchmarks.power.resident import Resident, resident, status_bytes
from edgeneuro.errors import BackendError, SensorError
from edgeneuro.runtime import Segmentation, open_engine
from tests.runtime.bundles import tiny_manifest, write_bundle
from tests.runtime.tiled_bundles import TILE_2D, TILE_3D, write_tiled_bundle

STATUS = "Name:\tpython\nVmPeak:\t  900000 kB\nVmHWM:\t  103424 kB\nVmRSS:\t   98304 kB\nThreads:\t1\n"
MIB = 2**20


def test_the_engine_and_its_library_come_on_top_of_the_interpreter(tmp_path: Path) -> None:
    edge = write_bundle(tmp_path / "tiny.edge")
    found = measure_memory(edge, precision="fp32", backend="onnxruntime", threads=1, frames=2)
    assert 10 * MIB < found.base_bytes < found.peak_bytes < 2000 * MIB
    assert found.peak_bytes - found.base_bytes > 5 * MIB  # onnxruntime's own library alone is larger
    assert found.device_bytes is None


def test_a_path_from_the_users_folder_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_bundle(tmp_path / "tiny.edge")
    monkeypatch.chdir(tmp_path)
    assert measure_memory(Path("tiny.edge"), precision="fp32", backend="onnxruntime", threads=None, frames=1).peak_bytes


def test_an_engine_that_is_refused_gives_the_reason(tmp_path: Path) -> None:
    edge = tmp_path / "no.edge"
    edge.write_bytes(b"no bundle")
    with pytest.raises(BackendError, match=r"no\.edge: measuring memory with fp32 on onnxruntime: .*BundleError"):
        measure_memory(edge, precision="fp32", backend="onnxruntime", threads=1)


def test_another_graph_than_asked_for_is_not_measured(tmp_path: Path) -> None:
    edge = write_bundle(tmp_path / "tiny.edge")
    with pytest.raises(BackendError, match=r"BundleError: .* has no int8 graph"):
        measure_memory(edge, precision="int8", backend="onnxruntime", threads=1)


def test_linux_says_now_and_peak(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text(STATUS)
    assert resident(status) == Resident(now=98304 * 1024, peak=103424 * 1024)


def test_a_process_knows_its_own_size() -> None:
    before = resident()
    block = np.ones(64 * MIB, np.uint8)
    after = resident()
    assert after.now - before.now > 60 * MIB
    assert after.peak >= after.now - MIB
    del block


def test_a_system_that_does_not_say_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "win32")
    with pytest.raises(SensorError, match="win32 has no /proc/self/status"):
        resident(tmp_path / "missing")
    with pytest.raises(SensorError, match="has no line VmHWM"):
        status_bytes("Name:\tpython\n", "VmHWM")


def test_networks_without_images_are_fed_zeros_of_every_input() -> None:
    manifest = tiny_manifest()
    image = blank_item(manifest)
    assert isinstance(image, np.ndarray)
    assert image.shape == (480, 640)
    arrays = blank_item(replace(manifest, preprocess=None))
    assert isinstance(arrays, dict)
    assert {name: array.shape for name, array in arrays.items()} == {"image": (1, 1, 32, 32)}


@pytest.mark.parametrize("tile", [TILE_2D, TILE_3D])
def test_an_engine_for_tiles_is_fed_one_of_them(tile: tuple[int, ...], tmp_path: Path) -> None:
    with open_engine(write_tiled_bundle(tmp_path / "tiles.edge", tile)) as engine:
        item = blank_item(engine.manifest)
        assert isinstance(item, np.ndarray) and item.shape == tile
        assert isinstance(engine(item), Segmentation)
