"""edgeneuro inspect."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from rich.console import Console

from edgeneuro.cli.inspect import facts
from edgeneuro.cli.main import main
from edgeneuro.cli.options import print_facts
from edgeneuro.data.split import Split
from edgeneuro.drawing import Drawing
from edgeneuro.manifest import Accuracy, Compute, Interval, Manifest, PrebuiltEngine
from edgeneuro.records import to_json
from edgeneuro.runtime import read_bundle
from edgeneuro.runtime.container import read_container
from tests.cli.conftest import Validate
from tests.runtime.bundles import (
    LUNG,
    PHANTOM,
    SIDE,
    tiny_calibration,
    tiny_graph,
    tiny_layer,
    tiny_manifest,
    tiny_members,
    write_bundle,
    write_explaining_bundle,
)
from tests.runtime.signing import MAKER, MAKER_ID, STRANGER, STRANGER_ID, sign_file, write_public


def full_manifest() -> Manifest:
    """Every optional part is there."""
    int8 = tiny_graph("graphs/onnxruntime.int8.onnx", precision="int8", requires=("x86_64", "vnni"))
    interval = Interval(value=0.9, low=0.8, high=0.95)
    accuracy = Accuracy(
        data=LUNG,
        protocol="grouped",
        metric="balanced_accuracy",
        graphs={"model.onnx": interval, int8.path: interval},
        drop_points={int8.path: Interval(value=0.5, low=-0.1, high=1.0)},
        agreement={int8.path: 0.99},
    )
    split = Split(protocol="grouped", fold=0, seed=0, salt="s", training=("0" * 16,), validation=(), test=("1" * 16,))
    return tiny_manifest(
        precision="int8",
        graphs=(tiny_graph(), int8),
        trained_on=PHANTOM,
        calibration=tiny_calibration(),
        accuracy=accuracy,
        split=split,
        compute=Compute(params=6, macs=3, layers=(tiny_layer(),)),
        notes=("INT8 was slower here",),
    )


@pytest.mark.parametrize("manifest", [tiny_manifest(), full_manifest()], ids=["least", "full"])
def test_json_follows_the_schema(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], validate: Validate, manifest: Manifest
) -> None:
    path = write_bundle(tmp_path / "a.edge", manifest)
    assert main(["inspect", str(path), "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    validate("inspect", value)
    assert (value["model"], value["precision"]) == ("myositis", manifest.precision)
    assert value["compute"] == to_json(manifest.compute)
    assert {"graphs", "accuracy", "calibration", "trained_on"} <= set(value)
    assert value["files"]["model.onnx"]["bytes"] > 0
    validate("manifest", json.loads(read_container(path)["manifest.json"]))


def test_the_manifest_schema_refuses_a_field_it_does_not_know(validate: Validate) -> None:
    value = json.loads(tiny_manifest().to_bytes())
    validate("manifest", value)
    with pytest.raises(jsonschema.ValidationError):
        validate("manifest", value | {"diagnosis": "ibm"})


def test_people_read_what_it_is_and_what_it_promises(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(write_bundle(tmp_path / "a.edge", full_manifest()))]) == 0
    text = " ".join(capsys.readouterr().out.split())
    for words in (
        "classification into dark, grey, bright",
        "6 parameters, 3 multiply-accumulates",
        "phantom (6 frames of 3 groups, Apache-2.0, simulated)",
        "minmax on us_lung_pocus",
        "0.900 [0.800, 0.950]",
        "0.50 [-0.10, 1.00] points",
        "INT8 was slower here",
    ):
        assert words in text


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_no_path_and_no_number_is_cut_however_narrow_the_terminal(tmp_path: Path, columns: int) -> None:
    path = write_bundle(tmp_path / "a.edge", full_manifest())
    printed = StringIO()
    console = Console(file=printed, width=columns, highlight=False, markup=False)
    print_facts(console, facts(read_bundle(path).manifest, path.stat().st_size))
    words = printed.getvalue().split()
    for word in ("graphs/onnxruntime.int8.onnx:", "0.900", "[0.800,", "0.950],", "0.50", "[-0.10,", "1.00]", "vnni"):
        assert word in words
    assert max(map(len, printed.getvalue().splitlines())) <= columns


def test_an_engine_that_explains_itself_says_so(edge: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(write_explaining_bundle(tmp_path / "a.edge"))]) == 0
    assert "class activation maps of 4 x 4 places" in " ".join(capsys.readouterr().out.split())
    assert main(["inspect", str(edge)]) == 0
    assert "activation maps" not in capsys.readouterr().out


def test_how_neurons_are_drawn_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drawn = replace(tiny_manifest().frame_preprocess, drawing=Drawing(view="xyz", window_um=750.0))
    path = write_bundle(tmp_path / "n.edge", tiny_manifest(preprocess=drawn))
    assert main(["inspect", str(path)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "neuron drawn as xyalign, view xyz, 750 um about the soma" in shown


def test_the_size_is_that_of_the_file(edge: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(edge)]) == 0
    assert f"{edge.stat().st_size:,} bytes" in capsys.readouterr().out


def test_the_leaky_protocol_is_named_beside_every_number(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = full_manifest()
    assert manifest.accuracy is not None and manifest.split is not None
    leaky = replace(
        manifest,
        accuracy=replace(manifest.accuracy, protocol="leaky"),
        split=replace(manifest.split, protocol="leaky"),
    )
    assert main(["inspect", str(write_bundle(tmp_path / "a.edge", leaky))]) == 0
    lines = capsys.readouterr().out.splitlines()
    numbers = [line for line in lines if "0.900 [0.800, 0.950]" in line]
    assert len(numbers) == 2 and all("(leaky protocol)" in line for line in numbers)
    assert any("leaky, frames: 1 training, 0 validation, 1 test" in line for line in lines)


def test_an_altered_file_is_not_shown(edge: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edge.write_bytes(edge.read_bytes().replace(b"myositis", b"myositas"))
    assert main(["inspect", str(edge)]) == 3
    assert capsys.readouterr().out == ""


def test_whose_it_is_can_be_read_even_where_it_may_not_run(
    edge: Path, trusted_folder: Path, capsys: pytest.CaptureFixture[str], validate: Validate
) -> None:
    def shown() -> tuple[str, str]:
        assert main(["inspect", str(edge)]) == 0
        line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("signature"))
        assert main(["inspect", str(edge), "--json"]) == 0
        value = json.loads(capsys.readouterr().out)
        validate("inspect", value)
        return value["signature"]["state"], line.removeprefix("signature").strip()

    assert shown() == ("unchecked", "none")
    sign_file(edge)
    assert shown() == ("unchecked", f"names key {MAKER_ID}, not checked: no trusted key installed")
    key = write_public(trusted_folder / "maker.pub", MAKER)
    assert shown() == ("trusted", f"of key {MAKER_ID}, trusted ({key})")
    sign_file(edge, STRANGER)
    assert shown() == ("untrusted", f"names key {STRANGER_ID}, which is not trusted here; refused on this device")
    write_bundle(edge)
    assert shown() == ("unsigned", "none; refused on this device, where trusted keys are installed")


def test_engines_that_were_built_ahead_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], validate: Validate
) -> None:
    engine = PrebuiltEngine(
        path="engines/tensorrt-rtx.fp32.engine",
        graph="model.onnx",
        backend="tensorrt-rtx",
        version="1.7.1",
        platform="linux-x86_64",
        compute_capabilities=("8.6", "8.9"),
        convolutions=16,
        int8_convolutions=10,
        half_convolutions=2,
    )
    manifest = tiny_manifest(engines=(engine,))
    path = write_bundle(tmp_path / "a.edge", manifest, tiny_members(manifest) | {engine.path: b"engine"})
    assert main(["inspect", str(path)]) == 0
    said = capsys.readouterr().out
    assert "compute capability 8.6, 8.9, 10 of 16 convolutions in INT8, 2 in FP16, not run where it was built" in said
    assert main(["inspect", str(path), "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    validate("inspect", value)
    assert value["engines"][0]["compute_capabilities"] == ["8.6", "8.9"]


def test_a_certificate_is_shown_with_what_it_rests_on(
    edge: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], validate: Validate
) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    for level in (10, 120, 240):
        np.save(frames / f"{level}.npy", np.full((SIDE, SIDE), level, np.uint8))
    assert main(["compare", str(edge), "--data", str(frames), "--certify"]) == 0
    capsys.readouterr()
    assert main(["inspect", str(edge)]) == 0
    assert "certified" in capsys.readouterr().out
    assert main(["inspect", str(edge), "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    validate("inspect", value)
    assert value["certificate"]["verdict"] == "pass"
    assert value["certificate"]["data"]["frames"] == 3


def test_the_steps_of_the_weights_are_shown_oldest_first() -> None:
    steps = {"step 1": "trained on us_lung_pocus", "step 2": "pruned to 0.25 of its operations by group importance"}
    shown = list(facts(tiny_manifest(provenance={"checkpoint": "0" * 64, **steps}), 1000))
    first = shown.index(("made by", "1. trained on us_lung_pocus"))
    assert shown[first + 1] == ("", "2. pruned to 0.25 of its operations by group importance")
    assert "made by" not in dict(facts(tiny_manifest(), 1000))
