"""The networks of the quantisation study: shapes, known sizes, export, and the file they are kept in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from edgeneuro.benchmarks.nets import NETS
from edgeneuro.benchmarks.trained_nets import WEIGHTS, NetRecord, build_net, read_net, write_net
from edgeneuro.errors import CheckpointError, InputError
from edgeneuro.export.onnx_export import export_onnx, largest_difference
from edgeneuro.manifest import DataIdentity
from edgeneuro.preprocess import Preprocess


def record(name: str) -> NetRecord:
    return NetRecord(
        name=name,
        classes=("a", "b"),
        metric="balanced_accuracy",
        preprocess=Preprocess(height=32, width=32, channels=3),
        trained_on=DataIdentity(name="none", licence="none", simulated=True, frames=0, groups=0),
        fold=0,
        seed=0,
        settings={"epochs": 1},
        scores={},
        weights="",
    )


@pytest.mark.parametrize(("name", "parameters"), [("resnet18", 11_689_512), ("mobilenet-v2", 3_504_872)])
def test_with_a_thousand_classes_a_network_has_the_published_number_of_parameters(name: str, parameters: int) -> None:
    assert sum(weights.numel() for weights in NETS[name](1000, 3).parameters()) == parameters


@pytest.mark.parametrize(("name", "shape"), [("resnet18", (2, 5)), ("mobilenet-v2", (2, 5)), ("unet", (2, 5, 32, 64))])
def test_a_network_gives_logits_for_each_frame_or_each_pixel(name: str, shape: tuple[int, ...]) -> None:
    with torch.no_grad():
        assert NETS[name](5, 3).eval()(torch.zeros(2, 3, 32, 64)).shape == shape


def test_the_unet_passes_fine_detail_through_its_skips() -> None:
    torch.manual_seed(0)
    network = NETS["unet"](1, 1).eval()
    image = torch.zeros(1, 1, 32, 32)
    dotted = image.clone()
    dotted[0, 0, 9, 9] = 1.0
    with torch.no_grad():
        changed = (network(dotted) - network(image)).abs()[0, 0]
    near, far = changed[8:11, 8:11].mean(), changed[20:, 20:].mean()
    assert near > 5 * far


def test_an_exported_network_computes_what_torch_computes() -> None:
    torch.manual_seed(0)
    network = NETS["mobilenet-v2"](3, 1)
    graph, compute = export_onnx(network, channels=1, height=32, width=32)
    noise = np.random.default_rng(0).standard_normal((2, 1, 32, 32)).astype(np.float32)
    assert largest_difference(network, graph, noise) < 1e-4
    assert sum(node.op_type == "Conv" for node in graph.graph.node) == 52
    assert compute.params == sum(weights.numel() for weights in network.parameters())


def test_a_written_network_comes_back_with_its_weights_and_is_refused_once_they_differ(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build_net("mobilenet-v2", classes=2, channels=3).eval()
    write_net(tmp_path, network, record("mobilenet-v2"))
    again, found = read_net(tmp_path)
    frame = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(again(frame), network(frame))
    assert found.classes == ("a", "b")
    data = bytearray((tmp_path / WEIGHTS).read_bytes())
    data[-1] ^= 1
    (tmp_path / WEIGHTS).write_bytes(bytes(data))
    with pytest.raises(CheckpointError, match="train it again"):
        read_net(tmp_path)


def test_a_folder_without_a_network_says_which_command_trains_it(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="train_nets resnet18"):
        read_net(tmp_path / "resnet18")


def test_an_unknown_network_is_refused_with_the_known_names() -> None:
    with pytest.raises(InputError, match=r"expected lite0 or one of resnet18, mobilenet-v2, unet"):
        build_net("vgg", classes=2, channels=3)
