"""Every operator that can be trained gives what ONNX Runtime gives."""

from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from edgeneuro.errors import ModelFileError
from edgeneuro.export.emulate import open_emulated
from edgeneuro.export.qat_program import program_of
from edgeneuro.spec import Array
from edgeneuro.training.qat_network import Program, ProgramNetwork, Step
from edgeneuro.training.qat_operators import OPERATORS

RNG = np.random.default_rng(7)
IMAGE = (2, 6, 9, 8)


def drawn(*shape: int) -> Array:
    return RNG.standard_normal(shape).astype(np.float32)


def whole(*values: int) -> Array:
    return np.array(values, np.int64)


def number(value: float) -> Array:
    return np.asarray(value, np.float32)


def one_node(
    operator: str, constants: list[Array | None], shape: tuple[int, ...], **attributes: Any
) -> onnx.ModelProto:
    """x and the constants into one node; None leaves an input out."""
    names = ["" if value is None else f"c{place}" for place, value in enumerate(constants)]
    node = helper.make_node(operator, ["x", *names], ["y"], name="node", **attributes)
    graph = helper.make_graph(
        [node],
        "one node",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [
            numpy_helper.from_array(value, name)
            for name, value in zip(names, constants, strict=True)
            if value is not None
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


CASES: dict[str, tuple[str, list[Array | None], dict[str, Any]]] = {
    "convolution": ("Conv", [drawn(4, 6, 3, 3), drawn(4)], {"pads": [1, 1, 1, 1], "strides": [2, 2]}),
    "depthwise, dilated": ("Conv", [drawn(6, 1, 3, 3)], {"group": 6, "dilations": [2, 2]}),
    "padded on one side": ("Conv", [drawn(4, 6, 3, 3)], {"pads": [0, 1, 2, 0]}),
    "transposed": ("ConvTranspose", [drawn(6, 4, 2, 2), drawn(4)], {"strides": [2, 2]}),
    "transposed, more rows": ("ConvTranspose", [drawn(6, 4, 3, 3)], {"strides": [2, 2], "output_padding": [1, 1]}),
    "max pool": ("MaxPool", [], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}),
    "max pool, one side": ("MaxPool", [], {"kernel_shape": [2, 2], "strides": [2, 2], "pads": [0, 0, 1, 1]}),
    "average pool": ("AveragePool", [], {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1}),
    "average pool, padded": ("AveragePool", [], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}),
    "average pool, pads count": (
        "AveragePool",
        [],
        {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "count_include_pad": 1},
    ),
    "global average": ("GlobalAveragePool", [], {}),
    "mean": ("ReduceMean", [whole(2, 3)], {"keepdims": 0}),
    "nearest": (
        "Resize",
        [None, np.array([1, 1, 2, 2], np.float32)],
        {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
    ),
    "bilinear to a size": (
        "Resize",
        [None, None, whole(2, 6, 13, 17)],
        {"mode": "linear", "coordinate_transformation_mode": "half_pixel"},
    ),
    "normalised": ("BatchNormalization", [drawn(6), drawn(6), drawn(6), drawn(6) ** 2], {"epsilon": 1e-3}),
    "padded": ("Pad", [whole(0, 0, 1, 0, 0, 3, 2, 0), number(0.5)], {}),
    "reshaped": ("Reshape", [whole(0, 3, -1)], {}),
    "turned": ("Transpose", [], {"perm": [0, 2, 3, 1]}),
    "one axis more": ("Unsqueeze", [whole(-1, 0)], {}),
    "flat": ("Flatten", [], {"axis": 1}),
    "joined": ("Concat", [drawn(2, 1, 9, 8)], {"axis": 1}),
    "sum": ("Add", [drawn(6, 1, 1)], {}),
    "difference": ("Sub", [drawn(1)], {}),
    "product": ("Mul", [drawn(2, 6, 1, 1)], {}),
    "quotient": ("Div", [number(3.0)], {}),
    "smallest of three": ("Min", [drawn(6, 1, 1), drawn(1)], {}),
    "largest": ("Max", [drawn(6, 1, 1)], {}),
    "clipped": ("Clip", [number(-0.5), number(0.7)], {}),
    "clipped above": ("Clip", [None, number(0.7)], {}),
    "softmax": ("Softmax", [], {"axis": 1}),
    "hard sigmoid": ("HardSigmoid", [], {"alpha": 0.3, "beta": 0.4}),
    **{name: (name, [], {}) for name in ("Abs", "HardSwish", "Identity", "Neg", "Relu", "Sigmoid", "Tanh")},
}


@pytest.mark.parametrize("case", CASES)
def test_an_operator_computes_what_onnx_runtime_computes(case: str) -> None:
    operator, constants, attributes = CASES[case]
    check(one_node(operator, constants, IMAGE, **attributes), drawn(*IMAGE))


@pytest.mark.parametrize(
    ("operator", "constants", "shape", "attributes"),
    [
        ("Gemm", [drawn(4, 6), drawn(4)], (5, 6), {"transB": 1, "alpha": 0.5, "beta": 2.0}),
        ("Gemm", [drawn(5, 4)], (5, 6), {"transA": 1}),
        ("MatMul", [drawn(6, 4)], (2, 3, 6), {}),
        ("Squeeze", [whole(1, -1)], (2, 1, 3, 1), {}),
    ],
)
def test_matrices_too(
    operator: str, constants: list[Array | None], shape: tuple[int, ...], attributes: dict[str, Any]
) -> None:
    check(one_node(operator, constants, shape, **attributes), drawn(*shape))


def check(model: onnx.ModelProto, x: Array) -> None:
    expected = open_emulated(model).run({"x": x})["y"]
    with torch.no_grad():
        got = ProgramNetwork(program_of(model, []))(torch.from_numpy(x)).numpy()
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=2e-6)


def test_every_operator_is_compared_here_or_in_the_tests_of_rounding() -> None:
    compared = {operator for operator, _, _ in CASES.values()} | {"Gemm", "MatMul", "Squeeze"}
    rounding = {"QuantizeLinear", "DequantizeLinear", "QuantizedWeights", "QuantizedBias"}
    assert compared | rounding == OPERATORS.keys()


def test_an_operator_that_cannot_be_trained_is_refused_by_name() -> None:
    step = Step(name="odd one", operator="NonMaxSuppression", inputs=("x",), outputs=("y",), attributes={})
    program = Program(input="x", output="y", steps=(step,), parameters={}, constants={})
    with pytest.raises(ModelFileError, match="'odd one': operator NonMaxSuppression cannot be trained"):
        ProgramNetwork(program)


@pytest.mark.parametrize(
    ("operator", "constants", "attributes", "message"),
    [
        ("Pad", [whole(0, 0, 1, 1, 0, 0, 1, 1)], {"mode": "reflect"}, "mode 'reflect', expected constant"),
        ("Resize", [None, np.array([1, 1, 2, 2], np.float32)], {"mode": "cubic"}, "is cubic, half_pixel"),
        ("AveragePool", [], {"kernel_shape": [2, 2], "pads": [0, 0, 1, 1]}, "as many on both sides"),
    ],
)
def test_a_variant_that_torch_would_compute_otherwise_is_refused(
    operator: str, constants: list[Array | None], attributes: dict[str, Any], message: str
) -> None:
    network = ProgramNetwork(program_of(one_node(operator, constants, IMAGE, **attributes), []))
    with pytest.raises(ModelFileError, match=message):
        network(torch.from_numpy(drawn(*IMAGE)))
