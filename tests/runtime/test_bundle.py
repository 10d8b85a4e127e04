"""What a manifest vouches for, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgeneuro.errors import BundleError, EdgeNeuroError, IntegrityError
from edgeneuro.files import canonical_json, sha256
from edgeneuro.manifest import SCHEMA, PrebuiltEngine
from edgeneuro.runtime import pack_bundle, read_bundle
from edgeneuro.runtime.container import MANIFEST, read_container, serialise
from tests.runtime.bundles import tiny_bundle, tiny_manifest, tiny_members

SMALL = {"golden.npz": b"outputs", "model.onnx": b"network"}


def repacked(edge: Path, **changed: bytes | None) -> Path:
    """The bundle with members replaced (None: left out) and packed again, as an attacker would."""
    members = read_container(edge) | {
        name.replace("__", "."): data for name, data in changed.items() if data is not None
    }
    gone = {name.replace("__", ".") for name, data in changed.items() if data is None}
    edge.write_bytes(serialise({name: data for name, data in members.items() if name not in gone}))
    return edge


def test_a_packed_bundle_reads_back_with_every_member_hashed(edge: Path) -> None:
    manifest = tiny_manifest()
    bundle = read_bundle(edge)
    members = tiny_members(manifest)
    assert bundle.members == members
    assert bundle.manifest == replace(manifest, files={name: sha256(data) for name, data in members.items()})


def test_identical_inputs_give_identical_bytes() -> None:
    assert tiny_bundle() == tiny_bundle()
    assert tiny_bundle() != tiny_bundle(tiny_manifest(notes=("another",)))


def test_every_single_edited_byte_is_refused(tmp_path: Path) -> None:
    whole, path = pack_bundle(tiny_manifest(), SMALL), tmp_path / "edited.edge"
    path.write_bytes(whole)
    read_bundle(path)
    for position in range(len(whole)):
        edited = bytearray(whole)
        edited[position] ^= 0x01
        path.write_bytes(edited)
        with pytest.raises(EdgeNeuroError):
            read_bundle(path)


def test_a_member_exchanged_for_another_is_named(edge: Path) -> None:
    with pytest.raises(IntegrityError, match=r"member 'model\.onnx' has SHA-256 .* the file was altered"):
        read_bundle(repacked(edge, model__onnx=b"another network"))


def test_a_member_that_is_not_listed_is_refused(edge: Path) -> None:
    with pytest.raises(IntegrityError, match=r"'extra\.bin' is not in the manifest"):
        read_bundle(repacked(edge, extra__bin=b""))


def test_a_member_that_is_gone_is_refused(edge: Path) -> None:
    with pytest.raises(IntegrityError, match=r"'golden\.npz' of the manifest is missing"):
        read_bundle(repacked(edge, golden__npz=None))


def test_a_future_schema_asks_for_an_upgrade(edge: Path) -> None:
    value = json.loads(read_container(edge)[MANIFEST]) | {"schema": SCHEMA + 1, "invented_later": True}
    with pytest.raises(BundleError, match=rf"tiny\.edge: .* schema {SCHEMA + 1}, .* upgrade edgeneuro"):
        read_bundle(repacked(edge, manifest__json=canonical_json(value)))


def test_a_manifest_with_two_readings_is_refused(edge: Path) -> None:
    data = read_container(edge)[MANIFEST]
    twice = data.replace(b'"schema": 2', b'"schema": 2,\n  "schema": 2')
    with pytest.raises(IntegrityError, match="canonical"):
        read_bundle(repacked(edge, manifest__json=twice))
    with pytest.raises(IntegrityError, match="canonical"):
        read_bundle(repacked(edge, manifest__json=data + b" "))


def test_a_manifest_that_is_not_json_or_lacks_a_field_is_named(edge: Path) -> None:
    value = json.loads(read_container(edge)[MANIFEST])
    del value["classes"]
    with pytest.raises(BundleError, match=r"manifest\.json: field 'classes' is missing"):
        read_bundle(repacked(edge, manifest__json=canonical_json(value)))
    with pytest.raises(BundleError, match="is not JSON"):
        read_bundle(repacked(edge, manifest__json=b"\xff"))


def test_a_manifest_nested_without_end_is_refused(edge: Path) -> None:
    with pytest.raises(BundleError, match="nested too deeply"):
        read_bundle(repacked(edge, manifest__json=b"[" * 200_000))


@pytest.mark.parametrize("lacking", SMALL)
def test_a_bundle_without_its_graph_or_golden_outputs_is_not_written(lacking: str) -> None:
    with pytest.raises(BundleError, match=rf"has no member '{lacking}'"):
        pack_bundle(tiny_manifest(), {name: data for name, data in SMALL.items() if name != lacking})


def test_a_bundle_without_graphs_is_not_written() -> None:
    with pytest.raises(BundleError, match="names no graph"):
        pack_bundle(tiny_manifest(graphs=()), SMALL)


def prebuilt(**changes: Any) -> PrebuiltEngine:
    engine = PrebuiltEngine(
        path="engines/sm86.engine",
        graph="model.onnx",
        backend="tensorrt-rtx",
        version="1.7.1",
        platform="linux-x86_64",
        compute_capabilities=("8.6",),
        convolutions=0,
        int8_convolutions=0,
        half_convolutions=0,
    )
    return replace(engine, **changes)


def test_an_engine_built_ahead_travels_as_a_member_of_its_own(tmp_path: Path) -> None:
    path, members = tmp_path / "ahead.edge", {**SMALL, "engines/sm86.engine": b"engine"}
    path.write_bytes(pack_bundle(tiny_manifest(engines=(prebuilt(),)), members))
    bundle = read_bundle(path)
    assert bundle.manifest.engines == (prebuilt(),)
    assert bundle.members == members


def test_an_engine_without_its_member_or_its_graph_is_neither_written_nor_read(tmp_path: Path) -> None:
    for engine, said in (
        (prebuilt(path="engines/other.engine"), r"has no member 'engines/other\.engine'"),
        (
            prebuilt(graph="golden.npz"),
            r"engines/sm86\.engine was built from 'golden\.npz', which is none of the graphs",
        ),
    ):
        members = {**SMALL, "engines/sm86.engine": b"engine"}
        manifest = tiny_manifest(engines=(engine,))
        with pytest.raises(BundleError, match=said):
            pack_bundle(manifest, members)
        listed = replace(manifest, files={name: sha256(data) for name, data in members.items()})
        path = tmp_path / "odd.edge"
        path.write_bytes(serialise({**members, MANIFEST: listed.to_bytes()}))
        with pytest.raises(BundleError, match=rf"odd\.edge: {said}"):
            read_bundle(path)
