"""What one engine costs on this machine, and the README's summary of all device measurements.

    python -m edgeneuro.benchmarks.device ENGINE.edge [--queries 1024] [--readme README.md]

Writes docs/results/latency.json and .md. The README's block is put together from that and from what the scripts
runtime_overhead, cold_start, preprocessing and build_time have left in docs/results, each with its own date.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from edgeneuro.benchmarks.document import Comparison, Report, Row
from edgeneuro.benchmarks.measure.run import benchmark
from edgeneuro.benchmarks.measure.settings import Settings
from edgeneuro.benchmarks.readme import inject
from edgeneuro.benchmarks.results import RESULTS, table, write_result
from edgeneuro.errors import InputError

COLUMNS = {
    "row": "graph",
    "int8": "INT8 convolutions",
    "bytes": "bytes",
    "preprocess": "preprocessing, ms p50",
    "inference": "inference, ms p50",
    "p90": "p90",
    "p99": "p99",
    "postprocess": "postprocessing, ms p50",
    "total": "whole frame, ms p50",
    "ratio": "inference / FP32 on ONNX Runtime, median [95 %]",
    "verdict": "verdict",
    "floor": "times its floor",
    "memory": "peak memory, MiB",
}
TITLES = {"onnxruntime": "ONNX Runtime", "openvino": "OpenVINO"}


def row_of(row: Row, to_float: Comparison | None) -> dict[str, Any]:
    """One graph on one backend as a table row; times in ms."""
    inference = row.steps["inference"]
    ratio = None if to_float is None else to_float.ratio
    return {
        "row": f"{row.precision.upper()}, {TITLES[row.backend]}{' (taken by backend=auto)' if row.chosen else ''}",
        "int8": f"{row.int8_convolutions} of {row.convolutions}",
        "bytes": row.bytes,
        **{step: row.steps[step].at(50).ms for step in ("preprocess", "inference", "postprocess", "total")},
        "p90": inference.at(90).ms,
        "p99": inference.at(99).ms,
        "ratio": None if ratio is None else f"{ratio.p50:.2f} [{ratio.low:.2f}, {ratio.high:.2f}]",
        "verdict": None if to_float is None else to_float.verdict,
        "floor": None if row.roofline is None else row.roofline.distance,
        "memory": None if row.memory is None else row.memory.peak_bytes / 2**20,
    }


def write_latency(done: Report, script: str) -> None:
    """docs/results/latency.json and .md."""
    (engine,) = done.engines
    first = done.rows[0].name
    compared = {one.row: one for one in done.comparisons if one.reference == first}
    same = done.quiet.same
    write_result(
        "latency",
        title="Time a frame, FP32 beside INT8, on every backend",
        rows=[row_of(row, compared.get(row.name)) for row in done.rows],
        columns=COLUMNS,
        context={
            "script": script,
            "model": f"{engine.model}, input {engine.input}, {engine.bytes:,} bytes of .edge file",
            "params": engine.compute.params,
            "macs": engine.compute.macs,
            "dual_share_percent": round(100 * (engine.compute.macs / done.dual_macs), 4),
            "dual-branch network": f"{done.dual_macs:,} MACs, {done.dual_source}",
            "data": done.protocol.frames,
            "threads": done.conditions.threads,
            "rounds": done.protocol.rounds[engine.name],
            "load average before": done.conditions.before.load_average,
            "one row against itself": None if same is None else f"{same.p50:.3f} [{same.low:.3f}, {same.high:.3f}]",
            "quiet": done.quiet.quiet,
            "notes": [
                (
                    "All rows run in every round, in an order drawn anew; ratios are taken within a round. How, and what a "
                    "floor is: [benchmark-protocol.md](../benchmark-protocol.md)."
                ),
                *(f"No verdict: {reason}" for reason in done.quiet.reasons),
            ],
        },
    )


def summary() -> str:
    """The README's block, from docs/results alone."""
    latency = read("latency")
    context, machine = latency["context"], latency["machine"]
    (overhead,) = (
        row
        for row in read("runtime_overhead")["rows"]
        if (row["backend"], row["reference"], row["precision"]) == ("onnxruntime", "own session", "int8")
    )
    start = {row["process"]: row for row in read("cold_start")["rows"]}
    bare, ours = start["bare script"], start["edgeneuro"]
    frame = next(row for row in read("preprocessing")["rows"] if row["frame"] == "grey, 8 bit")
    build = read("build_time")["rows"][0]
    return "\n".join(
        [
            table(latency["rows"], COLUMNS),
            "",
            (
                f"{context['model']}; {context['params']:,} parameters, {context['macs']:,} MACs, "
                f"{context['dual_share_percent']} % of the dual-branch network's "
                f"({context['dual-branch network']})."
            ),
            "",
            f"- engine over a bare onnxruntime call: {overhead['added_us']:+.0f} µs a frame (INT8)",
            (
                f"- start to first result: {ours['first_result_ms']:.0f} ms, a bare script {bare['first_result_ms']:.0f} ms; of ours, "
                f"verification {ours['verify_ms']:.0f} ms and self-test {ours['self_test_ms']:.0f} ms; resident memory "
                f"{ours['resident_mib']:.0f} MiB against {bare['resident_mib']:.0f} MiB"
            ),
            f"- preprocessing of a 1024 x 768 grey frame: {frame['p50_ms']:.2f} ms",
            f"- `build-engine --int8` from a checkpoint: {build['median_s']:.0f} s",
            "",
            (
                f"{machine['processor']}, {machine['cores']} cores, {context['threads']} thread(s), {latency['date']}; "
                f"{context['data']}. Times on a shared machine: trust the ratios."
            ),
        ]
    )


def read(name: str) -> Mapping[str, Any]:
    """docs/results/NAME.json. Raises InputError naming the script that writes it."""
    path = RESULTS / f"{name}.json"
    if not path.exists():
        raise InputError(f"{path}: is missing; run python -m edgeneuro.benchmarks.{name} first")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def main(
    engine: Annotated[Path, typer.Argument(help="An .edge file with an INT8 graph.")],
    queries: Annotated[int, typer.Option(min=1, help="Times that every graph runs.")] = 1024,
    threads: Annotated[int, typer.Option(min=1)] = 1,
    readme: Annotated[Path | None, typer.Option(help="README.md to put the summary into.")] = None,
) -> None:
    """Measure, write, and summarise."""
    done = benchmark([engine], settings=Settings(queries=queries, threads=threads))
    write_latency(done, f"python -m edgeneuro.benchmarks.device {engine.name} --queries {queries} --threads {threads}")
    if readme is not None:
        inject(readme, "device", summary())


if __name__ == "__main__":
    typer.run(main)
