"""Which engine is taken: what fits and was kept, what fits and came along, else one built here."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgeneuro.errors import BackendError
from edgeneuro.runtime.backends.trt import cache
from edgeneuro.runtime.backends.trt.cache import engines, prepare
from edgeneuro.runtime.backends.trt.identity import fits, platform_name
from edgeneuro.runtime.backends.trt.records import (
    BuildReport,
    BuildSettings,
    BuiltEngine,
    EngineIdentity,
    Flavour,
    Prebuilt,
)
from edgeneuro.runtime.backends.trt.vault import Vault
from tests.fakes.use import fake_gpu

HERE = EngineIdentity(
    graph="ab" * 32,
    flavour="tensorrt",
    version="10.3.0",
    platform="linux-aarch64",
    compute_capabilities=("8.7",),
    gpu="Orin",
    multiprocessors=16,
    driver="12.6",
)
DEVICELESS = replace(
    HERE, flavour="tensorrt-rtx", compute_capabilities=("8.6", "8.9"), gpu="", multiprocessors=0, driver=""
)


class Builds:
    """Stands for the builder: engines are numbered."""

    def __init__(self) -> None:
        self.settings: list[BuildSettings] = []
        self.timing_caches: list[bytes] = []

    def __call__(
        self,
        model: bytes,
        flavour: Flavour,
        settings: BuildSettings,
        *,
        timing_cache: bytes = b"",
        progress: Callable[[str], None],
    ) -> BuiltEngine:
        self.settings.append(settings)
        self.timing_caches.append(timing_cache)
        progress("half done")
        number = len(self.settings)
        report = BuildReport(flavour=flavour, version="10.3.0", warnings=("odd",), engine_bytes=7)
        return BuiltEngine(content=b"engine %d" % number, report=report, timing_cache=b"timing %d" % number)


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> Builds:
    made = Builds()
    monkeypatch.setattr(cache, "build", made)
    return made


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path)


def taken(vault: Vault, here: EngineIdentity = HERE, **options: Any) -> tuple[bytes, str]:
    source = next(engines(b"model", here, vault, **options))
    return source.content, source.origin


@pytest.mark.parametrize(
    ("change", "told"),
    (
        ({"graph": "cd" * 32}, "graph abababababab, here is cdcdcdcdcdcd"),
        ({"flavour": "tensorrt-rtx"}, "flavour tensorrt, here is tensorrt-rtx"),
        ({"version": "10.4.0"}, "version 10.3.0, here is 10.4.0"),
        ({"platform": "linux-x86_64"}, "platform linux-aarch64, here is linux-x86_64"),
        ({"compute_capabilities": ("8.9",)}, "compute capability 8.7, here is 8.9"),
        ({"gpu": "Orin Nano"}, "gpu Orin, here is Orin Nano"),
        ({"multiprocessors": 8}, "multiprocessors 16, here is 8"),
        ({"driver": "12.8"}, "driver 12.6, here is 12.8"),
    ),
)
def test_the_field_that_differs_is_named_with_both_values(change: dict[str, Any], told: str) -> None:
    assert fits(HERE, HERE) == ""
    assert fits(HERE, replace(HERE, **change)) == told


def test_an_engine_built_without_a_device_fits_every_gpu_of_its_compute_capabilities() -> None:
    here = replace(HERE, flavour="tensorrt-rtx", compute_capabilities=("8.9",))
    assert fits(DEVICELESS, here) == ""
    assert (
        fits(DEVICELESS, replace(here, compute_capabilities=("9.0",))) == "compute capability 8.6 or 8.9, here is 9.0"
    )


def test_an_engine_for_all_of_ampere_and_later_fits_another_gpu_but_none_before() -> None:
    wide = replace(HERE, settings=BuildSettings(hardware="ampere+"))
    other = replace(HERE, gpu="A30", multiprocessors=56, compute_capabilities=("8.0",))
    assert fits(wide, other) == ""
    assert fits(HERE, other) != ""
    assert "compute capability" in fits(wide, replace(other, compute_capabilities=("7.5",)))


def test_settings_count_only_when_they_were_asked_for() -> None:
    built = replace(HERE, settings=BuildSettings(max_batch=4))
    assert fits(built, HERE) == ""
    assert fits(built, HERE, BuildSettings(max_batch=8)) == "max batch 4, asked for is 8"


def test_the_platform_names_system_and_processor() -> None:
    system, _, processor = platform_name().partition("-")
    assert system and processor


def test_what_was_built_is_taken_from_the_cache_the_next_time(vault: Vault, builds: Builds) -> None:
    assert taken(vault) == (b"engine 1", "build")
    assert taken(vault) == (b"engine 1", "cache")
    assert len(builds.settings) == 1


def test_the_next_one_is_tried_only_when_asked_for(vault: Vault, builds: Builds) -> None:
    taken(vault)
    origins = [source.origin for source in engines(b"model", HERE, vault)]
    assert origins == ["cache", "build"]


def test_a_new_driver_means_a_new_engine_with_the_settings_of_the_old(
    vault: Vault, builds: Builds, caplog: pytest.LogCaptureFixture
) -> None:
    taken(vault, settings=BuildSettings(max_batch=4))
    assert taken(vault, replace(HERE, driver="12.8")) == (b"engine 2", "build")
    assert "the cached engine is for driver 12.6, here is 12.8" in caplog.text
    assert [each.max_batch for each in builds.settings] == [4, 4]
    assert taken(vault, replace(HERE, driver="12.8")) == (b"engine 2", "cache")


def test_what_a_build_measured_helps_the_next_on_the_same_gpu_alone(vault: Vault, builds: Builds) -> None:
    taken(vault)
    taken(vault, replace(HERE, driver="12.8"))
    taken(vault, replace(HERE, gpu="Orin Nano", driver="12.8"))
    assert builds.timing_caches == [b"", b"timing 1", b""]


def test_any_settings_do_unless_others_are_asked_for(vault: Vault, builds: Builds) -> None:
    taken(vault, settings=BuildSettings(max_batch=4))
    assert taken(vault)[1] == "cache"
    assert taken(vault, settings=BuildSettings(max_batch=8)) == (b"engine 2", "build")


def test_the_bundles_engine_is_taken_where_nothing_was_kept(vault: Vault, builds: Builds) -> None:
    here = replace(HERE, flavour="tensorrt-rtx", compute_capabilities=("8.9",))
    assert taken(vault, here, prebuilt=Prebuilt(content=b"bundled", identity=DEVICELESS)) == (b"bundled", "bundle")
    assert builds.settings == []


def test_a_bundled_engine_for_another_gpu_is_not_taken(
    vault: Vault, builds: Builds, caplog: pytest.LogCaptureFixture
) -> None:
    here = replace(HERE, flavour="tensorrt-rtx")
    assert taken(vault, here, prebuilt=Prebuilt(content=b"bundled", identity=DEVICELESS))[1] == "build"
    assert "the bundle's engine is for compute capability 8.6 or 8.9, here is 8.7" in caplog.text


def test_a_tampered_entry_is_refused_said_and_built_again(
    vault: Vault, builds: Builds, caplog: pytest.LogCaptureFixture
) -> None:
    taken(vault)
    [path] = vault.entries.iterdir()
    content = path.read_bytes()
    path.write_bytes(content.replace(b"engine 1", b"engine!1"))
    assert taken(vault) == (b"engine 2", "build")
    assert "the cached engine is refused" in caplog.text
    assert taken(vault) == (b"engine 2", "cache")


def test_every_flipped_byte_of_a_kept_engine_leads_to_a_build(vault: Vault, builds: Builds) -> None:
    taken(vault)
    [path] = vault.entries.iterdir()
    good = path.read_bytes()
    for position in range(len(good)):
        path.write_bytes(good[:position] + bytes([good[position] ^ 0x80]) + good[position + 1 :])
        assert taken(vault)[1] == "build", position
    assert len(good) > 500


def test_an_authentic_entry_of_another_form_is_refused(
    vault: Vault, builds: Builds, caplog: pytest.LogCaptureFixture
) -> None:
    taken(vault)
    [path] = vault.entries.iterdir()
    header = b'{"schema": 2}'
    vault.write(path.name, len(header).to_bytes(8, "big"), header)
    assert taken(vault)[1] == "build"
    assert "the cached engine is refused" in caplog.text


def test_without_a_cache_it_builds_every_time_and_says_so(
    tmp_path: Path, builds: Builds, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("in the way")
    blocked = Vault(tmp_path / "file")
    assert taken(blocked) == (b"engine 1", "build")
    assert taken(blocked) == (b"engine 2", "build")
    assert "the next start builds it again" in caplog.text


def test_a_build_is_announced_and_its_progress_told(
    vault: Vault, builds: Builds, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "edgeneuro")
    taken(vault)
    announced = [record for record in caplog.records if "on a Jetson that takes minutes" in record.getMessage()]
    assert [record.levelname for record in announced] == ["WARNING"]
    assert ("edgeneuro", logging.INFO, "half done") in caplog.record_tuples


def test_preparing_replaces_what_was_kept_and_reports(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, builds: Builds
) -> None:
    fake_gpu(monkeypatch, tensorrt="10.3.0")
    monkeypatch.setenv("EDGENEURO_CACHE", str(tmp_path))
    lines: list[str] = []
    first = prepare(b"model", "tensorrt", BuildSettings(), lines.append)
    prepare(b"model", "tensorrt", BuildSettings(max_batch=2), lines.append)
    assert (first.warnings, lines) == (("odd",), ["half done", "half done"])
    assert [path.suffix for path in (tmp_path / "engines").iterdir()] == [".engine"]
    assert builds.timing_caches == [b"", b"timing 1"]


def test_preparing_fails_where_nothing_can_be_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, builds: Builds
) -> None:
    fake_gpu(monkeypatch, tensorrt="10.3.0")
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("EDGENEURO_CACHE", str(tmp_path / "file"))
    with pytest.raises(BackendError, match="cannot be kept"):
        prepare(b"model", "tensorrt", BuildSettings(), lambda line: None)
