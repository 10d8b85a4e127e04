"""An .edge file as executables: every graph on every backend that runs it here, the float one on ONNX Runtime first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path, PurePosixPath

from edgeneuro.benchmarks.compare.interface import Interface, Meaning
from edgeneuro.benchmarks.compare.opened import Choice, Open, OpenFile
from edgeneuro.benchmarks.compare.records import Executable
from edgeneuro.errors import BackendError
from edgeneuro.manifest import Graph, Manifest
from edgeneuro.runtime import read_bundle
from edgeneuro.runtime.backends import library_version, unavailable
from edgeneuro.runtime.choose import DEFAULT_BACKEND, graphs_on, in_words, unmet
from edgeneuro.runtime.cpu import cpu_features
from edgeneuro.runtime.open_graph import open_graph


def open_bundle(path: Path, label: str, choice: Choice, stack: ExitStack, *, keep_float: bool) -> OpenFile:
    """The verified bundle's graphs, without their self-test: what it looks at is compared here on more frames.

    keep_float: the float graph on ONNX Runtime is wanted whatever `choice` says, as the reference. `stack` closes what is
    opened. Raises what reading the bundle raises.
    """
    bundle = read_bundle(path, allow_unsigned=choice.allow_unsigned)
    manifest = bundle.manifest
    graphs, missing = _wanted(manifest, label, choice, keep_float=keep_float)
    opened: list[Open] = []
    for name, graph in graphs.items():
        need = unmet(graph, cpu_features(), asked=False)
        if need:
            missing[name] = f"needs {in_words(need)}"
            continue
        try:
            backend = open_graph(bundle, graph, str(path), threads=choice.threads)
        except BackendError as error:
            missing[name] = str(error)
            continue
        stack.callback(backend.close)
        record = Executable(
            name=name,
            kind="engine",
            file=label,
            graph=graph.path,
            backend=graph.backend,
            version=library_version(graph.backend) or "unknown",
            precision=graph.precision,
            sha256=manifest.files[graph.path],
        )
        opened.append(Open(record=record, run=backend.run))
    return OpenFile(interface=_interface(manifest, label), opened=tuple(opened), missing=missing)


def _wanted(
    manifest: Manifest, label: str, choice: Choice, *, keep_float: bool
) -> tuple[dict[str, Graph], dict[str, str]]:
    """Name -> graph, the float one on ONNX Runtime first; backend -> why none of its graphs can run here."""
    missing = {f"{label}: {name}": unavailable(name) for name in choice.of_bundles if unavailable(name)}
    backends = dict.fromkeys((*([DEFAULT_BACKEND] if keep_float else []), *choice.of_bundles))
    found = [graph for name in backends if not unavailable(name) for graph in graphs_on(manifest, name)]
    taken = [
        graph
        for graph in found
        if (graph.backend in choice.of_bundles and choice.takes(graph.precision)) or (keep_float and _is_float(graph))
    ]
    return dict(_named(label, sorted(taken, key=lambda graph: not _is_float(graph)))), missing


def _is_float(graph: Graph) -> bool:
    return (graph.precision, graph.backend) == ("fp32", DEFAULT_BACKEND)


def _named(label: str, graphs: list[Graph]) -> Iterator[tuple[str, Graph]]:
    """By precision and backend, and by the graph's own name where a backend has several of a precision."""
    several = Counter((graph.precision, graph.backend) for graph in graphs)
    for graph in graphs:
        name = f"{label}: {graph.precision} {graph.backend}"
        more = several[graph.precision, graph.backend] > 1
        yield (f"{name} ({PurePosixPath(graph.path).stem})" if more else name), graph


def _interface(manifest: Manifest, label: str) -> Interface:
    return Interface(
        label=label,
        inputs=manifest.inputs,
        outputs=manifest.outputs,
        meaning=Meaning(
            task=manifest.task,
            classes=manifest.classes,
            metric=manifest.primary_metric,
            preprocess=manifest.preprocess,
            split=manifest.split,
            session=manifest.session,
        ),
    )
