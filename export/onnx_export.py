"""A torch network to float ONNX: dynamo exporter, opset 20, IR 10, dynamic batch, weights inside.

A network that explains itself gets a second output, its class activation maps: an intermediate result of the logits, so
nothing more is computed and no weight is there twice. One that rates its frames gets a quality score as well.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from edgeneuro.data.recordings.as_data import RESPONSES
from edgeneuro.errors import ModelFileError
from edgeneuro.export.compute import compute_of, parameters
from edgeneuro.export.onnx_file import IR_VERSION, OPSET
from edgeneuro.export.rewrite import use_global_average_pool
from edgeneuro.manifest import CLASS_MAPS, QUALITY, Compute
from edgeneuro.runtime.backends import open_backend
from edgeneuro.spec import Float32

INPUT = "image"
OUTPUT = "logits"

RELATIVE_TOLERANCE = 1e-4
"""Of the largest value of an output. Folding batch normalisation and summing in another order moves float32 results by
about 1e-6 for each layer; a wrong layer moves them by far more."""


def explains(network: nn.Module) -> bool:
    """Whether the network has `class_maps`, (batch, channel, height, width) -> (batch, class, height, width), of which the
    means plus its `bias`, (class,), are its logits."""
    return hasattr(network, "class_maps")


def rates(network: nn.Module) -> bool:
    """Whether the network has a `weight_head`, and so gives `rated`: logits (batch, class) and quality (batch, 1)."""
    return getattr(network, "weight_head", None) is not None


class WithMaps(nn.Module):
    """A network that explains itself as it is exported: its logits (batch, class), and the class maps they are means of."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network: Any = network

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, channel, height, width) -> in the order of `output_names`."""
        maps: Tensor = self.network.class_maps(image)
        return maps.mean((2, 3)) + self.network.bias, maps


class WithQuality(nn.Module):
    """A network that rates its frames as it is exported: its logits (batch, class), and a quality (batch, 1)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network: Any = network

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(batch, channel, height, width) -> in the order of `output_names`."""
        logits, quality = self.network.rated(image)
        return logits, quality


def as_exported(network: nn.Module) -> nn.Module:
    """What gives the outputs of the exported graph: a tensor, or several in the order of `output_names`."""
    if explains(network):
        return WithMaps(network)
    return WithQuality(network) if rates(network) else network


def output_names(network: nn.Module) -> tuple[str, ...]:
    """Of the exported graph of `network`, logits first."""
    if explains(network):
        return (OUTPUT, CLASS_MAPS)
    return (OUTPUT, QUALITY) if rates(network) else (OUTPUT,)


def named_outputs(network: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """What PyTorch gives for images (batch, channel, height, width), under the names of the exported graph."""
    given = as_exported(network)(images)
    return dict(zip(output_names(network), given if isinstance(given, tuple) else (given,), strict=True))


def export_onnx(
    network: nn.Module, *, channels: int, height: int, width: int, depth: int | None = None
) -> tuple[onnx.ModelProto, Compute]:
    """`export_graph` of a network for frames, or for volumes of `depth` planes."""
    return export_graph(network, (channels, *(() if depth is None else (depth,)), height, width))


def input_name(shape: tuple[int, ...]) -> str:
    """Of the exported graph. shape: of one input without its batch axis."""
    return RESPONSES if len(shape) == 1 else INPUT


def export_graph(network: nn.Module, shape: tuple[int, ...]) -> tuple[onnx.ModelProto, Compute]:
    """The float graph and its cost.

    network: maps (batch, *shape) float32 to (batch, class), or one that finds where things are to (batch, 1, [depth,] height, width);
    put into eval mode here. shape: (channel, [depth,] height, width), or (neuron,). One that explains itself gives its class maps as
    well. Parameters are counted before batch normalisation is folded into the convolutions. The graph that comes back is folded, its
    spatial means are GlobalAveragePool. Raises ModelFileError when the exporter leaves another opset or a dead end.
    """
    network.eval()
    example = torch.zeros(2, *shape)
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            as_exported(network).eval(),
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[input_name(shape)],
            output_names=list(output_names(network)),
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            optimize=False,
            verbose=False,
        )
        if program is None:
            raise ModelFileError("torch.onnx: exported nothing; upgrade torch to 2.9 or newer")
        whole: onnx.ModelProto = program.model_proto
        program.optimize()
    folded: onnx.ModelProto = program.model_proto
    use_global_average_pool(folded)
    if len(output_names(network)) > 1:
        _own_names(folded)
    _stamp(folded)
    return folded, compute_of(folded, params=parameters(whole))


def largest_difference(network: nn.Module, model: onnx.ModelProto, frames: Float32) -> float:
    """Largest difference of any output between PyTorch and ONNX Runtime, relative to the largest value of that output.

    frames: (batch, channel, [depth,] height, width), or (batch, neuron). Raises ModelFileError beyond RELATIVE_TOLERANCE.
    """
    with torch.no_grad():
        outputs = {name: values.numpy() for name, values in named_outputs(network, torch.from_numpy(frames)).items()}
    with closing(open_backend("onnxruntime", model.SerializeToString(), threads=None)) as backend:
        got = backend.run({model.graph.input[0].name: frames})
    worst = 0.0
    for name, expected in outputs.items():
        largest = max(np.abs(expected).max(), np.finfo(np.float32).tiny)
        difference = float(np.abs(got[name] - expected).max() / largest)
        if not difference <= RELATIVE_TOLERANCE:
            raise ModelFileError(
                f"model.onnx: {name} differs from the PyTorch network by {difference:.2g} of the largest on {len(frames)} "
                f"frames, expected at most {RELATIVE_TOLERANCE:g}; please report this with the checkpoint"
            )
        worst = max(worst, difference)
    return worst


def _own_names(model: onnx.ModelProto) -> None:
    """Constants under the names of the network's parameters, without that of the module around it."""
    prefix = "network."
    for tensor in model.graph.initializer:
        tensor.name = tensor.name.removeprefix(prefix)
    for node in model.graph.node:
        node.input[:] = [name.removeprefix(prefix) for name in node.input]


def _stamp(model: onnx.ModelProto) -> None:
    """Leave out what differs from run to run or belongs to this machine; check what the contract fixes."""
    opsets = {item.domain: item.version for item in model.opset_import}
    if opsets.get("") != OPSET:
        raise ModelFileError(f"model.onnx: the exporter wrote opset {opsets.get('')}, expected {OPSET}; upgrade torch")
    model.ir_version = IR_VERSION
    model.producer_version = ""
    model.doc_string = ""
    del model.metadata_props[:]
    for item in (*model.graph.node, *model.graph.input, *model.graph.output, *model.graph.value_info):
        item.doc_string = ""
        del item.metadata_props[:]
    del model.graph.metadata_props[:]
    del model.graph.value_info[:]
    onnx.checker.check_model(model, full_check=True)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's remarks on packages it would also know, such as torchvision."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
