import pickle
from pathlib import Path, PurePosixPath

import pytest
import torch

from edgeneuro.errors import CheckpointError
from edgeneuro.training.resume import read_state, write_state


def test_nested_state_comes_back_with_its_types(tmp_path: Path) -> None:
    state = {
        "state": {0: {"step": torch.tensor(3.0), "moment": torch.arange(6.0).reshape(2, 3)}},
        "groups": [{"lr": 0.1, "betas": (0.9, 0.999), "fused": None, "maximize": False}],
        "empty": {},
    }
    write_state(tmp_path / "state", state)
    back = read_state(tmp_path / "state")
    assert back["groups"] == state["groups"] and back["empty"] == {}
    assert list(back["state"]) == [0]
    assert torch.equal(back["state"][0]["moment"], torch.arange(6.0).reshape(2, 3))
    assert back["state"][0]["step"].shape == ()


def test_a_tensor_in_another_memory_order_comes_back_equal(tmp_path: Path) -> None:
    weight = torch.randn(4, 3, 5, 5).to(memory_format=torch.channels_last)
    write_state(tmp_path / "state", {"weight": weight})
    assert torch.equal(read_state(tmp_path / "state")["weight"], weight)


def test_objects_are_refused_on_writing_and_leave_no_file(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="got a PurePosixPath, expected tensors and plain values"):
        write_state(tmp_path / "state", {"where": PurePosixPath("/")})
    assert list(tmp_path.iterdir()) == []


def test_a_pickle_is_refused_on_reading(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(pickle.dumps({"weights": 1}))
    with pytest.raises(CheckpointError, match="is not a training state"):
        read_state(tmp_path / "state")


def test_a_truncated_state_is_refused(tmp_path: Path) -> None:
    write_state(tmp_path / "state", {"weight": torch.ones(100)})
    (tmp_path / "state").write_bytes((tmp_path / "state").read_bytes()[:-1])
    with pytest.raises(CheckpointError, match="is not a training state"):
        read_state(tmp_path / "state")
