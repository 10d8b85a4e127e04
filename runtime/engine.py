"""An opened bundle: verified, checked against its golden outputs, ready for frames."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import final

import numpy as np

from edgeneuro.errors import BundleError, ShapeError, UsageError
from edgeneuro.feeds import make_feed
from edgeneuro.manifest import Graph, Manifest, Precision
from edgeneuro.preprocess import frame_depth
from edgeneuro.runtime.backends import Backend, open_backend
from edgeneuro.runtime.bundle import read_bundle
from edgeneuro.runtime.choose import choose_graph
from edgeneuro.runtime.golden import check_golden
from edgeneuro.runtime.postprocess import Prediction, Result, postprocess
from edgeneuro.spec import Array, Feed, Item, TensorSpec

log = logging.getLogger("edgeneuro")


@final
@dataclass(kw_only=True)
class Engine:
    """Call it with a frame, or with arrays where the network takes no image. Made by `open_engine`; a context manager
    that closes its backend.

    graph: the one of manifest.graphs in use. flags: hold for every frame. self_test_difference: the largest found, as
    `check_golden` counts it, None where the test was not asked for. start_ms: "verify", "load", "self_test",
    milliseconds of wall time.

    Threads: calls share no state here, and ONNX Runtime allows them to overlap, so one engine may serve several
    threads; `close` may not overlap a call.
    """

    manifest: Manifest
    graph: Graph
    flags: tuple[str, ...]
    backend: Backend
    self_test_difference: float | None = None
    start_ms: Mapping[str, float] = field(default_factory=dict)

    def feed(self, item: Item) -> Feed:
        """The network's inputs for one item. Raises FrameError, ShapeError."""
        return make_feed(self.manifest.inputs, self.manifest.preprocess, item)

    def infer(self, feed: Feed) -> dict[str, Array]:
        """feed: every input by name, as `feed` makes them, or a batch of them -> every output by name.

        Raises ShapeError, BackendError.
        """
        for spec in self.manifest.inputs:
            if spec.name not in feed:
                raise ShapeError(f"tensor {spec.name!r}: is missing among {', '.join(feed) or 'none'}")
            spec.check(feed[spec.name])
        return self.backend.run(feed)

    def __call__(self, item: Item) -> Result:
        """item: one frame, (height, width) grey or (height, width, 3) RGB; or arrays by input name, or the one array of
        a network with one input. Which result comes depends on manifest.task. Raises FrameError, ShapeError,
        BackendError.
        """
        start = perf_counter()
        feed = self.feed(item)
        preprocessed = perf_counter()
        outputs = self.infer(feed)
        inferred = perf_counter()
        result = postprocess(self.manifest, outputs, item)
        done = perf_counter()
        ms = {
            "preprocess": 1e3 * (preprocessed - start),
            "inference": 1e3 * (inferred - preprocessed),
            "postprocess": 1e3 * (done - inferred),
        }
        return replace(result, ms=ms, flags=self.flags + self.frame_flags(item) + result.flags)

    def classify(self, item: Item) -> Prediction:
        """The same for a classifier, whose result is a Prediction. Raises UsageError for another task as well."""
        result = self(item)
        if not isinstance(result, Prediction):
            raise UsageError(f"{self.manifest.model}: its task is {self.manifest.task}, expected classification")
        return result

    def frame_flags(self, item: Item) -> tuple[str, ...]:
        """ "size_unseen", "bit_depth_unseen": the calibration saw no such frame, so its accuracy is not vouched for."""
        seen = self.manifest.calibration
        if seen is None or not seen.bit_depths or not isinstance(item, np.ndarray):
            return ()
        height, width = item.shape[:2]
        flags = []
        if min(height, width) < seen.smallest_side_px or max(height, width) > seen.largest_side_px:
            flags.append("size_unseen")
        if frame_depth(item) not in seen.bit_depths:
            flags.append("bit_depth_unseen")
        return tuple(flags)

    def close(self) -> None:
        """Release the backend; a second call does nothing."""
        self.backend.close()

    def __enter__(self) -> Engine:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_engine(
    path: str | Path, *, precision: Precision | None = None, threads: int | None = None, self_test: bool = True
) -> Engine:
    """Verify the .edge file `path`, load the graph that fits this machine and check it against the golden outputs.

    precision: None takes the one the bundle was built for. threads: for one operator, None leaves it to the backend.
    Raises BundleError (unreadable, or no graph for this machine), IntegrityError (altered), BackendError,
    SelfTestError (the golden outputs are not reproduced here).
    """
    start = perf_counter()
    bundle = read_bundle(Path(path))
    verified = perf_counter()
    graph, flags = choose_graph(bundle.manifest, precision, str(path))
    if bundle.manifest.trained_on is not None and bundle.manifest.trained_on.simulated:
        flags = ("simulated_training", *flags)
        log.warning("%s: was trained on simulated data; its results say nothing about people", path)
    backend = open_backend(graph.backend, bundle.members[graph.path], threads=threads)
    try:
        check_interface(bundle.manifest, graph, backend, str(path))
        loaded = perf_counter()
        difference = check_golden(bundle, graph, backend) if self_test else None
    except BaseException:
        backend.close()
        raise
    tested = perf_counter()
    start_ms = {
        "verify": 1e3 * (verified - start),
        "load": 1e3 * (loaded - verified),
        "self_test": 1e3 * (tested - loaded),
    }
    log.info(
        "%s: runs %s on %s; start took %s",
        path,
        graph.path,
        graph.backend,
        ", ".join(f"{step} {ms:.1f} ms" for step, ms in start_ms.items()),
    )
    return Engine(
        manifest=bundle.manifest,
        graph=graph,
        flags=flags,
        backend=backend,
        self_test_difference=difference,
        start_ms=start_ms,
    )


def check_interface(manifest: Manifest, graph: Graph, backend: Backend, where: str) -> None:
    """The graph takes and gives what the manifest says. where: the bundle, for messages. Raises BundleError."""
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
        _check_shapes(where, "inputs", manifest.inputs, (image.channels, image.height, image.width))
    if manifest.task == "classification":
        _check_shapes(where, "first output", manifest.outputs[:1], (len(manifest.classes),))
    if manifest.task == "segmentation":
        channels = manifest.outputs[0].shape[1:2]
        known = channels == (1,) and len(manifest.classes) == 2
        _check_shapes(where, "first output", manifest.outputs[:1], (1 if known else len(manifest.classes), None, None))


def _check_shapes(where: str, what: str, specs: Sequence[TensorSpec], expected: tuple[int | None, ...]) -> None:
    """Shapes without the batch axis; None fits any size."""
    shapes = [spec.shape[1:] for spec in specs]
    fits = len(shapes) == 1 and len(shapes[0]) == len(expected)
    if not fits or not all(want in (None, have) for want, have in zip(expected, shapes[0], strict=True)):
        raise BundleError(
            f"{where}: {what} of shape {shapes} a frame, preprocessing and classes ask for {[expected]}; "
            "build the engine again"
        )
