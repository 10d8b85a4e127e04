"""Which multiples of channels the processor's kernels want: rates of convolutions of every width between multiples of 16.

    python -m edgeneuro.benchmarks.prune_widths [--step 1] [--rounds 200]

Chains of equal convolutions, pointwise and 3x3, at the sizes that STANet has, FP32 and INT8, on ONNX Runtime and OpenVINO.
Writes docs/results/prune_widths.json and .md.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import numpy as np
import typer

from edgeneuro.benchmarks.protocol import Candidate, Floats, interleave, load_average
from edgeneuro.benchmarks.results import write_result
from edgeneuro.runtime.backends import Backend, open_backend, unavailable
from edgeneuro.spec import Array

if TYPE_CHECKING:
    import onnx

Precision = Literal["fp32", "int8"]
BACKENDS = ("onnxruntime", "openvino")
KERNELS, SIDES = (1, 3), (14, 28)
NARROWEST, WIDEST, WHOLE = 32, 64, 16
"""Channels; widths are compared with the multiples of WHOLE on both sides."""
DEPTH = 16
"""Layers in a chain, so that the call itself is a small part."""
MULTIPLES = (8, 4, 2, 1)
WARM_UP = 5


@dataclass(frozen=True, kw_only=True)
class Chain:
    """DEPTH convolutions that keep the size. kernel: side of the filters. side: of the image."""

    precision: Precision
    kernel: int
    side: int
    width: int

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one call."""
        return DEPTH * (self.side * self.kernel * self.width) ** 2


def graph_of(chain: Chain) -> onnx.ModelProto:
    """x -> the chain -> y, (1, width, side, side), float32 or UINT8 on both sides, Q/DQ pairs in between.

    Every weight is 1 / (products summed by one output), so that outputs are means of inputs.
    """
    from onnx import TensorProto, helper, numpy_helper

    int8 = chain.precision == "int8"
    shape = (chain.width, chain.width, chain.kernel, chain.kernel)
    value = np.float32(1 / (chain.width * chain.kernel**2))
    constants: dict[str, Array] = {
        "scale": np.array(1 / 255, np.float32),
        "zero": np.array(0, np.uint8),
        "step": np.array(value),
    }
    nodes, last = [], "x"
    for layer in range(DEPTH):
        weights, made = f"weights{layer}", "y" if layer == DEPTH - 1 else f"t{layer}"
        constants[weights] = np.ones(shape, np.int8) if int8 else np.full(shape, value)
        pads = [chain.kernel // 2] * 4
        if not int8:
            nodes.append(helper.make_node("Conv", [last, weights], [made], pads=pads))
        else:
            nodes += [
                helper.make_node("DequantizeLinear", [last, "scale", "zero"], [f"in{layer}"]),
                helper.make_node("DequantizeLinear", [weights, "step"], [f"filters{layer}"]),
                helper.make_node("Conv", [f"in{layer}", f"filters{layer}"], [f"out{layer}"], pads=pads),
                helper.make_node("QuantizeLinear", [f"out{layer}", "scale", "zero"], [made]),
            ]
        last = made
    kind = TensorProto.UINT8 if int8 else TensorProto.FLOAT
    form = (1, chain.width, chain.side, chain.side)
    graph = helper.make_graph(
        nodes,
        "chain",
        [helper.make_tensor_value_info("x", kind, form)],
        [helper.make_tensor_value_info("y", kind, form)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def measure(
    backend: str, chains: Sequence[Chain], *, rounds: int, threads: int, rng: np.random.Generator
) -> dict[int, Floats]:
    """Width -> (round,) ms a call, all widths in the same rounds."""
    with ExitStack() as opened:
        candidates = {}
        for chain in chains:
            session = open_backend(backend, graph_of(chain).SerializeToString(), threads=threads)
            candidates[str(chain.width)] = _candidate(opened.enter_context(closing(session)), chain)
        times = interleave(candidates, rounds=rounds, warm_up=WARM_UP, rng=rng)
    return {int(width): steps["inference"] for width, steps in times.items()}


def _candidate(session: Backend, chain: Chain) -> Candidate:
    kind = np.uint8 if chain.precision == "int8" else np.float32
    feed = {"x": np.ones((1, chain.width, chain.side, chain.side), kind)}

    def run(_: int) -> Mapping[str, float]:
        started = time.perf_counter()
        session.run(feed)
        return {"inference": 1e3 * (time.perf_counter() - started)}

    return run


def multiple_of(width: int) -> int:
    """The largest power of two up to WHOLE that divides it."""
    return min(width & -width, WHOLE)


def excess(times: Mapping[int, Floats], chains: Mapping[int, Chain]) -> dict[int, float]:
    """Width -> time for each multiply-accumulate, over what lies on the line between the multiples of WHOLE on both sides.

    Taken within a round; the median over the rounds. 1 for a width that wastes nothing. times: width -> (round,), those
    multiples among them.
    """
    cost = {width: taken / chains[width].macs for width, taken in times.items()}
    found = {}
    for width, taken in cost.items():
        if below := width % WHOLE:
            low, high = cost[width - below], cost[width - below + WHOLE]
            found[width] = float(np.median(taken / (low + (high - low) * below / WHOLE)))
    return found


def rows_of(place: Mapping[str, Any], times: Mapping[int, Floats], chains: Mapping[int, Chain]) -> list[dict[str, Any]]:
    """A row for each multiple: widths that are multiples of it and of no larger one. place: what is the same in all."""
    over = excess(times, chains)
    whole = [times[width] / chains[width].macs for width in times if multiple_of(width) == WHOLE]
    rows = []
    for multiple in MULTIPLES:
        widths = [width for width in over if multiple_of(width) == multiple]
        if widths:
            of = [over[width] for width in widths]
            rows.append(
                {
                    **place,
                    "multiple": multiple,
                    "excess": float(np.median(of)),
                    "least": min(of),
                    "most": max(of),
                    "whole_gmac_s": 1e-6 / float(np.median(np.concatenate(whole))),
                    "widths": {str(width): over[width] for width in widths},
                    "ms": {str(width): float(np.median(taken)) for width, taken in times.items()},
                }
            )
    return rows


def main(
    rounds: Annotated[int, typer.Option(min=1, help="Calls of each width.")] = 200,
    step: Annotated[int, typer.Option(help="Between widths: 1, 2, 4 or 8 channels.")] = 1,
    threads: Annotated[int, typer.Option(min=1)] = 1,
    seed: Annotated[int, typer.Option(help="Of the order within a round.")] = 0,
) -> None:
    """Time every width on every installed backend and write the result."""
    if step not in MULTIPLES:
        raise typer.BadParameter(f"--step {step}: expected one of {', '.join(map(str, MULTIPLES))}")
    load, rows, rng = load_average(), list[dict[str, Any]](), np.random.default_rng(seed)
    places = product((name for name in BACKENDS if not unavailable(name)), get_args(Precision), KERNELS, SIDES)
    for backend, precision, kernel, side in places:
        chains = {
            width: Chain(precision=precision, kernel=kernel, side=side, width=width)
            for width in range(NARROWEST, WIDEST + 1, step)
        }
        times = measure(backend, list(chains.values()), rounds=rounds, threads=threads, rng=rng)
        place = {"backend": backend, "precision": precision, "kernel": f"{kernel}x{kernel}", "side": side}
        rows += rows_of(place, times, chains)
        for row in rows[-len(MULTIPLES) :]:
            print(
                f"{backend} {precision} {kernel}x{kernel} {side} px, multiples of {row['multiple']}: {row['excess']:.2f}"
            )
    write_result(
        "prune_widths",
        title="What widths that are no multiple of 16 cost",
        rows=rows,
        columns={
            "backend": "backend",
            "precision": "precision",
            "kernel": "filters",
            "side": "image side, px",
            "multiple": "widths in multiples of",
            "excess": "time per operation, over that of multiples of 16",
            "least": "least",
            "most": "most",
            "whole_gmac_s": "multiples of 16, GMAC/s",
        },
        context={
            "script": f"python -m edgeneuro.benchmarks.prune_widths --rounds {rounds} --step {step}",
            "data": f"chains of {DEPTH} equal convolutions, {NARROWEST} to {WIDEST} channels in and out",
            "threads": threads,
            "rounds": rounds,
            "load average before": load,
            "notes": [
                "A row holds the widths that are multiples of the number named and of no larger power of two.",
                "Time per multiply-accumulate is compared with the line between the multiples of 16 on both sides, in a round.",
                "Medians over the rounds, then over the widths of the row; least and most are of single widths.",
                "60 channels cost as much as 64 where their excess is the ratio of the operations, 1.14.",
            ],
        },
    )


if __name__ == "__main__":
    typer.run(main)
