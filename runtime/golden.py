"""The self-test: golden inputs, and the outputs a graph must give for them on any machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO

import numpy as np

from edgeneuro.errors import BundleError, SelfTestError
from edgeneuro.manifest import Graph
from edgeneuro.runtime.backends import Backend
from edgeneuro.runtime.bundle import GOLDEN, Bundle
from edgeneuro.spec import Array, Feed, TensorSpec


def input_member(name: str) -> str:
    """Array of golden.npz with what is fed to input `name`: (feed, ...the input's own axes)."""
    return f"input:{name}"


def output_member(path: str, name: str) -> str:
    """Array of golden.npz with what the graph `path` gives as output `name`: (feed, ...the output's own axes)."""
    return f"{path}:{name}"


def magnitude(values: Array) -> float:
    """What differences of an output are counted in: its largest golden value, at least 1."""
    return max(float(np.abs(values).max(initial=0.0)), 1.0)


def check_golden(bundle: Bundle, graph: Graph, backend: Backend) -> float:
    """Run the golden inputs one by one, as frames come; returns the largest difference of any output element, as a share
    of the largest golden value of its output (at least 1).

    Outputs that are no floating-point numbers are checked for shape and type alone: a score that moves by a rounding may
    turn a class number. Raises SelfTestError when the difference exceeds `graph.tolerance`, BundleError when golden.npz
    does not hold what it should.
    """
    inputs, outputs = bundle.manifest.inputs, bundle.manifest.outputs
    golden = _read_golden(bundle, graph)
    worst = 0.0
    for number, feed in enumerate(_feeds(inputs, golden)):
        results = backend.run(feed)
        for spec in outputs:
            expected = golden[output_member(graph.path, spec.name)]
            difference = _difference(results[spec.name], np.asarray(expected[number]), magnitude(expected))
            if not difference <= graph.tolerance:  # also true for NaN
                raise SelfTestError(
                    f"{graph.path}: output {spec.name!r} differs from its golden value by {difference:.3g} of the "
                    f"largest on {graph.backend} here, allowed {graph.tolerance:.3g}; try --precision fp32, another "
                    f"{graph.backend}, or build the engine again for this processor"
                )
            worst = max(worst, difference)
    return worst


def golden_feeds(bundle: Bundle, graph: Graph) -> list[Feed]:
    """The golden inputs, one feed each. Raises BundleError when golden.npz does not hold what it should."""
    return _feeds(bundle.manifest.inputs, _read_golden(bundle, graph))


def _feeds(inputs: Sequence[TensorSpec], golden: Mapping[str, Array]) -> list[Feed]:
    count = len(golden[input_member(inputs[0].name)])
    return [
        {spec.name: np.asarray(golden[input_member(spec.name)][number]) for spec in inputs} for number in range(count)
    ]


def _difference(got: Array, expected: Array, largest: float) -> float:
    if got.shape != expected.shape or got.dtype != expected.dtype:
        return float("inf")
    if expected.dtype.kind != "f" or expected.size == 0:
        return 0.0
    with np.errstate(invalid="ignore"):  # infinity minus infinity is the NaN that fails the test
        return float(np.abs(got.astype(np.float64) - expected).max()) / largest


def _read_golden(bundle: Bundle, graph: Graph) -> dict[str, Array]:
    """Members of golden.npz for `graph`; shapes checked against the manifest."""
    inputs, outputs = bundle.manifest.inputs, bundle.manifest.outputs
    specs: Mapping[str, TensorSpec] = {
        **{input_member(spec.name): spec for spec in inputs},
        **{output_member(graph.path, spec.name): spec for spec in outputs},
    }
    try:
        with np.load(BytesIO(bundle.members[GOLDEN]), allow_pickle=False) as arrays:
            golden = {member: arrays[member] for member in specs}
    except Exception as error:  # zipfile, zlib, numpy and tokenizer errors share no base class
        raise BundleError(f"{GOLDEN}: cannot be read ({error}); build the engine again") from error
    _check_counts(golden)
    for member, spec in specs.items():
        for value in golden[member]:
            spec.check(np.asarray(value))
    return golden


def _check_counts(golden: Mapping[str, Array]) -> None:
    counts: Sequence[int] = [len(array) if array.ndim else 0 for array in golden.values()]
    if len(set(counts)) != 1 or counts[0] == 0:
        held = ", ".join(f"{count} of {member}" for member, count in zip(golden, counts, strict=True))
        raise BundleError(f"{GOLDEN}: holds {held}, expected as many of each and at least one; build the engine again")
