"""ONNX Runtime as its own guide uses it: a session with default settings."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from edgeneuro.benchmarks.rivals.material import Material
from edgeneuro.benchmarks.rivals.rival import Opened
from edgeneuro.spec import Array, Feed


def open_float(material: Material) -> Opened:
    """The float graph as it is."""
    return _session(material.source.model, material.threads)


def open_static(material: Material) -> Opened:
    """`quantize_static` with every default."""
    from edgeneuro.benchmarks.rivals.quantisers import ort_static

    with _quiet():
        graph = ort_static(material.graph, material.frames)
    return _session(graph.SerializeToString(), material.threads)


def open_u8s8(material: Material) -> Opened:
    """`quant_pre_process` and `quantize_static` with the settings of ONNX Runtime's guide for x86 with VNNI."""
    from edgeneuro.benchmarks.rivals.quantisers import ort_u8s8

    with _quiet():
        graph = ort_u8s8(material.graph, material.frames)
    return _session(graph.SerializeToString(), material.threads)


def open_nncf(material: Material) -> Opened:
    """`nncf.quantize` on the float ONNX graph."""
    return _session(material.nncf_graph, material.threads, _nncf_version())


def _session(graph: bytes, threads: int | None, *notes: str) -> Opened:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only: they come back as exceptions anyway
    if threads is not None:
        options.intra_op_num_threads = threads
    session: Any = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    names = [node.name for node in session.get_outputs()]

    def run(feed: Feed) -> Mapping[str, Array]:
        return dict(zip(names, session.run(None, feed), strict=True))

    def close() -> None:
        nonlocal session
        session = None

    return Opened(run=run, close=close, graph=graph, notes=(f"onnxruntime {onnxruntime.__version__}", *notes))


def _nncf_version() -> str:
    from importlib.metadata import version

    return f"nncf {version('nncf')}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the quantiser's advice, which it gives on the root logger."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
