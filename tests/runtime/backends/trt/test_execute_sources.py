"""Where the engine and its compiled kernels come from, over a fake GPU and a cache of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeneuro.runtime.backends.trt import cache
from edgeneuro.runtime.backends.trt.records import Prebuilt
from edgeneuro.runtime.backends.trt.vault import Vault
from tests.runtime.backends.trt.setup import Setup, frames, set_up
from tests.runtime.bundles import logits_of, tiny_onnx


def test_the_second_opening_takes_the_engine_from_the_cache(setup: Setup, caplog: pytest.LogCaptureFixture) -> None:
    first = setup.open()
    first.close()
    caplog.clear()
    second = setup.open()
    assert (first.origin, second.origin) == ("build", "cache")
    assert caplog.text == ""
    x = frames(1)
    np.testing.assert_allclose(second.run({"image": x})["logits"], logits_of(x), atol=1e-4)
    second.close()


def test_after_a_driver_update_the_engine_is_built_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    set_up(monkeypatch, tmp_path, "10.3.0", driver=12040).open().close()
    made = set_up(monkeypatch, tmp_path, "10.3.0", driver=12060)
    opened = made.open()
    assert opened.origin == "build"
    assert "the cached engine is for driver 12.4, here is 12.6" in caplog.text
    opened.close()


def test_a_tampered_engine_is_never_loaded(plain: Setup, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    plain.open().close()
    [path] = (tmp_path / "cache" / "engines").iterdir()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    opened = plain.open()
    assert opened.origin == "build"
    assert "the cached engine is refused" in caplog.text
    opened.close()


def test_a_bundled_engine_that_fits_needs_no_build(plain: Setup) -> None:
    built = plain.open()
    identity = built.identity
    content = next(cache.engines(tiny_onnx(), identity, Vault())).content
    built.close()
    for path in Vault().entries.iterdir():
        path.unlink()
    opened = plain.open(prebuilt=Prebuilt(content=content, identity=identity))
    assert opened.origin == "bundle"
    x = frames(1)
    np.testing.assert_allclose(opened.run({"image": x})["logits"], logits_of(x), atol=1e-4)
    opened.close()


def test_a_bundled_engine_that_does_not_load_is_replaced_by_a_build(
    plain: Setup, caplog: pytest.LogCaptureFixture
) -> None:
    built = plain.open()
    identity = built.identity
    built.close()
    for path in Vault().entries.iterdir():
        path.unlink()
    opened = plain.open(prebuilt=Prebuilt(content=b"rubbish", identity=identity))
    assert opened.origin == "build"
    assert "cannot load the engine" in caplog.text and "it came from the bundle" in caplog.text
    opened.close()


def kernels() -> list[Path]:
    return [path for path in Vault().entries.iterdir() if path.suffix == ".kernels"]


def test_compiled_kernels_are_kept_after_the_warm_up_and_loaded_again(rtx: Setup) -> None:
    opened = rtx.open()
    assert kernels() == []
    for _ in range(3):
        opened.run({"image": frames(1)})
    [kept] = kernels()
    before = kept.stat().st_mtime_ns
    opened.close()
    compiled = rtx.gpu.counts["compiled"]
    again = rtx.open()
    again.run({"image": frames(1)})
    again.close()
    assert compiled > 0
    assert rtx.gpu.counts["compiled"] == compiled
    assert kept.stat().st_mtime_ns == before


def test_a_short_run_keeps_its_kernels_at_the_end(rtx: Setup) -> None:
    opened = rtx.open()
    opened.run({"image": frames(1)})
    opened.close()
    assert len(kernels()) == 1


def test_tampered_kernels_are_refused_and_compiled_again(rtx: Setup, caplog: pytest.LogCaptureFixture) -> None:
    opened = rtx.open()
    opened.run({"image": frames(1)})
    opened.close()
    [kept] = kernels()
    good = kept.read_bytes()
    kept.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    opened = rtx.open()
    assert "the cached kernels are refused" in caplog.text
    opened.run({"image": frames(1)})
    opened.close()
    assert kept.read_bytes() == good


def test_kernels_that_cannot_be_kept_stop_nothing(rtx: Setup, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = rtx.open()
    Vault().entries.chmod(0o777)
    x = frames(1)
    for _ in range(4):
        np.testing.assert_allclose(opened.run({"image": x})["logits"], logits_of(x), atol=1e-4)
    opened.close()
    assert kernels() == []


@pytest.mark.parametrize(("graphs", "strategy"), ((True, "WHOLE_GRAPH_CAPTURE"), (False, "DISABLED")))
def test_rtx_captures_graphs_by_itself(rtx: Setup, graphs: bool, strategy: str) -> None:
    opened = rtx.open(graphs=graphs)
    for _ in range(6):
        opened.run({"image": frames(1)})
    assert opened.lanes[0].graphs.captured == 0
    assert opened.lanes[0].context.get_runtime_config().cuda_graph_strategy.name == strategy
    opened.close()
