"""Which graph of a bundle runs on this machine."""

from __future__ import annotations

import logging

from edgeneuro.errors import BundleError
from edgeneuro.manifest import Graph, Manifest, Precision
from edgeneuro.runtime.backends import BACKENDS
from edgeneuro.runtime.cpu import cpu_features

log = logging.getLogger("edgeneuro")


def choose_graph(
    manifest: Manifest, precision: Precision | None, where: str, *, features: frozenset[str] | None = None
) -> tuple[Graph, tuple[str, ...]]:
    """The first graph of the asked precision whose needs this processor meets, else the float graph, with flags.

    precision: None takes the manifest's own. where: name of the bundle for messages. features: of the processor, None
    asks this one. Returns the graph and the flags it brings, e.g. ("int8_needs_vnni",) where the float graph stands in.
    Raises BundleError: no such precision in this bundle, or nothing in it that runs here.
    """
    offered = cpu_features() if features is None else features
    wanted = manifest.precision if precision is None else precision
    graphs = [graph for graph in manifest.graphs if graph.backend in BACKENDS]
    candidates = [graph for graph in graphs if graph.precision == wanted]
    if not candidates:
        there = sorted({f"{graph.precision} ({graph.backend})" for graph in manifest.graphs})
        raise BundleError(
            f"{where}: has no {wanted} graph for {', '.join(BACKENDS)}; it holds {', '.join(there)}; "
            "ask for one of these with --precision, or build the engine again"
        )
    for graph in candidates:
        if offered.issuperset(graph.requires):
            return graph, ()
    missing = next(need for need in candidates[0].requires if need not in offered)
    for graph in graphs:
        if graph.precision == "fp32" and offered.issuperset(graph.requires):
            log.warning(
                "%s: its %s graph needs a processor with %s, which this one does not show; running %s in fp32 instead",
                where,
                wanted,
                missing,
                graph.path,
            )
            return graph, (f"{wanted}_needs_{missing}",)
    raise BundleError(
        f"{where}: its {wanted} graph needs a processor with {missing}, which this one does not show, and it holds no "
        "fp32 graph for this machine; build the engine again"
    )
