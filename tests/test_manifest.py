"""The manifest: it survives its file, and says what is wrong with one that cannot be read."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from edgeneuro.data.split import Split
from edgeneuro.errors import BundleError
from edgeneuro.files import canonical_json
from edgeneuro.manifest import SCHEMA, Accuracy, ClassDrop, Compute, Curves, Gate, Interval, Judgement, Manifest
from edgeneuro.preprocess import Preprocess
from tests.runtime.bundles import LUNG, PHANTOM, tiny_calibration, tiny_graph, tiny_layer, tiny_manifest

DESCRIBED = json.loads((Path(__file__).parents[1] / "docs" / "schemas" / "manifest.schema.json").read_text("utf-8"))

HIGH = Interval(value=0.9, low=0.8, high=0.95)

FULL = tiny_manifest(
    precision="int8",
    graphs=(tiny_graph(), tiny_graph("graphs/onnxruntime.int8.onnx", precision="int8", requires=("x86_64", "vnni"))),
    preprocess=Preprocess(height=32, width=32, mean=(0.1,), std=(1 / 3,)),
    trained_on=PHANTOM,
    calibration=tiny_calibration(),
    split=Split(protocol="grouped", fold=0, seed=0, salt="s", training=("0" * 16,), validation=(), test=("1" * 16,)),
    accuracy=Accuracy(
        data=LUNG,
        protocol="leaky",
        metric="balanced_accuracy",
        graphs={"model.onnx": HIGH},
        drop_points={},
        agreement={},
        others={"accuracy": {"model.onnx": HIGH}},
        curves={"model.onnx": Curves(auc=HIGH, sensitivity={"dark": HIGH, "grey": None}, calibration_error=0.1)},
    ),
    gate=Gate(
        asked="1",
        metric="balanced_accuracy",
        verdict="inconclusive",
        data=LUNG,
        judgements=(
            Judgement(
                graph="graphs/onnxruntime.int8.onnx",
                unit="frame",
                units=6,
                groups=3,
                verdict="inconclusive",
                margin_points=1.0,
                drop_points=HIGH,
                groups_needed=200,
                guard_points=3.0,
                classes={"dark": ClassDrop(frames=2, groups=1, drop_points=HIGH, verdict="inconclusive")},
                reason="few groups",
            ),
        ),
        kept_float={"conv": "sensitivity rank 1 of 2"},
        history=("0 layers back in float: does not hold",),
    ),
    compute=Compute(params=6, macs=3, layers=(tiny_layer(),)),
    notes=("µ is not ASCII",),
    files={"model.onnx": "0" * 64},
)


def edited(change: Callable[[dict[str, Any]], Any]) -> bytes:
    """FULL after `change` of its JSON."""
    value = json.loads(FULL.to_bytes())
    change(value)
    return canonical_json(value)


@pytest.mark.parametrize("manifest", [tiny_manifest(), FULL], ids=["least", "full"])
def test_a_manifest_survives_its_file(manifest: Manifest) -> None:
    data = manifest.to_bytes()
    assert Manifest.from_bytes(data) == manifest
    assert Manifest.from_bytes(data).to_bytes() == data


def test_a_manifest_from_before_layers_were_counted_is_read() -> None:
    data = edited(lambda value: value["compute"].pop("layers"))
    assert Manifest.from_bytes(data) == replace(FULL, compute=Compute(params=6, macs=3))
    jsonschema.Draft202012Validator(DESCRIBED).validate(json.loads(data))


def test_another_manifest_has_other_bytes() -> None:
    assert replace(FULL, notes=()).to_bytes() != FULL.to_bytes()


def test_an_older_schema_asks_for_a_new_build() -> None:
    data = edited(lambda value: value.update(schema=1))
    message = f"manifest.json: has schema 1, this edgeneuro reads {SCHEMA}; build the engine again with this version"
    with pytest.raises(BundleError, match=message):
        Manifest.from_bytes(data)


def test_a_future_schema_asks_for_an_upgrade_even_where_its_fields_are_unknown() -> None:
    data = edited(lambda value: value.update(schema=SCHEMA + 1, invented_later=True))
    words = f"manifest.json: has schema {SCHEMA + 1}, this edgeneuro reads {SCHEMA}; upgrade edgeneuro on this device"
    with pytest.raises(BundleError, match=words):
        Manifest.from_bytes(data)


@pytest.mark.parametrize("data", [b"", b"{", FULL.to_bytes()[:-3], b"\xff\xfe", b"manifest"])
def test_what_is_no_json_says_so(data: bytes) -> None:
    with pytest.raises(BundleError, match=r"^manifest\.json: is not JSON \(.*\); build the engine again"):
        Manifest.from_bytes(data)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda value: value.pop("classes"), r"manifest\.json: field 'classes' is missing"),
        (lambda value: value.update(diagnosis="ibm"), r"manifest\.json: unknown field 'diagnosis'"),
        (lambda value: value.update(schema="1"), r"manifest\.json\.schema: got '1', expected a whole number"),
        (
            lambda value: value.update(precision="int4"),
            r"precision: got 'int4', expected one of 'fp32', 'fp16'",
        ),
        (lambda value: value.update(task="diagnosis"), r"task: got 'diagnosis', expected one of 'classification'"),
        (
            lambda value: value["graphs"][1].update(tolerance="low"),
            r"graphs\[1\]\.tolerance: got 'low', expected a number",
        ),
        (lambda value: value["graphs"][0].pop("backend"), r"graphs\[0\]: field 'backend' is missing"),
        (lambda value: value["preprocess"].update(channels=2), r"preprocess\.channels: got 2, expected one of 1, 3"),
        (
            lambda value: value["preprocess"].update(bit_depth=True),
            r"preprocess\.bit_depth: got True, expected one of 8",
        ),
        (lambda value: value["split"].update(test="all"), r"split\.test: got 'all', expected a list"),
        (lambda value: value["accuracy"]["graphs"].update(x=0.9), r"accuracy\.graphs\.x: got 0\.9, expected an object"),
    ],
)
def test_a_field_that_does_not_fit_is_named_with_what_to_do(change: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(BundleError, match=rf"{message}.*; build the engine again with this version$"):
        Manifest.from_bytes(edited(change))


@pytest.mark.parametrize("value", ["[]", "null", "1", '"manifest"'])
def test_another_json_value_is_no_manifest(value: str) -> None:
    with pytest.raises(BundleError, match=r"manifest\.json: got .*, expected an object; build the engine again"):
        Manifest.from_bytes(value.encode())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda value: value.update(classes=["ibm", "pm", "ibm"]),
            r"classes: got ibm, pm, ibm, expected each name once",
        ),
        (
            lambda value: value["inputs"][0].update(axes=["batch"]),
            r"inputs\[0\]: tensor 'image': has 1 axes for 4 sizes",
        ),
        (
            lambda value: value["preprocess"].update(mean=[0.1, 0.2, 0.3]),
            r"preprocess: .* for 1 channel\(s\), expected one",
        ),
        (lambda value: value["preprocess"].update(std=[0]), r"preprocess: .* every std above 0"),
        (lambda value: value["preprocess"].update(width=0), r"preprocess: .*got 0 x 32 px"),
    ],
)
def test_fields_that_contradict_each_other_are_named(change: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(BundleError, match=message):
        Manifest.from_bytes(edited(change))


@pytest.mark.parametrize("manifest", [tiny_manifest(), FULL], ids=["least", "full"])
def test_the_schema_describes_what_is_written(manifest: Manifest) -> None:
    jsonschema.Draft202012Validator.check_schema(DESCRIBED)
    jsonschema.Draft202012Validator(DESCRIBED).validate(json.loads(manifest.to_bytes()))


def test_the_schema_lists_every_field_of_every_record() -> None:
    def check(written: Any, described: dict[str, Any]) -> None:
        described = next((part for part in described.get("anyOf", ()) if "$ref" in part), described)
        if "$ref" in described:
            described = DESCRIBED["$defs"][described["$ref"].rpartition("/")[2]]
        if isinstance(written, dict) and "properties" in described:
            assert set(described["properties"]) == set(written)
            assert described["additionalProperties"] is False
            for name, part in described["properties"].items():
                check(written[name], part)
        elif isinstance(written, list) and written:
            check(written[0], described["items"])

    check(json.loads(FULL.to_bytes()), DESCRIBED)
