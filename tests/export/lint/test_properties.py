"""Whatever small Q/DQ graph comes: what --fix writes is valid, clean, and stays as it is when written again."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edgeneuro.export.emulate import open_emulated
from edgeneuro.export.forms import FORMS
from edgeneuro.export.graph import initializers
from edgeneuro.export.lint.check import lint
from edgeneuro.export.lint.finding import EVERY
from edgeneuro.export.lint.fix import fix_file, rewrite
from edgeneuro.export.lint.read import plain
from edgeneuro.spec import Array
from tests.export.lint.graphs import SIDE, Builder

Draw = Any
ZERO_POINTS = (np.int8(0), np.uint8(0), np.uint8(128), np.int8(-128), np.int8(7), np.uint8(30))
STEPS = (
    "conv",
    "depthwise",
    "grouped",
    "narrow",
    "transposed",
    "relu",
    "clip",
    "sigmoid",
    "add",
    "concat",
    "maxpool",
    "mean",
)
few = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@st.composite
def networks(draw: Draw) -> onnx.ModelProto:
    """A chain of up to seven operators over 16 channels, with branches, placed at random and with random mistakes."""
    net = Builder(seed=draw(st.integers(0, 99)))
    tensors = ["x"]
    for number, step in enumerate(draw(st.lists(st.sampled_from(STEPS), min_size=1, max_size=7))):
        tensors.append(_step(draw, net, step, tensors, f"t{number}"))
    ends = {tensors[-1], draw(st.sampled_from(tensors[1:]))}
    outputs = [_read(draw, net, end) for end in sorted(ends)]
    return net.model(*dict.fromkeys(outputs))


def _read(draw: Draw, net: Builder, tensor: str, *, channels: int = 16) -> str:
    """A tensor as its reader gets it: in float, through Q/DQ, or through two of them."""
    for _ in range(draw(st.sampled_from((0, 1, 1, 1, 2)))):
        if draw(st.integers(0, 9)) == 0:
            scales = np.linspace(0.01, 0.05, channels, dtype=np.float32)
            tensor = net.pair(tensor, scales, np.zeros(channels, draw(st.sampled_from((np.int8, np.uint8)))), axis=1)
        else:
            tensor = net.pair(tensor, draw(st.sampled_from((0.02, 0.05))), draw(st.sampled_from(ZERO_POINTS)))
    return tensor


def _step(draw: Draw, net: Builder, step: str, tensors: list[str], name: str) -> str:
    """One operator on the newest tensor; (batch, 16, SIDE, SIDE) all along."""
    x = _read(draw, net, tensors[-1])
    match step:
        case "relu" | "sigmoid":
            return net.node(step.capitalize(), [x], name)
        case "clip":
            low, high = net.constant(f"{name}/lo", np.float32(-1)), net.constant(f"{name}/hi", np.float32(3))
            return net.node("Clip", [x, low, high], name)
        case "maxpool":
            return net.node("MaxPool", [x], name, kernel_shape=[3, 3], pads=[1] * 4)
        case "mean":
            return net.node("Add", [x, net.node("GlobalAveragePool", [x], f"{name}/mean")], name)
        case "add":
            return net.node("Add", [x, _read(draw, net, draw(st.sampled_from(tensors)))], name)
        case "concat":
            joined = net.node("Concat", [x, _read(draw, net, draw(st.sampled_from(tensors)))], f"{name}/c", axis=1)
            return _layer(draw, net, _read(draw, net, joined, channels=32), name, (16, 32, 1, 1))
        case "narrow":
            inner = _layer(draw, net, x, f"{name}/n", (6, 16, 1, 1))
            return _layer(draw, net, inner, name, (16, 6, 1, 1))
        case "depthwise":
            return _layer(draw, net, x, name, (16, 1, 3, 3), group=16)
        case "grouped":
            return _layer(draw, net, x, name, (16, 8, 1, 1), group=2)
        case "transposed":
            return _layer(draw, net, x, name, (16, 16, 3, 3), kind="ConvTranspose", pads=[1] * 4)
    return _layer(draw, net, x, name, (16, 16, 3, 3))


def _layer(draw: Draw, net: Builder, x: str, name: str, shape: tuple[int, ...], **attributes: Any) -> str:
    weights = _weights(draw, net, f"{name}/w", shape)
    outs = 16 if attributes.get("kind") else shape[0]
    bias = None
    match draw(st.sampled_from(("none", "float", "int32"))):
        case "float":
            bias = net.constant(f"{name}/b", net.rng.normal(0, 0.1, outs).astype(np.float32))
        case "int32":
            bias = net.stored(f"{name}/b", net.rng.integers(-900, 900, outs).astype(np.int32), np.float32(1e-4))
    return net.layer(x, name, shape=shape, weights=weights, bias=bias, **attributes)


def _weights(draw: Draw, net: Builder, name: str, shape: tuple[int, ...]) -> str:
    values = net.rng.normal(0, 0.1, shape).astype(np.float32)
    match draw(
        st.sampled_from(("channels", "channels", "tensor", "float", "fake", "wrong axis", "shifted", "unsigned"))
    ):
        case "channels":
            return net.stored(name, net.steps(*shape), net.rng.uniform(0.001, 0.003, shape[0]), axis=0)
        case "tensor":
            return net.stored(name, net.steps(*shape), 0.002)
        case "wrong axis":
            return net.stored(name, net.steps(*shape), net.rng.uniform(0.001, 0.003, shape[1]), axis=1)
        case "shifted":
            return net.stored(name, net.steps(*shape), 0.002, np.int8(5))
        case "unsigned":
            return net.stored(name, net.rng.integers(0, 256, shape).astype(np.uint8), 0.002, np.uint8(120))
        case "fake":
            return net.pair(net.constant(name, values), 0.003)
    return net.constant(name, values)


def integers_of(model: onnx.ModelProto) -> dict[str, Array]:
    """Layer in INT8 -> its weights."""
    ends = "/weight/quantized"
    return {name.removesuffix(ends): value for name, value in initializers(model.graph).items() if name.endswith(ends)}


def scales_of(model: onnx.ModelProto) -> dict[str, tuple[float, int]]:
    """Tensor -> its scale and zero point; names without what taking apart and writing again adds to them."""
    constants = initializers(model.graph)
    return {
        re.sub("(/float|/relu|/inner)+$", "", node.input[0]): (
            float(constants[node.input[1]]),
            int(constants[node.input[2]]),
        )
        for node in model.graph.node
        if node.op_type == "QuantizeLinear"
    }


@few
@given(networks(), st.sampled_from(EVERY))
def test_what_fix_writes_is_valid_runs_and_breaks_no_rule(model: onnx.ModelProto, target: str) -> None:
    model = plain(model)
    written = rewrite(model, FORMS[target], lint(model, (target,))).model
    onnx.checker.check_model(written, full_check=True)
    assert lint(plain(written), (target,)) == ()
    with closing(open_emulated(written)) as backend:
        outputs = backend.run({"x": np.ones((1, 16, SIDE, SIDE), np.float32)})
    assert all(np.isfinite(value).all() for value in outputs.values())
    assert list(outputs) == [item.name for item in model.graph.output]


@few
@given(networks(), st.sampled_from([name for name in EVERY if not FORMS[name].half]))
def test_the_plan_read_back_from_what_was_written_is_the_plan(model: onnx.ModelProto, target: str) -> None:
    model = plain(model)
    once = rewrite(model, FORMS[target], lint(model, (target,))).model
    twice = rewrite(plain(once), FORMS[target], ()).model  # although nothing asks for it
    first, second = integers_of(once), integers_of(twice)
    assert first.keys() == second.keys()
    assert all(np.array_equal(first[layer], second[layer]) for layer in first)
    before, after = scales_of(once), scales_of(twice)
    assert {tensor: after.get(tensor) for tensor in before} == before
    assert lint(plain(twice), (target,)) == ()


@settings(max_examples=10, deadline=None)
@given(networks(), st.sampled_from([name for name in EVERY if name != "openvino"]))  # which starts a process each time
def test_a_fixed_file_is_fixed_to_the_same_bytes(tmp_path_factory: Any, model: onnx.ModelProto, target: str) -> None:
    folder: Path = tmp_path_factory.mktemp("fixed")
    source, once, twice = folder / "source.onnx", folder / "once.onnx", folder / "twice.onnx"
    source.write_bytes(model.SerializeToString())
    fix_file(source, plain(model), FORMS[target], once)
    report = fix_file(once, plain(onnx.load(str(once))), FORMS[target], twice)
    assert once.read_bytes() == twice.read_bytes()
    assert report.changed == ()
