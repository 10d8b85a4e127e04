"""The kinds of target, and how each wants INT8 written: one table, read by the writer, the linter and the search."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from edgeneuro.calibration.ranges import Activations
from edgeneuro.errors import UsageError
from edgeneuro.manifest import Precision

ONNXRUNTIME = "onnxruntime"
"""The default target, ONNX Runtime on x86; also the backend that runs the float graph."""

WEIGHTED = ("Conv", "ConvTranspose", "Gemm", "MatMul")
"""Operators with constant weights; convolutions and fully connected layers."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """How the plan is lowered for one kind of processor.

    target: key of the plan's placement; forms of one target share it. path: member of the bundle. requires: as in
    edgeneuro.manifest.Graph. operators: those that may be placed in INT8. activations: how they are quantised.
    weight_limit: largest magnitude of an INT8 weight. integer_bias: INT32 biases of scale input x weight, else float.
    closes: Q/DQ behind a placed node too, else on its inputs only. skip_only: of an addition, the input that comes
    straight from a convolution stays in float, so that both become one kernel. half: everything else in FP16. float8: FP8 E4M3 in
    place of INT8.
    """

    name: str
    target: str
    path: str
    backend: str
    precision: Precision = "int8"
    requires: tuple[str, ...] = ()
    operators: tuple[str, ...]
    activations: Activations
    weight_limit: int = 127
    integer_bias: bool = False
    closes: bool = False
    skip_only: bool = False
    half: bool = False
    float8: bool = False


_ORT_OPERATORS = (
    "Conv",
    "Gemm",
    "MatMul",
    "Add",
    "Mul",
    "Concat",
    "AveragePool",
    "GlobalAveragePool",
    "MaxPool",
    "Resize",
)
"""With an INT8 CPU kernel in ONNX Runtime, of those networks for images are made of. ConvTranspose has none."""

_OPENVINO_OPERATORS = ("Conv", "ConvTranspose", "Gemm", "MatMul", "Add", "AveragePool", "GlobalAveragePool", "Concat")

REDUCED = 63
"""Largest weight where two UINT8 x INT8 products are added in 16 bits, as x86 does without VNNI: beyond 2 x 255 x 64 they saturate."""

_TENSORRT_OPERATORS = (*WEIGHTED, "Add")

_ALL = (
    Form(
        name="onnxruntime-x86-vnni",
        target=ONNXRUNTIME,
        path="graphs/onnxruntime.int8.onnx",
        backend=ONNXRUNTIME,
        requires=("x86_64", "vnni"),
        operators=_ORT_OPERATORS,
        activations="unsigned",
        integer_bias=True,
        closes=True,
    ),
    Form(
        name="onnxruntime-x86",
        target=ONNXRUNTIME,
        path="graphs/onnxruntime.int8-reduced.onnx",
        backend=ONNXRUNTIME,
        requires=("x86_64",),
        operators=_ORT_OPERATORS,
        activations="unsigned",
        weight_limit=REDUCED,
        integer_bias=True,
        closes=True,
    ),
    Form(
        name="onnxruntime-arm",
        target="onnxruntime-arm",
        path="graphs/onnxruntime-arm.int8.onnx",
        backend=ONNXRUNTIME,
        requires=("aarch64",),
        operators=_ORT_OPERATORS,
        activations="signed",
        integer_bias=True,
        closes=True,
    ),
    Form(
        name="openvino",
        target="openvino",
        path="graphs/openvino.int8.onnx",
        backend="openvino",
        requires=("vnni",),
        operators=_OPENVINO_OPERATORS,
        activations="unsigned",  # with INT8 activations it computes other numbers behind a Concat, measured on a U-Net
    ),
    Form(
        name="openvino-reduced",
        target="openvino",
        path="graphs/openvino.int8-reduced.onnx",
        backend="openvino",
        operators=_OPENVINO_OPERATORS,
        activations="unsigned",
        weight_limit=REDUCED,
    ),
    Form(
        name="tensorrt",
        target="tensorrt",
        path="graphs/tensorrt.int8.onnx",
        backend="tensorrt",
        operators=_TENSORRT_OPERATORS,
        activations="symmetric",
        skip_only=True,
    ),
    Form(
        name="tensorrt-mixed",
        target="tensorrt",
        path="graphs/tensorrt.mixed.onnx",
        backend="tensorrt",
        precision="mixed",
        operators=_TENSORRT_OPERATORS,
        activations="symmetric",
        skip_only=True,
        half=True,
    ),
    Form(
        name="tensorrt-fp8",
        target="tensorrt",
        path="graphs/tensorrt.fp8.onnx",
        backend="tensorrt",
        precision="fp8",
        operators=_TENSORRT_OPERATORS,
        activations="symmetric",
        skip_only=True,
        float8=True,
    ),
    Form(
        name="tensorrt-fp16",
        target="tensorrt-fp16",
        path="graphs/tensorrt.fp16.onnx",
        backend="tensorrt",
        precision="fp16",
        operators=(),
        activations="symmetric",
        half=True,
    ),
)

FORMS: Mapping[str, Form] = {form.name: form for form in _ALL}
"""By name. Of one target, best first: a device opens the first one whose needs it meets."""

TARGETS: tuple[str, ...] = tuple(dict.fromkeys(form.target for form in _ALL if form.operators))
"""Keys of a plan's placement."""


def form_named(name: str) -> Form:
    """Raises UsageError naming the forms there are."""
    if name not in FORMS:
        raise UsageError(f"target {name!r}: is not known, expected one of {', '.join(FORMS)}")
    return FORMS[name]


def forms_for(target: str) -> tuple[Form, ...]:
    """The forms that follow the placement of `target`, best first."""
    return tuple(form for form in _ALL if form.target == target)


def forms_of(precision: Precision, backends: Collection[str]) -> tuple[Form, ...]:
    """The forms a bundle of `precision` holds for `backends`. "mixed": INT8 and FP16 on TensorRT; processors, which
    have no fast FP16, take their INT8 form."""
    return tuple(
        form
        for form in _ALL
        if form.backend in backends
        and (
            form.precision == precision
            or (precision == "mixed" and form.precision == "int8" and form.backend != "tensorrt")
        )
    )
