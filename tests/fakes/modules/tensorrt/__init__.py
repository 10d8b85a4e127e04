"""Stands for tensorrt at the version in EDGENEURO_FAKE_TENSORRT; not there without it."""

import os

if not os.environ.get("EDGENEURO_FAKE_TENSORRT"):
    raise ModuleNotFoundError("No module named 'tensorrt'", name="tensorrt")

from tests.fakes.trt.module import fill

fill(globals(), "tensorrt", os.environ["EDGENEURO_FAKE_TENSORRT"])
