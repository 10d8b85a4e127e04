"""backend="auto": the fastest of what is installed, measured once for each device and bundle."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgeneuro import __version__
from edgeneuro.cache import entry_path, read_entry, write_entry
from edgeneuro.errors import BackendError, SelfTestError
from edgeneuro.files import sha256
from edgeneuro.manifest import Graph, Manifest, Precision
from edgeneuro.runtime.backends import BACKENDS, Backend, is_expected, library_version, unavailable
from edgeneuro.runtime.bundle import Bundle, read_bundle
from edgeneuro.runtime.choose import DEFAULT_BACKEND, graphs_on, in_words, none_of, unmet, wanted_precision
from edgeneuro.runtime.cpu import core_count, cpu_features, processor_name
from edgeneuro.runtime.golden import check_golden, golden_feeds
from edgeneuro.runtime.open_graph import open_graph
from edgeneuro.runtime.race import Floats, race, slower_by

AUTO = "auto"
"""In place of a backend's name."""
TIE = 1.02
"""Two graphs whose times may be so close are taken to be equally fast."""
DOUBT = 1.15
"""A choice that may be so much slower than another is not kept: the machine was too busy to tell."""

log = logging.getLogger("edgeneuro")


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What runs, and why. path, precision: of the graph. ms: "model.onnx on openvino" -> median milliseconds a frame, with as
    many frames at a time as there are streams; empty where there was nothing to compare. excluded: the same, or a backend -> why
    it was not timed. flags: of every result. reason: one sentence. sure: False where the machine was too busy to tell.
    cached: measured by an earlier call."""

    backend: str
    path: str
    precision: Precision
    ms: Mapping[str, float]
    excluded: Mapping[str, str]
    flags: tuple[str, ...]
    reason: str
    sure: bool = True
    cached: bool = False


@dataclass(frozen=True, kw_only=True)
class _Key:
    """What a choice depends on. bundle: SHA-256 of the manifest, which holds that of every other member. precision: looked
    for. cores: this process may use. versions: of the installed libraries, and edgeneuro's. gpu: "" where none is used."""

    bundle: str
    precision: Precision
    processor: str
    cores: int
    threads: int | None
    streams: int
    versions: Mapping[str, str]
    gpu: str


@dataclass(frozen=True, kw_only=True)
class _Entry:
    key: _Key
    choice: Choice


def choose_auto(
    path: str | Path,
    *,
    precision: Precision | None = None,
    threads: int | None = None,
    streams: int = 1,
    allow_unsigned: bool = False,
) -> Choice:
    """What `open_engine(path, backend="auto")` runs, with the same arguments. Raises as it does, but for its self-test:
    a graph that does not reproduce its golden outputs is left out."""
    bundle = read_bundle(Path(path), allow_unsigned=allow_unsigned)
    return choose_for(bundle, str(path), precision=precision, threads=threads, streams=streams)


def choose_for(bundle: Bundle, where: str, *, precision: Precision | None, threads: int | None, streams: int) -> Choice:
    """The same for a bundle that was read. where: its name, for messages.

    Compared are, on every installed backend, the first graph of the asked precision whose needs this processor meets,
    and the float graph. INT8 never stands in for float. Raises BundleError where there is no such precision;
    SelfTestError or BackendError where nothing keeps its promise here.
    """
    known = [graph for backend in BACKENDS for graph in graphs_on(bundle.manifest, backend)]
    wanted, flags = wanted_precision(bundle.manifest, precision, known, where)
    if all(graph.precision != wanted for graph in known):
        raise none_of(bundle.manifest, wanted, ", ".join(BACKENDS), where)
    graphs, excluded = _candidates(bundle.manifest, wanted)
    key = _key(bundle, wanted, threads, streams)
    ending = f"{wanted}.{threads or 'all'}-threads.{streams}-streams"
    kept_at = entry_path("choices", f"{bundle.manifest.model}-{key.bundle[:16]}", ending)
    kept, unreadable = read_entry(_Entry, kept_at)
    if kept is not None and kept.key == key and _names(kept.choice, graphs):
        return replace(kept.choice, cached=True)
    if kept is not None or unreadable:
        log.info("%s: measured again (%s)", where, unreadable or "the cached choice is of other versions or hardware")
    choice = _measured(bundle, where, graphs, excluded, threads, streams)
    if choice.precision != wanted:
        flags = (*flags, f"{wanted}_runs_as_{choice.precision}")
    choice = replace(choice, flags=flags)
    remark = write_entry(kept_at, _Entry(key=key, choice=choice)) if choice.sure else ""
    if remark:
        log.info("%s: %s", where, remark)
    return choice


def chosen_graph(manifest: Manifest, choice: Choice) -> Graph:
    """The graph of the bundle that `choice` names, its backend the one that runs it."""
    return next(graph for graph in graphs_on(manifest, choice.backend) if graph.path == choice.path)


def _candidates(manifest: Manifest, wanted: Precision) -> tuple[list[Graph], dict[str, str]]:
    """What to compare, and what not, with the reason."""
    graphs: list[Graph] = []
    excluded: dict[str, str] = {}
    for backend in BACKENDS:
        if unavailable(backend):
            if is_expected(backend):
                excluded[backend] = unavailable(backend)
            continue
        for precision in dict.fromkeys((wanted, "fp32")):
            there = [graph for graph in graphs_on(manifest, backend) if graph.precision == precision]
            fit = [graph for graph in there if not unmet(graph, cpu_features(), asked=True)]
            graphs += fit[:1]
            if there and not fit:
                needs = in_words(unmet(there[0], cpu_features(), asked=True))
                excluded[_label(there[0])] = f"needs {needs}"
    return graphs, excluded


def _measured(
    bundle: Bundle,
    where: str,
    graphs: Sequence[Graph],
    excluded: dict[str, str],
    threads: int | None,
    streams: int,
) -> Choice:
    """Open all, gate each by its golden outputs, time those that pass. excluded: gets those that do not."""
    passed: dict[str, Graph] = {}
    backends: dict[str, Backend] = {}
    promise_broken = False
    with ExitStack() as stack:
        for graph in graphs:
            try:
                backend = open_graph(bundle, graph, where, threads=threads, streams=streams)
                stack.callback(backend.close)
                check_golden(bundle, graph, backend)
            except (BackendError, SelfTestError) as error:
                promise_broken = promise_broken or isinstance(error, SelfTestError)
                excluded[_label(graph)] = str(error).partition(";")[0]
                log.warning("%s: %s is left out: %s", where, _label(graph), error)
            else:
                passed[_label(graph)], backends[_label(graph)] = graph, backend
        if not passed:
            kind = SelfTestError if promise_broken else BackendError
            raise kind(f"{where}: nothing in it runs here: {_listed(excluded)}; build the engine again")
        times = race(backends, golden_feeds(bundle, graphs[0]), streams=streams) if len(passed) > 1 else {}
    ms = {name: round(float(np.median(taken)), 4) for name, taken in times.items()}
    chosen, sure = _preferred(passed, times, bundle) if times else (next(iter(passed)), True)
    return Choice(
        backend=passed[chosen].backend,
        path=passed[chosen].path,
        precision=passed[chosen].precision,
        ms=ms,
        excluded=excluded,
        flags=(),
        reason=_reason(chosen, ms, excluded, sure=sure),
        sure=sure,
    )


def _preferred(passed: Mapping[str, Graph], times: Mapping[str, Floats], bundle: Bundle) -> tuple[str, bool]:
    """The fastest; of those that are no slower within noise, the default backend's, then the one with fewer bytes. And
    whether surely no other is much faster."""
    fastest = min(times, key=lambda name: float(np.median(times[name])))
    order = sorted(
        passed,
        key=lambda name: (passed[name].backend != DEFAULT_BACKEND, len(bundle.members[passed[name].path])),
    )
    chosen = next(name for name in order if slower_by(times[name], times[fastest])[0] <= TIE)
    return chosen, all(slower_by(times[chosen], times[name])[1] <= DOUBT for name in order)


def _reason(chosen: str, ms: Mapping[str, float], excluded: Mapping[str, str], *, sure: bool) -> str:
    """One sentence."""
    others = sorted((name for name in ms if name != chosen), key=lambda name: ms[name])
    if not ms:
        said = f"{chosen} is the only one that runs here"
    elif not sure:
        said = f"{chosen} is preferred for now, {ms[chosen]:.3g} ms a frame, since the machine was too busy to tell"
    elif ms[chosen] <= ms[others[0]]:
        said = f"{chosen} is the fastest, {ms[chosen]:.3g} ms a frame"
    else:
        said = f"{chosen} is as fast as any within noise, and preferred then, {ms[chosen]:.3g} ms a frame"
    if others:
        said += "; " + ", ".join(f"{name} takes {ms[name]:.3g} ms" for name in others)
    return f"{said}; not compared: {_listed(excluded)}" if excluded else said


def _listed(excluded: Mapping[str, str]) -> str:
    return ", ".join(f"{name} ({why})" for name, why in excluded.items()) or "it holds no graph for this processor"


def _key(bundle: Bundle, wanted: Precision, threads: int | None, streams: int) -> _Key:
    found = {name: library_version(name) for name in BACKENDS}
    return _Key(
        bundle=sha256(bundle.manifest.to_bytes()),
        precision=wanted,
        processor=processor_name(),
        cores=core_count(),
        threads=threads,
        streams=streams,
        versions={"edgeneuro": __version__, **{name: number for name, number in found.items() if number is not None}},
        gpu=_gpu(),
    )


def _gpu() -> str:
    """The device of the backends that need one, "" where none of them can run."""
    if all(unavailable(name) for name, kind in BACKENDS.items() if kind.gpu):
        return ""
    from edgeneuro.runtime.backends.cuda.open import open_cuda

    with closing(open_cuda()) as cuda:
        found = cuda.device()
    return f"{found.name}, compute capability {found.compute_capability}, driver for CUDA {found.driver}"


def _names(choice: Choice, graphs: Sequence[Graph]) -> bool:
    """Whether what was chosen is among what there is."""
    return any(graph.backend == choice.backend and graph.path == choice.path for graph in graphs)


def _label(graph: Graph) -> str:
    return f"{graph.path} on {graph.backend}"
