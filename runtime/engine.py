"""An opened bundle: verified, checked against its golden outputs, ready to classify frames."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import final

import numpy as np

from edgeneuro.errors import BundleError, SelfTestError
from edgeneuro.manifest import Graph, Manifest, Precision
from edgeneuro.preprocess import frame_depth
from edgeneuro.runtime.backends import Backend, open_backend
from edgeneuro.runtime.bundle import GOLDEN, Bundle, read_bundle
from edgeneuro.runtime.choose import choose_graph
from edgeneuro.runtime.postprocess import softmax
from edgeneuro.spec import Array, Float32, Frame, TensorSpec

log = logging.getLogger("edgeneuro")


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What the engine says about one frame.

    probabilities: class name -> 0..1, in the manifest's order. ms: "preprocess", "inference", "postprocess",
    milliseconds of wall time. flags: what a reader must know before trusting the label, e.g. "simulated_training".
    """

    task: str
    label: str
    probabilities: Mapping[str, float]
    ms: Mapping[str, float]
    flags: tuple[str, ...]


@final
@dataclass(kw_only=True)
class Engine:
    """Call it with a frame. Made by `open_engine`; a context manager that closes its backend.

    graph: the one of manifest.graphs in use. flags: hold for every frame. self_test_difference: largest absolute
    difference from the golden outputs, None where the test was not asked for. start_ms: "verify", "load",
    "self_test", milliseconds of wall time.

    Threads: calls share no state here, and ONNX Runtime allows them to overlap, so one engine may serve several
    threads; `close` may not overlap a call.
    """

    manifest: Manifest
    graph: Graph
    flags: tuple[str, ...]
    backend: Backend
    self_test_difference: float | None = None
    start_ms: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._input = self.manifest.inputs[0]
        self._output = self.manifest.outputs[0].name

    def preprocess(self, frame: Frame) -> Float32:
        """frame as Preprocess takes it -> (channel, height, width) float32. Raises FrameError."""
        return self.manifest.preprocess(frame)

    def infer(self, batch: Array) -> dict[str, Array]:
        """batch: (batch, channel, height, width) float32, as `preprocess` makes them -> every output by name.

        Raises ShapeError, BackendError.
        """
        self._input.check(batch)
        return self.backend.run({self._input.name: batch})

    def __call__(self, frame: Frame) -> Prediction:
        """Classify one frame: (height, width) grey or (height, width, 3) RGB. Raises FrameError, BackendError."""
        start = perf_counter()
        batch = self.preprocess(frame)[None]
        preprocessed = perf_counter()
        logits = self.infer(batch)[self._output]
        inferred = perf_counter()
        classes = self.manifest.classes
        probabilities = dict(zip(classes, softmax(logits)[0].tolist(), strict=True))
        label = max(probabilities, key=probabilities.__getitem__)
        done = perf_counter()
        return Prediction(
            task=self.manifest.task,
            label=label,
            probabilities=probabilities,
            ms={
                "preprocess": 1e3 * (preprocessed - start),
                "inference": 1e3 * (inferred - preprocessed),
                "postprocess": 1e3 * (done - inferred),
            },
            flags=self.flags + self.frame_flags(frame),
        )

    def frame_flags(self, frame: Frame) -> tuple[str, ...]:
        """ "size_unseen", "bit_depth_unseen": the calibration saw no such frame, so its accuracy is not vouched for."""
        seen = self.manifest.calibration
        if seen is None:
            return ()
        height, width = frame.shape[:2]
        flags = []
        if min(height, width) < seen.smallest_side_px or max(height, width) > seen.largest_side_px:
            flags.append("size_unseen")
        if frame_depth(frame) not in seen.bit_depths:
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


def check_golden(bundle: Bundle, graph: Graph, backend: Backend) -> float:
    """Run the golden inputs one by one, as frames come; returns the largest absolute difference of any output element.

    Raises SelfTestError when it exceeds `graph.tolerance`, BundleError when golden.npz does not hold what it should.
    """
    golden = _read_golden(bundle, graph)
    name = bundle.manifest.inputs[0].name
    worst = 0.0
    for number, image in enumerate(golden["input"]):
        outputs = backend.run({name: image[None]})
        for spec in bundle.manifest.outputs:
            expected = golden[spec.name][number]
            difference = float(np.abs(outputs[spec.name][0] - expected).max())
            if not difference <= graph.tolerance:  # also true for NaN
                raise SelfTestError(
                    f"{graph.path}: output {spec.name!r} differs from its golden value by {difference:.3g} on this "
                    f"machine, allowed {graph.tolerance:.3g}; try --precision fp32, another onnxruntime, or build the "
                    "engine again for this processor"
                )
            worst = max(worst, difference)
    return worst


def _read_golden(bundle: Bundle, graph: Graph) -> dict[str, Array]:
    """ "input" and each output of `graph`, by name; shapes checked against the manifest."""
    members = {"input": "input", **{spec.name: f"{graph.path}:{spec.name}" for spec in bundle.manifest.outputs}}
    try:
        with np.load(BytesIO(bundle.members[GOLDEN]), allow_pickle=False) as arrays:
            golden = {name: arrays[member] for name, member in members.items()}
    except Exception as error:  # zipfile, zlib, numpy and tokenizer errors share no base class
        raise BundleError(f"{GOLDEN}: cannot be read ({error}); build the engine again") from error
    _any_batch(bundle.manifest.inputs[0]).check(golden["input"])
    count = len(golden["input"])
    for spec in bundle.manifest.outputs:
        _any_batch(spec).check(golden[spec.name])
        if count == 0 or len(golden[spec.name]) != count:
            raise BundleError(
                f"{GOLDEN}: holds {count} inputs and {len(golden[spec.name])} of output {spec.name!r}, expected as many "
                "of each and at least one; build the engine again"
            )
    return golden


def _any_batch(spec: TensorSpec) -> TensorSpec:
    """golden.npz holds several frames also where the graph takes one at a time."""
    return replace(spec, shape=(-1, *spec.shape[1:]))


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
    size = manifest.preprocess
    for what, specs, expected in (
        ("inputs", manifest.inputs, (size.channels, size.height, size.width)),
        ("first output", manifest.outputs[:1], (len(manifest.classes),)),
    ):
        shapes = [spec.shape[1:] for spec in specs]
        if shapes != [expected]:
            raise BundleError(
                f"{where}: {what} of shape {shapes} a frame, preprocessing and classes ask for {[expected]}; "
                "build the engine again"
            )
