"""The manifest of a bundle: what the engine is, what it was made from, what it promises."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from edgeneuro.data.recordings.session import Session
from edgeneuro.data.sample import DataSet
from edgeneuro.data.seen import seen_by
from edgeneuro.data.split import Split
from edgeneuro.errors import BundleError, InputError
from edgeneuro.files import canonical_json
from edgeneuro.preprocess import Preprocess
from edgeneuro.records import from_json, to_json
from edgeneuro.spec import TensorSpec

SCHEMA = 2
"""Raised when a field changes meaning. 2: tasks other than classification; golden.npz holds every input by name."""

Precision = Literal["fp32", "fp16", "fp8", "int8", "mixed"]
"""mixed: INT8, everything else in FP16."""
Task = Literal["classification", "segmentation", "tensors"]
"""What the first output is: (batch, class) logits, of which one class is right; (batch, class or 1, height, width) logits
of every pixel; or anything, given back as it is."""

CLASS_MAPS = "class_maps"
"""Name of a classifier's further output, (batch, class, height, width) float32: class activation maps, what each place gives to
each logit. Not rectified; the logit is the mean of its map, plus a bias of its class. Zhou et al. 2016, arXiv:1512.04150."""

QUALITY = "quality"
"""Name of a classifier's further output, (batch, 1) float32 above 0 and below 1: the weight that training would give
such a frame, meant to be low where labels are doubtful. Changes no class. Wang 2020, arXiv:2002.10392."""

PRIMARY_METRICS: Mapping[Task, str] = {
    "classification": "balanced_accuracy",
    "segmentation": "dice",
    "tensors": "output_error",
}
"""What a graph of each task is judged by, where the model table does not say."""


Verdict = Literal["pass", "fail", "inconclusive"]
"""Of the accuracy gate; "inconclusive": the data cannot tell whether the drop is inside the margin."""


@dataclass(frozen=True, kw_only=True)
class Graph:
    """One executable form of the network.

    path: member of the bundle. requires: what the processor must offer ("x86_64", "vnni"), empty for any.
    convolutions: in the float graph; int8_convolutions: how many of them the backend's own optimised graph
    runs in INT8. kept_float: convolutions the plan leaves in float -> why. tolerance: largest absolute
    difference from golden.npz allowed at start-up, on any output element. checked: whether the golden outputs come from
    the backend itself, or from an exact emulation because it could not run where the bundle was built.
    """

    path: str
    backend: str
    precision: Precision
    requires: tuple[str, ...] = ()
    convolutions: int
    int8_convolutions: int = 0
    kept_float: Mapping[str, str] = field(default_factory=dict)
    tolerance: float
    checked: Literal["run", "emulated"] = "run"


@dataclass(frozen=True, kw_only=True)
class PrebuiltEngine:
    """An engine that was built ahead from one of the graphs: a cache, never the truth. Built on a processor, it has run on
    no GPU.

    path: member of the bundle. graph: member it was built from. version: of the library. platform: e.g. "linux-x86_64".
    compute_capabilities: of the GPUs it was built for, e.g. "8.6". max_batch: frames at once. convolutions: in the network;
    int8_convolutions, half_convolutions: those whose layer in the engine reads INT8, FP16.
    """

    path: str
    graph: str
    backend: str
    version: str
    platform: str
    compute_capabilities: tuple[str, ...]
    max_batch: int = 1
    convolutions: int
    int8_convolutions: int
    half_convolutions: int


@dataclass(frozen=True, kw_only=True)
class DataIdentity:
    """A data set by name. licence: as its source states it. simulated: made by this package."""

    name: str
    licence: str
    simulated: bool
    frames: int
    groups: int

    @classmethod
    def of(cls, dataset: DataSet) -> DataIdentity:
        """`dataset` as manifests name it."""
        return cls(
            name=dataset.name,
            licence=dataset.licence,
            simulated=dataset.simulated,
            frames=len(dataset),
            groups=len({sample.group for sample in dataset.samples}),
        )


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Which frames fixed the ranges. bit_depths, sides in px: what the calibration frames had; others are flagged. Of
    arrays, which are no frames, and of tiles, into which frames of any size and depth are cut, there are no bit depths, and the
    sides are 0.

    identity: SHA-256 over the calibration tensors in order.
    """

    data: DataIdentity
    method: str
    identity: str
    bit_depths: tuple[int, ...]
    smallest_side_px: int
    largest_side_px: int


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A value with its 95 % interval, bootstrap over groups."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Curves:
    """What depends on a classifier's probabilities, 0..1. auc: area under the ROC curve. sensitivity: class -> share
    found at a specificity of 90 %, against all other classes. Both None where not defined. calibration_error: expected,
    15 bins of equal width."""

    auc: Interval | None
    sensitivity: Mapping[str, Interval | None]
    calibration_error: float


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """Build-time accuracy on groups unseen in training, validation and calibration.

    graphs: member path -> primary metric (0..1). drop_points: float minus engine, in percentage points, paired
    frame by frame. agreement: share of frames with the same predicted class as the float graph; of a segmentation the
    mean Dice of its masks with the float graph's. others: further metric -> member path -> 0..1. curves: of classifiers.
    """

    data: DataIdentity
    protocol: Literal["grouped", "leaky"]
    metric: str
    graphs: Mapping[str, Interval]
    drop_points: Mapping[str, Interval]
    agreement: Mapping[str, float]
    others: Mapping[str, Mapping[str, Interval]] = field(default_factory=dict)
    curves: Mapping[str, Curves] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ClassDrop:
    """What one class loses: recall, or the Dice of the frames that hold it; or what is lost of centre lines. groups_needed: how many like these would
    decide; None where it is decided, or where no number would."""

    frames: int
    groups: int
    drop_points: Interval
    verdict: Verdict
    groups_needed: int | None = None


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """One graph against the float graph at one level.

    graph: member path. unit: "frame", or the column by which frames were put together. margin_points: of the drop of
    Gate.metric. guard_points: of each class, and of centre lines. centre_lines: of the tiles of a network for neurites, what is
    lost of the labelled centre lines found within 2 voxels; None of others. verdict: the worst of all of these. reason: in words.
    """

    graph: str
    unit: str
    units: int
    groups: int
    verdict: Verdict
    margin_points: float
    drop_points: Interval
    groups_needed: int | None
    guard_points: float
    classes: Mapping[str, ClassDrop]
    reason: str
    centre_lines: ClassDrop | None = None


@dataclass(frozen=True, kw_only=True)
class Gate:
    """Whether every graph stays inside the margin that was asked for.

    asked: as given, e.g. "1" (points) or "99%" (of float). metric: the primary one, or "agreement" where there were no
    labels: then the drop is of agreement with the float graph. data: judged on. judgements: empty where the engine runs
    in float. kept_float: layers returned to float to hold the margin -> why. history: what was measured while they were
    chosen, on other frames than those judged, one line each.
    """

    asked: str
    metric: str
    verdict: Verdict
    data: DataIdentity
    judgements: tuple[Judgement, ...]
    kept_float: Mapping[str, str] = field(default_factory=dict)
    history: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LayerCost:
    """What one node of the float graph (model.onnx) costs a frame, whatever it is run in.

    operator: of ONNX. params: learnable numbers, those shared with an earlier layer left out. macs: multiply-accumulates,
    0 where values are only moved, compared or added. weight_elements: of the constants it reads. input_elements,
    output_elements: of the tensors it reads, constants apart, and writes.
    """

    name: str
    operator: str
    params: int
    macs: int
    weight_elements: int
    input_elements: int
    output_elements: int


@dataclass(frozen=True, kw_only=True)
class Compute:
    """Of the float network: parameters with batch normalisation, multiply-accumulates a frame (convolutions and
    fully connected layers only). layers: in graph order, empty in bundles built before they were counted; their macs add
    up to `macs`. Their params may be fewer than `params`: of the 2 c of a batch normalisation that was folded into
    the layer before it, c are left as biases."""

    params: int
    macs: int
    layers: tuple[LayerCost, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Everything a device needs to know; `files` maps every other member to its SHA-256.

    provenance: sha256 of what the bundle was made from, and settings, by name. tools: library versions.
    primary_metric: key in edgeneuro.metrics, or "output_error" for tensors. precision: what the user asked for, as
    delivered. classes: by number; of a segmentation the name of each value of the mask, 0 first, the background; empty
    for tensors. engines: built ahead, empty in most bundles. preprocess: None for a network that takes arrays, each input as it is. session: whose
    neurons it takes the responses of; None for one that takes anything else.
    """

    schema: int = SCHEMA
    model: str
    task: Task
    precision: Precision
    classes: tuple[str, ...]
    primary_metric: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    preprocess: Preprocess | None
    graphs: tuple[Graph, ...]
    compute: Compute
    trained_on: DataIdentity | None
    calibration: Calibration | None
    split: Split | None
    accuracy: Accuracy | None
    gate: Gate | None = None
    provenance: Mapping[str, str]
    tools: Mapping[str, str]
    notes: tuple[str, ...] = ()
    engines: tuple[PrebuiltEngine, ...] = ()
    session: Session | None = None
    files: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(set(self.classes)) < len(self.classes):
            raise InputError(f"classes: got {', '.join(self.classes)}, expected each name once")

    @property
    def frame_preprocess(self) -> Preprocess:
        """How a frame becomes the input. Raises InputError where the network takes arrays."""
        if self.preprocess is None:
            raise InputError(
                f"{self.model}: takes arrays ({', '.join(spec.name for spec in self.inputs)}), not frames; "
                "give .npz files, one array an input"
            )
        return self.preprocess

    def seen(self, data: DataSet) -> DataSet:
        """`data` as edgeneuro.data.seen shows it to the network: neurons drawn, large frames in tiles. Raises DataError, FrameError."""
        return seen_by(data, self.preprocess, session=self.session, what=self.model)

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return canonical_json(to_json(self))

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Raises BundleError: not JSON, from another version of edgeneuro, or a field missing, unknown or of the wrong type."""
        try:
            value = json.loads(data)
        except ValueError as error:
            raise BundleError(f"manifest.json: is not JSON ({error}); build the engine again") from error
        schema = value.get("schema") if isinstance(value, dict) else None
        if isinstance(schema, int) and schema != SCHEMA:
            remedy = (
                "upgrade edgeneuro on this device" if schema > SCHEMA else "build the engine again with this version"
            )
            raise BundleError(f"manifest.json: has schema {schema}, this edgeneuro reads {SCHEMA}; {remedy}")
        try:
            return from_json(cls, value, "manifest.json")
        except InputError as error:
            raise BundleError(f"{error}; build the engine again with this version") from error
