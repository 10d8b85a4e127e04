"""Lists of layers as the versions write them.

The JSON here is made after NVIDIA's documentation of the inspector; the line of the build log is TensorRT-RTX 1.7.1's own.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from edgeneuro.runtime.backends.trt.layers import EngineLayer, NetworkLayer, census, from_inspector, from_log

LOGGED = (
    "Layers:\n"
    "Name: __mye134_0_myl0_0, LayerType: shape_call, Inputs: [], Constants: [], Outputs: [], TacticName: , StreamId: 0, "
    "Metadata: \n"
    "Name: conv_myl0_2, LayerType: correlation, Inputs: [ { Name: __mye229c.1_7_myl0, Dimensions: [-1,8,6,6], "
    "Strides: [288,1,48,8], StrideOrder: [3,0,2,1], Datatype: Int8, Format: (NHWC) Channel major format }], "
    "Constants: [ { Name: c, Dimensions: [8,8,1,1], Datatype: Float, Format: (NHWC) Channel major format }], "
    "Outputs: [ { Name: o, Dimensions: [-1,8,6,6], Datatype: Float, Format: (NHWC) Channel major format }], "
    "TacticName: __myelin_CASK_STUB, StreamId: 0, Metadata: [ONNX Layer: conv][ONNX Layer: DQ]\n"
    "Name: __myl_CorrAddRelu_myl0_3, LayerType: runtime_fusion, Inputs: [ { Name: o, Dimensions: [-1,8,6,6], "
    "Datatype: Half, Format: (NHWC) Channel major format }], Outputs: [], TacticName: t, StreamId: 0, "
    "Metadata: [ONNX Layer: second][ONNX Layer: relu]\n"
    "Name: __myl_MulAdd_myl0_4, LayerType: runtime_fusion, Inputs: [ { Name: o, Dimensions: [8], Datatype: Int8, "
    "Format: (Linear) Row major linear format }], Outputs: [], TacticName: t, StreamId: 0, Metadata: [ONNX Layer: third]"
)


def convolution(name: str) -> NetworkLayer:
    return NetworkLayer(node=f"[ONNX Layer: {name}]", convolution=True)


def layer_10(name: str, reads: str, kind: str = "CaskConvolution", **more: Any) -> dict[str, Any]:
    """A layer as TensorRT 10 writes it. reads: layout and type of its input in one sentence."""
    port = {"Name": "in", "Location": "Device", "Dimensions": [1, 32, 28, 28], "Format/Datatype": reads}
    known: dict[str, Any] = {"Name": f"{name} + relu", "LayerType": kind, "Inputs": [port], "Outputs": [port]}
    known |= {"TacticName": "t", "StreamId": 0, "Metadata": f"[ONNX Layer: {name}]\x1e[ONNX Layer: relu]"}
    return known | more


def layer_11(name: str, reads: str, kind: str = "CaskConvolution") -> dict[str, Any]:
    """A layer as TensorRT 11 writes it. reads: type of its input."""
    port = {"Name": "in", "Dimensions": [1, 32, 28, 28], "Datatype": reads, "Format": "Row major linear format"}
    return {"Name": name, "LayerType": kind, "Inputs": [port], "Metadata": f"[ONNX Layer: {name}]"}


def inspected(layers: list[Any], *, key: str = "Bindings") -> tuple[EngineLayer, ...]:
    return from_inspector(json.dumps({"Layers": layers, key: ["x", "y"]}))


@pytest.mark.parametrize(
    ("sentence", "kind"),
    [
        ("Thirty-two wide channel vectorized row major Int8 format", "Int8"),
        ("Row major Int8 format", "Int8"),
        ("Channel major FP16 format where channel % 8 == 0", "Half"),
        ("Two wide channel vectorized row major FP16 format", "Half"),
        ("Row major linear FP32", "Float"),
        ("Channel major FP32 format", "Float"),
        ("Row major linear BFloat16 format", "BFloat16"),
        ("Row major linear FP8 format", "FP8"),
        ("Row major Int32 format", "Int32"),
        ("N/A due to dynamic shapes", ""),
    ],
)
def test_the_type_is_found_in_the_sentence_of_tensorrt_10(sentence: str, kind: str) -> None:
    (layer,) = inspected([layer_10("a", sentence)])
    assert layer.reads == kind


@pytest.mark.parametrize("kind", ["Int8", "Half", "Float", "FP8", "BFloat16", "Int32"])
def test_the_type_is_a_field_of_its_own_in_tensorrt_11(kind: str) -> None:
    (layer,) = inspected([layer_11("a", kind)], key="I/O Tensors")
    assert layer.reads == kind


def test_each_convolution_is_counted_by_the_type_it_reads() -> None:
    layers = [
        layer_10("a", "Row major Int8 format", ParameterType="Convolution"),
        layer_10("b", "Row major linear FP16 format"),
        layer_10("c", "Row major linear FP32"),
        {"Name": "Reformatting CopyNode", "LayerType": "Reformat", "Inputs": [{"Format/Datatype": "Row major Int8"}]},
    ]
    found = census(inspected(layers), [convolution(name) for name in "abc"], "inspector")
    assert (found.convolutions, found.int8_convolutions, found.half_convolutions) == (3, 1, 1)
    assert (found.count, found.reformats, found.on_dla) == (4, 1, 0)
    assert found.types == {"Float": 1, "Half": 1, "Int8": 2}
    assert found.source == "inspector"


def test_a_layer_that_does_not_convolve_makes_no_convolution_int8() -> None:
    layers = [layer_10("a", "Row major Int8 format", kind="Reformat"), layer_10("a", "Row major linear FP32")]
    found = census(inspected(layers), [convolution("a")], "inspector")
    assert found.int8_convolutions == 0


def test_a_convolution_is_found_by_its_whole_name() -> None:
    layers = [layer_10("conv10", "Row major Int8 format")]
    assert census(inspected(layers), [convolution("conv1")], "inspector").int8_convolutions == 0
    assert census(inspected(layers), [convolution("conv10")], "inspector").int8_convolutions == 1


def test_transposed_convolutions_are_no_convolutions() -> None:
    network = [NetworkLayer(node="[ONNX Layer: up]", convolution=False)]
    found = census(inspected([layer_10("up", "Row major Int8 format", kind="CaskDeconvolution")]), network, "inspector")
    assert (found.convolutions, found.int8_convolutions) == (0, 0)


def test_weights_tell_the_type_where_free_sizes_hide_it() -> None:
    weights = {"Type": "Int8", "Count": 131072}
    (layer,) = inspected([layer_10("a", "N/A due to dynamic shapes", Weights=weights)])
    assert layer.reads == "Int8"


def test_layers_on_the_dla_are_counted_by_the_layers_of_the_network_in_them() -> None:
    dla = layer_10("a", "Thirty-two wide channel vectorized row major Int8 format", kind="DLA")
    dla["Metadata"] = "[ONNX Layer: a]\x1e[ONNX Layer: b]"
    network = [convolution("a"), convolution("b"), convolution("c")]
    found = census(inspected([dla, layer_10("c", "Row major linear FP16 format")]), network, "inspector")
    assert found.on_dla == 2
    assert (found.int8_convolutions, found.half_convolutions) == (2, 1)


def test_layers_that_are_names_alone_claim_nothing() -> None:
    found = census(inspected(["a", "b"]), [convolution("a")], "inspector")
    assert (found.count, found.convolutions, found.int8_convolutions, found.types) == (2, 1, 0, {})


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"Layers": 3}', "Layers:\nName: a"])
def test_another_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"no list of layers|Expecting value"):
        from_inspector(text)


def test_the_build_log_of_tensorrt_rtx_is_read_line_by_line() -> None:
    layers = from_log(["something else", LOGGED])
    assert [(layer.kind, layer.reads) for layer in layers] == [
        ("shape_call", ""),
        ("correlation", "Int8"),
        ("runtime_fusion", "Half"),
        ("runtime_fusion", "Int8"),
    ]
    assert layers[1] == EngineLayer(
        name="conv_myl0_2", kind="correlation", reads="Int8", nodes="[ONNX Layer: conv][ONNX Layer: DQ]"
    )


def test_a_fusion_convolves_where_its_name_says_so() -> None:
    network = [convolution(name) for name in ("conv", "second", "third")]
    found = census(from_log([LOGGED]), network, "build log")
    assert (found.convolutions, found.int8_convolutions, found.half_convolutions) == (3, 1, 1)
