"""edgeneuro keygen."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeneuro.cli.main import main
from edgeneuro.runtime.keys import read_public_key
from edgeneuro.runtime.signature import key_id


def test_it_says_which_key_it_made_and_where_the_public_one_goes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["keygen", "clinic"]) == 0
    said = capsys.readouterr().out
    assert f"key {key_id(read_public_key(tmp_path / 'clinic.pub'))}\n" in said
    assert "sudo install -D -m 644 clinic.pub /etc/edgeneuro/trusted-keys/clinic.pub" in said
    assert "PRIVATE KEY" not in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clinic.key", "clinic.pub"]


def test_keys_that_exist_stay_unless_force_is_given(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = ["keygen", "clinic", "--out", str(tmp_path / "keys")]
    assert main(made) == 0
    before = (tmp_path / "keys" / "clinic.key").read_bytes()
    assert main(made) == 1
    assert "clinic.key: exists already; give --force" in capsys.readouterr().err
    assert (tmp_path / "keys" / "clinic.key").read_bytes() == before
    assert main([*made, "--force"]) == 0
    assert (tmp_path / "keys" / "clinic.key").read_bytes() != before


@pytest.mark.parametrize("name", ["../clinic", "a/b", "", ".hidden", "a b"])
def test_a_name_is_no_path(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["keygen", name]) == 2
    assert "expected ASCII letters" in capsys.readouterr().err
