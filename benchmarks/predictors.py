"""What `evaluate` can be pointed at: an engine, a checkpoint folder, or a bare ONNX file.

Each becomes a Predictor: one or more graphs over the same frames, the float one first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from edgeneuro.benchmarks.scoring import Probabilities
from edgeneuro.data.recordings.as_data import RESPONSES, response_spec
from edgeneuro.data.recordings.session import Session
from edgeneuro.data.split import Split
from edgeneuro.drawing import Drawing
from edgeneuro.errors import BackendError, InputError, ModelFileError
from edgeneuro.feeds import array_feed
from edgeneuro.manifest import PRIMARY_METRICS, Precision, Task
from edgeneuro.preprocess import Preprocess
from edgeneuro.runtime import Engine, Segmentation, open_engine
from edgeneuro.runtime.backends import open_backend
from edgeneuro.runtime.postprocess import class_mask, softmax
from edgeneuro.runtime.whole_frame import segment_frame
from edgeneuro.spec import Array, Frame, Item, TensorSpec

SIMULATED_TRAINING = "simulated_training"


@dataclass(frozen=True, kw_only=True)
class FrameResult:
    """probabilities: (class,), in the order of the predictor's classes. mask: of a segmentation instead, ([depth,]
    height, width) class numbers. flags: what was unusual about this frame."""

    probabilities: Probabilities = field(default_factory=lambda: np.zeros(0))
    mask: Array | None = None
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """graphs: name -> frame to result, the reference (float) first; arrays as DataSet.item gives them where arrays is set. classes: None where the file does not name them.
    task: what the graphs give. session: whose neurons' responses these are. drawing: of the neurons it was trained on, None where it was not. split: what it was trained on, None where unknown. flags: of every result. notes: sentences a reader must know.
    """

    kind: Literal["engine", "checkpoint", "onnx"]
    name: str
    model: str
    classes: tuple[str, ...] | None
    graphs: Mapping[str, Callable[[Any], FrameResult]]
    task: Task = "classification"
    arrays: bool = False
    session: Session | None = None
    drawing: Drawing | None = None
    split: Split | None = None
    primary_metric: str = "balanced_accuracy"
    flags: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default_factory=tuple)


@contextmanager
def open_predictor(source: Path, *, threads: int | None = None, allow_unsigned: bool = False) -> Iterator[Predictor]:
    """source: NAME.edge, NAME.onnx, or a checkpoint folder. allow_unsigned: as for `open_engine`. Raises InputError, and what opening each raises."""
    if not source.exists():
        raise InputError(f"{source}: does not exist; expected an .edge file, an .onnx file or a checkpoint folder")
    with ExitStack() as stack:
        if source.is_dir():
            yield _checkpoint(source, threads)
        elif source.suffix == ".edge":
            yield _engine(source, threads, stack, allow_unsigned=allow_unsigned)
        elif source.suffix == ".onnx":
            yield _onnx(source, threads, stack)
        else:
            raise InputError(f"{source}: is no .edge file, .onnx file or checkpoint folder; expected one of these")


def _engine(path: Path, threads: int | None, stack: ExitStack, *, allow_unsigned: bool) -> Predictor:
    """Every precision of the bundle that this machine opens, fp32 first."""

    def opened(precision: Precision) -> Engine:
        return stack.enter_context(
            open_engine(path, precision=precision, threads=threads, allow_unsigned=allow_unsigned)
        )

    first = opened("fp32")
    manifest = first.manifest
    engines = {"fp32": first}
    notes = list(manifest.notes)
    for precision in sorted({graph.precision for graph in manifest.graphs} - {"fp32"}):
        engine = opened(precision)
        if engine.graph.precision == precision:
            engines[precision] = engine
        else:
            notes.append(f"The {precision} graph cannot run on this machine and is left out.")

    def graph(engine: Engine) -> Callable[[Any], FrameResult]:
        def predict(frame: Item) -> FrameResult:
            result = engine(frame)
            flags = engine.frame_flags(frame)
            if isinstance(result, Segmentation):
                return FrameResult(mask=result.mask, flags=flags)
            values = np.array([engine.classify(frame).probabilities[name] for name in manifest.classes])
            return FrameResult(probabilities=values, flags=flags)

        return predict

    return Predictor(
        kind="engine",
        name=path.name,
        model=manifest.model,
        task=manifest.task,
        classes=manifest.classes,
        graphs={precision: graph(engine) for precision, engine in engines.items()},
        arrays=manifest.preprocess is None,
        session=manifest.session,
        drawing=None if manifest.preprocess is None else manifest.preprocess.drawing,
        split=manifest.split,
        primary_metric=manifest.primary_metric,
        flags=tuple(dict.fromkeys(flag for engine in engines.values() for flag in engine.flags)),
        notes=tuple(notes),
    )


def _checkpoint(folder: Path, threads: int | None) -> Predictor:
    import torch

    from edgeneuro.models import model_entry
    from edgeneuro.training.checkpoint import load_model, read_config, read_split

    config = read_config(folder)
    network = load_model(folder)
    if threads is not None:
        torch.set_num_threads(threads)

    preprocess, entry = config.preprocess, model_entry(config.model)
    inputs = [] if preprocess is not None else [response_spec(config.sizes["neurons"])]

    def run(images: Array) -> Array:
        with torch.inference_mode():
            logits: Array = network(torch.from_numpy(images)).numpy()
        return logits

    def predict(frame: Any) -> FrameResult:
        if preprocess is None:
            return FrameResult(probabilities=softmax(run(array_feed(inputs, frame)[RESPONSES]))[0])
        if preprocess.tiled is not None:
            return FrameResult(mask=segment_frame(preprocess, preprocess.tiled, run, frame).mask)
        return FrameResult(probabilities=softmax(run(preprocess(frame)[None]))[0])

    return Predictor(
        kind="checkpoint",
        name=folder.name,
        model=config.model,
        task="segmentation" if entry.masks else "classification",
        classes=config.classes,
        graphs={"fp32": predict},
        arrays=preprocess is None,
        session=config.session,
        drawing=None if preprocess is None else preprocess.drawing,
        split=read_split(folder),
        primary_metric=entry.primary_metric,
        flags=(SIMULATED_TRAINING,) if config.trained_on.simulated else (),
    )


def _onnx(path: Path, threads: int | None, stack: ExitStack) -> Predictor:
    """A bare file names neither its classes nor its preprocessing: what is assumed is said in flags and notes."""
    with _named(path):
        backend = open_backend("onnxruntime", path.read_bytes(), threads=threads)
    stack.callback(backend.close)
    preprocess = _assumed_preprocess(path, backend.inputs)
    entry, output = backend.inputs[0].name, backend.outputs[0].name
    task: Task = "segmentation" if len(backend.outputs[0].shape) == 4 else "classification"

    def predict(frame: Frame) -> FrameResult:
        with _named(path):
            logits = backend.run({entry: preprocess(frame)[None]})[output]
        if logits.ndim == 4:
            return FrameResult(mask=class_mask(logits[0]))
        if logits.ndim != 2:
            raise ModelFileError(
                f"{path}: output {output!r} has shape {logits.shape}, expected (batch, class) or, of a segmentation, "
                "(batch, class, height, width)"
            )
        return FrameResult(probabilities=_probabilities(logits)[0])

    return Predictor(
        kind="onnx",
        name=path.name,
        model=path.stem,
        task=task,
        classes=None,
        primary_metric=PRIMARY_METRICS[task],
        graphs={"onnx": predict},
        flags=("assumed_preprocessing", "assumed_class_order"),
        notes=(
            f"Frames were resized to {preprocess.width} x {preprocess.height} and scaled to 0..1 (a bare file names none).",
            "Its classes were taken to be those of the data set, in the same order.",
            "It does not say what it was trained on: all rows were used, seen or not.",
        ),
    )


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """A BackendError gives advice for engines; about a bare file it becomes a ModelFileError that names the file."""
    try:
        yield
    except BackendError as error:
        reason = str(error).partition("; ")[0]
        raise ModelFileError(
            f"{path}: {reason}; export it again with a free batch, standard operators and the weights inside"
        ) from error


def _probabilities(outputs: Array) -> Probabilities:
    """outputs: (batch, class). Softmax of logits; what a graph has put through softmax itself stays as it is."""
    if (outputs >= 0).all() and np.allclose(outputs.sum(axis=1), 1.0, atol=1e-4):
        return outputs
    return softmax(outputs)


def _assumed_preprocess(path: Path, inputs: Sequence[TensorSpec]) -> Preprocess:
    """Size and channels from the graph. Raises ModelFileError where it leaves them open."""
    shape = inputs[0].shape if inputs else ()
    if len(inputs) != 1 or len(shape) != 4 or shape[1] not in (1, 3) or min(shape[2:]) < 1:
        got = ", ".join(f"{spec.name} {spec.shape}" for spec in inputs)
        raise ModelFileError(
            f"{path}: has input {got}, expected one (batch, 1 or 3 channels, height, width) of fixed size; "
            "build an engine from it with `edgeneuro build-engine`, whose manifest holds the preprocessing"
        )
    return Preprocess(height=shape[2], width=shape[3], channels=1 if shape[1] == 1 else 3)
