"""One graph of a bundle, loaded by its backend, with the inputs and outputs that the manifest promises."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from edgeneuro.errors import BundleError, SignatureError
from edgeneuro.manifest import CLASS_MAPS, QUALITY, Graph, Manifest
from edgeneuro.runtime.backends import BACKENDS, Backend, open_backend
from edgeneuro.runtime.bundle import Bundle
from edgeneuro.spec import TensorSpec

if TYPE_CHECKING:
    from edgeneuro.runtime.backends.trt.records import Prebuilt

FURTHER: Mapping[str, Callable[[int], tuple[int | None, ...]]] = {
    CLASS_MAPS: lambda classes: (classes, None, None),
    QUALITY: lambda _: (1,),
}
"""Shapes without the batch axis of what a classifier of so many classes may give beside its logits; None for any size."""


def open_graph(bundle: Bundle, graph: Graph, where: str, *, threads: int | None, streams: int = 1) -> Backend:
    """Load `graph` on `graph.backend`. where: the bundle, for messages. threads, streams: as `open_backend` takes them.

    Raises BackendError; BundleError where the graph is not what the manifest says; SignatureError for a bundle that was
    read without asking whether it may run.
    """
    if bundle.trust.state == "unasked":
        raise SignatureError(f"{where}: nobody asked whether its signer is trusted; read it with read_bundle to run it")
    backend = open_backend(
        graph.backend,
        bundle.members[graph.path],
        threads=threads,
        streams=streams,
        prebuilt=_prebuilt(bundle, graph),
    )
    try:
        _check_interface(bundle.manifest, graph, backend, where)
    except BaseException:
        backend.close()
        raise
    return backend


def _prebuilt(bundle: Bundle, graph: Graph) -> Prebuilt | None:
    if not BACKENDS[graph.backend].gpu:
        return None
    from edgeneuro.runtime.prebuilt import prebuilt_for  # a start on the processor does not wait for it

    return prebuilt_for(bundle, graph)


def _check_interface(manifest: Manifest, graph: Graph, backend: Backend, where: str) -> None:
    """The graph takes and gives what the manifest says. Raises BundleError."""
    for what, promised, found in (
        ("inputs", manifest.inputs, backend.inputs),
        ("outputs", manifest.outputs, backend.outputs),
    ):
        names, offered = [spec.name for spec in promised], [spec.name for spec in found]
        if names != offered:
            raise BundleError(
                f"{where}: {graph.path} has {what} {', '.join(offered)}, the manifest says {', '.join(names)}; "
                "build the engine again"
            )
    image = manifest.preprocess
    if image is not None:
        _check_shapes(where, "inputs", manifest.inputs, (image.channels, *image.tile))
    if manifest.task == "classification":
        count = len(manifest.classes)
        _check_shapes(where, "first output", manifest.outputs[:1], (count,))
        for spec in manifest.outputs[1:]:
            if spec.name in FURTHER:
                _check_shapes(where, f"output {spec.name}", [spec], FURTHER[spec.name](count))
    if manifest.task == "segmentation":
        channels = manifest.outputs[0].shape[1:2]
        known = channels == (1,) and len(manifest.classes) == 2
        places = (None,) * (2 if image is None else len(image.tile))
        _check_shapes(where, "first output", manifest.outputs[:1], (1 if known else len(manifest.classes), *places))


def _check_shapes(where: str, what: str, specs: Sequence[TensorSpec], expected: tuple[int | None, ...]) -> None:
    """Shapes without the batch axis; None fits any size."""
    shapes = [spec.shape[1:] for spec in specs]
    fits = len(shapes) == 1 and len(shapes[0]) == len(expected)
    if not fits or not all(want in (None, have) for want, have in zip(expected, shapes[0], strict=True)):
        raise BundleError(
            f"{where}: {what} of shape {shapes} a frame, preprocessing and classes ask for {[expected]}; "
            "build the engine again"
        )
