"""The device's part: open and verify a bundle, run it. Never imports torch, onnx or nncf.

from edgeneuro.runtime import open_engine

with open_engine("myositis-int8.edge") as engine:
    print(engine.classify(frame).label)
"""

from edgeneuro.runtime.bundle import Bundle, pack_bundle, read_bundle, read_untrusted
from edgeneuro.runtime.engine import Engine, open_engine
from edgeneuro.runtime.postprocess import Prediction, Result, Segmentation, TensorOutputs

__all__ = [
    "Bundle",
    "Engine",
    "Prediction",
    "Result",
    "Segmentation",
    "TensorOutputs",
    "open_engine",
    "pack_bundle",
    "read_bundle",
    "read_untrusted",
]
