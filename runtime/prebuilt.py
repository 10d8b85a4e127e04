"""Engines that were built ahead and travel in the bundle."""

from __future__ import annotations

from typing import cast

from edgeneuro.files import sha256
from edgeneuro.manifest import Graph
from edgeneuro.runtime.backends.trt.records import BuildSettings, EngineIdentity, Flavour, Prebuilt
from edgeneuro.runtime.bundle import Bundle


def prebuilt_for(bundle: Bundle, graph: Graph) -> Prebuilt | None:
    """The engine that was built from `graph` for `graph.backend`, None where the bundle holds none. Whether it fits this
    device is for the backend to find out."""
    for engine in bundle.manifest.engines:
        if (engine.graph, engine.backend) == (graph.path, graph.backend):
            identity = EngineIdentity(
                graph=sha256(bundle.members[graph.path]),
                flavour=cast(Flavour, engine.backend),
                version=engine.version,
                platform=engine.platform,
                compute_capabilities=engine.compute_capabilities,
                settings=BuildSettings(max_batch=engine.max_batch, compute_capabilities=engine.compute_capabilities),
            )
            return Prebuilt(content=bundle.members[engine.path], identity=identity)
    return None
