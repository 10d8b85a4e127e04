"""The device's part: open and verify a bundle, run it. Never imports torch, onnx or nncf.

from edgeneuro.runtime import open_engine

with open_engine("myositis-int8.edge") as engine:
    print(engine(frame).label)
"""

from edgeneuro.runtime.bundle import Bundle, pack_bundle, read_bundle
from edgeneuro.runtime.engine import Engine, Prediction, open_engine

__all__ = ["Bundle", "Engine", "Prediction", "open_engine", "pack_bundle", "read_bundle"]
