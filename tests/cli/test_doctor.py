"""edgeneuro doctor."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from edgeneuro.cli import examine
from edgeneuro.cli.main import main
from edgeneuro.runtime.machine.machine import Machine
from tests.cli.conftest import Validate
from tests.runtime.machine.machines import Maker, orin_nano


def test_json_follows_the_schema(capsys: pytest.CaptureFixture[str], validate: Validate) -> None:
    assert main(["doctor", "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    validate("doctor", value)
    assert value["can"]["run"] is True


def test_a_device_without_torch_can_run_but_not_build_and_is_told_the_remedy(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def find(name: str) -> ModuleSpec | None:
        return None if name in ("torch", "nncf") else importlib.util.find_spec(name)

    monkeypatch.setattr(examine, "find_spec", find)
    assert main(["doctor"]) == 0
    text = capsys.readouterr().out
    assert "pip install 'edgeneuro[train]'" in text
    assert "pip install 'edgeneuro[export]'" in text
    for line in ("can run", "cannot train", "cannot build"):
        assert line in text.splitlines()


def test_a_machine_without_onnxruntime_cannot_run_and_the_exit_code_is_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], validate: Validate
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert main(["doctor", "--json"]) == 1
    value = json.loads(capsys.readouterr().out)
    validate("doctor", value)
    assert set(value["can"]) > {"run", "train", "build", "benchmark"}
    assert not any(value["can"].values())
    assert any("pip install onnxruntime" in check["remedy"] for check in value["checks"])


def test_a_processor_without_vnni_is_told_what_happens_to_int8(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(examine, "cpu_features", lambda: frozenset({"x86_64", "avx2"}))
    assert main(["doctor", "--json"]) == 0
    (check,) = [check for check in json.loads(capsys.readouterr().out)["checks"] if check["name"] == "INT8"]
    assert not check["ok"]
    assert "fp32" in check["remedy"]


@pytest.fixture
def on(monkeypatch: pytest.MonkeyPatch) -> Callable[[Machine], None]:
    """Lets the doctor see another machine."""

    def see(machine: Machine) -> None:
        monkeypatch.setattr(examine, "Machine", lambda: machine)

    return see


def test_a_jetson_fills_the_schema_and_shows_what_it_can(
    tmp_path: Path, on: Callable[[Machine], None], capsys: pytest.CaptureFixture[str], validate: Validate
) -> None:
    on(orin_nano(Maker(tmp_path)).machine(architecture="aarch64"))
    assert main(["doctor", "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    validate("doctor", value)
    assert value["board"]["jetpack"] == "6.2"
    assert value["driver"] == {"version": "540.4.0", "cuda": "12.6"}
    assert value["backends"]["tensorrt"] == "10.3.0"
    assert value["can"]["run_tensorrt"]
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "can run TensorRT engines" in lines
    assert "cannot run TensorRT-RTX engines" in lines


def test_a_laptop_without_a_gpu_is_asked_to_install_nothing_for_one(
    tmp_path: Path, on: Callable[[Machine], None], capsys: pytest.CaptureFixture[str]
) -> None:
    on(Maker(tmp_path).memory(8000, 16000).machine())
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("ok  GPU") and "everything runs on the processor" in line for line in lines)
    assert not any(line.startswith("--") and ("cuda" in line.lower() or "tensorrt" in line.lower()) for line in lines)


def test_trusted_keys_are_counted_and_a_doubtful_folder_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EDGENEURO_TRUSTED_KEYS", str(tmp_path))
    assert main(["doctor"]) == 0
    assert "none installed, so engines need no signature" in capsys.readouterr().out
    assert main(["keygen", "maker", "--out", str(tmp_path)]) == 0
    capsys.readouterr()
    assert main(["doctor"]) == 0
    assert "1 installed: only engines signed with one of them run" in capsys.readouterr().out
    tmp_path.chmod(0o777)
    assert main(["doctor"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert f"-- trusted keys {tmp_path}: has mode 777, so others can change" in shown
