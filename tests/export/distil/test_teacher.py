"""Networks as teachers, through ONNX Runtime."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from edgeneuro.errors import UsageError
from edgeneuro.export.distil.teacher import OnnxTeacher, open_teacher
from edgeneuro.export.source import FloatModel
from edgeneuro.files import sha256
from edgeneuro.training.checkpoint import load_model, read_config, read_split
from tests.export.distil.toys import CLASSES, images, write_onnx

TOLERANCE = 1e-5
"""Batch normalisation is folded into the convolutions of the graph; values are about 1."""


def in_torch(checkpoint: Path, batch: Tensor) -> tuple[Tensor, Tensor]:
    """Logits and the last feature map, from the network itself."""
    network = load_model(checkpoint)
    with torch.no_grad():
        return network(batch), network.get_submodule("stages")(batch)


def same(got: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(got, expected, atol=TOLERANCE, rtol=TOLERANCE)


def last_convolution(model: FloatModel) -> tuple[str, str]:
    """Its node's name, and the tensor behind its activation."""
    nodes = model.graph.graph.node
    index = max(number for number, node in enumerate(nodes) if node.op_type == "Conv")
    return nodes[index].name, nodes[index + 1].output[0]


def test_it_answers_as_the_network_does_for_any_number_of_frames(teacher: Path, loaded: FloatModel) -> None:
    _, tensor = last_convolution(loaded)
    opened = OnnxTeacher(loaded, [tensor], threads=1)
    for count in (1, 5):
        lecture = opened(images(count))
        logits, features = in_torch(teacher, images(count))
        same(lecture.logits, logits)
        same(lecture.features[tensor], features)
        assert not lecture.logits.requires_grad


def test_a_layer_may_be_named_by_its_node(loaded: FloatModel) -> None:
    node, behind = last_convolution(loaded)
    lecture = OnnxTeacher(loaded, [node, behind], threads=1)(images(2))
    same(nn.functional.relu(lecture.features[node]), lecture.features[behind])
    assert lecture.features[node].min() < 0.0


def test_a_layer_that_is_not_there_is_refused_with_those_that_are(loaded: FloatModel) -> None:
    _, tensor = last_convolution(loaded)
    with pytest.raises(UsageError, match=r"'relu_9': is not in its graph; did you mean 'relu") as refused:
        OnnxTeacher(loaded, ["relu_9"], threads=1)
    assert tensor in str(refused.value).partition("expected a node or one of ")[2].split(", ")


def test_a_checkpoint_says_what_it_knows_and_what_it_learnt_from(teacher: Path, loaded: FloatModel) -> None:
    opened = OnnxTeacher(loaded, threads=1)
    assert opened.identity == sha256((teacher / "model.safetensors").read_bytes())
    assert opened.classes == CLASSES
    assert opened.preprocess == read_config(teacher).preprocess
    assert opened.split == read_split(teacher)


def test_a_bare_file_says_neither(foreign: Path, teacher: Path) -> None:
    opened = open_teacher(str(foreign), threads=1)
    assert opened.identity == sha256(foreign.read_bytes())
    assert (opened.classes, opened.split) == ((), None)
    same(opened(images(3)).logits, in_torch(teacher, images(3))[0])


def test_a_file_for_two_images_at_once_answers_for_any_number(
    teacher: Path, loaded: FloatModel, tmp_path: Path
) -> None:
    opened = open_teacher(str(write_onnx(loaded.graph, tmp_path / "two.onnx", batch=2)), threads=1)
    for count in (1, 2, 5):
        got = opened(images(count)).logits
        assert got.shape == (count, 2)
        same(got, in_torch(teacher, images(count))[0])
