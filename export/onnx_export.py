"""A torch network to float ONNX: dynamo exporter, opset 20, IR 10, dynamic batch, weights inside."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import onnx
import torch

from edgeneuro.errors import ModelFileError
from edgeneuro.export.compute import compute_of, parameters
from edgeneuro.export.onnx_file import IR_VERSION, OPSET
from edgeneuro.export.rewrite import use_global_average_pool
from edgeneuro.manifest import Compute
from edgeneuro.runtime.backends import open_backend
from edgeneuro.spec import Float32

INPUT = "image"
OUTPUT = "logits"

RELATIVE_TOLERANCE = 1e-4
"""Of the largest logit. Folding batch normalisation and summing in another order moves float32 results by about
1e-6 for each layer; a wrong layer moves them by far more."""


def export_onnx(network: torch.nn.Module, *, channels: int, height: int, width: int) -> tuple[onnx.ModelProto, Compute]:
    """The float graph and its cost.

    network: maps (batch, channel, height, width) float32 to (batch, class); put into eval mode here. Parameters are
    counted before batch normalisation is folded into the convolutions. The graph that comes back is folded, its
    spatial means are GlobalAveragePool. Raises ModelFileError when the exporter leaves another opset or a dead end.
    """
    network.eval()
    example = torch.zeros(2, channels, height, width)
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
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
    _stamp(folded)
    return folded, compute_of(folded, params=parameters(whole))


def largest_difference(network: torch.nn.Module, model: onnx.ModelProto, frames: Float32) -> float:
    """Largest difference of any logit between PyTorch and ONNX Runtime, relative to the largest logit.

    frames: (batch, channel, height, width). Raises ModelFileError beyond RELATIVE_TOLERANCE.
    """
    with torch.no_grad():
        expected = network(torch.from_numpy(frames)).numpy()
    backend = open_backend("onnxruntime", model.SerializeToString(), threads=None)
    try:
        got = backend.run({INPUT: frames})[OUTPUT]
    finally:
        backend.close()
    difference = float(np.abs(got - expected).max() / max(np.abs(expected).max(), np.finfo(np.float32).tiny))
    if not difference <= RELATIVE_TOLERANCE:
        raise ModelFileError(
            f"model.onnx: differs from the PyTorch network by {difference:.2g} of the largest logit on {len(frames)} "
            f"frames, expected at most {RELATIVE_TOLERANCE:g}; please report this with the checkpoint"
        )
    return difference


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
