"""edgeneuro verify."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgeneuro.cli.main import main
from tests.cli.conftest import Validate
from tests.runtime.bundles import tiny_graph, tiny_manifest, write_bundle
from tests.runtime.signing import MAKER, MAKER_ID, STRANGER, sign_file, write_public


def test_a_whole_file_is_good(edge: Path, capsys: pytest.CaptureFixture[str], validate: Validate) -> None:
    assert main(["verify", str(edge), "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    validate("verify", value)
    assert value["ok"] is True
    assert value["graphs"][0]["difference"] <= value["graphs"][0]["tolerance"]
    assert main(["verify", str(edge)]) == 0
    assert "golden outputs reproduced" in capsys.readouterr().out


def test_an_altered_file_ends_with_3_and_says_what_differs(
    edge: Path, capsys: pytest.CaptureFixture[str], validate: Validate
) -> None:
    edge.write_bytes(edge.read_bytes().replace(b"GlobalAveragePool", b"GlobalAveragePoul"))
    assert main(["verify", str(edge), "--json"]) == 3
    said = capsys.readouterr()
    value = json.loads(said.out)
    validate("verify", value)
    assert value["ok"] is False
    assert said.err == f"error: {value['error']}\n"
    assert "'model.onnx'" in value["error"]


def test_a_graph_that_computes_something_else_ends_with_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_bundle(tmp_path / "strict.edge", tiny_manifest(graphs=(tiny_graph(tolerance=-1.0),)))
    assert main(["verify", str(path)]) == 3
    assert "differs from its golden value" in capsys.readouterr().err


def test_what_is_no_engine_ends_with_1(tmp_path: Path, capsys: pytest.CaptureFixture[str], validate: Validate) -> None:
    (tmp_path / "photo.png").write_bytes(b"\x89PNG")
    assert main(["verify", str(tmp_path / "photo.png"), "--json"]) == 1
    validate("verify", json.loads(capsys.readouterr().out))


def test_a_graph_for_another_processor_is_named_as_not_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], validate: Validate
) -> None:
    graphs = (tiny_graph(), tiny_graph("graphs/other.int8.onnx", precision="int8", requires=("abacus",)))
    path = write_bundle(tmp_path / "two.edge", tiny_manifest(graphs=graphs))
    assert main(["verify", str(path), "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    validate("verify", value)
    assert value["graphs"][1]["skipped"] == "this processor does not show abacus"
    assert main(["verify", str(path)]) == 0
    assert "not run: this processor does not show abacus" in capsys.readouterr().out


def test_a_signature_is_held_against_the_key_that_is_given(
    edge: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], validate: Validate
) -> None:
    maker, stranger = write_public(tmp_path / "maker.pub", MAKER), write_public(tmp_path / "stranger.pub", STRANGER)
    assert main(["verify", str(edge), "--public-key", str(maker)]) == 3
    assert "tiny.edge: is not signed" in capsys.readouterr().err
    sign_file(edge)
    assert main(["verify", str(edge), "--public-key", str(maker)]) == 0
    assert f"signature: of key {MAKER_ID}, trusted ({maker})" in capsys.readouterr().out
    assert main(["verify", str(edge), "--public-key", str(maker), "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    validate("verify", value)
    assert value["signature"] == {"state": "trusted", "key": MAKER_ID, "key_file": str(maker)}
    assert main(["verify", str(edge), "--public-key", str(stranger), "--json"]) == 3
    said = capsys.readouterr()
    validate("verify", json.loads(said.out))
    assert f"is signed by key {MAKER_ID[:16]}, not a trusted one" in said.err


def test_a_signature_is_held_against_the_installed_keys(
    edge: Path, trusted_folder: Path, capsys: pytest.CaptureFixture[str], validate: Validate
) -> None:
    sign_file(edge)
    assert main(["verify", str(edge)]) == 0
    assert f"signature: names key {MAKER_ID}, not checked: no trusted key installed" in capsys.readouterr().out
    write_public(trusted_folder / "maker.pub", MAKER)
    assert main(["verify", str(edge), "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    validate("verify", value)
    assert value["signature"]["state"] == "trusted"
    sign_file(edge, STRANGER)
    assert main(["verify", str(edge)]) == 3


def test_a_public_key_that_is_none_ends_with_1(edge: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(edge), "--public-key", str(edge)]) == 1
    assert "expected a NAME.pub" in capsys.readouterr().err
