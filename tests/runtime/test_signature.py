"""What a signature covers, and that it has one form."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgeneuro.errors import EdgeNeuroError, IntegrityError, SignatureError
from edgeneuro.files import canonical_json, sha256
from edgeneuro.runtime import pack_bundle, read_bundle, read_untrusted
from edgeneuro.runtime.bundle import sign_bundle
from edgeneuro.runtime.container import MANIFEST, read_container, serialise
from edgeneuro.runtime.signature import DOMAIN, SIGNATURE, Signature, is_signed, key_id, public_of, sign
from tests.runtime.bundles import tiny_manifest
from tests.runtime.signing import MAKER, MAKER_ID, STRANGER, sign_file, write_public

SMALL = {"golden.npz": b"outputs", "model.onnx": b"network"}
GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493
"""L of RFC 8032, 5.1."""


@pytest.fixture
def signed(tmp_path: Path, trusted_folder: Path) -> Path:
    """A small bundle signed by the maker, on a device that trusts the maker."""
    write_public(trusted_folder / "maker.pub", MAKER)
    path = tmp_path / "small.edge"
    path.write_bytes(pack_bundle(tiny_manifest(), SMALL))
    return sign_file(path)


def repack(path: Path, **changed: bytes) -> None:
    """Replace members and write a well-formed container, as an attacker would."""
    path.write_bytes(
        serialise({**read_container(path), **{name.replace("__", "."): data for name, data in changed.items()}})
    )


def test_the_first_vector_of_rfc_8032() -> None:
    private = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    public = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    signature = bytes.fromhex(
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b"
    )
    assert (public_of(private), sign(private, b"")) == (public, signature)
    assert is_signed(public, b"", signature)
    assert not is_signed(public, b"\0", signature)
    assert key_id(public) == sha256(public)


def test_a_signed_bundle_reads_back_as_it_was_built(signed: Path) -> None:
    bundle = read_bundle(signed)
    assert (bundle.trust.state, bundle.trust.key) == ("trusted", MAKER_ID)
    assert bundle.members == SMALL, "the signature is no member that could be run or packed again"
    assert bundle.signature is not None
    assert bundle.signature.covers(bundle.manifest_json, public_of(MAKER))
    assert SIGNATURE not in bundle.manifest.files
    assert pack_bundle(bundle.manifest, bundle.members) == pack_bundle(tiny_manifest(), SMALL)


def test_signing_leaves_every_other_member_as_it_stood(tmp_path: Path) -> None:
    """An older manifest may lack a field that is written today."""
    path = tmp_path / "old.edge"
    members = {
        **SMALL,
        MANIFEST: json.loads(tiny_manifest(files={name: sha256(data) for name, data in SMALL.items()}).to_bytes()),
    }
    del members[MANIFEST]["engines"]
    before = {**SMALL, MANIFEST: canonical_json(members[MANIFEST])}
    path.write_bytes(serialise(before))
    after = read_container(sign_file(path))
    assert {name: data for name, data in after.items() if name != SIGNATURE} == before


def test_signing_twice_gives_the_same_bytes_and_another_key_takes_the_place(signed: Path) -> None:
    first = signed.read_bytes()
    assert sign_file(signed).read_bytes() == first
    stranger = read_untrusted(sign_file(signed, STRANGER))
    assert stranger.signature is not None and stranger.signature.key == key_id(public_of(STRANGER))
    assert sign_bundle(stranger, MAKER) == first


def test_every_single_flipped_bit_of_the_file_is_refused(signed: Path) -> None:
    whole = signed.read_bytes()
    read_bundle(signed)
    for position in range(len(whole)):
        for bit in range(8):
            edited = bytearray(whole)
            edited[position] ^= 1 << bit
            signed.write_bytes(edited)
            with pytest.raises(EdgeNeuroError):
                read_bundle(signed)


@pytest.mark.parametrize("member", [MANIFEST, SIGNATURE])
def test_every_single_edited_byte_is_refused_in_a_container_written_anew(signed: Path, member: str) -> None:
    """No checksum of the container stands in the way: this is the signature's own work."""
    members = read_container(signed)
    whole, refused = members[member], Counter[type[EdgeNeuroError]]()
    for position in range(len(whole)):
        for change in (0x01, 0x20, 0x80, 0xFF):
            edited = bytearray(whole)
            edited[position] ^= change
            signed.write_bytes(serialise({**members, member: bytes(edited)}))
            with pytest.raises(EdgeNeuroError) as caught:
                read_bundle(signed)
            refused[caught.type] += 1
    assert refused.total() == 4 * len(whole)
    assert refused[SignatureError] > 300, "well-formed but for the signature"


def test_a_file_cut_short_anywhere_is_refused(signed: Path) -> None:
    whole = signed.read_bytes()
    for kept in range(len(whole)):
        signed.write_bytes(whole[:kept])
        with pytest.raises(EdgeNeuroError):
            read_bundle(signed)


def test_a_member_exchanged_together_with_its_hash_does_not_fit_the_signature(signed: Path) -> None:
    bundle = read_bundle(signed)
    members = {**SMALL, "model.onnx": b"another network"}
    manifest = replace(bundle.manifest, files={name: sha256(data) for name, data in members.items()})
    repack(signed, model__onnx=members["model.onnx"], manifest__json=manifest.to_bytes())
    assert read_untrusted(signed).members == members, "whole but for the signature"
    with pytest.raises(
        SignatureError, match=r"small\.edge: names the trusted key .*maker\.pub .* does not fit its content"
    ):
        read_bundle(signed)
    with pytest.raises(SignatureError, match="does not fit its content"):
        read_bundle(signed, allow_unsigned=True)


def test_the_signature_of_another_bundle_does_not_fit(signed: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.edge"
    other.write_bytes(pack_bundle(tiny_manifest(notes=("another",)), SMALL))
    repack(other, signature__json=read_container(signed)[SIGNATURE])
    with pytest.raises(SignatureError, match=r"other\.edge: .* does not fit its content"):
        read_bundle(other, allow_unsigned=True)


def test_a_stranger_who_names_the_trusted_key_is_refused(signed: Path) -> None:
    forged = replace(Signature.of(read_container(signed)[MANIFEST], STRANGER), key=MAKER_ID)
    repack(signed, signature__json=forged.to_bytes())
    with pytest.raises(SignatureError, match="does not fit its content"):
        read_bundle(signed, allow_unsigned=True)


def test_a_signature_over_the_bare_manifest_is_not_one_of_a_bundle(signed: Path) -> None:
    manifest = read_container(signed)[MANIFEST]
    bare = Signature(key=MAKER_ID, signature=sign(MAKER, manifest).hex())
    assert not bare.covers(manifest, public_of(MAKER))
    assert Signature.of(manifest, MAKER).covers(manifest, public_of(MAKER))
    assert not is_signed(public_of(MAKER), manifest, bytes.fromhex(Signature.of(manifest, MAKER).signature))
    assert DOMAIN.endswith(b"\0"), "no prefix of a manifest can be taken for a part of it"


def test_a_second_form_of_a_valid_signature_is_refused() -> None:
    """S + L verifies in the equation; RFC 8032 asks for S < L."""
    whole = sign(MAKER, b"message")
    scalar = int.from_bytes(whole[32:], "little")
    second = whole[:32] + (scalar + GROUP_ORDER).to_bytes(32, "little")
    assert is_signed(public_of(MAKER), b"message", whole)
    assert not is_signed(public_of(MAKER), b"message", second)


VALID = json.loads(Signature.of(b"{}", MAKER).to_bytes())
HEX = VALID["signature"]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (VALID | {"schema": 2}, "got 2, expected one of 1"),
        (VALID | {"schema": True}, "got True, expected one of 1"),
        (VALID | {"algorithm": "Ed448"}, "got 'Ed448', expected one of 'Ed25519'"),
        (VALID | {"signature": HEX.upper()}, "128 hex digits in lower case"),
        (VALID | {"signature": HEX + "\n"}, "128 hex digits"),
        (VALID | {"signature": HEX[:-2]}, "128 hex digits"),
        (VALID | {"key": VALID["key"] + "00"}, "64 hex digits"),
        (VALID | {"comment": "hello"}, "unknown field 'comment'"),
        ({name: VALID[name] for name in VALID if name != "key"}, "field 'key' is missing"),
        ({name: VALID[name] for name in VALID if name != "schema"}, "not in canonical form"),
        ([VALID], "expected an object"),
        (VALID | {"signature": "0" * 2000}, "at most 1,024"),
    ],
)
def test_a_member_that_is_no_signature_is_refused_wherever_it_is_read(tmp_path: Path, value: Any, said: str) -> None:
    path = tmp_path / "odd.edge"
    path.write_bytes(pack_bundle(tiny_manifest(), SMALL))
    repack(path, signature__json=canonical_json(value))
    with pytest.raises(SignatureError, match=rf"odd\.edge: .*{said}"):
        read_bundle(path)
    with pytest.raises(SignatureError, match=said):
        read_untrusted(path)


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff", b"[" * 1000, canonical_json(VALID) + b" ", json.dumps(VALID).encode(), b"{" + canonical_json(VALID)],
)
def test_any_other_spelling_of_a_signature_is_refused(data: bytes) -> None:
    with pytest.raises(SignatureError, match=r"signature\.json: is not"):
        Signature.from_bytes(data)


def test_a_manifest_that_lists_the_signature_is_refused(signed: Path) -> None:
    members = read_container(signed)
    value = json.loads(members[MANIFEST])
    value["files"][SIGNATURE] = sha256(members[SIGNATURE])
    repack(signed, manifest__json=canonical_json(value))
    with pytest.raises(IntegrityError, match=r"member 'signature\.json' of the manifest is missing"):
        read_bundle(signed)
