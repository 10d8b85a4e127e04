"""Building the engine of this device ahead of the first run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

from edgeneuro.errors import BackendError
from edgeneuro.manifest import Graph, Precision
from edgeneuro.runtime.backends import unavailable
from edgeneuro.runtime.backends.trt.cache import prepare
from edgeneuro.runtime.backends.trt.records import BuildReport, BuildSettings, Flavour
from edgeneuro.runtime.bundle import read_bundle
from edgeneuro.runtime.choose import choose_graph


def prepare_engine(
    path: Path,
    backend: str,
    precision: Precision | None,
    settings: BuildSettings,
    *,
    allow_unsigned: bool = False,
    progress: Callable[[str], None] = lambda step: None,
) -> tuple[Graph, BuildReport]:
    """Build what `open_engine(path, precision=precision, backend=backend)` opens here, with `settings`, into the private
    cache, in place of an engine that is there; returns the graph and what was built.

    Raises BundleError, IntegrityError, SignatureError, BackendError.
    """
    bundle = read_bundle(path, allow_unsigned=allow_unsigned)
    graph, _ = choose_graph(bundle.manifest, precision, str(path), backend=backend)
    if unavailable(backend):
        raise BackendError(f"{backend}: {unavailable(backend)}")
    return graph, prepare(bundle.members[graph.path], cast(Flavour, backend), settings, progress=progress)
