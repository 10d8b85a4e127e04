"""Lightning's trainer, set up for the models of the table.

It picks the device and spreads over several GPUs by itself; here it was run on CPUs only.
"""

from __future__ import annotations

import logging
import os
import platform
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning
import torch
from lightning.pytorch.utilities.exceptions import SIGTERMException

from edgeneuro.training.keeper import Keeper
from edgeneuro.training.learner import Learner
from edgeneuro.training.resume import StateFiles
from edgeneuro.training.settings import Precision


def fit(
    learner: Learner,
    data: lightning.LightningDataModule,
    keeper: Keeper,
    *,
    devices: int | str,
    precision: Precision = "float32",
) -> lightning.Trainer:
    """Run Lightning's trainer, from the keeper's state where that exists. Raises KeyboardInterrupt on Ctrl-C
    and on SIGTERM."""
    learner.network.to(memory_format=learner.memory_format)  # type: ignore[call-overload]  # absent from torch's stub
    with quiet_lightning():
        trainer = lightning.Trainer(
            accelerator="auto",
            devices=devices,
            precision="bf16-mixed" if precision == "bfloat16" else "32-true",
            max_epochs=keeper.epochs,
            callbacks=[keeper],
            plugins=[StateFiles()],
            num_sanity_val_steps=0,
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=keeper.path.parent,
        )
        on_interrupt = signal.getsignal(signal.SIGINT)
        try:
            trainer.fit(learner, datamodule=data, ckpt_path=str(keeper.path) if keeper.path.exists() else None)
        except SystemExit as end:  # Lightning ends with 1 on Ctrl-C, leaving further ones ignored, and with 0 on `kill`
            if not isinstance(end, SIGTERMException) and not isinstance(end.__context__, KeyboardInterrupt):
                raise
            signal.signal(signal.SIGINT, on_interrupt)
            raise KeyboardInterrupt from end
    return trainer


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Without Lightning's remarks, and without its advice to start worker processes: frames lie in memory."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*does not have many workers.*")
            warnings.filterwarnings("ignore", message=".*LeafSpec.*")  # between Lightning 2.6 and torch 2.13
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def torch_threads(threads: int | None) -> Iterator[None]:
    """Compute with this many threads, torch's own choice where None."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def hardware(trainer: lightning.Trainer) -> dict[str, Any]:
    """What a run was computed on; nothing that names the machine or its owner."""
    device = trainer.strategy.root_device
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "devices": trainer.num_devices,
        "architecture": platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
    }
