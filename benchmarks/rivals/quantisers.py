"""What others make of the same float ONNX graph and the same calibration frames, each with its own defaults."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeneuro.spec import Array, Feed

if TYPE_CHECKING:
    import onnx

NNCF, ORT_DEFAULT, ORT_U8S8 = "NNCF", "ORT static", "ORT static U8S8 per channel"


def nncf_raw(model: onnx.ModelProto, feeds: Sequence[Feed]) -> onnx.ModelProto:
    """`nncf.quantize(model, dataset)` and nothing else; it takes at most 300 frames."""
    from edgeneuro.export.nncf_ranges import import_nncf, quiet_nncf

    nncf = import_nncf()
    with quiet_nncf():
        quantized: onnx.ModelProto = nncf.quantize(_copy(model), nncf.Dataset([dict(feed) for feed in feeds]))
    return quantized


def ort_static(model: onnx.ModelProto, feeds: Sequence[Feed]) -> onnx.ModelProto:
    """`quantize_static(model, out, reader)` of ONNX Runtime with every default: QDQ, INT8, per tensor, min-max."""
    return _quantize_static(_copy(model), feeds)


def ort_u8s8(model: onnx.ModelProto, feeds: Sequence[Feed]) -> onnx.ModelProto:
    """What ONNX Runtime's guide recommends for x86 with VNNI: pre-processing, then UINT8 activations and INT8 weights
    with one scale a channel.

    Source: onnxruntime.ai, "Quantize ONNX Models", sections Pre-processing and Data type selection.
    """
    import onnx
    from onnxruntime.quantization import QuantType
    from onnxruntime.quantization.shape_inference import quant_pre_process

    with tempfile.TemporaryDirectory(prefix="edgeneuro-") as folder:
        prepared = Path(folder) / "prepared.onnx"
        quant_pre_process(_copy(model), str(prepared))
        return _quantize_static(
            onnx.load(str(prepared)),
            feeds,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            per_channel=True,
        )


RIVALS: Mapping[str, Callable[[onnx.ModelProto, Sequence[Feed]], onnx.ModelProto]] = {
    NNCF: nncf_raw,
    ORT_DEFAULT: ort_static,
    ORT_U8S8: ort_u8s8,
}
"""Name in the tables -> quantiser. Each returns one graph, meant for every runtime."""


class _Reader:
    """Frames as ONNX Runtime's calibrators ask for them."""

    def __init__(self, feeds: Sequence[Feed]) -> None:
        self.left: Iterator[Feed] = iter(feeds)

    def get_next(self) -> dict[str, Array] | None:
        """One frame, None after the last."""
        feed = next(self.left, None)
        return None if feed is None else dict(feed)


def _quantize_static(model: onnx.ModelProto, feeds: Sequence[Feed], **settings: Any) -> onnx.ModelProto:
    import onnx
    from onnxruntime.quantization import quantize_static

    with tempfile.TemporaryDirectory(prefix="edgeneuro-") as folder:
        out = Path(folder) / "quantized.onnx"
        quantize_static(model, str(out), _Reader(feeds), **settings)
        return onnx.load(str(out))


def _copy(model: onnx.ModelProto) -> onnx.ModelProto:
    import onnx

    copied: onnx.ModelProto = onnx.ModelProto.FromString(model.SerializeToString())
    return copied
