"""The float ONNX graph is the network: same numbers, same cost, in the form every device reads."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from edgeneuro.calibration.choose import choose_samples
from edgeneuro.data import open_data
from edgeneuro.errors import ModelFileError
from edgeneuro.export.forms import ONNXRUNTIME, forms_for
from edgeneuro.export.lower import lower
from edgeneuro.export.make_plan import calibrated_plan
from edgeneuro.export.onnx_export import INPUT, OUTPUT, export_onnx, largest_difference
from edgeneuro.export.plan import with_placement
from edgeneuro.export.targets import runs_here
from edgeneuro.models.build import build_model
from edgeneuro.runtime.backends import open_backend
from edgeneuro.spec import Float32
from edgeneuro.training.checkpoint import load_model, packaged, read_config
from tests.conftest import RealData
from tests.export.conftest import Exported


@pytest.mark.parametrize(
    ("model", "channels", "params", "macs"),
    [("myositis", 1, 503_880, 81_438_680), ("myositis-dual", 3, 36_445_828, 34_856_764_416)],
)
def test_exported_graph_has_the_published_size(model: str, channels: int, params: int, macs: int) -> None:
    _, compute = export_onnx(build_model(model, classes=4, channels=channels), channels=channels, height=224, width=224)
    assert (compute.params, compute.macs) == (params, macs)


def test_light_network_costs_less_than_a_quarter_percent_of_the_dual_network() -> None:
    # the two counts are asserted on the exported graphs above
    assert pytest.approx(0.002336, abs=5e-7) == 81_438_680 / 34_856_764_416
    assert 81_438_680 <= 0.0025 * 34_856_764_416


def test_graph_is_opset_20_ir_10_with_weights_inside(exported: Exported) -> None:
    assert [(item.domain, item.version) for item in exported.graph.opset_import] == [("", 20)]
    assert exported.graph.ir_version == 10
    assert not any(tensor.external_data for tensor in exported.graph.graph.initializer)


def test_soft_threshold_exports_without_sign_and_pooling_is_global_average_pool(exported: Exported) -> None:
    kinds = {node.op_type for node in exported.graph.graph.node}
    assert {"Min", "Max", "Sub", "GlobalAveragePool"} <= kinds
    assert not {"Sign", "ReduceMean", "BatchNormalization"} & kinds


@pytest.mark.parametrize("batch", [1, 3])
def test_any_batch_size_gives_what_torch_gives(exported: Exported, batch: int) -> None:
    assert largest_difference(exported.network, exported.graph, exported.frames[:batch]) < 1e-4


def test_a_graph_with_one_wrong_weight_is_refused(exported: Exported) -> None:
    broken = onnx.ModelProto.FromString(exported.graph.SerializeToString())
    weight = next(tensor for tensor in broken.graph.initializer if len(tensor.dims) == 4)
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight) * 1.1, weight.name))
    with pytest.raises(ModelFileError, match=r"differs from the PyTorch network by .* expected at most"):
        largest_difference(exported.network, broken, exported.frames)


def test_the_same_network_exports_to_the_same_bytes(exported: Exported) -> None:
    again, _ = export_onnx(exported.network, channels=1, height=64, width=64)
    assert again.SerializeToString(deterministic=True) == exported.graph.SerializeToString(deterministic=True)


def test_nothing_of_the_building_machine_stays_in_the_graph(exported: Exported) -> None:
    content = exported.graph.SerializeToString()
    assert b"/site-packages/" not in content
    assert b".py" not in content


def test_input_and_output_have_the_agreed_names(exported: Exported) -> None:
    backend = open_backend("onnxruntime", exported.graph.SerializeToString(), threads=1)
    assert [spec.name for spec in backend.inputs] == [INPUT]
    assert backend.run({INPUT: np.zeros((5, 1, 64, 64), np.float32)})[OUTPUT].shape == (5, 3)


@cache
def packaged_graph() -> onnx.ModelProto:
    """Exported once; neither test changes it."""
    size = read_config(packaged("myositis")).frame_preprocess
    return export_onnx(load_model(packaged("myositis")), channels=1, height=size.height, width=size.width)[0]


def lung_frames(folder: Path, count: int) -> Float32:
    """Real frames as the packaged network takes them, spread over classes and videos: (count, 1, 224, 224)."""
    preprocess, data = read_config(packaged("myositis")).frame_preprocess, open_data(str(folder))
    chosen = choose_samples(data.samples, count, np.random.default_rng(0))
    return np.stack([preprocess(data.read(sample)) for sample in chosen])


def test_the_packaged_network_gives_on_real_frames_what_torch_gives(real_data: RealData) -> None:
    frames = lung_frames(real_data("us_lung_pocus"), 8)
    network = load_model(packaged("myositis"))
    assert largest_difference(network, packaged_graph(), frames) < 2e-5  # 16 convolutions, about 1e-6 each


USABLE = [form for form in forms_for(ONNXRUNTIME) if runs_here(form)]


@pytest.mark.skipif(not USABLE, reason="this processor runs none of the INT8 forms")
def test_int8_gives_most_real_frames_the_class_that_float_gives(real_data: RealData) -> None:
    frames = lung_frames(real_data("us_lung_pocus"), 48)
    plan = calibrated_plan(packaged_graph(), [{INPUT: frame[None]} for frame in frames[:16]])
    everything = tuple(node.name for node in packaged_graph().graph.node if node.op_type == "Conv")
    int8 = lower(packaged_graph(), with_placement(plan, ONNXRUNTIME, everything), USABLE[0])
    before, after = (
        open_backend("onnxruntime", graph.SerializeToString(), threads=1).run({INPUT: frames[16:]})[OUTPUT].argmax(1)
        for graph in (packaged_graph(), int8)
    )
    # lung is not what the network knows, so many scores are close: 30 of 32 were seen to agree, by chance 11 would
    assert np.mean(before == after) > 0.75
