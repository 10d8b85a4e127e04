"""Range methods and bias corrections side by side on trained networks: which one `build-engine` takes.

    python -m edgeneuro.benchmarks.calibration_methods runs/us_lung_pocus_224/stanet

Ranges come from training groups, errors from validation groups; the default is chosen by these alone. Only then the test
groups are run, with the default and with NNCF's own ranges. Each network is one file under --out; a second start goes on
where the first stopped. Writes docs/results/calibration_methods.json and .md, and calibration_methods_test.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from rich.console import Console

from edgeneuro.benchmarks.lite0 import IMAGENET, lite0_network
from edgeneuro.benchmarks.results import write_result
from edgeneuro.calibration.choose import choose_samples
from edgeneuro.data import DataSet, open_data
from edgeneuro.data.make_split import make_split
from edgeneuro.data.split import Split
from edgeneuro.files import write_bytes, write_json
from edgeneuro.metrics import drop_interval
from edgeneuro.records import to_json

if TYPE_CHECKING:
    from edgeneuro.export.plan import Plan
    from edgeneuro.export.source import FloatModel

CALIBRATION_FRAMES, COMPARED_FRAMES = 200, 64
BIASES_OF = "percentile-99.99"
"""The method whose ranges are tried with other biases."""
NO_BIASES, NNCF_BIASES = f"{BIASES_OF}, biases as trained", f"{BIASES_OF}, NNCF's biases"

console = Console(stderr=True)


@dataclass(frozen=True, kw_only=True)
class Case:
    """A trained network with the data it was trained on; lite0 was trained on other images, its split is ours."""

    name: str
    model: FloatModel
    data: DataSet
    split: Split


def cases(stanet: Path) -> Iterator[Case]:
    """The packaged STANet, one a fold of the real study, EfficientNet-Lite0 with its ImageNet head."""
    from edgeneuro.export.compute import compute_of
    from edgeneuro.export.onnx_export import export_onnx
    from edgeneuro.export.parts import own_data
    from edgeneuro.export.source import FloatModel, load_source

    for name, source in (("stanet, phantom", "myositis"), *((f"stanet, {p.name}", str(p)) for p in folds(stanet))):
        model = load_source(source)
        data = own_data(model)
        assert data is not None and model.split is not None  # as every checkpoint has them
        yield Case(name=name, model=model, data=data, split=model.split)
    graph, _ = export_onnx(lite0_network(), channels=3, height=IMAGENET.height, width=IMAGENET.width)
    skin = open_data("skin_ham10000")
    yield Case(
        name="lite0, ImageNet weights",
        model=FloatModel(
            name="lite0",
            graph=graph,
            compute=compute_of(graph),
            classes=(),
            primary_metric="balanced_accuracy",
            preprocess=IMAGENET,
            provenance={},
        ),
        data=replace(skin, classes=()),
        split=make_split(skin, fold=0, seed=0),
    )


def folds(stanet: Path) -> list[Path]:
    """Checkpoints of the real study, as edgeneuro.benchmarks.real_data wrote them."""
    return sorted(stanet.glob("fold?"))


def part(case: Case, name: str, count: int) -> DataSet:
    """At most `count` frames of one part of the case's data, spread as calibration frames are."""
    samples = case.split.part(case.data.samples, name)  # type: ignore[arg-type]
    return case.data.subset(choose_samples(samples, count, np.random.default_rng(0), case.data.read))


def all_plans(case: Case) -> dict[str, Plan]:
    """By every method, and two with other biases."""
    from edgeneuro.export.make_plan import METHOD_NAMES, calibrated_plans

    chosen = part(case, "training", CALIBRATION_FRAMES)
    feeds = [case.model.feed(chosen.read(sample)) for sample in chosen.samples]
    plans = calibrated_plans(case.model.graph, feeds, METHOD_NAMES)
    plans[NO_BIASES] = replace(plans[BIASES_OF], biases={})
    plans[NNCF_BIASES] = replace(plans[BIASES_OF], biases=plans["nncf"].biases)
    return plans


def compare(case: Case, plans: Mapping[str, Plan]) -> dict[str, Any]:
    """RangeComparison on validation groups, as JSON."""
    from edgeneuro.export.compare_ranges import compare_ranges

    held = part(case, "validation", COMPARED_FRAMES)
    feeds = [case.model.feed(held.read(sample)) for sample in held.samples]
    value: dict[str, Any] = to_json(compare_ranges(case.model, plans, held, feeds))
    return {**value, "frames": len(held), "groups": len({sample.group for sample in held.samples})}


def predictions(case: Case, plans: Mapping[str, Plan]) -> dict[str, Any]:
    """Class numbers of all test frames: the truth, float, and each form (emulated) by each of `plans`."""
    from edgeneuro.export.compare_ranges import COMPARED_FORMS
    from edgeneuro.export.emulate import open_emulated
    from edgeneuro.export.forms import form_named
    from edgeneuro.export.lower import lower
    from edgeneuro.export.placement_rules import placement_by_rule
    from edgeneuro.export.plan import with_placement
    from edgeneuro.runtime.backends import Backend, open_backend

    test = case.split.part(case.data.samples, "test")
    feeds = [case.model.feed(case.data.read(sample)) for sample in test]

    def predicted(opened: Backend) -> list[int]:
        with closing(opened) as backend:
            return [int(backend.run(feed)[case.model.output_name].argmax()) for feed in feeds]

    def in_int8(method: str, name: str) -> list[int]:
        form = form_named(name)
        plan = with_placement(plans[method], form.target, placement_by_rule(case.model.graph, form)[0])
        return predicted(open_emulated(lower(case.model.graph, plan, form)))

    return {
        "data": case.data.name,
        "classes": len(case.data.classes),
        "groups": [f"{case.name} {sample.group}" for sample in test],
        "targets": [sample.target for sample in test],
        "float": predicted(open_backend("onnxruntime", case.model.graph.SerializeToString(), threads=None)),
        "int8": {form: {method: in_int8(method, form) for method in plans} for form in COMPARED_FORMS},
    }


def drop_rows(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Balanced accuracy lost on test groups, one row a data set, form and method: the folds of one set are pooled, since
    each alone has too few patients to tell a small drop."""
    rows = []
    for data in dict.fromkeys(record["data"] for record in records):
        folds = [record for record in records if record["data"] == data]
        targets, reference, groups = (
            [x for fold in folds for x in fold[key]] for key in ("targets", "float", "groups")
        )
        for form, by_method in folds[0]["int8"].items():
            for method in by_method:
                found = [x for fold in folds for x in fold["int8"][form][method]]
                drop = drop_interval("balanced_accuracy", targets, reference, found, groups, folds[0]["classes"])
                rows.append(
                    {
                        "case": f"stanet, {data}",
                        "form": form,
                        "method": method,
                        "frames": len(targets),
                        "groups": len(set(groups)),
                        "drop_points": round(drop.value, 2) + 0.0,
                        "interval": f"{drop.low:.2f} to {drop.high:.2f}",
                        "agreement": float(np.mean(np.array(found) == reference)),
                    }
                )
    return rows


def measured(case: Case, out: Path) -> dict[str, Any]:
    """The comparison on validation groups, from its file, else computed; plans are kept beside it."""
    path = out / f"{slug(case)}.json"
    if not path.exists():
        console.print(f"{case.name}: collecting ranges")
        plans = all_plans(case)
        for method, plan in plans.items():
            write_bytes(plan_path(case, method, out), plan.to_bytes())
        console.print(f"{case.name}: comparing {len(plans)} plans")
        write_json(path, {"case": case.name, "comparison": compare(case, plans)})
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def tested(case: Case, out: Path, methods: Sequence[str]) -> dict[str, Any]:
    """`predictions` of a labelled case, from their file, else made with the plans kept by `measured`."""
    from edgeneuro.export.plan import Plan

    path = out / f"{slug(case)}.{'.'.join(methods)}.test.json"
    if not path.exists():
        console.print(f"{case.name}: test groups")
        plans = {method: Plan.from_bytes(plan_path(case, method, out).read_bytes()) for method in methods}
        write_json(path, predictions(case, plans))
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def slug(case: Case) -> str:
    """The case's name as a file name."""
    return case.name.replace(", ", "-").replace(" ", "-")


def plan_path(case: Case, method: str, out: Path) -> Path:
    """Where a plan is kept between the two steps."""
    return out / f"{slug(case)}.{method.replace(', ', '-').replace(' ', '-')}.ranges.json"


def geometric_mean(values: Sequence[float]) -> float:
    """Of positive numbers."""
    return math.exp(math.fsum(map(math.log, values)) / len(values))


def method_rows(records: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """One row a method: its error over min-max's, geometric mean over networks, for each form and both together."""
    by_case = [{row["name"]: row for row in record["comparison"]["methods"]} for record in records]
    rows = []
    for name in by_case[0]:
        row: dict[str, Any] = {"method": name}
        forms = list(by_case[0][name]["errors"])
        for form in forms:
            row[form] = geometric_mean(
                [case[name]["errors"][form] / case["min-max"]["errors"][form] for case in by_case]
            )
        row["both"] = geometric_mean([row[form] for form in forms])
        row["worst"] = max(case[name]["errors"][form] for case in by_case for form in forms)
        row["agreement"] = float(np.mean([case[name]["agreement"][form] for case in by_case for form in forms]))
        row["clipped"] = 100 * float(np.mean([case[name]["clipped"] for case in by_case]))
        row["by_case"] = {record["case"]: case[name] for record, case in zip(records, by_case, strict=True)}
        rows.append(row)
    return sorted(rows, key=lambda row: float(row["both"]))


def write(records: Sequence[Mapping[str, Any]], test: Sequence[Mapping[str, Any]], script: str) -> None:
    """Both tables. records: one a case. test: rows."""
    from edgeneuro.export.make_plan import DEFAULT_METHOD

    frames = [f"{record['case']}: {record['comparison']['frames']} frames" for record in records]
    context = {
        "script": script,
        "networks": "; ".join(record["case"] for record in records),
        "calibration": f"at most {CALIBRATION_FRAMES} frames of training groups",
    }
    write_result(
        "calibration_methods",
        title="Range methods and bias corrections: output error on validation groups",
        rows=method_rows(records),
        columns={
            "method": "method",
            "both": "error / that of min-max, both forms",
            "onnxruntime-x86-vnni": "256 steps",
            "tensorrt": "127 steps either side of 0",
            "worst": "largest error of any network",
            "agreement": "agreement with float",
            "clipped": "values clipped, %",
        },
        context={
            **context,
            "compared on": frames,
            "notes": [
                f"Sorted by the second column; by it the default was chosen: {DEFAULT_METHOD}.",
                "Errors are root mean squares of the outputs' difference from float over the float outputs' "
                + "standard deviation; ratios are geometric means over networks. Graphs are emulated operator by "
                + "operator, every node in INT8 that a target's rules place; no device ran.",
                "Methods of NNCF come with its own biases; the others with biases corrected from mean activations "
                + "(export/bias.py), but for the two rows that say otherwise. lite0 keeps its ImageNet head on skin "
                + "images: its classes mean nothing there, its errors do.",
            ],
        },
    )
    write_result(
        "calibration_methods_test",
        title="The chosen ranges and NNCF's on test groups",
        rows=test,
        columns={
            "case": "network",
            "form": "form",
            "method": "ranges",
            "frames": "frames",
            "groups": "groups",
            "drop_points": "drop, points of balanced accuracy",
            "interval": "95 % interval",
            "agreement": "agreement with float",
        },
        context={
            **context,
            "notes": [
                "Not used for the choice. Emulated; placement by rule, not by measurement. The folds of one data set are "
                + "pooled: one network a fold, each on its own test patients."
            ],
        },
    )


def main(
    stanet: Annotated[Path, typer.Argument(help="Folder of fold0, fold1, ... as real_data wrote it.")],
    out: Annotated[Path, typer.Option(help="Where each network's numbers are kept.")] = Path("runs/calibration"),
) -> None:
    """Run what is missing, then write both tables."""
    from edgeneuro.export.make_plan import DEFAULT_METHOD

    every = list(cases(stanet))
    records = [measured(case, out) for case in every]
    test = [tested(case, out, ("nncf", DEFAULT_METHOD)) for case in every if case.data.classes]
    write(records, drop_rows(test), f"python -m edgeneuro.benchmarks.calibration_methods {stanet}")


if __name__ == "__main__":
    typer.run(main)
