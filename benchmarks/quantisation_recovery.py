"""A network that post-training quantisation hurts, and what the gate's choice of layers and QAT win back.

    python -m edgeneuro.benchmarks.quantisation_recovery [--epochs 8] [--octaves 7] [--threads 1]

How it is made to hurt: in the packaged STANet, channels between two layers are multiplied by powers of two and the next
layer's weights divided by them. A ReLU lets positive factors through, and powers of two round nothing, so the float
network gives the same logits; only the ranges of its channels now differ widely, as they do in networks with depthwise
convolutions as training leaves them (Nagel et al. 2019, arXiv:1906.04721, section 3.2). One scale a tensor then has too
few steps for the small channels. Nothing needs data from outside: frames are the phantom's.

Writes docs/results/quantisation_recovery.json and .md; checkpoints are kept in runs/quantisation/recovery, and training
that was stopped goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from edgeneuro.benchmarks.quantisation_tables import percent
from edgeneuro.benchmarks.report.words import points
from edgeneuro.benchmarks.results import write_result
from edgeneuro.data import DataSet, open_data
from edgeneuro.errors import ModelFileError
from edgeneuro.export.gate import checks, parse_margin, worst
from edgeneuro.metrics import agreement_interval, drop_interval
from edgeneuro.records import to_json

if TYPE_CHECKING:
    import onnx

    from edgeneuro.export.outcomes import Baseline, Outcomes
    from edgeneuro.export.plan import Plan
    from edgeneuro.export.source import FloatModel

MODEL, TARGET, METRIC = "myositis", "onnxruntime", "balanced_accuracy"
JUDGED = "phantom:7"
"""Subjects that neither training nor calibration nor the choice of layers has seen."""
MARGIN = "2"
RUNS = Path("runs") / "quantisation" / "recovery"
COLUMNS = {
    "name": "network and how it was quantised",
    "int8": "convolutions in INT8",
    "score": "balanced accuracy, %",
    "drop": "drop against the float network, points",
    "agreement": "agreement, %",
    "verdict": f"gate, {MARGIN} points",
}


@dataclass(frozen=True, kw_only=True)
class Way:
    """One graph to judge. plan: None for the float graph."""

    name: str
    graph: onnx.ModelProto
    plan: Plan | None


def widen(checkpoint: Path, out: Path, *, octaves: int, seed: int) -> None:
    """Write `checkpoint` to the folder `out` with channels multiplied by 1 to 2^octaves, drawn evenly, each power by
    itself, and what reads them divided; the logits stay the same to the last bit. Raises ModelFileError if not."""
    import torch

    from edgeneuro.training.checkpoint import load_model, read_config, read_metrics, read_split, write_checkpoint

    network, same = load_model(checkpoint), load_model(checkpoint)
    config = read_config(checkpoint)
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for block in network.blocks:  # type: ignore[union-attr]
            for norm, reader in (
                (block.first.depthwise_norm, block.first.pointwise),
                (block.first.pointwise_norm, block.second.conv),
            ):
                factors = torch.from_numpy(np.exp2(rng.integers(0, octaves + 1, len(norm.weight))).astype(np.float32))
                norm.weight.mul_(factors)
                norm.bias.mul_(factors)
                reader.weight.div_(factors[None, :, None, None])
        size = config.frame_preprocess
        frames = torch.from_numpy(rng.standard_normal((4, size.channels, size.height, size.width)).astype(np.float32))
        if not torch.equal(network(frames), same(frames)):
            raise ModelFileError(f"{out}: gives other logits than {checkpoint}; the factors were not exact")
    write_checkpoint(
        out, network=network, config=config, metrics=read_metrics(checkpoint), split=read_split(checkpoint)
    )


def trained(checkpoint: Path, out: Path, plan: Plan, *, rounded: bool, epochs: int, threads: int) -> FloatModel:
    """`checkpoint` trained on with the rounding of `plan`, or the same epochs in float; resumes. The learning rate is
    QAT's default: at the model's own, twenty times as high, the float control is ruined as well."""
    from edgeneuro.export.qat import QatSettings, train_qat
    from edgeneuro.export.source import load_source

    settings = QatSettings(target=TARGET if rounded else None, epochs=epochs, plan=plan, threads=threads)
    train_qat(checkpoint, out, settings, resume=True, threads=threads, step=print)
    return load_source(str(out))


def every_layer(model: FloatModel, plan: Plan) -> Plan:
    """`plan` with every layer in INT8 that the target could run so, not only those that gain speed."""
    from edgeneuro.export.placement_rules import placement_by_rule
    from edgeneuro.export.plan import with_placement
    from edgeneuro.export.qat import form_to_train

    return with_placement(plan, TARGET, placement_by_rule(model.graph, form_to_train(TARGET))[0])


def calibrated(model: FloatModel, training: DataSet) -> Plan:
    """Post-training quantisation with the defaults of `build-engine`, every layer placed."""
    from edgeneuro.export.make_plan import calibrated_plan

    feeds = [model.feed(training.read(sample)) for sample in training.samples]
    return every_layer(model, calibrated_plan(model.graph, feeds))


def held(model: FloatModel, plan: Plan, training: DataSet, validation: DataSet) -> tuple[Plan, tuple[str, ...]]:
    """`plan` with layers returned to float until the margin holds on the validation part, and how it went."""
    from edgeneuro.export.hold_plan import hold_plan
    from edgeneuro.export.qat import form_to_train

    feeds = [model.feed(training.read(sample)) for sample in training.samples[:16]]
    found = hold_plan(
        model.graph,
        plan,
        (form_to_train(TARGET),),
        feeds,
        baseline(model, validation),
        parse_margin(MARGIN),
        METRIC,
        progress=print,
    )
    return found.plan, (*(f"{node}: {why}" for node, why in found.kept_float.items()), *found.history)


def baseline(model: FloatModel, dataset: DataSet) -> Baseline:
    """The float network on every frame of `dataset`."""
    from edgeneuro.export.lowered import FLOAT_GRAPH
    from edgeneuro.export.outcomes import Baseline
    from edgeneuro.runtime.backends import open_backend

    feeds = [model.feed(dataset.read(sample)) for sample in dataset.samples]
    with closing(open_backend("onnxruntime", model.graph.SerializeToString(), threads=1)) as backend:
        return Baseline.of(backend, dataset, feeds, task="classification", classes=model.classes, reference=FLOAT_GRAPH)


def judged(ways: list[Way], reference: Baseline) -> list[dict[str, Any]]:
    """One row a way, each beside the float network that the case began with."""
    from edgeneuro.export.census import int8_convolutions
    from edgeneuro.export.lower import lower
    from edgeneuro.export.qat import form_to_train
    from edgeneuro.runtime.backends import open_backend

    graphs = {
        way.name: (way.graph if way.plan is None else lower(way.graph, way.plan, form_to_train(TARGET))) for way in ways
    }
    data = {name: graph.SerializeToString() for name, graph in graphs.items()}
    with ExitStack() as stack:
        opened = {
            name: stack.enter_context(closing(open_backend("onnxruntime", model, threads=1)))
            for name, model in data.items()
        }
        outcomes = reference.beside(opened)
    return [_row(way.name, outcomes, int8_convolutions(data[way.name])) for way in ways]


def _row(name: str, outcomes: Outcomes, int8: int) -> dict[str, Any]:
    before = outcomes.probabilities[outcomes.reference].argmax(1)
    after = outcomes.probabilities[name].argmax(1)
    classes = len(outcomes.classes)
    drop = drop_interval(METRIC, outcomes.targets, before, after, outcomes.groups, classes)
    agreement = agreement_interval(before, after, outcomes.groups, classes)
    found = [check for check in checks(outcomes, parse_margin(MARGIN), METRIC) if check.graph == name]
    return {
        "name": name,
        "int8": int8,
        "score": 100 * _score(outcomes, name),
        "drop": points(drop),
        "agreement": percent(agreement),
        "verdict": worst([check.verdict(len(found)) for check in found]),
        "drop_points": to_json(drop),
        "agreement_share": to_json(agreement),
        "checks": [check.said(len(found)) for check in found],
    }


def _score(outcomes: Outcomes, name: str) -> float:
    from edgeneuro.export.accuracy import score

    return score(outcomes, name, METRIC)


def ways(folder: Path, *, octaves: int, epochs: int, threads: int) -> tuple[list[Way], Baseline, Mapping[str, Any]]:
    """All that is compared, the float network's answers to compare with, and what is to be said about it."""
    from edgeneuro.export.source import load_source
    from edgeneuro.training.checkpoint import packaged, read_split

    source = packaged(MODEL)
    wide = folder / "wide"
    widen(source, wide, octaves=octaves, seed=0)
    split, phantom = read_split(source), open_data("phantom")
    training = phantom.subset(split.part(phantom.samples, "training"))
    validation = phantom.subset(split.part(phantom.samples, "validation"))
    first, model = load_source(str(source)), load_source(str(wide))
    plan = calibrated(model, training)
    gated, told = held(model, plan, training, validation)
    rounded = trained(wide, folder / "qat", plan, rounded=True, epochs=epochs, threads=threads)
    onward = trained(wide, folder / "more", plan, rounded=False, epochs=epochs, threads=threads)
    assert rounded.plan is not None, "training with quantisation writes its ranges"
    found = [
        Way(name="as packaged, after training", graph=first.graph, plan=calibrated(first, training)),
        Way(name="widened, float", graph=model.graph, plan=None),
        Way(name="widened, after training", graph=model.graph, plan=plan),
        Way(name="widened, after training, layers chosen by the gate in float", graph=model.graph, plan=gated),
        Way(name="widened, QAT", graph=rounded.graph, plan=every_layer(rounded, rounded.plan)),
        Way(name="widened, as many epochs in float, float", graph=onward.graph, plan=None),
        Way(name="widened, as many epochs in float, then after training", graph=onward.graph, plan=calibrated(onward, training)),
    ]  # fmt: skip
    facts = {"calibration_frames": len(training), "gate": list(told)}
    return found, baseline(first, open_data(JUDGED)), facts


def main(
    epochs: Annotated[int, typer.Option(min=1, help="Of QAT and of its control.")] = 8,
    octaves: Annotated[int, typer.Option(min=0, help="Channels differ by up to 2 to this power.")] = 7,
    threads: Annotated[int, typer.Option(min=1)] = 1,
) -> None:
    """Build the case, quantise and train it in every way, judge all on subjects nobody has seen."""
    found, reference, facts = ways(RUNS / f"{octaves}-octaves", octaves=octaves, epochs=epochs, threads=threads)
    rows = judged(found, reference)
    groups = len({sample.group for sample in reference.data.samples})
    write_result(
        "quantisation_recovery",
        title="Where post-training quantisation hurts, and what wins it back",
        rows=rows,
        columns=COLUMNS,
        context={
            "script": f"python -m edgeneuro.benchmarks.quantisation_recovery --epochs {epochs} --octaves {octaves}",
            "model": f"{MODEL}, packaged weights, 1 x 224 x 224",
            "data": f"{JUDGED}: {len(reference.data)} simulated frames of {groups} subjects",
            "split": "training, calibration and the choice of layers on phantom (training and validation part); judged on "
            "subjects of another seed",
            "calibration frames": facts["calibration_frames"],
            "placement": f"{TARGET}: every layer, additions, joins and poolings in INT8, whatever it gains",
            "gate": facts["gate"],
            "notes": _notes(octaves, epochs),
        },
    )
    for row in rows:
        print(f"{row['score']:.1f} %  {row['drop']}  {row['verdict']}  {row['name']}")


def _notes(octaves: int, epochs: int) -> list[str]:
    return [
        (
            f"Built to hurt: channels between depthwise and pointwise, and between pointwise and 3x3 layers, multiplied by "
            f"powers of two up to {2**octaves}, drawn evenly with seed 0, the next layer divided by them. The float network's "
            "logits are the same to the last bit, which the script checks."
        ),
        "The drop is against the packaged float network on the same frames, so it holds what training on changed as well.",
        (
            f"QAT and its control: {epochs} epochs from the widened network with the same order, augmentation and learning "
            "rate; the epoch with the best validation score is kept in both. The control is what training on does without "
            "any rounding."
        ),
        (
            "Their learning rate is QAT's default, a twentieth of the model's own. At the model's own rate both were ruined "
            "(a run before this one, judged on the same subjects): weights that were divided by up to 2 to the power of the "
            "octaves are moved by many times their own size."
        ),
        "The gate's layers were chosen on the validation part (12 subjects), the verdicts are of subjects it never saw.",
        "The phantom is a simulation: this shows what the tools do, nothing about patients.",
    ]


if __name__ == "__main__":
    typer.run(main)
