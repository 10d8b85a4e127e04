"""A made-up report with every part filled in: two engines, float and INT8 on two backends, rivals beside them.

Numbers are of the size that STANet and a ResNet-18 have on a small x86 processor; none was measured.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from edgeneuro.benchmarks.document import (
    OURS,
    AccuracyRecord,
    Comparison,
    Conditions,
    EngineRecord,
    Latency,
    LayerTime,
    Memory,
    Peak,
    Protocol,
    Quantile,
    Quiet,
    Ratio,
    Report,
    Roofline,
    Row,
    ScenarioResult,
    Snapshot,
    Soak,
    SoakPoint,
    Subgroup,
    Verdict,
)
from edgeneuro.manifest import Compute, Interval

CLASSES = ("covid", "pneumonia", "regular")
DUAL_MACS = 34_856_764_416
QUERIES = 240
STANET, RESNET = "stanet-lung-int8.edge", "resnet18-lung-int8.edge"
KINDS: tuple[tuple[str, str, str], ...] = (
    (OURS, "onnxruntime", "fp32"),
    (OURS, "onnxruntime", "int8"),
    (OURS, "openvino", "fp32"),
    (OURS, "openvino", "int8"),
    ("pytorch", "pytorch", "fp32"),
    ("torch.compile", "pytorch", "fp32"),
    ("onnxruntime-static", "onnxruntime", "int8"),
    ("openvino-nncf", "openvino", "int8"),
)
"""tool, backend, precision of every row of an engine."""
MS = {
    STANET: (7.9, 4.6, 7.1, 3.7, 14.8, 9.3, 4.9, 3.9),
    RESNET: (38.0, 15.9, 33.5, 13.1, 52.0, 41.0, 16.3, 13.2),
}
"""Median inference of KINDS, ms."""
CONFUSIONS = {
    (STANET, "fp32"): ((41, 5, 6), (7, 52, 4), (3, 6, 64)),
    (STANET, "int8"): ((40, 5, 7), (7, 52, 4), (3, 5, 65)),
    (RESNET, "fp32"): ((45, 4, 3), (5, 55, 3), (2, 5, 66)),
    (RESNET, "int8"): ((45, 4, 3), (6, 54, 3), (2, 5, 66)),
}
ACCURACY = {
    (STANET, OURS): (0.834, 0.48), (STANET, "onnxruntime-static"): (0.834, 2.31), (STANET, "openvino-nncf"): (0.834, 0.97),
    (RESNET, OURS): (0.872, 0.53), (RESNET, "onnxruntime-static"): (0.872, 1.12), (RESNET, "openvino-nncf"): (0.872, 0.53),
}  # fmt: skip
"""Of the float row, and the drop in points of the tool's INT8 rows."""
AUTO = {
    STANET: "0.80 times the time of int8 onnxruntime in the same rounds, outputs equally close to float",
    RESNET: "0.82 times the time of int8 onnxruntime in the same rounds, outputs equally close to float",
}
LAYERS = {
    STANET: (
        ("stem/conv", 5.1),
        *((f"block{b}/{part}", 1.1) for b in range(1, 6) for part in ("dw", "pw")),
        ("fc", 0.1),
    ),
    RESNET: (
        ("conv1", 118.0),
        *((f"layer{b}.{n}.conv{c}", 115.6) for b in range(1, 5) for n in (0, 1) for c in (1, 2)),
        ("fc", 0.5),
    ),
}
"""Name and million multiply-accumulates of every layer."""


def row_name(engine: str, tool: str, backend: str, precision: str) -> str:
    """As a measured report names its rows."""
    return f"{engine}: {precision} {backend}" if tool == OURS else f"{engine}: {tool} ({precision}, {backend})"


def sample_report(**changes: Any) -> Report:
    """The report, with fields of `Report` replaced by `changes`."""
    rng = np.random.default_rng(20261124)
    report = Report(
        date="2026-11-24T09:30:00+00:00",
        command=f"edgeneuro benchmark {STANET} {RESNET} --data us_lung_pocus --rivals --threads 1 --report out",
        device="bench-x86",
        machine={
            "processor": "AMD EPYC 9B45",
            "architecture": "x86_64",
            "cores": 2,
            "memory_gib": 23.5,
            "system": "Linux 6.18.44",
            "python": "3.11.7",
            "libraries": {"edgeneuro": "0.1.0", "numpy": "2.4.6", "onnxruntime": "1.31.1", "openvino": "2026.4.1"},
        },
        protocol=Protocol(
            scenarios=("single-stream", "multi-stream", "offline"),
            queries=QUERIES,
            budget_s=120.0,
            warm_up={STANET: 24, RESNET: 16},
            rounds={STANET: QUERIES, RESNET: QUERIES},
            seed=0,
            frames="16 frames of us_lung_pocus, evenly spaced, 640 x 480 px",
        ),
        conditions=Conditions(
            threads=1,
            affinity=(0, 1),
            governor="performance",
            power_mode=None,
            virtual=True,
            background_share=0.012,
            steal_share=0.001,
            before=Snapshot(load_average=0.11, temperature_c=None, frequency_mhz=2800.0),
            after=Snapshot(load_average=0.97, temperature_c=None, frequency_mhz=2795.0),
        ),
        quiet=Quiet(same=_ratio(1.001, 0.006), quiet=True, reasons=()),
        peaks=(
            Peak(backend="onnxruntime", precision="fp32", kernel="gemm 1024 x 1024 x 1024", gmac_s=61.0),
            Peak(backend="onnxruntime", precision="int8", kernel="conv 3 x 3, 256 channels", gmac_s=205.0),
            Peak(backend="openvino", precision="fp32", kernel="gemm 1024 x 1024 x 1024", gmac_s=66.0),
            Peak(backend="openvino", precision="int8", kernel="conv 3 x 3, 256 channels", gmac_s=238.0),
        ),
        bandwidth_gb_s=14.2,
        claimed_share=0.0025,
        dual_macs=DUAL_MACS,
        dual_source="counted from the layers of DualVGG (Ucar 2022) at 224 x 224 x 3, not measured here",
        engines=(
            _engine(STANET, "myositis", Compute(params=503_880, macs=81_435_648), 3_700_978, DUAL_MACS),
            _engine(RESNET, "resnet18-lung", Compute(params=11_178_051, macs=1_814_073_344), 58_200_110, None),
        ),
        rows=tuple(_row(engine, number, rng) for engine in (STANET, RESNET) for number in range(len(KINDS))),
        comparisons=tuple(comparison for engine in (STANET, RESNET) for comparison in _comparisons(engine)),
        not_measured={
            "energy": "no RAPL, NVML or INA3221 counter is readable on this machine",
            "temperature": "a virtual machine shows no sensor",
            "power mode": "only boards and laptops name one",
        },
    )
    return dataclasses.replace(report, **changes)


def _engine(name: str, model: str, compute: Compute, size: int, dual_macs: int | None) -> EngineRecord:
    return EngineRecord(
        name=name,
        sha256=name.encode().hex().ljust(64, "0")[:64],
        model=model,
        task="classification",
        precision="int8",
        input="1 x 224 x 224",
        bytes=size,
        members={"model.onnx": size * 6 // 10, "graphs/onnxruntime.int8.onnx": size * 2 // 10},
        compute=compute,
        dual_share=None if dual_macs is None else compute.macs / dual_macs,
        trained_on="us_lung_pocus, fold 0",
        provenance={"checkpoint": "9f" * 32, "ranges": "3c" * 32, "split": "grouped, fold 0"},
        auto=AUTO[name],
        flags=(),
        notes=("6 of 16 convolutions stay in float: not faster in INT8, measured",),
    )


def _row(engine: str, number: int, rng: np.random.Generator) -> Row:
    tool, backend, precision = KINDS[number]
    median = MS[engine][number]
    times = median * rng.lognormal(0.0, 0.03, QUERIES)
    times[rng.random(QUERIES) < 0.02] *= 1.7  # what else the machine does
    ours, int8 = tool == OURS, precision == "int8"
    macs = 81_435_648 if engine == STANET else 1_814_073_344
    chosen = ours and backend == "openvino" and int8
    return Row(
        name=row_name(engine, tool, backend, precision),
        engine=engine,
        tool=tool,
        backend=backend,
        precision=precision,
        path=("graphs/" + backend + ".int8.onnx" if int8 else "model.onnx") if ours else None,
        bytes=None if backend == "pytorch" else int((0.6e6 if engine == STANET else 11.3e6) * (1.0 if int8 else 3.6)),
        convolutions=16 if engine == STANET else 20,
        int8_convolutions=(10 if engine == STANET else 20) if int8 else 0,
        steps=_steps(times, rng) if ours else {"inference": latency(times)},
        timeline_ms=tuple(float(x) for x in times.round(4)),
        start_ms={"verify": 15.1, "load": 41.0 if backend == "onnxruntime" else 160.0, "self-test": 1.6 * median}
        if ours
        else {},
        scenarios=_scenarios(median, times) if ours else (),
        accuracy=_accuracy(engine, tool, precision),
        layers=_layers(engine, precision, median, macs) if ours else (),
        roofline=_roofline(precision, median, macs) if ours else None,
        memory=Memory(base_bytes=46 << 20, peak_bytes=(46 << 20) + int(macs / (8 if int8 else 4)), device_bytes=None),
        energy=None,
        soak=_soak(median, rng) if chosen else None,
        chosen=chosen,
    )


def _steps(times: np.ndarray[Any, np.dtype[np.float64]], rng: np.random.Generator) -> dict[str, Latency]:
    return {
        "capture": latency(2.9 * rng.lognormal(0.0, 0.05, QUERIES)),
        "preprocess": latency(0.61 * rng.lognormal(0.0, 0.04, QUERIES)),
        "inference": latency(times),
        "postprocess": latency(0.031 * rng.lognormal(0.0, 0.06, QUERIES)),
        "total": latency(3.54 + times),
    }


def latency(times: np.ndarray[Any, np.dtype[np.float64]]) -> Latency:
    """Quantiles of `times`, ms; intervals from neighbours in rank, none above p99."""
    ordered = np.sort(times)

    def quantile(percentile: float) -> Quantile:
        at = float(np.percentile(ordered, percentile))
        known = percentile < 99
        return Quantile(
            percentile=percentile,
            ms=round(at, 4),
            low=round(at * 0.985, 4),
            high=round(at * 1.02, 4) if known else None,
            claim_ms=round(at * 1.03, 4) if known else None,
        )

    return Latency(
        queries=len(times),
        independent_queries=round(0.8 * len(times), 1),
        mean_ms=round(float(times.mean()), 4),
        quantiles=tuple(quantile(percentile) for percentile in (50.0, 90.0, 95.0, 99.0, 99.9)),
    )


def _scenarios(median: float, times: np.ndarray[Any, np.dtype[np.float64]]) -> tuple[ScenarioResult, ...]:
    return (
        ScenarioResult(
            scenario="single-stream", samples=1, queries=QUERIES, streams=1, latency=latency(times),
            throughput=round(1000 / median, 2), conforms=False,
            missing="MLPerf asks for 1,024 queries and 600 s, about 10 minutes more",
        ),
        ScenarioResult(
            scenario="multi-stream", samples=8, queries=60, streams=1, latency=latency(8 * times[:60]),
            throughput=round(1000 / median, 2), conforms=False, missing="MLPerf asks for 270,336 queries",
        ),
        ScenarioResult(
            scenario="offline", samples=24_576, queries=1, streams=2, latency=None,
            throughput=round(1850 / median, 2), conforms=True, missing="",
        ),
    )  # fmt: skip


def _accuracy(engine: str, tool: str, precision: str) -> AccuracyRecord:
    int8 = precision == "int8"
    base, lost = ACCURACY.get((engine, tool), ACCURACY[engine, OURS])
    value = round(base - lost / 100, 4) if int8 else base
    drop = Interval(value=lost, low=round(lost - 2.05, 2), high=round(lost + 2.96, 2)) if int8 else None
    return AccuracyRecord(
        data="us_lung_pocus",
        protocol="grouped",
        frames=188,
        groups=12,
        metric="balanced_accuracy",
        value=Interval(value=value, low=value - 0.08, high=value + 0.06),
        drop_points=drop,
        agreement=Interval(value=0.984, low=0.951, high=0.996) if int8 else None,
        output_error=0.061 if int8 else 0.0,
        classes=CLASSES,
        confusion=CONFUSIONS[engine, precision],
        subgroups=tuple(
            Subgroup(
                column=column, value=name, frames=frames, groups=groups,
                metric=Interval(value=value + shift, low=value + shift - 0.11, high=min(value + shift + 0.08, 1.0)),
                drop_points=drop,
            )
            for column, name, frames, groups, shift in (
                ("probe", "convex", 131, 8, 0.02),
                ("probe", "linear", 57, 4, -0.05),
                ("sex", "f", 80, 5, 0.01),
                ("sex", "m", 108, 7, -0.01),
            )
        ),
    )  # fmt: skip


def _layers(engine: str, precision: str, median: float, macs: int) -> tuple[LayerTime, ...]:
    layers = LAYERS[engine]
    total = sum(share for _, share in layers)
    peak = 230.0 if precision == "int8" else 64.0
    out = []
    for number, (name, share) in enumerate(layers):
        own = int(macs * share / total)
        in_int8 = precision == "int8" and number % 4 != 1
        ms = median * (0.5 + 0.9 * (number % 3) / 2) * share / total + median * 0.01
        floor = own / (peak if in_int8 else 64.0) / 1e6
        out.append(
            LayerTime(
                name=name, operator="Convolution" if name != "fc" else "MatMul", precision="int8" if in_int8 else "fp32",
                ms=round(ms, 5), macs=own, floor_ms=round(min(floor, ms), 5), bytes=int(own / (4 + 9 * (number % 5))),
            )
        )  # fmt: skip
    reorder = LayerTime(
        name="reorder_0", operator="Reorder", precision="", ms=round(0.02 * median, 5), macs=None, floor_ms=None
    )
    return (*out, reorder)


def _roofline(precision: str, median: float, macs: int) -> Roofline:
    bits = 8 if precision == "int8" else 32
    weight_bytes, activation_bytes = macs // 160 * bits // 8, macs // 40 * bits // 8
    compute = macs / (230.0 if precision == "int8" else 64.0) / 1e6
    memory = (weight_bytes + activation_bytes) / 14.2e6
    floor = max(compute, memory) + 0.2 * min(compute, memory)
    return Roofline(
        compute_ms=round(compute, 4),
        memory_ms=round(memory, 4),
        floor_ms=round(floor, 4),
        distance=round(median / floor, 3),
        intensity=round(macs / (weight_bytes + activation_bytes), 2),
        bops=macs * bits * bits,
        weight_bytes=weight_bytes,
        activation_bytes=activation_bytes,
    )


def _soak(median: float, rng: np.random.Generator) -> Soak:
    points = tuple(
        SoakPoint(
            seconds=10.0 * (number + 1),
            p50_ms=round(float(median * rng.lognormal(0.0, 0.008)), 4),
            temperature_c=None,
            frequency_mhz=round(2800.0 + 10 * float(rng.normal()), 1),
        )
        for number in range(30)
    )
    return Soak(
        seconds=300.0, frames=int(300_000 / median), points=points, slowdown=1.004, throttled=False,
        reason="the last fifth took 1.004 times the first, and frequency stayed within 1 %",
    )  # fmt: skip


def _ratio(p50: float, spread: float) -> Ratio:
    return Ratio(
        p10=round(p50 * (1 - 4 * spread), 4), p50=p50, p90=round(p50 * (1 + 4 * spread), 4),
        low=round(p50 * (1 - spread), 4), high=round(p50 * (1 + spread), 4),
    )  # fmt: skip


def _comparisons(engine: str) -> tuple[Comparison, ...]:
    """Of every row with the float row on ONNX Runtime, and of the chosen one with each rival."""
    names = [row_name(engine, *kind) for kind in KINDS]
    pairs = [(number, 0) for number in range(1, len(KINDS))] + [(3, number) for number in range(4, len(KINDS))]
    return tuple(
        Comparison(row=names[row], reference=names[reference], ratio=ratio, verdict=_verdict(ratio))
        for row, reference in pairs
        for ratio in (_ratio(round(MS[engine][row] / MS[engine][reference], 4), 0.011),)
    )


def _verdict(ratio: Ratio) -> Verdict:
    if ratio.low <= 1 <= ratio.high:
        return "no difference"
    return "faster" if ratio.p50 < 1 else "slower"
