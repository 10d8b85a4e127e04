"""Networks for neurites from checkpoint to engine: images and volumes, cut into tiles."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from edgeneuro.benchmarks.accuracy import evaluate
from edgeneuro.benchmarks.compare.records import Limits
from edgeneuro.benchmarks.compare.run import compare
from edgeneuro.benchmarks.predictors import open_predictor
from edgeneuro.errors import DataError, UsageError
from edgeneuro.export import build as building
from edgeneuro.export import parts
from edgeneuro.export.build import BuildSettings, build_engine
from edgeneuro.export.census import int8_convolutions, openvino_int8_convolutions
from edgeneuro.export.compress.records import Goal, SearchSettings
from edgeneuro.export.compress.space import base_facts
from edgeneuro.export.distil import run as distilling
from edgeneuro.export.distil.run import distil
from edgeneuro.export.distil.settings import DistilSettings
from edgeneuro.export.distil.student import open_student
from edgeneuro.export.forms import FORMS
from edgeneuro.export.gate import parse_margin
from edgeneuro.export.golden import golden_feeds
from edgeneuro.export.lower import lower
from edgeneuro.export.make_plan import calibrated_plan
from edgeneuro.export.outputs import relative_error, stacked_outputs
from edgeneuro.export.parity import parity_fault
from edgeneuro.export.place import UNUSABLE
from edgeneuro.export.plan import Plan, with_placement
from edgeneuro.export.prune.masks import MaskSettings
from edgeneuro.export.prune.run import PruneSettings, prune
from edgeneuro.export.prune.settings import CutSettings
from edgeneuro.export.qat import train_qat
from edgeneuro.export.quantizable import quantizable_nodes
from edgeneuro.export.source import FloatModel, load_source
from edgeneuro.runtime import Segmentation, open_engine
from edgeneuro.runtime.backends import open_backend
from edgeneuro.spec import Feed
from tests.export.neurite_nets import CLASSES, TILES, lines, write_neurite_checkpoint

SETTINGS = BuildSettings(calibration_frames=8, backends=("onnxruntime",))


@pytest.fixture(scope="module", params=[2, 3], ids=["images", "volumes"])
def dimensions(request: pytest.FixtureRequest) -> int:
    number: int = request.param
    return number


@pytest.fixture(scope="module")
def folder(dimensions: int, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_neurite_checkpoint(tmp_path_factory.mktemp("neurites"), dimensions)


@pytest.fixture(scope="module")
def model(folder: Path) -> FloatModel:
    return load_source(str(folder))


@pytest.fixture(scope="module")
def feeds(model: FloatModel, dimensions: int) -> list[Feed]:
    data = model.seen(lines(dimensions))
    return [model.feed(model.read(data, sample)) for sample in data.samples]


@pytest.fixture(scope="module")
def everything_int8(model: FloatModel, feeds: list[Feed]) -> Plan:
    plan = calibrated_plan(model.graph, feeds)
    for form in FORMS.values():
        plan = with_placement(plan, form.target, tuple(node.name for node in quantizable_nodes(model.graph, form)))
    return plan


@pytest.fixture(autouse=True, scope="module")
def exported_once(folder: Path, model: FloatModel) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(building, "load_source", lambda *_: model)
        yield


def test_a_checkpoint_is_a_segmentation_with_one_logit_a_voxel(model: FloatModel, dimensions: int) -> None:
    assert (model.task, model.primary_metric, model.classes) == ("segmentation", "dice", CLASSES)
    (image,) = model.inputs
    assert image.shape == (-1, 1, *TILES[dimensions])
    assert image.axes[2:] == ("depth", "height", "width")[-dimensions:]


def test_golden_inputs_are_tiles_with_the_contrast_that_the_network_expects(model: FloatModel, dimensions: int) -> None:
    one, other = (feed["image"] for feed in golden_feeds(model, {}))
    assert one.shape == (1, 1, *TILES[dimensions])
    assert not np.array_equal(one, other)
    assert abs(float(one.mean())) < 0.3
    assert 0.5 < float(one.std()) < 1.2


def test_onnx_runtime_computes_in_int8_what_the_graph_says(
    model: FloatModel, everything_int8: Plan, feeds: list[Feed]
) -> None:
    form = FORMS["onnxruntime-x86"]
    lowered = lower(model.graph, everything_int8, form).SerializeToString()
    assert parity_fault(model.graph.SerializeToString(), lowered, form.backend, feeds, threads=1) is None
    assert int8_convolutions(lowered) > 0


def test_openvino_runs_convolutions_of_images_and_volumes_in_int8(
    model: FloatModel, everything_int8: Plan, feeds: list[Feed]
) -> None:
    pytest.importorskip("openvino")
    lowered = lower(model.graph, everything_int8, FORMS["openvino"]).SerializeToString()
    assert openvino_int8_convolutions(lowered) > 0
    with (
        closing(open_backend("onnxruntime", model.graph.SerializeToString(), threads=1)) as reference,
        closing(open_backend("openvino", lowered, threads=1)) as int8,
    ):
        error = relative_error(stacked_outputs(int8, feeds), stacked_outputs(reference, feeds))
    assert error < UNUSABLE


def test_every_part_of_the_data_is_cut_into_tiles_once(model: FloatModel, dimensions: int) -> None:
    data = lines(dimensions)
    chosen, split = parts.calibration_part(model, data, data, model.split, 100, 0)
    assert split is not None
    choosing, judged = parts.choosing_part(model, data, split), parts.test_part(model, data, split)
    assert choosing is not None
    assert judged is not None
    tiles_a_frame = 2**dimensions
    for part in (chosen, choosing, judged):
        assert part.tile == TILES[dimensions]
        assert model.seen(part) is part
        assert part.read(part.samples[-1]).shape == part.mask(part.samples[-1]).shape == TILES[dimensions]
    for part in (choosing, judged):
        assert len(part) == tiles_a_frame * len({sample.group for sample in part.samples})
    groups = [{sample.group for sample in part.samples} for part in (chosen, choosing, judged)]
    assert not (groups[0] & groups[1] or groups[0] & groups[2] or groups[1] & groups[2])


def test_a_test_frame_among_unlabelled_calibration_frames_is_found_although_tiles_are_chosen(
    model: FloatModel, dimensions: int
) -> None:
    data = lines(dimensions)
    elsewhere = tuple(replace(sample, group=f"copy of {sample.group}") for sample in data.samples)
    copies = replace(data, name="copies", classes=(), mask_reader=None, samples=elsewhere)
    with pytest.raises(DataError, match=r"copies: \d+ of 8 calibration frames are test frames of lines"):
        parts.calibration_part(model, copies, data, model.split, 100, 0)


def test_an_int8_engine_is_built_judged_opened_and_evaluated(
    folder: Path, everything_int8: Plan, dimensions: int, tmp_path: Path
) -> None:
    data, out = lines(dimensions), tmp_path / "neurites.edge"
    settings = replace(SETTINGS, plan=everything_int8, margin=parse_margin("60"))
    manifest = build_engine(str(folder), out, settings=settings, data=data)
    assert manifest.task == "segmentation"
    assert manifest.outputs[0].axes == ("batch", "class", *manifest.inputs[0].axes[2:])
    assert manifest.calibration is not None
    assert manifest.calibration.bit_depths == ()
    assert manifest.accuracy is not None
    assert manifest.accuracy.graphs["model.onnx"].value > 0.7
    assert any(graph.int8_convolutions > 0 for graph in manifest.graphs)
    assert manifest.gate is not None
    judgement = manifest.gate.judgements[0]
    assert set(judgement.classes) == {"neurite"}
    assert judgement.centre_lines is not None
    assert judgement.centre_lines.frames > 0
    schema = json.loads((Path(__file__).parents[2] / "docs/schemas/manifest.schema.json").read_text())
    Draft202012Validator(schema).validate(json.loads(manifest.to_bytes()))

    frame = data.read(data.samples[0])
    for precision in ("fp32", "int8"):
        with open_engine(out, precision=precision) as engine:
            result = engine(frame)
            assert isinstance(result, Segmentation)
            assert result.mask.shape == frame.shape

    with open_predictor(out) as predictor:
        of_engine = evaluate(predictor, data)
    with open_predictor(folder) as predictor:
        of_checkpoint = evaluate(predictor, data)
    (level,), (expected,) = of_engine.mask_levels, of_checkpoint.mask_levels
    assert level.graphs[0].metrics["dice"] == expected.graphs[0].metrics["dice"]
    assert level.units == expected.units

    compared = compare([folder, out], data, limits=Limits(max_difference=1e-4, min_cosine=0.9, max_drop="60"))
    assert compared.verdict == "pass"
    assert compared.data.frames == 2**dimensions * compared.data.groups


def test_what_is_made_for_classifiers_refuses_networks_for_neurites(
    folder: Path, model: FloatModel, dimensions: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    with pytest.raises(UsageError, match=rf"--qat: got segmentation-{dimensions}d, .* expected a classifier; build"):
        train_qat(folder, out)
    with pytest.raises(UsageError, match=r"compress: got segmentation-.d, .* `edgeneuro prune --target-macs`"):
        base_facts(SearchSettings(base=str(folder), goal=Goal(macs=0.5)))
    with pytest.raises(UsageError, match=r"--student: got segmentation-.d, .* `edgeneuro train`"):
        open_student(str(folder), DistilSettings(), model)
    monkeypatch.setattr(distilling, "load_source", lambda *_: model)
    with pytest.raises(UsageError, match=r"--teacher .*: looks at tiles, expected a network for whole frames"):
        distil(str(folder), "myositis", out, DistilSettings())
    taylor = CutSettings(target_macs=0.5, importance="taylor")
    for how in (taylor, MaskSettings(sparsity=0.5)):
        refused = r"got segmentation-2d, .* --importance group" if dimensions == 2 else "takes volumes, expected"
        with pytest.raises(UsageError, match=refused):
            prune(folder, out, PruneSettings(how=how))
    assert not out.exists()
