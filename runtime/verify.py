"""Whether an .edge file keeps its promises on this machine."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from edgeneuro.errors import BackendError, SelfTestError
from edgeneuro.manifest import Graph, Manifest
from edgeneuro.runtime.backends import BACKENDS, unavailable
from edgeneuro.runtime.bundle import Bundle, read_bundle
from edgeneuro.runtime.choose import graphs_on
from edgeneuro.runtime.cpu import cpu_features
from edgeneuro.runtime.golden import check_golden
from edgeneuro.runtime.open_graph import open_graph
from edgeneuro.runtime.trust import Trust, key_from


@dataclass(frozen=True, kw_only=True)
class GraphCheck:
    """The self-test of one graph on one backend. difference: as `check_golden` counts it, None where it was not run.

    skipped: why it cannot run on this machine, None where it ran.
    """

    path: str
    backend: str
    precision: str
    difference: float | None
    tolerance: float
    skipped: str | None


@dataclass(frozen=True, kw_only=True)
class Verification:
    """members: how many were hashed, the manifest and the signature aside. bytes: of all of them. signature:
    what the keys say of it. graphs: in the manifest's order, then the
    float graph on further backends that are installed."""

    path: str
    members: int
    bytes: int
    signature: Trust
    graphs: tuple[GraphCheck, ...]


def verify_file(path: Path, *, threads: int | None = None, public_key: Path | None = None) -> Verification:
    """Check the container, every hash, the signature, and then every graph that this machine can run against its golden outputs.

    The float graph was checked on ONNX Runtime where it was built; another backend that refuses it or computes something
    else breaks no promise: it is skipped, with the reason. public_key: must have signed it; None asks the installed keys.

    Raises BundleError (unreadable), InputError (no key), IntegrityError (altered), SignatureError, SelfTestError, BackendError.
    """
    bundle = read_bundle(path, keys=None if public_key is None else key_from(public_key))
    return Verification(
        path=str(path),
        members=len(bundle.members),
        bytes=sum(len(data) for data in bundle.members.values()),
        signature=bundle.trust,
        graphs=(
            *(_check_graph(bundle, graph, path, threads) for graph in bundle.manifest.graphs),
            *(_check_elsewhere(bundle, graph, path, threads) for graph in _elsewhere(bundle.manifest)),
        ),
    )


def _elsewhere(manifest: Manifest) -> list[Graph]:
    """The float graph on every installed backend it was not built for."""
    runnable = [graph for backend in BACKENDS if not unavailable(backend) for graph in graphs_on(manifest, backend)]
    return [graph for graph in runnable if graph not in manifest.graphs]


def _check_elsewhere(bundle: Bundle, graph: Graph, path: Path, threads: int | None) -> GraphCheck:
    try:
        return _check_graph(bundle, graph, path, threads)
    except (BackendError, SelfTestError) as error:
        return _checked(graph, difference=None, skipped=str(error).partition(";")[0])


def _check_graph(bundle: Bundle, graph: Graph, path: Path, threads: int | None) -> GraphCheck:
    skipped = _why_not(graph)
    if skipped is not None:
        return _checked(graph, difference=None, skipped=skipped)
    with closing(open_graph(bundle, graph, str(path), threads=threads)) as backend:
        return _checked(graph, difference=check_golden(bundle, graph, backend), skipped=None)


def _checked(graph: Graph, *, difference: float | None, skipped: str | None) -> GraphCheck:
    return GraphCheck(
        path=graph.path,
        backend=graph.backend,
        precision=graph.precision,
        difference=difference,
        tolerance=graph.tolerance,
        skipped=skipped,
    )


def _why_not(graph: Graph) -> str | None:
    if graph.backend not in BACKENDS:
        return f"backend {graph.backend} is not known here"
    if unavailable(graph.backend):
        return f"{graph.backend} {unavailable(graph.backend)}"
    missing = [need for need in graph.requires if need not in cpu_features()]
    return f"this processor does not show {', '.join(missing)}" if missing else None
