"""Settings reach every version that has them, and are refused by those that lack them.

Profiles and pools are read from the fakes, which keep what they were told; the libraries do not tell.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from edgeneuro.errors import BackendError
from edgeneuro.runtime.backends.trt.config import attach_timing_cache, make_config
from edgeneuro.runtime.backends.trt.library import Library, open_library
from edgeneuro.runtime.backends.trt.network import parse
from edgeneuro.runtime.backends.trt.progress import make_monitor
from edgeneuro.runtime.backends.trt.records import BuildSettings
from tests.fakes.use import TensorRt, fake_gpu
from tests.tiny_graphs import quantized_convolution

EVERY = ("10.3.0", "10.16.1", "11.4.0", "rtx")
FULL = EVERY[:3]


@dataclass(frozen=True)
class Start:
    """A parsed network, and the builder it was made with."""

    library: Library
    builder: Any
    network: Any

    def config(self, settings: BuildSettings) -> Any:
        monitor = make_monitor(self.library, lambda line: None)
        return make_config(self.builder, self.network, self.library, settings, monitor)

    def refusal(self, settings: BuildSettings) -> str:
        with pytest.raises(BackendError) as caught:
            self.config(settings)
        return str(caught.value)

    def flags(self, settings: BuildSettings) -> set[str]:
        config = self.config(settings)
        names = {int(flag): name for name, flag in self.library.members("BuilderFlag").items()}  # aliases once
        return {name for number, name in names.items() if config.flags & 1 << number}


def start(version: str, monkeypatch: pytest.MonkeyPatch, *, fixed_batch: bool = False) -> Start:
    if version == "rtx":
        fake_gpu(monkeypatch, rtx="1.7.1")
    else:
        known: dict[str, TensorRt] = {"10.3.0": "10.3.0", "10.16.1": "10.16.1", "11.4.0": "11.4.0"}
        fake_gpu(monkeypatch, tensorrt=known[version])
    library = open_library("tensorrt-rtx" if version == "rtx" else "tensorrt")
    model = quantized_convolution(np.array(0, np.int8))
    if fixed_batch:
        for value in (*model.graph.input, *model.graph.output):
            value.type.tensor_type.shape.dim[0].dim_value = 1
    builder = library.module.Builder(library.log)
    parsed = parse(model.SerializeToString(), builder, library, [])
    return Start(library, builder, parsed.network)


@pytest.mark.parametrize("version", EVERY)
def test_without_settings_no_flag_is_set_neither_of_precision_nor_tf32(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = start(version, monkeypatch)
    assert made.builder.create_builder_config().get_flag(made.library.module.BuilderFlag.TF32)
    assert made.flags(BuildSettings()) == set()


@pytest.mark.parametrize("version", EVERY)
def test_workspace_and_level_reach_the_builder(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = start(version, monkeypatch)
    config = made.config(BuildSettings(workspace_mib=64, level=1))
    assert config.get_memory_pool_limit(made.library.module.MemoryPoolType.WORKSPACE) == 64 << 20
    assert config.builder_optimization_level == 1
    untouched = made.config(BuildSettings())
    assert untouched.builder_optimization_level == 3
    assert untouched.get_memory_pool_limit(made.library.module.MemoryPoolType.WORKSPACE) > 64 << 20


@pytest.mark.parametrize("version", EVERY)
def test_the_engine_is_told_to_name_its_layers_and_to_report_progress(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = start(version, monkeypatch)
    config = made.config(BuildSettings())
    assert config.profiling_verbosity == made.library.module.ProfilingVerbosity.DETAILED
    assert isinstance(config.progress_monitor, made.library.module.IProgressMonitor)


@pytest.mark.parametrize("version", EVERY)
def test_a_free_batch_may_be_one_to_the_largest_and_is_fastest_there(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = start(version, monkeypatch)
    (profile,) = made.config(BuildSettings(max_batch=4))._fake.profiles
    assert profile.shapes == {"x": [[1, 8, 6, 6], [4, 8, 6, 6], [4, 8, 6, 6]]}


def test_a_batch_for_a_graph_without_a_free_one_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    made = start("10.3.0", monkeypatch, fixed_batch=True)
    (profile,) = made.config(BuildSettings())._fake.profiles
    assert profile.shapes["x"] == [[1, 8, 6, 6]] * 3
    assert "got a batch of 4, but no input of the graph has a free batch" in made.refusal(BuildSettings(max_batch=4))


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (BuildSettings(level=6), "got a level 6, expected 0 to 5"),
        (BuildSettings(workspace_mib=0), "got a workspace of 0 MiB, expected at least 1"),
        (BuildSettings(max_batch=0), "got a batch of 0, expected at least 1"),
        (BuildSettings(refit=True, strip=True), "got refit and strip, expected one of them"),
    ],
)
def test_settings_out_of_range_are_refused(
    settings: BuildSettings, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert reason in start("11.4.0", monkeypatch).refusal(settings)


@pytest.mark.parametrize("version", EVERY)
def test_refit_and_strip_set_their_flags(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = start(version, monkeypatch)
    assert made.flags(BuildSettings(refit=True)) == {"REFIT"}
    assert made.flags(BuildSettings(strip=True)) == {"STRIP_PLAN", "REFIT_IDENTICAL"}


@pytest.mark.parametrize("version", FULL)
def test_sparse_weights_set_their_flag(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert start(version, monkeypatch).flags(BuildSettings(sparse_weights=True)) == {"SPARSE_WEIGHTS"}


def test_sparse_weights_are_refused_by_a_library_without_the_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    made = start("11.4.0", monkeypatch)
    monkeypatch.setattr(Library, "member", lambda *_: None)
    said = made.refusal(BuildSettings(sparse_weights=True))
    assert "cannot build engines with kernels for sparse weights (it has no BuilderFlag.SPARSE_WEIGHTS)" in said


@pytest.mark.parametrize("version", FULL)
def test_version_compatible_engines_carry_no_host_code(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = start(version, monkeypatch)
    assert made.flags(BuildSettings(version_compatible=True)) == {"VERSION_COMPATIBLE", "EXCLUDE_LEAN_RUNTIME"}


@pytest.mark.parametrize("version", FULL)
def test_one_engine_for_ampere_and_later(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = start(version, monkeypatch)
    level = made.config(BuildSettings(hardware="ampere+")).hardware_compatibility_level
    assert level == made.library.module.HardwareCompatibilityLevel.AMPERE_PLUS


def test_a_compatibility_level_that_a_version_lacks_is_refused_with_those_it_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = BuildSettings(hardware="same-compute-capability")
    said = start("10.3.0", monkeypatch).refusal(settings)
    assert said.endswith("is not known to it, expected one of none, ampere+")
    newer = start("10.16.1", monkeypatch)
    level = newer.config(settings).hardware_compatibility_level
    assert level == newer.library.module.HardwareCompatibilityLevel.SAME_COMPUTE_CAPABILITY


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (BuildSettings(version_compatible=True), "cannot build version-compatible engines"),
        (BuildSettings(hardware="ampere+"), "name the GPUs by their compute capabilities instead"),
        (BuildSettings(compute_capabilities=("9.0",)), "compute capability 9.0: is not known"),
        (BuildSettings(sparse_weights=True), "builds the same engine, byte by byte"),
    ],
)
def test_what_tensorrt_rtx_would_ignore_is_refused(
    settings: BuildSettings, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert reason in start("rtx", monkeypatch).refusal(settings)


@pytest.mark.parametrize("version", FULL)
def test_compute_capabilities_are_for_tensorrt_rtx_alone(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said = start(version, monkeypatch).refusal(BuildSettings(compute_capabilities=("8.6",)))
    assert "builds for the GPU it runs on alone" in said


def test_tensorrt_rtx_is_told_every_compute_capability(monkeypatch: pytest.MonkeyPatch) -> None:
    made = start("rtx", monkeypatch)
    config = made.config(BuildSettings(compute_capabilities=("8.6", "12.0")))
    found = [config.get_compute_capability(index) for index in range(config.num_compute_capabilities)]
    kinds = made.library.module.ComputeCapability
    assert found == [kinds.SM86, kinds.SM120]


@pytest.mark.parametrize("version", FULL)
def test_a_timing_cache_is_used_again(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = start(version, monkeypatch)
    first = made.config(BuildSettings())
    cache = attach_timing_cache(first, made.library, b"")
    assert made.builder.build_serialized_network(made.network, first) is not None
    kept = bytes(cache.serialize())  # type: ignore[union-attr]
    again = attach_timing_cache(made.config(BuildSettings()), made.library, kept)
    assert bytes(again.serialize()) == kept  # type: ignore[union-attr]


@pytest.mark.parametrize("version", FULL)
def test_a_damaged_or_foreign_timing_cache_is_replaced_by_a_fresh_one(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = start(version, monkeypatch)
    config = made.config(BuildSettings())
    fresh = bytes(attach_timing_cache(config, made.library, b"").serialize())  # type: ignore[union-attr]
    foreign = fresh.replace(version.encode(), b"9.9.9")
    assert foreign != fresh
    for known in (b"garbage", foreign):
        replaced = attach_timing_cache(made.config(BuildSettings()), made.library, known)
        assert bytes(replaced.serialize()) == fresh  # type: ignore[union-attr]


def test_tensorrt_rtx_is_asked_for_no_timing_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    made = start("rtx", monkeypatch)
    config = made.config(BuildSettings())
    assert attach_timing_cache(config, made.library, b"") is None
    assert config.get_timing_cache() is None
