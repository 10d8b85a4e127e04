"""Whose bundles run on a device, and that doubt refuses all of them."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest

from edgeneuro.errors import SignatureError
from edgeneuro.runtime import engine as engine_module
from edgeneuro.runtime import open_engine, read_bundle, read_untrusted, trust
from edgeneuro.runtime.auto import choose_auto
from edgeneuro.runtime.backends.trt.records import BuildSettings
from edgeneuro.runtime.open_graph import open_graph
from edgeneuro.runtime.prepare import prepare_engine
from edgeneuro.runtime.trust import key_from, trusted_keys, user_folder
from edgeneuro.runtime.verify import verify_file
from tests.runtime.bundles import SIDE
from tests.runtime.signing import MAKER, MAKER_ID, STRANGER, STRANGER_ID, sign_file, write_public

FRAME = np.full((SIDE, SIDE), 128, np.uint8)


@pytest.fixture
def device(trusted_folder: Path) -> Path:
    """The folder of a device that trusts the maker."""
    write_public(trusted_folder / "maker.pub", MAKER)
    return trusted_folder


@pytest.fixture
def heard(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> pytest.LogCaptureFixture:
    monkeypatch.setattr(logging.getLogger("edgeneuro"), "propagate", True)
    caplog.set_level(logging.WARNING, "edgeneuro")
    return caplog


@pytest.fixture
def no_backend(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every way to open a backend fails, and is written down."""
    opened: list[Any] = []

    def spy(*given: Any, **more: Any) -> NoReturn:
        opened.append(given)
        raise AssertionError("a backend was opened")

    for name in (
        "engine.open_graph",
        "auto.open_graph",
        "verify.open_graph",
        "open_graph.open_backend",
        "prepare.prepare",
    ):
        monkeypatch.setattr(f"edgeneuro.runtime.{name}", spy)
    return opened


def test_where_no_key_is_installed_nothing_is_asked_for(edge: Path, heard: pytest.LogCaptureFixture) -> None:
    assert read_bundle(edge).trust == trust.Trust(state="unchecked")
    signed = read_bundle(sign_file(edge)).trust
    assert (signed.state, signed.key, signed.flags) == ("unchecked", MAKER_ID, ())
    with open_engine(edge) as engine:
        assert engine(FRAME).flags == ()
    assert heard.text == ""


def test_a_trusted_signer_is_let_in_without_a_word(device: Path, edge: Path, heard: pytest.LogCaptureFixture) -> None:
    with open_engine(sign_file(edge)) as engine:
        assert engine(FRAME).flags == ()
    found = read_bundle(edge).trust
    assert (found.state, found.key, found.key_file) == ("trusted", MAKER_ID, str(device / "maker.pub"))
    assert heard.text == ""


def test_an_unsigned_bundle_is_refused_and_no_backend_sees_it(device: Path, edge: Path, no_backend: list[Any]) -> None:
    said = rf"tiny\.edge: is not signed; .*maker\.pub \(key {MAKER_ID[:16]}\); .*edgeneuro sign.*--allow-unsigned"
    with pytest.raises(SignatureError, match=said):
        open_engine(edge)
    with pytest.raises(SignatureError, match=said):
        open_engine(edge, backend="auto")
    with pytest.raises(SignatureError, match=said):
        choose_auto(edge)
    with pytest.raises(SignatureError, match=said):
        verify_file(edge)
    with pytest.raises(SignatureError, match=said):
        prepare_engine(edge, "tensorrt", None, BuildSettings())
    assert no_backend == []
    with pytest.raises(AssertionError, match="a backend was opened"):
        open_engine(edge, allow_unsigned=True)
    assert len(no_backend) == 1, "the spy sees what is let in"


def test_a_foreign_signature_is_refused_and_names_both_keys(device: Path, edge: Path, no_backend: list[Any]) -> None:
    sign_file(edge, STRANGER)
    with pytest.raises(
        SignatureError, match=rf"signed by key {STRANGER_ID[:16]}, not a trusted one; .*{MAKER_ID[:16]}"
    ):
        open_engine(edge)
    assert no_backend == []


def test_an_unsigned_bundle_that_is_let_in_is_warned_of_and_flagged(
    device: Path, edge: Path, heard: pytest.LogCaptureFixture
) -> None:
    with open_engine(edge, allow_unsigned=True) as engine:
        assert engine(FRAME).flags == ("unsigned",)
    with open_engine(edge, allow_unsigned=True, backend="auto", threads=1) as engine:
        assert engine(FRAME).flags == ("unsigned",)
    assert "tiny.edge: is not signed" in heard.text and "unsigned engines are allowed" in heard.text
    heard.clear()
    sign_file(edge, STRANGER)
    with open_engine(edge, allow_unsigned=True) as engine:
        assert engine(FRAME).flags == ("untrusted_signature",)
    assert f"is signed by key {STRANGER_ID[:16]}, not a trusted one" in heard.text


def test_what_is_only_shown_may_be_anybodys(device: Path, edge: Path) -> None:
    unasked = read_untrusted(edge)
    assert unasked.trust.state == "unasked"
    with pytest.raises(SignatureError, match="nobody asked whether its signer is trusted"):
        open_graph(unasked, unasked.manifest.graphs[0], "edge", threads=None)
    assert read_untrusted(sign_file(edge, STRANGER)).members


def test_any_of_several_keys_will_do_until_it_is_taken_out(device: Path, edge: Path) -> None:
    second = write_public(device / "next-year.pub", STRANGER)
    for private in (MAKER, STRANGER):
        assert read_bundle(sign_file(edge, private)).trust.state == "trusted"
    second.unlink()
    with pytest.raises(SignatureError, match="not a trusted one"):
        read_bundle(edge)


def test_the_systems_folder_counts_whatever_the_environment_says(
    trusted_folder: Path, edge: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system = tmp_path / "system"
    system.mkdir(mode=0o755)
    write_public(system / "maker.pub", MAKER)
    monkeypatch.setattr(trust, "SYSTEM_FOLDER", system)
    with pytest.raises(SignatureError, match="is not signed"):
        read_bundle(edge)
    write_public(trusted_folder / "mine.pub", STRANGER)
    assert set(trusted_keys()) == {MAKER_ID, STRANGER_ID}


def test_the_users_folder_is_where_the_platform_keeps_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EDGENEURO_TRUSTED_KEYS")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    for told, expected in (("", tmp_path / ".config"), ("relative", tmp_path / ".config"), ("/conf", Path("/conf"))):
        monkeypatch.setenv("XDG_CONFIG_HOME", told)
        assert user_folder() == expected / "edgeneuro" / "trusted-keys"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert user_folder() == tmp_path / "Library" / "Application Support" / "edgeneuro" / "trusted-keys"
    monkeypatch.setenv("EDGENEURO_TRUSTED_KEYS", "")
    assert user_folder() != Path(), "an empty variable is none, not the working directory"


def test_a_default_folder_that_is_not_there_holds_no_keys_but_a_named_one_must_be(
    tmp_path: Path, edge: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGENEURO_TRUSTED_KEYS", str(tmp_path / "typo"))
    with pytest.raises(SignatureError, match=r"typo: does not exist, but \$EDGENEURO_TRUSTED_KEYS names it"):
        read_bundle(edge, allow_unsigned=True)
    monkeypatch.delenv("EDGENEURO_TRUSTED_KEYS")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "empty"))
    assert trusted_keys() == {}


@pytest.mark.parametrize(
    "content", [b"", b"no key", b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", b"x" * 9999]
)
def test_a_key_that_is_none_refuses_everything_and_is_named(device: Path, edge: Path, content: bytes) -> None:
    sign_file(edge)
    (device / "broken.pub").write_bytes(content)
    (device / "broken.pub").chmod(0o644)
    with pytest.raises(SignatureError, match=r"broken\.pub: .* expected a NAME\.pub .* take it out"):
        read_bundle(edge, allow_unsigned=True)


def test_a_key_of_another_kind_or_no_file_refuses_everything(device: Path, edge: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    other = generate_private_key(SECP256R1()).public_key()
    (device / "ec.pub").write_bytes(other.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    (device / "ec.pub").chmod(0o644)
    with pytest.raises(SignatureError, match=r"ec\.pub: is another kind of key"):
        read_bundle(edge)
    (device / "ec.pub").unlink()
    for make in (lambda path: path.mkdir(), lambda path: path.symlink_to(device / "gone"), os.mkfifo):
        path = device / "odd.pub"
        make(path)
        with pytest.raises(SignatureError, match=r"odd\.pub: (is not a file|cannot be read)"):
            read_bundle(edge, allow_unsigned=True)
        path.rmdir() if path.is_dir() else path.unlink()


def test_files_that_are_no_pub_are_no_keys(trusted_folder: Path, edge: Path) -> None:
    (trusted_folder / "README").write_text("keys of the clinic")
    assert read_bundle(edge).trust.state == "unchecked"


def test_a_file_in_the_folders_place_refuses_everything(
    edge: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGENEURO_TRUSTED_KEYS", str(write_public(tmp_path / "maker.pub", MAKER)))
    with pytest.raises(SignatureError, match=r"maker\.pub: the folder of trusted keys cannot be read"):
        read_bundle(edge)


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777])
def test_a_folder_that_others_can_write_refuses_everything(device: Path, edge: Path, mode: int) -> None:
    sign_file(edge)
    device.chmod(mode)
    with pytest.raises(SignatureError, match=rf"trusted-keys: has mode {mode:o}, .* run: chmod go-w "):
        read_bundle(edge, allow_unsigned=True)
    device.chmod(0o755)
    assert read_bundle(edge).trust.state == "trusted"


@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_a_key_that_others_can_write_refuses_everything(device: Path, edge: Path, mode: int) -> None:
    sign_file(edge)
    (device / "maker.pub").chmod(mode)
    with pytest.raises(SignatureError, match=rf"maker\.pub: has mode {mode:o}, .* run: chmod go-w "):
        read_bundle(edge, allow_unsigned=True)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root gives files away")
def test_a_folder_of_another_user_refuses_everything(device: Path, edge: Path) -> None:
    assert read_bundle(sign_file(edge)).trust.state == "trusted"
    os.chown(device, 4242, -1)
    with pytest.raises(SignatureError, match=r"trusted-keys: belongs to user 4242, .* run: chown"):
        read_bundle(edge, allow_unsigned=True)


def test_a_key_that_is_given_stands_in_for_the_installed_ones(device: Path, edge: Path, tmp_path: Path) -> None:
    sign_file(edge, STRANGER)
    given = key_from(write_public(tmp_path / "given.pub", STRANGER))
    assert read_bundle(edge, keys=given).trust.key_file == str(tmp_path / "given.pub")
    with pytest.raises(SignatureError, match=r"given\.pub"):
        read_bundle(sign_file(edge, MAKER), keys=given)


def test_the_file_is_read_once(device: Path, edge: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was verified is what runs: nobody can exchange it in between."""
    sign_file(edge)

    def read_and_exchange(path: Path, *, allow_unsigned: bool) -> Any:
        bundle = read_bundle(path, allow_unsigned=allow_unsigned)
        path.write_bytes(b"exchanged")
        return bundle

    monkeypatch.setattr(engine_module, "read_bundle", read_and_exchange)
    with open_engine(edge) as engine:
        assert engine.classify(FRAME).label == "grey"


@pytest.mark.parametrize("broken", ["edgeneuro", "edgeneuro/trusted-keys"])
def test_a_link_to_nowhere_in_the_folders_place_refuses_everything(
    edge: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    """An administrator meant to install keys; a default folder that is just not there holds none."""
    link = tmp_path / broken
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(tmp_path / "gone")
    monkeypatch.setattr(trust, "SYSTEM_FOLDER", tmp_path / "edgeneuro" / "trusted-keys")
    with pytest.raises(SignatureError, match=rf"{broken}: is a link to nowhere"):
        read_bundle(edge, allow_unsigned=True)


def test_a_parent_from_which_others_can_take_the_folder_away_refuses_everything(
    edge: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else an attacker renames it, and no key is installed any more."""
    parent = tmp_path / "edgeneuro"
    (parent / "trusted-keys").mkdir(parents=True)
    write_public(parent / "trusted-keys" / "maker.pub", MAKER)
    monkeypatch.setattr(trust, "SYSTEM_FOLDER", parent / "trusted-keys")
    sign_file(edge)
    parent.chmod(0o777)
    with pytest.raises(SignatureError, match=r"edgeneuro: has mode 777, .* run: chmod go-w "):
        read_bundle(edge, allow_unsigned=True)
    for safe in (0o1777, 0o755):
        parent.chmod(safe)
        assert read_bundle(edge).trust.state == "trusted"


def test_a_key_counts_however_its_ending_is_spelt(trusted_folder: Path, edge: Path) -> None:
    write_public(trusted_folder / "MAKER.PUB", MAKER)
    with pytest.raises(SignatureError, match="is not signed"):
        read_bundle(edge)


def test_a_file_of_two_keys_refuses_everything(device: Path, edge: Path, tmp_path: Path) -> None:
    second = write_public(tmp_path / "second.pub", STRANGER).read_bytes()
    (device / "maker.pub").write_bytes((device / "maker.pub").read_bytes() + second)
    with pytest.raises(SignatureError, match=r"maker\.pub: holds more than one key"):
        read_bundle(sign_file(edge), allow_unsigned=True)
