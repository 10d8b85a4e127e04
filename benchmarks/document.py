"""report.json: everything that one run of `edgeneuro benchmark` found out, as records.

Schema: docs/schemas/benchmark.schema.json. Times are milliseconds of wall time a frame. None means "not measured here";
why is said in `not_measured`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from edgeneuro.manifest import Compute, Interval

SCHEMA = 2
"""Raised when a field changes meaning. 2: backends, rivals, scenarios, intervals of quantiles, conditions, roofline."""

OURS = "edgeneuro"
"""`tool` of the rows that are graphs of an .edge file; every other tool is a rival."""
STEPS = ("capture", "preprocess", "transfer", "inference", "postprocess", "total")
"""Of a frame, in order. capture: reading and decoding the file. transfer: to and from a device's own memory. inference: on
tensors that are ready, one after the other. total: the whole frame, from file or memory to the answer, with the inference it
holds, which is slower than on ready tensors since preprocessing displaces caches. A row has those it was measured for."""
Scenario = Literal["single-stream", "multi-stream", "offline"]


@dataclass(frozen=True, kw_only=True)
class Quantile:
    """One quantile of a time. percentile: e.g. 99.9. low, high: 95 % interval from order statistics, None where there
    were too few queries to bound that side. claim_ms: what MLPerf's early-stopping rule lets one claim with 99 %
    confidence, None where it asks for more queries."""

    percentile: float
    ms: float
    low: float | None
    high: float | None
    claim_ms: float | None


@dataclass(frozen=True, kw_only=True)
class Latency:
    """queries: counted, warm-up apart. independent_queries: how many independent ones they are worth, since neighbours in
    time resemble each other."""

    queries: int
    independent_queries: float
    mean_ms: float
    quantiles: tuple[Quantile, ...]

    def at(self, percentile: float) -> Quantile:
        """The quantile of `percentile`. Raises KeyError."""
        for quantile in self.quantiles:
            if quantile.percentile == percentile:
                return quantile
        raise KeyError(percentile)


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """Of two rows' times in the same rounds: below 1, the first is faster. p10 to p90: spread over rounds. low, high: 95 %
    interval of the median p50."""

    p10: float
    p50: float
    p90: float
    low: float
    high: float


Verdict = Literal["faster", "slower", "no difference", "no verdict"]
"""no verdict: the machine was too noisy during the run to tell."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """`row` against `reference`, names of rows; inference, round by round."""

    row: str
    reference: str
    ratio: Ratio
    verdict: Verdict


@dataclass(frozen=True, kw_only=True)
class ScenarioResult:
    """One MLPerf scenario of one row. samples: frames a query. queries: asked. streams: requests in flight. latency: of a
    query, None for offline. throughput: frames a second. conforms: whether MLPerf's query count was reached.
    missing: what it would take, "" where it conforms."""

    scenario: Scenario
    samples: int
    queries: int
    streams: int
    latency: Latency | None
    throughput: float
    conforms: bool
    missing: str


@dataclass(frozen=True, kw_only=True)
class Subgroup:
    """Accuracy of the frames whose `column` has `value`. drop_points: float minus this row, None for the float row."""

    column: str
    value: str
    frames: int
    groups: int
    metric: Interval
    drop_points: Interval | None


@dataclass(frozen=True, kw_only=True)
class AccuracyRecord:
    """On groups unseen in training, validation and calibration.

    metric: key in edgeneuro.metrics, or "agreement" without labels. value: 0..1. drop_points: float minus this row, paired.
    agreement: share of frames (of pixels' Dice) answered as the float row answers. output_error: root mean square
    difference of the outputs from the float row's, over their standard deviation. confusion: [truth][predicted] frames.
    unit: what `frames` counts and a score is of; a tile is judged by itself, not the frame that tiles are put together to.
    """

    data: str
    protocol: str | None
    frames: int
    groups: int
    metric: str
    value: Interval | None
    drop_points: Interval | None
    agreement: Interval | None
    output_error: float | None
    classes: tuple[str, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()
    subgroups: tuple[Subgroup, ...] = ()
    unit: Literal["frame", "tile"] = "frame"


@dataclass(frozen=True, kw_only=True)
class LayerTime:
    """A layer as the backend ran it. operator: the backend's own word. precision: "int8", "fp32", "bf16", "fp16" or "". ms:
    median over profiled frames. macs, floor_ms, bytes (weights and activations moved): None where it could not be matched
    with the float graph."""

    name: str
    operator: str
    precision: str
    ms: float
    macs: int | None
    floor_ms: float | None
    bytes: int | None = None


@dataclass(frozen=True, kw_only=True)
class Peak:
    """The fastest of several dense kernels on a backend, in the same run. gmac_s: 1e9 multiply-accumulates a second."""

    backend: str
    precision: str
    kernel: str
    gmac_s: float


@dataclass(frozen=True, kw_only=True)
class Roofline:
    """How far a row is from what the machine could do.

    compute_ms: multiply-accumulates of each layer at the best peak of its precision. memory_ms: bytes of weights and
    activations at the measured bandwidth. floor_ms: over layers, the larger of both. distance: measured inference / floor_ms.
    intensity: multiply-accumulates a byte. bops: multiply-accumulates x bits of weights x bits of activations.
    """

    compute_ms: float
    memory_ms: float
    floor_ms: float
    distance: float
    intensity: float
    bops: int
    weight_bytes: int
    activation_bytes: int


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Of a process that runs only this row. base_bytes: resident before the engine was opened. peak_bytes: highest resident.
    device_bytes: of a device's own memory, None where it has none."""

    base_bytes: int
    peak_bytes: int
    device_bytes: int | None


@dataclass(frozen=True, kw_only=True)
class Energy:
    """source: which sensor. joules: a frame, all that the sensor sees. idle_watts: of the machine at rest, included."""

    source: str
    joules: float
    watts: float
    idle_watts: float


@dataclass(frozen=True, kw_only=True)
class SoakPoint:
    """seconds: since the start. p50_ms: of the frames since the last point. None where no sensor is readable."""

    seconds: float
    p50_ms: float
    temperature_c: float | None
    frequency_mhz: float | None


@dataclass(frozen=True, kw_only=True)
class Soak:
    """A long run of one row. slowdown: median of the last fifth / median of the first fifth. throttled: None where the data
    cannot tell. reason: the sentence that says why."""

    seconds: float
    frames: int
    points: tuple[SoakPoint, ...]
    slowdown: float
    throttled: bool | None
    reason: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """One executable thing on this machine: a graph of an engine on a backend, or a rival made from the same network.

    name: unique in the document. engine: name of the EngineRecord it belongs to. tool: OURS or the rival's name. precision:
    what it runs in. path: member of the bundle. bytes: of the graph as stored. timeline_ms: inference of every query in
    order. chosen: this is what backend=auto takes.
    """

    name: str
    engine: str
    tool: str
    backend: str
    precision: str
    path: str | None = None
    bytes: int | None = None
    convolutions: int | None = None
    int8_convolutions: int | None = None
    steps: Mapping[str, Latency] = field(default_factory=dict)
    timeline_ms: tuple[float, ...] = ()
    start_ms: Mapping[str, float] = field(default_factory=dict)
    scenarios: tuple[ScenarioResult, ...] = ()
    accuracy: AccuracyRecord | None = None
    layers: tuple[LayerTime, ...] = ()
    roofline: Roofline | None = None
    memory: Memory | None = None
    energy: Energy | None = None
    soak: Soak | None = None
    chosen: bool = False
    flags: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class EngineRecord:
    """One .edge file. input: "1 x 224 x 224". dual_share: MACs as a share of the dual-branch network's, None for networks
    that are not compared with it. auto: why backend=auto takes what it takes, None where it was not asked."""

    name: str
    sha256: str
    model: str
    task: str
    precision: str
    input: str
    bytes: int
    members: Mapping[str, int]
    compute: Compute
    dual_share: float | None
    trained_on: str | None
    provenance: Mapping[str, str]
    auto: str | None
    flags: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What can change from minute to minute; None where this machine does not say."""

    load_average: float | None
    temperature_c: float | None
    frequency_mhz: float | None


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Under which the times were taken. affinity: processors this process may use. governor: of cpufreq. power_mode: of the
    board or the system. background_share: of the processors' time, used by other processes during the run. steal_share:
    taken by the host of a virtual machine. before, after: the run."""

    threads: int | None
    affinity: tuple[int, ...]
    governor: str | None
    power_mode: str | None
    virtual: bool | None
    background_share: float | None
    steal_share: float | None
    before: Snapshot
    after: Snapshot


@dataclass(frozen=True, kw_only=True)
class Quiet:
    """Whether comparisons of this run can be trusted. same: one row against itself, as if it were two rows; what it is off 1
    is noise. reasons: why not, empty where quiet."""

    same: Ratio | None
    quiet: bool
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How it was measured. queries: asked of every row; budget_s: seconds an engine, which may end it earlier. warm_up: rounds
    until stable. frames: what was fed."""

    scenarios: tuple[Scenario, ...]
    queries: int
    budget_s: float
    warm_up: Mapping[str, int]
    rounds: Mapping[str, int]
    seed: int
    frames: str


Rank = Literal["worst", "median", "best"]
"""Of a frame, by its Dice."""


@dataclass(frozen=True, kw_only=True)
class PicturedFrame:
    """One whole frame of which report.html has a picture.

    source, index, group: of the sample. dice: of the whole frame, 0..1, the mean over classes that are in either mask.
    missed: share of what is labelled that was not found; false: share of what was found that is not labelled; another
    class is both. None where nothing is labelled, or nothing was found.
    """

    rank: Rank
    source: str
    index: int
    group: str
    dice: float
    missed: float | None
    false: float | None


@dataclass(frozen=True, kw_only=True)
class Pictured:
    """The frames shown of one segmentation. row: whose masks these are. volumes: whether the frames are, shown as their largest values
    along depth. scored: how many frames they were chosen from, drawn with the run's seed. judged: all whole frames that
    rows are judged on."""

    row: str
    volumes: bool
    scored: int
    judged: int
    frames: tuple[PicturedFrame, ...]


@dataclass(frozen=True, kw_only=True)
class Report:
    """The whole document. command: as typed. machine: processor, cores, memory, system, versions. device: one word for the
    machine, to tell merged reports apart. dual_macs, dual_source: of the dual-branch network. not_measured: what -> why
    not here. pictured: what report.html shows of segmentations, without the pixels."""

    date: str
    command: str
    device: str
    machine: Mapping[str, Any]
    protocol: Protocol
    conditions: Conditions
    quiet: Quiet
    peaks: tuple[Peak, ...]
    bandwidth_gb_s: float | None
    claimed_share: float
    dual_macs: int
    dual_source: str
    engines: tuple[EngineRecord, ...]
    rows: tuple[Row, ...]
    comparisons: tuple[Comparison, ...]
    not_measured: Mapping[str, str]
    pictured: tuple[Pictured, ...] = ()
    schema: int = SCHEMA

    def row(self, name: str) -> Row:
        """The row called `name`. Raises KeyError."""
        for row in self.rows:
            if row.name == name:
                return row
        raise KeyError(name)
