"""Whether an .edge file keeps its promises on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edgeneuro.manifest import Graph
from edgeneuro.runtime.backends import BACKENDS, REMEDIES, is_installed, open_backend
from edgeneuro.runtime.bundle import Bundle, read_bundle
from edgeneuro.runtime.cpu import cpu_features
from edgeneuro.runtime.engine import check_interface
from edgeneuro.runtime.golden import check_golden


@dataclass(frozen=True, kw_only=True)
class GraphCheck:
    """The self-test of one graph. difference: as `check_golden` counts it, None where it was not run.

    skipped: why it cannot run on this machine, None where it ran.
    """

    path: str
    precision: str
    difference: float | None
    tolerance: float
    skipped: str | None


@dataclass(frozen=True, kw_only=True)
class Verification:
    """members: how many were hashed, the manifest aside. bytes: of all of them. graphs: in the manifest's order."""

    path: str
    members: int
    bytes: int
    graphs: tuple[GraphCheck, ...]


def verify_file(path: Path, *, threads: int | None = None) -> Verification:
    """Check the container, every hash, and every graph that this machine can run against its golden outputs.

    Raises BundleError (unreadable), IntegrityError (altered), SelfTestError, BackendError.
    """
    bundle = read_bundle(path)
    return Verification(
        path=str(path),
        members=len(bundle.members),
        bytes=sum(len(data) for data in bundle.members.values()),
        graphs=tuple(_check_graph(bundle, graph, path, threads) for graph in bundle.manifest.graphs),
    )


def _check_graph(bundle: Bundle, graph: Graph, path: Path, threads: int | None) -> GraphCheck:
    skipped, difference = _why_not(graph), None
    if skipped is None:
        backend = open_backend(graph.backend, bundle.members[graph.path], threads=threads)
        try:
            check_interface(bundle.manifest, graph, backend, str(path))
            difference = check_golden(bundle, graph, backend)
        finally:
            backend.close()
    return GraphCheck(
        path=graph.path,
        precision=graph.precision,
        difference=difference,
        tolerance=graph.tolerance,
        skipped=skipped,
    )


def _why_not(graph: Graph) -> str | None:
    if graph.backend not in BACKENDS:
        return f"backend {graph.backend} is not known here"
    if not is_installed(graph.backend):
        return f"{graph.backend} is not installed; {REMEDIES[graph.backend]}"
    missing = [need for need in graph.requires if need not in cpu_features()]
    return f"this processor does not show {', '.join(missing)}" if missing else None
