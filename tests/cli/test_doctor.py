"""edgeneuro doctor."""

from __future__ import annotations

import importlib.util
import json
import sys
from importlib.machinery import ModuleSpec

import pytest

from edgeneuro.cli import doctor
from edgeneuro.cli.main import main
from tests.cli.conftest import Validate


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

    monkeypatch.setattr(doctor, "find_spec", find)
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
    assert value["can"] == {"run": False, "train": False, "build": False, "benchmark": False}
    assert any("pip install onnxruntime" in check["remedy"] for check in value["checks"])


def test_a_processor_without_vnni_is_told_what_happens_to_int8(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("edgeneuro.runtime.cpu.cpu_features", lambda: frozenset({"x86_64", "avx2"}))
    assert main(["doctor", "--json"]) == 0
    (check,) = [check for check in json.loads(capsys.readouterr().out)["checks"] if check["name"] == "INT8"]
    assert not check["ok"]
    assert "fp32" in check["remedy"]
