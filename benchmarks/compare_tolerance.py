"""What sound and broken INT8 graphs differ by: how coarse a net `compare`'s cosine is.

    python -m edgeneuro.benchmarks.compare_tolerance stanet.edge:us_lung_pocus unet.edge:neuron_pfc_pn ...

Sound are the INT8 graphs of each bundle on the backends that run here. Broken is its OpenVINO graph with every UINT8 zero
point of 0 read as INT8, as TensorRT does with a warning only: what was scaled for 0 to 255 ends at 127. Writes
docs/results/compare_tolerance.json and .md.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from edgeneuro.benchmarks.compare.opened import Choice
from edgeneuro.benchmarks.compare.records import Compared, Comparison, Limits
from edgeneuro.benchmarks.compare.run import compare
from edgeneuro.benchmarks.compare.verdict import MAX_DIFFERENCE, MIN_COSINE
from edgeneuro.benchmarks.report.words import percent, points
from edgeneuro.benchmarks.results import write_result
from edgeneuro.data import open_data
from edgeneuro.errors import UsageError
from edgeneuro.runtime import read_bundle

BROKEN_FROM = "graphs/openvino.int8.onnx"
STRICTER = 0.999
COLUMNS = {
    "network": "network",
    "data": "data",
    "executable": "executable",
    "sound": "sound",
    "cosine_mean": "cosine, mean",
    "cosine_min": "smallest",
    "relative_max": "largest difference, share of the largest value",
    "agreement": "same answers (masks: Dice), % [95 %]",
    "drop": "drop of the task metric, points [95 %]",
    "passes": f"passes {MIN_COSINE}",
    "passes_stricter": f"passes {STRICTER}",
}


def signed_zero_points(model: bytes) -> bytes:
    """The graph with every UINT8 zero point of 0 as one of INT8, scales as they were."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load_from_string(model)
    pairs = [node for node in graph.graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    zeros = {node.input[2] for node in pairs if len(node.input) > 2}
    for tensor in graph.graph.initializer:
        if tensor.name in zeros and tensor.data_type == onnx.TensorProto.UINT8:
            values = numpy_helper.to_array(tensor)
            if not values.any():
                tensor.CopyFrom(numpy_helper.from_array(values.astype(np.int8), tensor.name))
    return bytes(graph.SerializeToString())


def compared(engine: Path, data: str, threads: int) -> Comparison:
    """The bundle's graphs and its broken one, against its float graph on ONNX Runtime."""
    with tempfile.TemporaryDirectory(prefix="edgeneuro-") as folder:
        broken = Path(folder) / "broken.onnx"
        broken.write_bytes(signed_zero_points(read_bundle(engine).members[BROKEN_FROM]))
        return compare(
            [engine, broken],
            open_data(data),
            limits=Limits(max_difference=MAX_DIFFERENCE, min_cosine=MIN_COSINE, max_drop=None),
            choice=Choice(backends=("onnxruntime", "openvino"), precisions=("fp32", "int8"), threads=threads),
        )


def rows_of(network: str, done: Comparison) -> Iterator[dict[str, Any]]:
    """One executable a row; the broken graph on OpenVINO alone, for which it was made."""
    for one in done.executables:
        broken = one.executable.kind == "onnx"
        if one.outputs and not (broken and one.executable.backend != "openvino"):
            yield _row(network, done, one, sound=not broken)


def _row(network: str, done: Comparison, one: Compared, *, sound: bool) -> dict[str, Any]:
    worst = min(one.outputs, key=lambda output: output.cosine_mean)
    return {
        "network": network,
        "data": f"{done.data.name}, {done.data.frames:,} frames of {done.data.groups:,} groups",
        "executable": one.executable.name.partition(": ")[2],
        "sound": sound,
        "cosine_mean": round(worst.cosine_mean, 6),
        "cosine_min": round(worst.cosine_min, 6),
        "relative_max": worst.relative_max,
        "agreement": percent(one.agreement),
        "drop": points(one.drop_points),
        "passes": worst.cosine_mean >= MIN_COSINE,
        "passes_stricter": worst.cosine_mean >= STRICTER,
    }


def main(
    engines: Annotated[
        list[str], typer.Argument(metavar="ENGINE.edge:DATA...", help="INT8 bundles, each with its data.")
    ],
    threads: Annotated[int, typer.Option(min=1)] = 1,
) -> None:
    """Compare, and write the table."""
    rows: list[dict[str, Any]] = []
    for pair in engines:
        path, colon, data = pair.rpartition(":")
        if not colon:
            raise UsageError(f"{pair}: expected ENGINE.edge:DATA")
        rows += rows_of(Path(path).stem, compared(Path(path), data, threads))
    write_result(
        "compare_tolerance",
        title="What sound and broken INT8 graphs differ by",
        rows=rows,
        columns=COLUMNS,
        context={
            "script": f"python -m edgeneuro.benchmarks.compare_tolerance {' '.join(Path(pair).name for pair in engines)}",
            "protocol": "grouped, frames of groups unseen in training, validation and calibration",
            "reference": "FP32 graph of the bundle on ONNX Runtime",
            "broken": f"{BROKEN_FROM} with every UINT8 zero point of 0 read as INT8, on OpenVINO",
        },
    )


if __name__ == "__main__":
    typer.run(main)
