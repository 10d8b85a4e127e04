"""Inner tensors of a graph, made visible."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

import onnx

from edgeneuro.calibration.collect import Track, collect_statistics
from edgeneuro.calibration.observer import Statistics
from edgeneuro.runtime.backends import open_backend
from edgeneuro.spec import Feed


def with_outputs(model: onnx.ModelProto, tensors: Sequence[str]) -> onnx.ModelProto:
    """A copy of `model` whose outputs are `tensors`, inputs of the network among them."""
    observed: onnx.ModelProto = onnx.ModelProto.FromString(model.SerializeToString())
    del observed.graph.output[:]
    observed.graph.output.extend(onnx.helper.make_empty_tensor_value_info(tensor) for tensor in tensors)
    return observed


def observe(
    model: onnx.ModelProto, tensors: Sequence[str], feeds: Sequence[Feed], *, track: Track = lambda feeds: feeds
) -> dict[str, Statistics]:
    """Statistics of `tensors` of the float `model` over `feeds`. Raises as `collect_statistics` does."""
    content = with_outputs(model, tensors).SerializeToString()
    with closing(open_backend("onnxruntime", content, threads=None)) as backend:
        return collect_statistics(backend, feeds, track=track)
