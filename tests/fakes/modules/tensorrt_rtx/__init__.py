"""Stands for tensorrt_rtx at the version in EDGENEURO_FAKE_RTX; not there without it."""

import os

if not os.environ.get("EDGENEURO_FAKE_RTX"):
    raise ModuleNotFoundError("No module named 'tensorrt_rtx'", name="tensorrt_rtx")

from tests.fakes.trt.module import fill

fill(globals(), "tensorrt_rtx", os.environ["EDGENEURO_FAKE_RTX"])
