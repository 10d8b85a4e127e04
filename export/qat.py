"""Training a checkpoint as it will be deployed: rounded where the target rounds (quantisation-aware training, QAT).

The lowered graph itself is trained, in torch: every Q/DQ pair rounds as ONNX does, gradients pass straight through. The
ranges stay those of calibration; the weights learn to live with them. What is written is a float checkpoint and the
ranges it was trained with. docs/qat.md tells why it is built this way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgeneuro.data import DataSet
from edgeneuro.errors import CheckpointError, UsageError
from edgeneuro.export.calibrate import calibrate
from edgeneuro.export.forms import ONNXRUNTIME, TARGETS, Form, forms_for
from edgeneuro.export.only_classifiers import refuse_masks, refuse_responses
from edgeneuro.export.parts import calibration_frames
from edgeneuro.export.placement_rules import placement_by_rule
from edgeneuro.export.plan import Plan, with_placement
from edgeneuro.export.qat_trainee import float_trainee, rounded_trainee
from edgeneuro.export.source import FloatModel, load_source
from edgeneuro.export.targets import runs_here
from edgeneuro.files import write_bytes
from edgeneuro.training.checkpoint import MODEL, MadeFrom, lineage, load_model, read_config, read_split
from edgeneuro.training.fit import TrainResult, train
from edgeneuro.training.going_on import refuse_other_data, settings_of
from edgeneuro.training.keeper import OnProgress
from edgeneuro.training.settings import TrainSettings
from edgeneuro.training.start import Start, Trainee

EPOCHS = 5
LEARNING_RATE_SHARE = 0.05
"""Of the model's own learning rate: the weights move by a step of INT8 or two, not to another optimum."""


@dataclass(frozen=True, kw_only=True)
class QatSettings:
    """target: key of a plan's placement, whose rounding is trained; None trains on in float, the fair control with the
    same epochs, order, augmentation and learning rate. learning_rate: highest of the schedule, a share of the model's own
    where None. batch_size: the checkpoint's where None. data, label_column, group_column: where the checkpoint's data lie
    now, where it says where None. seed: of order, augmentation and calibration frames. plan: ranges recorded earlier, and
    their placement if they have one, in place of calibration; the checkpoint's own where it has some.
    calibration_frames, threads, search_s: as in edgeneuro.export.build.BuildSettings.
    """

    target: str | None = ONNXRUNTIME
    epochs: int = EPOCHS
    patience: int | None = None
    learning_rate: float | None = None
    batch_size: int | None = None
    data: str | None = None
    label_column: str | None = None
    group_column: str | None = None
    seed: int = 0
    plan: Plan | None = None
    calibration_frames: int = 300
    threads: int = 1
    search_s: float = 8.0


def train_qat(
    checkpoint: Path,
    out: Path,
    settings: QatSettings = QatSettings(),
    *,
    model: str | None = None,
    resume: bool = False,
    force: bool = False,
    threads: int | None = None,
    devices: int | str = "auto",
    progress: OnProgress = lambda _: None,
    step: Callable[[str], None] = lambda _: None,
) -> TrainResult:
    """Train `checkpoint` on with the rounding of a target and write the result to the folder `out`.

    Data, split, preprocessing and model options are the checkpoint's. model: its name as the user gave it. resume, force,
    threads, devices, progress: as edgeneuro.training.fit.train takes them. step: told what is done before training.

    metrics.json: `validation` and `test` are of the rounded network, as the target runs it; `before` the same before
    training, so post-training quantisation; `stored` those of the float network that is written; `quantised` names the
    target, the nodes it rounds and where the ranges come from.

    Raises CheckpointError (of another model, edited), UsageError, DataError, ModelFileError (an operator that cannot be
    trained), OutputError.
    """
    config = read_config(checkpoint)
    if model is not None and model != config.model:
        raise CheckpointError(
            f"{checkpoint}: is a checkpoint of {config.model!r}, expected {model!r}; "
            f"run: edgeneuro train {config.model} --qat {checkpoint}"
        )
    refuse_masks(
        config.model, "--qat", "build its engine from the float checkpoint, with --keep-float where it loses too much"
    )
    if settings.target is not None:
        refuse_responses(config.model, "--qat", "build its engine from the float checkpoint")
    if settings.target is not None and settings.target not in TARGETS:
        raise UsageError(f"target {settings.target!r}: is not known, expected one of {', '.join(TARGETS)}")
    if out.resolve() == checkpoint.resolve():
        raise UsageError(f"--out {out}: is the checkpoint to start from; give another folder")
    start = Start(
        made_from=MadeFrom(checkpoint=config.files[MODEL], quantised_for=settings.target),
        ancestors=lineage(config),
        split=read_split(checkpoint),
        preprocess=config.preprocess,
        prepare=_Preparation(checkpoint, settings, step),
    )
    return train(
        _train_settings(checkpoint, settings),
        out,
        start=start,
        resume=resume,
        force=force,
        threads=threads,
        devices=devices,
        progress=progress,
    )


def _train_settings(checkpoint: Path, settings: QatSettings) -> TrainSettings:
    """The checkpoint's, with what `settings` sets."""
    plain = settings_of(
        checkpoint,
        epochs=settings.epochs,
        seed=settings.seed,
        patience=settings.patience,
        learning_rate=settings.learning_rate,
        batch_size=settings.batch_size,
        data=settings.data,
        label_column=settings.label_column,
        group_column=settings.group_column,
    )
    if settings.learning_rate is not None:
        return plain
    return replace(plain, learning_rate=LEARNING_RATE_SHARE * plain.entry.learning_rate)


class _Preparation:
    """From the checkpoint to the network that is trained; called by `train` once the output folder is its own."""

    def __init__(self, checkpoint: Path, settings: QatSettings, step: Callable[[str], None]) -> None:
        self.checkpoint = checkpoint
        self.settings = settings
        self.step = step

    def __call__(self, training: DataSet, kept: Path) -> Trainee:
        """training: the training part. kept: folder for the plan, whose placement depends on this machine's speed."""
        self.step("reading the float network")
        refuse_other_data(self.checkpoint, training)
        source = load_source(str(self.checkpoint))
        network, surgery = load_model(self.checkpoint), read_config(self.checkpoint).surgery
        if self.settings.target is None:
            return replace(float_trainee(network, source.graph), surgery=surgery)
        form = form_to_train(self.settings.target)
        trainee = rounded_trainee(network, source.graph, self._plan(source, training, form, kept), form)
        return replace(trainee, surgery=surgery)

    def _plan(self, source: FloatModel, training: DataSet, form: Form, kept: Path) -> Plan:
        """Ranges and placement; those of an interrupted run where it left them."""
        file = kept / f"plan-{read_config(self.checkpoint).files[MODEL][:12]}-{form.name}.json"
        if file.exists():
            return Plan.from_bytes(file.read_bytes())
        recorded = self.settings.plan if self.settings.plan is not None else source.plan
        chosen, _ = calibration_frames(
            training, None, self.settings.calibration_frames, np.random.default_rng(self.settings.seed)
        )
        plan = calibrate(
            source,
            chosen,
            (form,),
            threads=self.settings.threads,
            search_s=self.settings.search_s,
            recorded=recorded,
            kept_float={},
            progress=self.step,
        ).plan
        if not plan.placement.get(form.target):
            self.step(f"training every layer that could run in INT8 on {form.target}: none is faster on this machine")
            plan = with_placement(plan, form.target, placement_by_rule(source.graph, form)[0])
        write_bytes(file, plan.to_bytes())
        return plan


def form_to_train(target: str) -> Form:
    """The INT8 form of `target` that this machine runs, else its first."""
    forms = [form for form in forms_for(target) if form.precision == "int8"]
    return next((form for form in forms if runs_here(form)), forms[0])
