"""backend="auto": what is compared, what is taken, what is kept and when it is not believed."""

from __future__ import annotations

import json
import logging
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeneuro.cache import cache_folder
from edgeneuro.errors import BackendError, BundleError, SelfTestError
from edgeneuro.manifest import Graph, Manifest
from edgeneuro.runtime import Bundle, auto, open_engine
from edgeneuro.runtime.auto import Choice, choose_auto
from edgeneuro.runtime.backends import BACKENDS, Backend
from edgeneuro.runtime.open_graph import open_graph
from edgeneuro.spec import Feed
from tests.runtime.bundles import SIDE, tiny_graph, tiny_manifest, tiny_members, tiny_onnx, write_bundle

FLOAT = tiny_graph("model.onnx")
INT8 = tiny_graph("graphs/onnxruntime.int8.onnx", precision="int8")
OPENVINO = tiny_graph("graphs/openvino.int8.onnx", precision="int8", backend="openvino")
NEEDY = tiny_graph("graphs/onnxruntime.int8.onnx", precision="int8", requires=("abacus",))
QUANTISED = tiny_manifest(precision="int8", graphs=(FLOAT, INT8, OPENVINO))

MISSING = "is not installed; run: pip install 'edgeneuro[openvino]'"
PROCESSORS = {name: kind for name, kind in BACKENDS.items() if not kind.gpu}

ORT_FLOAT, OV_FLOAT = "model.onnx on onnxruntime", "model.onnx on openvino"
ORT_INT8, OV_INT8 = "graphs/onnxruntime.int8.onnx on onnxruntime", "graphs/openvino.int8.onnx on openvino"

Times = Mapping[str, Sequence[float]]


class Bench:
    """In place of the clock: milliseconds that are given; and OpenVINO played by ONNX Runtime, so that nothing here depends on
    whether it is installed."""

    def __init__(self) -> None:
        self.ms: Times = {}
        self.raced: list[set[str]] = []
        self.installed = {"onnxruntime", "openvino"}
        self.versions = {"onnxruntime": "1.0", "openvino": "2.0"}
        self.opened: list[tuple[str, int | None, int]] = []
        self.refuses: dict[str, Exception] = {}
        self.closed = 0

    def race(
        self, backends: Mapping[str, Backend], feeds: Sequence[Feed], *, streams: int
    ) -> dict[str, np.ndarray[tuple[int], np.dtype[np.float64]]]:
        assert all(backend.run(feeds[0]) for backend in backends.values())  # all are open at the same time
        self.raced.append(set(backends))
        return {name: np.resize(np.array(self.ms[name], float), 30) for name in backends}

    def open_graph(self, bundle: Bundle, graph: Graph, where: str, *, threads: int | None, streams: int) -> Backend:
        self.opened.append((f"{graph.path} on {graph.backend}", threads, streams))
        if self.opened[-1][0] in self.refuses:
            raise self.refuses[self.opened[-1][0]]
        played = replace(graph, backend="onnxruntime")
        return open_graph(bundle, played, where, threads=threads, streams=streams)


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bench:
    bench = Bench()
    monkeypatch.setenv("EDGENEURO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(auto, "race", bench.race)
    monkeypatch.setattr(auto, "open_graph", bench.open_graph)
    monkeypatch.setattr("edgeneuro.runtime.engine.open_graph", bench.open_graph)
    monkeypatch.setattr(auto, "BACKENDS", PROCESSORS)
    monkeypatch.setattr(auto, "unavailable", lambda name: "" if name in bench.installed else MISSING)
    monkeypatch.setattr(auto, "library_version", lambda name: bench.versions[name] if name in bench.installed else None)
    bench.ms = {ORT_FLOAT: [4], OV_FLOAT: [3], ORT_INT8: [2], OV_INT8: [1]}
    return bench


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "net.edge", QUANTISED)


def taken(choice: Choice) -> str:
    return f"{choice.path} on {choice.backend}"


def entries() -> list[Path]:
    return sorted(cache_folder().rglob("*.json"))


# --- what is compared and taken


def test_the_asked_precision_and_float_are_compared_on_every_backend_and_the_fastest_taken(
    bench: Bench, path: Path
) -> None:
    choice = choose_auto(path, threads=1)
    assert bench.raced == [{ORT_FLOAT, OV_FLOAT, ORT_INT8, OV_INT8}]
    assert (taken(choice), choice.precision, choice.flags) == (OV_INT8, "int8", ())
    assert choice.ms == {ORT_FLOAT: 4, OV_FLOAT: 3, ORT_INT8: 2, OV_INT8: 1}
    assert choice.reason == (
        f"{OV_INT8} is the fastest, 1 ms a frame; {ORT_INT8} takes 2 ms, {OV_FLOAT} takes 3 ms, {ORT_FLOAT} takes 4 ms"
    )
    assert (choice.sure, choice.cached) == (True, False)


def test_int8_never_replaces_float(bench: Bench, path: Path) -> None:
    choice = choose_auto(path, precision="fp32")
    assert bench.raced == [{ORT_FLOAT, OV_FLOAT}]
    assert taken(choice) == OV_FLOAT


def test_float_that_is_faster_than_int8_is_taken_and_flagged(bench: Bench, path: Path) -> None:
    bench.ms = {ORT_FLOAT: [1], OV_FLOAT: [3], ORT_INT8: [2], OV_INT8: [2]}
    choice = choose_auto(path)
    assert (taken(choice), choice.flags) == (ORT_FLOAT, ("int8_runs_as_fp32",))


@pytest.mark.parametrize(
    ("ms", "expected"),
    [
        ({ORT_FLOAT: [9], OV_FLOAT: [9], ORT_INT8: [1.01], OV_INT8: [1]}, ORT_INT8),  # closer than anyone can tell
        (
            {ORT_FLOAT: [9], OV_FLOAT: [9], ORT_INT8: [1.0, 1.1, 1.05], OV_INT8: [1.05, 1.0, 1.1]},
            ORT_INT8,
        ),  # within noise
        ({ORT_FLOAT: [9], OV_FLOAT: [9], ORT_INT8: [1.05], OV_INT8: [1]}, OV_INT8),
    ],
)
def test_onnxruntime_is_preferred_when_it_is_no_slower_within_noise(
    bench: Bench, path: Path, ms: Times, expected: str
) -> None:
    bench.ms = ms
    assert taken(choose_auto(path)) == expected


def test_of_equals_on_one_backend_the_one_with_fewer_bytes_is_taken(bench: Bench, tmp_path: Path) -> None:
    small = tiny_onnx()
    large = small + b"\x12" + bytes([127]) + 127 * b"n"  # producer_name, so that only the size differs
    bench.ms = {name: [1.0] for name in bench.ms}
    for number, (of_float, of_int8, expected) in enumerate(((large, small, ORT_INT8), (small, large, ORT_FLOAT))):
        members = tiny_members(QUANTISED) | {"model.onnx": of_float, INT8.path: of_int8}
        assert taken(choose_auto(write_bundle(tmp_path / f"{number}.edge", QUANTISED, members))) == expected


def test_mixed_is_compared_as_int8_with_its_flag(bench: Bench, tmp_path: Path) -> None:
    mixed = tiny_graph("graphs/tensorrt.mixed.onnx", precision="mixed", backend="tensorrt")
    manifest = replace(QUANTISED, precision="mixed", graphs=(*QUANTISED.graphs, mixed))
    choice = choose_auto(write_bundle(tmp_path / "mixed.edge", manifest))
    assert (taken(choice), choice.flags) == (OV_INT8, ("mixed_runs_as_int8",))


def test_a_precision_the_bundle_lacks_is_refused(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="has no int8 graph for onnxruntime, openvino; it holds fp32"):
        choose_auto(write_bundle(tmp_path / "float.edge"), precision="int8")


def test_threads_and_streams_are_those_that_are_asked_for(bench: Bench, path: Path) -> None:
    choose_auto(path, threads=4, streams=2)
    assert {(threads, streams) for _, threads, streams in bench.opened} == {(4, 2)}


# --- what is left out


def test_what_is_not_installed_is_left_out_with_the_remedy(bench: Bench, path: Path) -> None:
    bench.installed.discard("openvino")
    choice = choose_auto(path)
    assert bench.raced == [{ORT_FLOAT, ORT_INT8}]
    assert taken(choice) == ORT_INT8
    assert choice.excluded == {"openvino": "is not installed; run: pip install 'edgeneuro[openvino]'"}
    assert "not compared: openvino (is not installed; run: pip install 'edgeneuro[openvino]')" in choice.reason


def test_what_needs_another_processor_is_left_out_and_float_stands_in_for_it(bench: Bench, tmp_path: Path) -> None:
    bench.installed.discard("openvino")
    path = write_bundle(tmp_path / "needy.edge", tiny_manifest(precision="int8", graphs=(FLOAT, NEEDY)))
    choice = choose_auto(path)
    assert bench.raced == []
    assert (taken(choice), choice.ms, choice.flags) == (ORT_FLOAT, {}, ("int8_runs_as_fp32",))
    assert choice.reason.startswith(f"{ORT_FLOAT} is the only one that runs here; not compared: ")
    assert f"{ORT_INT8} (needs a processor with abacus, which this one does not show)" in choice.reason


def test_what_does_not_reproduce_its_golden_outputs_is_left_out_however_fast(
    bench: Bench, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    members = tiny_members(QUANTISED) | {OPENVINO.path: tiny_onnx(bias=np.array([0, 0, 1], np.float32))}
    with caplog.at_level(logging.WARNING, "edgeneuro"):
        choice = choose_auto(write_bundle(tmp_path / "wrong.edge", QUANTISED, members))
    assert OV_INT8 not in choice.ms
    assert taken(choice) == ORT_INT8
    assert "differs from its golden value" in choice.excluded[OV_INT8]
    assert f"{OV_INT8} is left out" in caplog.text


def test_what_its_library_refuses_is_left_out(bench: Bench, path: Path) -> None:
    bench.refuses = {OV_INT8: BackendError("openvino: compiling the graph: crashed with SIGSEGV; try another")}
    choice = choose_auto(path)
    assert taken(choice) == ORT_INT8
    assert choice.excluded == {OV_INT8: "openvino: compiling the graph: crashed with SIGSEGV"}


@pytest.mark.parametrize(
    ("error", "kind"), [(BackendError("a: no; b"), BackendError), (SelfTestError("a: off; b"), SelfTestError)]
)
def test_nothing_that_keeps_its_promise_is_an_error_that_names_all(
    bench: Bench, path: Path, error: Exception, kind: type[Exception]
) -> None:
    bench.refuses = dict.fromkeys((ORT_FLOAT, OV_FLOAT, ORT_INT8, OV_INT8), error)
    with pytest.raises(kind, match=r"nothing in it runs here: .*model\.onnx on onnxruntime"):
        choose_auto(path)
    assert entries() == []


# --- what is kept


def test_a_choice_is_measured_once_and_kept_in_a_private_folder(bench: Bench, path: Path) -> None:
    first = choose_auto(path, threads=1)
    second = choose_auto(path, threads=1)
    assert len(bench.raced) == 1
    assert second == replace(first, cached=True)
    (kept,) = entries()
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700


def _another_version(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.versions["openvino"] = "2.1"


def _less_installed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.installed.discard("openvino")


def _another_processor(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auto, "processor_name", lambda: "Abacus 9000")


def _fewer_cores(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auto, "core_count", lambda: 99)


@pytest.mark.parametrize("change", [_another_version, _less_installed, _another_processor, _fewer_cores])
def test_a_choice_is_measured_again_when_what_it_rests_on_changes(
    bench: Bench,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Bench, pytest.MonkeyPatch], None],
) -> None:
    choose_auto(path)
    change(bench, monkeypatch)
    assert not choose_auto(path).cached
    assert choose_auto(path).cached
    assert len(bench.raced) == 2
    assert len(entries()) == 1


def test_precisions_threads_streams_and_bundles_have_choices_of_their_own(bench: Bench, path: Path) -> None:
    other = write_bundle(path.parent / "other.edge", replace(QUANTISED, notes=("built again",)))
    for file in (path, other):
        choose_auto(file)
        choose_auto(file, precision="fp32")
        choose_auto(file, threads=2)
        choose_auto(file, threads=2, streams=2)
    assert len(bench.raced) == len(entries()) == 8
    assert choose_auto(path, threads=2).cached


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\x80\x04K\x01.", b"[" * 100_000])
def test_a_damaged_entry_is_measured_again(bench: Bench, path: Path, content: bytes) -> None:
    choose_auto(path)
    entries()[0].write_bytes(content)
    assert not choose_auto(path).cached
    assert choose_auto(path).cached


def test_an_entry_that_names_what_the_bundle_does_not_hold_is_measured_again(bench: Bench, path: Path) -> None:
    choose_auto(path)
    (entry,) = entries()
    value = json.loads(entry.read_text())
    value["choice"]["path"] = "graphs/elsewhere.onnx"
    entry.write_text(json.dumps(value))
    assert not choose_auto(path).cached


@pytest.mark.parametrize("steady", [0.9, 1.2])
def test_a_busy_machine_s_choice_is_not_kept_and_says_so(bench: Bench, path: Path, steady: float) -> None:
    bench.ms = {ORT_FLOAT: [9], OV_FLOAT: [9], ORT_INT8: [1, 3, 0.5], OV_INT8: [steady]}
    choice = choose_auto(path)
    assert not choice.sure
    assert "too busy to tell" in choice.reason
    assert entries() == []


def test_an_interrupt_while_measuring_keeps_nothing(bench: Bench, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(auto, "race", interrupted)
    with pytest.raises(KeyboardInterrupt):
        choose_auto(path)
    assert entries() == []


def test_a_cache_that_cannot_be_written_changes_nothing_else(
    bench: Bench, path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("EDGENEURO_CACHE", str(tmp_path / "file"))
    with caplog.at_level(logging.INFO, "edgeneuro"):
        assert taken(choose_auto(path)) == OV_INT8
    assert "nothing is cached" in caplog.text


# --- opening


def test_an_engine_opened_with_auto_runs_the_choice_and_knows_why(
    bench: Bench, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "edgeneuro"), open_engine(path, backend="auto", threads=1) as engine:
        assert engine.choice is not None
        assert (engine.graph.path, engine.graph.backend) == (OPENVINO.path, "openvino")
        assert engine.self_test_difference is not None
        assert engine.classify(np.zeros((SIDE, SIDE), np.uint8)).label == "dark"
    assert f"{path}: {engine.choice.reason}" in caplog.messages


def test_flags_of_the_choice_are_in_every_result(bench: Bench, path: Path) -> None:
    bench.ms = {ORT_FLOAT: [9], OV_FLOAT: [1], ORT_INT8: [2], OV_INT8: [2]}
    with open_engine(path, backend="auto") as engine:
        assert (engine.graph.path, engine.graph.backend) == ("model.onnx", "openvino")
        assert engine(np.zeros((SIDE, SIDE), np.uint8)).flags == ("int8_runs_as_fp32",)


@pytest.mark.parametrize("manifest", [QUANTISED, tiny_manifest()])
def test_the_clock_itself_chooses_something_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, manifest: Manifest
) -> None:
    monkeypatch.setenv("EDGENEURO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("edgeneuro.runtime.race.BUDGET_S", 0.05)
    with open_engine(write_bundle(tmp_path / "net.edge", manifest), backend="auto", threads=1) as engine:
        assert engine.choice is not None
        assert f"{engine.graph.path} on {engine.graph.backend}" == taken(engine.choice)
        assert engine.classify(np.full((SIDE, SIDE), 255, np.uint8)).label == "bright"
