"""edgeneuro sign, and what a device that trusts the signer does with the result."""

from __future__ import annotations

import json
from pathlib import Path
from shutil import copy

import numpy as np
import pytest

from edgeneuro.cli.main import main
from edgeneuro.runtime import read_bundle, read_untrusted
from tests.runtime.bundles import SIDE


@pytest.fixture
def key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert main(["keygen", "maker", "--out", str(tmp_path / "keys")]) == 0
    capsys.readouterr()
    return tmp_path / "keys" / "maker.key"


def test_a_file_is_signed_in_place(edge: Path, key: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = read_bundle(edge)
    assert main(["sign", str(edge), "--key", str(key)]) == 0
    after = read_bundle(edge)
    assert after.signature is not None
    assert capsys.readouterr().out == f"{edge}: signed by key {after.signature.key}\n"
    assert (after.manifest, after.members) == (before.manifest, before.members)
    assert main(["sign", str(edge), "--key", str(key)]) == 0
    assert f"in place of the signature of key {after.signature.key[:16]}" in capsys.readouterr().out
    assert {path.name for path in edge.parent.iterdir()} == {edge.name, "keys"}


def test_out_leaves_the_original_and_replaces_nothing_unasked(
    edge: Path, key: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before, out = edge.read_bytes(), edge.parent / "signed.edge"
    given = ["sign", str(edge), "--key", str(key), "--out", str(out)]
    assert main(given) == 0
    assert edge.read_bytes() == before
    assert read_untrusted(out).signature is not None
    assert main(given) == 1
    assert "signed.edge: exists already" in capsys.readouterr().err
    assert main([*given, "--force"]) == 0


def test_a_link_stays_one_and_what_it_leads_to_is_signed(edge: Path, key: Path) -> None:
    link = edge.parent / "link.edge"
    link.symlink_to(edge)
    assert main(["sign", str(link), "--key", str(key)]) == 0
    assert link.is_symlink() and read_untrusted(edge).signature is not None


def test_an_altered_file_is_not_vouched_for(edge: Path, key: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edge.write_bytes(edge.read_bytes().replace(b"GlobalAveragePool", b"GlobalAveragePoul"))
    before = edge.read_bytes()
    assert main(["sign", str(edge), "--key", str(key)]) == 3
    assert "'model.onnx'" in capsys.readouterr().err
    assert edge.read_bytes() == before


def test_a_key_that_others_can_read_signs_nothing(edge: Path, key: Path, capsys: pytest.CaptureFixture[str]) -> None:
    key.chmod(0o644)
    assert main(["sign", str(edge), "--key", str(key)]) == 1
    assert "run: chmod 600" in capsys.readouterr().err
    assert read_untrusted(edge).signature is None


def test_a_device_runs_what_is_signed_and_says_so_aloud_of_anything_else(
    edge: Path, key: Path, trusted_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frame = edge.parent / "frame.npy"
    np.save(frame, np.full((SIDE, SIDE), 128, np.uint8))
    copy(key.with_suffix(".pub"), trusted_folder)
    assert main(["run", str(edge), str(frame), "--json"]) == 3
    refused = capsys.readouterr()
    assert refused.out == "" and "tiny.edge: is not signed" in refused.err
    assert main(["run", str(edge), str(frame), "--json", "--allow-unsigned"]) == 0
    let_in = capsys.readouterr()
    assert json.loads(let_in.out)["flags"] == ["unsigned"]
    assert "warning: " in let_in.err and "is not signed" in let_in.err
    assert main(["sign", str(edge), "--key", str(key)]) == 0
    capsys.readouterr()
    assert main(["run", str(edge), str(frame), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["flags"] == []


@pytest.mark.parametrize("command", ["evaluate", "compare"])
def test_other_commands_that_run_it_ask_for_the_signature_too(
    edge: Path, key: Path, trusted_folder: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    copy(key.with_suffix(".pub"), trusted_folder)
    given = [command, str(edge), "--data", "phantom"]
    assert main(given) == 3
    assert "is not signed" in capsys.readouterr().err
    assert main([*given, "--allow-unsigned"]) != 3, "it goes on to what else may be wrong"
    assert "it runs because unsigned engines are allowed" in capsys.readouterr().err


def test_a_benchmark_asks_for_the_signature(
    edge: Path, key: Path, trusted_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy(key.with_suffix(".pub"), trusted_folder)
    assert main(["benchmark", str(edge)]) == 3
    assert "is not signed" in capsys.readouterr().err
