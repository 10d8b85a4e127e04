"""Only a comparison that passed is kept, in the bundle it is about, and only as long as that is the same."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from edgeneuro.benchmarks.compare.certificate import CERTIFICATE, bundle_to_certify, certificate_of, certify
from edgeneuro.benchmarks.compare.opened import Choice
from edgeneuro.benchmarks.compare.records import Comparison, Limits
from edgeneuro.benchmarks.compare.run import compare
from edgeneuro.errors import BundleError, ComparisonError, OutputError, UsageError
from edgeneuro.runtime import pack_bundle, read_bundle
from tests.benchmarks.compare.files import INT8, shifted, write_int8, write_onnx
from tests.benchmarks.frames import flat_data
from tests.runtime.signing import sign_file


def compared(engine: Path, *, min_cosine: float = 0.99) -> Comparison:
    limits = Limits(max_difference=1e-3, min_cosine=min_cosine, max_drop=None)
    return compare([engine], flat_data(), limits=limits, choice=Choice(backends=("onnxruntime",)))


def test_a_bundle_keeps_what_it_was_certified_by_and_stays_whole(tmp_path: Path) -> None:
    engine = write_int8(tmp_path / "a.edge", (0.1, 0.0, 0.0))
    before = read_bundle(engine)
    assert certificate_of(before, "a.edge") is None
    done = compared(engine)
    certify(engine, done)
    after = read_bundle(engine)
    assert certificate_of(after, "a.edge") == done
    assert CERTIFICATE in after.manifest.files, "its hash is in the manifest, like that of every member"
    assert {name: data for name, data in after.members.items() if name != CERTIFICATE} == before.members
    assert replace(after.manifest, files=before.manifest.files) == before.manifest
    assert list(tmp_path.iterdir()) == [engine]


def test_certifying_again_gives_the_same_bytes_and_another_result_takes_its_place(tmp_path: Path) -> None:
    engine = write_int8(tmp_path / "a.edge")
    certify(engine, compared(engine))
    first = engine.read_bytes()
    certify(engine, compared(engine))
    assert engine.read_bytes() == first
    other = compared(engine, min_cosine=0.5)
    certify(engine, other)
    assert certificate_of(read_bundle(engine), "a.edge") == other


def test_a_result_that_did_not_pass_is_not_kept(tmp_path: Path) -> None:
    engine = write_int8(tmp_path / "a.edge", (20.0, -20.0, 20.0))
    before = engine.read_bytes()
    with pytest.raises(ComparisonError, match="not certified, since the verdict is fail; only a pass is kept"):
        certify(engine, compared(engine))
    assert engine.read_bytes() == before


def test_a_file_that_changed_since_it_was_compared_is_not_certified(tmp_path: Path) -> None:
    engine = write_int8(tmp_path / "a.edge")
    done = compared(engine)
    write_int8(engine, (0.2, 0.0, 0.0))
    before = engine.read_bytes()
    with pytest.raises(OutputError, match=rf"{INT8} is not what was compared"):
        certify(engine, done)
    assert engine.read_bytes() == before


def test_a_certificate_about_other_graphs_or_of_another_version_is_refused(tmp_path: Path) -> None:
    engine = write_int8(tmp_path / "a.edge")
    certify(engine, compared(engine))
    bundle = read_bundle(engine)
    engine.write_bytes(pack_bundle(bundle.manifest, {**bundle.members, INT8: shifted((1.0, 0.0, 0.0))}))
    with pytest.raises(BundleError, match=rf"a\.edge: certificate\.json is about another {INT8}"):
        certificate_of(read_bundle(engine), "a.edge")
    for data, said in ((b'{"schema": 99}', "has schema 99, this edgeneuro reads 1"), (b"{", "Expecting property name")):
        engine.write_bytes(pack_bundle(bundle.manifest, {**bundle.members, CERTIFICATE: data}))
        with pytest.raises(BundleError, match=rf"a\.edge: .*{said}.*; compare and certify it again"):
            certificate_of(read_bundle(engine), "a.edge")


def test_there_must_be_one_bundle_to_hold_it(tmp_path: Path) -> None:
    first, second = write_int8(tmp_path / "a.edge"), write_int8(tmp_path / "b.edge")
    onnx = write_onnx(tmp_path / "a.onnx")
    assert bundle_to_certify([onnx, second], force=False) == second
    with pytest.raises(UsageError, match=r"got 2 \.edge files, expected one"):
        bundle_to_certify([first, second], force=False)
    with pytest.raises(UsageError, match=r"got 0 \.edge files, expected one"):
        bundle_to_certify([onnx], force=True)


def test_a_signed_bundle_is_refused_before_the_work_unless_its_signature_may_go(tmp_path: Path) -> None:
    engine = write_int8(tmp_path / "a.edge")
    sign_file(engine)
    with pytest.raises(
        OutputError, match=r"a\.edge: is signed, .* give --force to drop the signature, then sign it again"
    ):
        bundle_to_certify([engine], force=False)
    assert bundle_to_certify([engine], force=True) == engine


def test_a_dropped_signature_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("edgeneuro"), "propagate", True)
    engine = write_int8(tmp_path / "a.edge")
    done = compared(engine)
    sign_file(engine)
    with caplog.at_level(logging.WARNING, "edgeneuro"):  # a command may have quieted it
        certify(engine, done)
    assert "its signature is dropped" in caplog.text and "sign it again" in caplog.text
    assert read_bundle(engine).signature is None
    assert certificate_of(read_bundle(engine), "a.edge") == done
