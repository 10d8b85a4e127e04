"""Which graph of a bundle runs on this machine."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

from edgeneuro.errors import BundleError
from edgeneuro.manifest import Graph, Manifest, Precision
from edgeneuro.runtime.backends import BACKENDS, check_known, unavailable
from edgeneuro.runtime.cpu import cpu_features

log = logging.getLogger("edgeneuro")

DEFAULT_BACKEND = "onnxruntime"

_ON_PROCESSORS: Mapping[Precision, Precision] = {"mixed": "int8", "fp16": "fp32", "fp8": "fp32"}
"""Precision -> what a processor runs in its place: it has no fast FP16 arithmetic, and no FP8 at all."""


def choose_graph(
    manifest: Manifest,
    precision: Precision | None,
    where: str,
    *,
    backend: str | None = None,
    features: frozenset[str] | None = None,
) -> tuple[Graph, tuple[str, ...]]:
    """The first graph of the asked precision whose needs this machine meets, else a stand-in, with flags that say so.

    precision: None takes the manifest's own. where: name of the bundle for messages. backend: None prefers
    ONNX Runtime, then other libraries for processors, then a GPU; a name takes what that one runs, the float graph included. features: of the
    processor, None asks this one. Stand-ins: on processors the INT8 graph for "mixed" and the float graph for "fp16"
    ("fp16_runs_as_fp32"); the float graph where a graph needs what this machine does not show ("int8_needs_vnni").
    Raises BundleError: no such precision for the backend in this bundle, or nothing in it that runs here; BackendError: no
    such backend.
    """
    if backend is not None:
        check_known(backend)
    offered = cpu_features() if features is None else features
    graphs = _graphs_for(manifest, backend, manifest.precision if precision is None else precision)
    wanted, flags = wanted_precision(manifest, precision, graphs, where)
    candidates = [graph for graph in graphs if graph.precision == wanted]
    if not candidates:
        raise none_of(manifest, wanted, backend or ", ".join(BACKENDS), where)
    for graph in candidates:  # one by one: asking whether a backend is available imports its library
        if not unmet(graph, offered, asked=backend is not None):
            return graph, flags
    missing = unmet(candidates[0], offered, asked=backend is not None)
    for graph in graphs:
        if graph.precision == "fp32" and not unmet(graph, offered, asked=backend is not None):
            log.warning(
                "%s: its %s graph needs %s; running %s in fp32 instead", where, wanted, in_words(missing), graph.path
            )
            return graph, (*flags, f"{wanted}_needs_{missing}")
    raise BundleError(
        f"{where}: its {wanted} graph needs {in_words(missing)}, and it holds no fp32 graph for this machine; "
        "build the engine again"
    )


def graphs_on(manifest: Manifest, backend: str) -> list[Graph]:
    """What `backend` runs of this bundle, in its order: its own graphs, those of backends whose graphs it reads, and the
    float graph, which any backend reads."""
    own = (backend, *BACKENDS[backend].reads)
    return [
        graph if graph.backend == backend else replace(graph, backend=backend)
        for graph in manifest.graphs
        if graph.backend in own or _portable(graph)
    ]


def _portable(graph: Graph) -> bool:
    return graph.backend == DEFAULT_BACKEND and graph.precision == "fp32" and not graph.requires


def _graphs_for(manifest: Manifest, backend: str | None, wanted: Precision) -> list[Graph]:
    """What `backend` runs; or what was built for any that is known here, the default one's first, and for GPUs only where
    no other has the wanted precision: to find out whether there is one takes time."""
    if backend is not None:
        return graphs_on(manifest, backend)
    known = [graph for graph in manifest.graphs if graph.backend in BACKENDS and not BACKENDS[graph.backend].gpu]
    known.sort(key=lambda graph: graph.backend != DEFAULT_BACKEND)
    if any(graph.precision == wanted for graph in known):
        return known
    for name in (name for name, kind in BACKENDS.items() if kind.gpu):
        there = [graph for graph in graphs_on(manifest, name) if graph.precision == wanted]
        known += there if there and not unavailable(name) else []
    return known


def none_of(manifest: Manifest, wanted: Precision, backends: str, where: str) -> BundleError:
    """That the bundle has no graph of this precision for `backends`."""
    there = sorted({f"{graph.precision} ({graph.backend})" for graph in manifest.graphs})
    return BundleError(
        f"{where}: has no {wanted} graph for {backends}; it holds {', '.join(there)}; "
        "ask for one of these with --precision, or build the engine again"
    )


def wanted_precision(
    manifest: Manifest, asked: Precision | None, graphs: Sequence[Graph], where: str
) -> tuple[Precision, tuple[str, ...]]:
    """The precision to look for among `graphs`, and a flag where it is not the one asked for.

    A bundle that was not built for the asked precision has none to stand in for: that is refused later.
    """
    wanted = manifest.precision if asked is None else asked
    instead = _ON_PROCESSORS.get(wanted)
    built = manifest.precision == wanted or any(graph.precision == wanted for graph in manifest.graphs)
    if instead is None or not built or any(graph.precision == wanted for graph in graphs):
        return wanted, ()
    log.warning("%s: is %s, for which processors have no fast arithmetic; running it in %s", where, wanted, instead)
    return instead, (f"{wanted}_runs_as_{instead}",)


def unmet(graph: Graph, offered: frozenset[str], *, asked: bool) -> str:
    """The first thing this graph needs and does not find here, "" where it finds all.

    asked: the user named the backend, so a missing library or device is for opening it to report.
    """
    missing = next((need for need in graph.requires if need not in offered), "")
    if missing or asked or not unavailable(graph.backend):
        return missing
    return graph.backend


def in_words(need: str) -> str:
    """What `unmet` found, with the remedy."""
    if need in BACKENDS:
        return f"{need} ({unavailable(need)})"
    return f"a processor with {need}, which this one does not show"
