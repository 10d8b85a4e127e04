"""An opened bundle: verified, checked against its golden outputs, ready for frames."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Any, final

import numpy as np

from edgeneuro.errors import FrameError, ShapeError, UsageError
from edgeneuro.feeds import make_feed
from edgeneuro.manifest import Graph, Manifest, Precision
from edgeneuro.neuron import Neuron
from edgeneuro.preprocess import frame_depth
from edgeneuro.runtime.auto import AUTO, Choice, choose_for, chosen_graph
from edgeneuro.runtime.backends import Backend
from edgeneuro.runtime.bundle import Bundle, read_bundle
from edgeneuro.runtime.choose import choose_graph
from edgeneuro.runtime.golden import check_golden
from edgeneuro.runtime.open_graph import open_graph
from edgeneuro.runtime.postprocess import Prediction, Result, postprocess
from edgeneuro.runtime.whole_frame import segment_frame
from edgeneuro.spec import Array, Feed, Float32, Frame, Item

log = logging.getLogger("edgeneuro")


@final
@dataclass(kw_only=True)
class Engine:
    """Call it with a frame or, where the network was trained on neurons, with a neuron; with arrays where it takes no image.
    Made by `open_engine`; a context manager that closes its backend.

    graph: the one of manifest.graphs in use; its backend is the one that runs it. flags: hold for every frame. choice: why
    this one, where `backend="auto"` was asked for. self_test_difference: the largest found, as `check_golden` counts
    it, None where the test was not asked for. start_ms: "verify", "choose", "load", "self_test", milliseconds of wall
    time.

    Threads: calls share no state here, and the backends allow them to overlap, so one engine may serve several
    threads; `close` may not overlap a call.
    """

    manifest: Manifest
    graph: Graph
    flags: tuple[str, ...]
    backend: Backend
    choice: Choice | None = None
    self_test_difference: float | None = None
    start_ms: Mapping[str, float] = field(default_factory=dict)

    def picture(self, neuron: Neuron) -> Frame:
        """(height, width, 3) uint8, what the network looks at. Raises FrameError where it was not trained on neurons."""
        drawing = None if self.manifest.preprocess is None else self.manifest.preprocess.drawing
        if drawing is None:
            raise FrameError(
                f"frame: got a neuron, {self.manifest.model} was trained on something else; give it what it takes, or build "
                "an engine from a network trained on neurons (model morphology)"
            )
        return drawing(neuron)

    def feed(self, item: Item) -> Feed:
        """The network's inputs for one item. Raises FrameError, ShapeError."""
        return make_feed(self.manifest.inputs, self.manifest.preprocess, item)

    def infer(self, feed: Mapping[str, Any]) -> dict[str, Array]:
        """feed: every input by name, as `feed` makes them, or a batch of them -> every output by name. Backends for GPUs take
        arrays that lie there, too.

        Raises ShapeError, BackendError.
        """
        self._check(feed)
        return self.backend.run(feed)

    def tile_logits(self, tiles: Float32) -> Array:
        """tiles: (tile, channel, *tile size), as `feed` makes them -> the first output, of a segmentation (tile, class, *tile size) logits.

        Raises ShapeError, BackendError.
        """
        return self.infer({self.manifest.inputs[0].name: tiles})[self.manifest.outputs[0].name]

    def infer_many(self, feeds: Iterable[Feed]) -> Iterator[dict[str, Array]]:
        """What `infer` gives for each of `feeds`, in their order, while as many are computed as the engine has streams.

        At most that many feeds are taken ahead of the results, so a camera is not drained; the arrays of a feed must stay
        as they are until its result has come. Raises ShapeError, BackendError in the place of the frame that failed.
        """
        return self.backend.run_many(self._check(feed) for feed in feeds)

    def _check(self, feed: Mapping[str, Any]) -> Feed:
        """`feed`, if it is one."""
        for spec in self.manifest.inputs:
            if spec.name not in feed:
                raise ShapeError(f"tensor {spec.name!r}: is missing among {', '.join(feed) or 'none'}")
            if isinstance(feed[spec.name], np.ndarray):  # what lies on a GPU, the backend checks
                spec.check(feed[spec.name])
        return feed

    def __call__(self, item: Item | Neuron) -> Result:
        """item: one frame, (height, width) grey or (height, width, 3) RGB; a neuron, which is drawn first; arrays by
        input name, or the one array of a network with one input; of a network that covers frames with tiles, an image or, where it takes
        volumes, (depth, height, width), of any size. Which result comes depends on manifest.task. Raises FrameError,
        ShapeError, BackendError.
        """
        start = perf_counter()
        preprocess = self.manifest.preprocess
        if preprocess is not None and preprocess.tiled is not None and not isinstance(item, Neuron):
            return replace(segment_frame(preprocess, preprocess.tiled, self.tile_logits, item), flags=self.flags)
        if isinstance(item, Neuron):
            item = self.picture(item)
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

    def classify(self, item: Item | Neuron) -> Prediction:
        """The same for a classifier, whose result is a Prediction. Raises UsageError for another task as well."""
        result = self(item)
        if not isinstance(result, Prediction):
            raise UsageError(f"{self.manifest.model}: its task is {self.manifest.task}, expected classification")
        return result

    def frame_flags(self, item: Item) -> tuple[str, ...]:
        """ "size_unseen", "bit_depth_unseen": the calibration saw no such frame, so its accuracy is not vouched for. Of networks
        that cover frames with tiles there are none: frames of any size and depth become the same tiles."""
        seen, preprocess = self.manifest.calibration, self.manifest.preprocess
        if preprocess is not None and preprocess.tiled is not None:
            return ()
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
    path: str | Path,
    *,
    precision: Precision | None = None,
    backend: str | None = None,
    threads: int | None = None,
    streams: int = 1,
    self_test: bool = True,
    allow_unsigned: bool = False,
) -> Engine:
    """Verify the .edge file `path`, load the graph that fits this machine and check it against the golden outputs.

    precision: None takes the one the bundle was built for. backend: None prefers ONNX Runtime, a name takes that one,
    "auto" the fastest of those installed, measured once for each device and bundle. threads: to compute with, None
    leaves it to the backend. streams: frames that `infer_many` computes at the same time. allow_unsigned: where trusted
    keys are installed, run what none of them signed, with a flag in every result.
    Raises BundleError (unreadable, or no graph for this machine), IntegrityError (altered), SignatureError, BackendError,
    SelfTestError (the golden outputs are not reproduced here).
    """
    start = perf_counter()
    bundle = read_bundle(Path(path), allow_unsigned=allow_unsigned)
    verified = perf_counter()
    graph, flags, choice = _choose(bundle, str(path), precision, backend, threads, streams)
    chosen = perf_counter()
    if bundle.manifest.trained_on is not None and bundle.manifest.trained_on.simulated:
        flags = ("simulated_training", *flags)
        log.warning("%s: was trained on simulated data; its results say nothing about people", path)
    flags = (*bundle.trust.flags, *flags)
    opened = open_graph(bundle, graph, str(path), threads=threads, streams=streams)
    try:
        loaded = perf_counter()
        difference = check_golden(bundle, graph, opened) if self_test else None
    except BaseException:
        opened.close()
        raise
    tested = perf_counter()
    start_ms = {
        "verify": 1e3 * (verified - start),
        "choose": 1e3 * (chosen - verified),
        "load": 1e3 * (loaded - chosen),
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
        backend=opened,
        choice=choice,
        self_test_difference=difference,
        start_ms=start_ms,
    )


def _choose(
    bundle: Bundle, where: str, precision: Precision | None, backend: str | None, threads: int | None, streams: int
) -> tuple[Graph, tuple[str, ...], Choice | None]:
    """The graph to run, flags that say what is unusual about it, and what was measured, if it was."""
    if backend != AUTO:
        return (*choose_graph(bundle.manifest, precision, where, backend=backend), None)
    choice = choose_for(bundle, where, precision=precision, threads=threads, streams=streams)
    log.info("%s: %s", where, choice.reason)
    return chosen_graph(bundle.manifest, choice), choice.flags, choice
