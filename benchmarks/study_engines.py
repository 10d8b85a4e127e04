"""Engines of the networks that measurements are shown on, built as a user would build them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgeneuro.data import DataSet, open_data
from edgeneuro.files import write_bytes

if TYPE_CHECKING:
    from edgeneuro.export.file_options import FileOptions

ENGINES = Path("runs") / "engines"
"""Relative to the root of a checkout; never committed."""
LUNG = Path("runs") / "lung"
"""Left by `edgeneuro train myositis --data us_lung_pocus --out runs/lung`."""
TRAINED_ON = {"resnet18": "skin_ham10000", "lite0": "skin_ham10000", "unet": "neuron_pfc_pn"}
"""By `python -m edgeneuro.benchmarks.train_nets NAME`, fold 0 left out."""
DUAL, DUAL_FRAMES = "dualvgg", 16
"""DualVGG is built from random weights, for its cost alone; its ranges need few frames."""
SEARCH_S = 30.0
NAMES = ("stanet", *TRAINED_ON, DUAL)
Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class StudyEngine:
    """data: what it is judged on, None where it was not trained. checkpoint: what the PyTorch rivals run, None for the
    engine's own float graph."""

    path: Path
    data: DataSet | None
    checkpoint: Path | None = None


def study_engine(name: str, *, progress: Progress) -> StudyEngine:
    """One of NAMES, with all INT8 graphs; built once, a file that is there is taken.

    Data sets are looked for in $EDGENEURO_DATA. Raises CheckpointError where the network is not trained yet, DataError.
    """
    from edgeneuro.export.file_options import NOTHING_SAID

    if name == "stanet":
        data = open_data("us_lung_pocus")
        return StudyEngine(path=_built(name, LUNG, NOTHING_SAID, data, None, progress), data=data, checkpoint=LUNG)
    if name == DUAL:
        return StudyEngine(path=_dual(progress), data=None)
    data = open_data(TRAINED_ON[name])
    source, options = _exported(name)
    return StudyEngine(path=_built(name, source, options, data, data, progress), data=data)


def _built(
    name: str,
    source: Path,
    options: FileOptions,
    data: DataSet,
    calibration: DataSet | None,
    progress: Progress,
    *,
    frames: int = 300,
) -> Path:
    from edgeneuro.export.build import BuildSettings, build_engine

    path = ENGINES / f"{name}.edge"
    if not path.exists():
        settings = BuildSettings(search_s=SEARCH_S, calibration_frames=frames)
        build_engine(
            str(source),
            path,
            settings=settings,
            options=options,
            data=data,
            calibration=calibration,
            progress=lambda step: progress(f"{name}: {step}"),
        )
    return path


def _exported(name: str) -> tuple[Path, FileOptions]:
    """The trained network as anybody's .onnx file, and what it does not say."""
    from edgeneuro.benchmarks.trained_nets import FOLDER, read_net
    from edgeneuro.export.file_options import FileOptions
    from edgeneuro.export.onnx_export import export_onnx

    network, record = read_net(FOLDER / name)
    size = record.preprocess
    graph, _ = export_onnx(network, channels=size.channels, height=size.height, width=size.width)
    path = ENGINES / f"{name}.onnx"
    write_bytes(path, graph.SerializeToString())
    return path, FileOptions(max_value=size.max_value, mean=size.mean, std=size.std)


def _dual(progress: Progress) -> Path:
    import torch

    from edgeneuro.export.file_options import NOTHING_SAID
    from edgeneuro.export.onnx_export import export_onnx
    from edgeneuro.models.build import build_model

    path = ENGINES / f"{DUAL}.onnx"
    if not path.exists():
        torch.manual_seed(0)
        network = build_model("myositis-dual", classes=4, channels=3)
        graph, _ = export_onnx(network, channels=3, height=224, width=224)
        write_bytes(path, graph.SerializeToString())
    phantom = open_data("phantom")
    return _built(DUAL, path, NOTHING_SAID, phantom, phantom, progress, frames=DUAL_FRAMES)
