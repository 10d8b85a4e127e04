"""What a GPU is measured on: one network, run by each library in each precision, for batches of one size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from importlib import import_module
from typing import Literal, cast

import numpy as np

from edgeneuro.errors import BackendError, UsageError
from edgeneuro.runtime import Bundle
from edgeneuro.runtime.backends import BACKENDS, library_version, unavailable
from edgeneuro.runtime.backends.cuda.api import Cuda
from edgeneuro.runtime.backends.cuda.device_array import DeviceArray
from edgeneuro.runtime.backends.trt.execute import GpuBackend
from edgeneuro.runtime.backends.trt.graphs import PLAIN_RUNS
from edgeneuro.runtime.backends.trt.records import BuildSettings
from edgeneuro.spec import Array, Feed

Transfers = Literal["host to host", "input on the GPU"]
"""Outputs are copied to the host in both: they are what a caller wants, and few."""

TENSORRT = {"tensorrt": "TensorRT", "tensorrt-rtx": "TensorRT-RTX"}
"""Backends measured, and how they are called in tables."""

Resident = Mapping[str, DeviceArray]


@dataclass(frozen=True, kw_only=True)
class GpuRow:
    """One way to run the network. tool: with its version. setting: of the tool. run: call `number`, which returns when the
    outputs are in host memory."""

    tool: str
    precision: str
    setting: str
    transfers: Transfers
    run: Callable[[int], Mapping[str, Array]]

    @property
    def name(self) -> str:
        """Unique among the rows of a batch size."""
        return f"{self.tool}, {self.precision}, {self.setting}, {self.transfers}"


@dataclass(frozen=True, kw_only=True)
class Batches:
    """size: frames in each. host: as arrays. resident: the same in the GPU's memory."""

    size: int
    host: tuple[Feed, ...]
    resident: tuple[Resident, ...]


def host_batches(frames: Sequence[Feed], size: int) -> tuple[Feed, ...]:
    """As many batches as frames, each of `size` frames taken in turn, none like another. frames: one each, with a batch axis."""
    count = len(frames)
    return tuple(
        {name: np.concatenate([frames[(first + number) % count][name] for number in range(size)]) for name in frames[0]}
        for first in range(count)
    )


def on_gpu(cuda: Cuda, feeds: Sequence[Feed]) -> tuple[Resident, ...]:
    """The same in memory of the GPU, which `cuda` gives back when it is closed."""
    stream = cuda.create_stream()
    resident = tuple({name: _uploaded(cuda, values, stream) for name, values in feed.items()} for feed in feeds)
    cuda.synchronize(stream)
    cuda.destroy_stream(stream)
    return resident


def _uploaded(cuda: Cuda, values: Array, stream: int) -> DeviceArray:
    address = cuda.allocate(values.nbytes)
    cuda.copy(address, values.ctypes.data, values.nbytes, "to_device", stream)
    return DeviceArray(address=address, shape=values.shape, dtype=values.dtype, owner=None)


def check_batches(bundle: Bundle, sizes: Sequence[int]) -> None:
    """Raises UsageError where the network is fixed to other batches."""
    fixed = bundle.manifest.inputs[0].shape[0]
    wrong = [size for size in sizes if fixed not in (-1, size)]
    if wrong:
        raise UsageError(f"--batch {wrong[0]}: the network takes {fixed} frame(s) at once; give --batch {fixed}")


def tensorrt_rows(
    models: Mapping[str, bytes], batches: Batches, stack: ExitStack
) -> tuple[list[GpuRow], dict[str, str]]:
    """Every graph on every flavour of TensorRT, with and without CUDA graphs; and what -> why it is missing.

    models: precision -> ONNX bytes. Engines are built for batches of this size, so that none pays for another's. `stack`
    closes them.
    """
    rows: list[GpuRow] = []
    missing: dict[str, str] = {}
    for backend, title in TENSORRT.items():
        if why := unavailable(backend):
            missing[title] = why
            continue
        tool = f"{title} {library_version(backend)}"
        for precision, model in models.items():
            for graphs in (True, False):
                try:
                    opened = stack.enter_context(closing(open_tensorrt(backend, model, graphs, batches.size)))
                    setting = graph_setting(opened, batches) if graphs else "no CUDA graphs"
                except BackendError as error:
                    asked = "CUDA graphs" if graphs else "no CUDA graphs"
                    missing[f"{tool}, {precision}, {asked}, batch {batches.size}"] = str(error)
                    continue
                rows += rows_of(opened, tool, precision, setting, batches)
    return rows, missing


def graph_setting(opened: GpuBackend, batches: Batches) -> str:
    """What has come of the wish for CUDA graphs, after enough calls. TensorRT-RTX captures by itself and does not tell."""
    for feeds in _feeds(batches).values():
        for _ in range(PLAIN_RUNS + 1):
            opened.run(feeds[0])
    if opened.flavour == "tensorrt-rtx":
        return "CUDA graphs left to the library"
    captured = sum(lane.graphs.captured for lane in opened.lanes)
    return "CUDA graphs" if captured == len(_feeds(batches)) else "CUDA graphs refused"


def open_tensorrt(backend: str, model: bytes, graphs: bool, batch: int) -> GpuBackend:
    """The graph as `open_engine` opens it, but for CUDA graphs and the batch. Raises BackendError."""
    module, _, name = BACKENDS[backend].implementation.partition(":")
    kind = getattr(import_module(module), name)
    return cast(GpuBackend, kind(model, graphs=graphs, settings=BuildSettings(max_batch=batch)))


def rows_of(backend: GpuBackend, tool: str, precision: str, setting: str, batches: Batches) -> list[GpuRow]:
    """The opened graph with inputs from the host, and with inputs that are on the GPU already."""
    return [
        GpuRow(tool=tool, precision=precision, setting=setting, transfers=transfers, run=_calling(backend.run, feeds))
        for transfers, feeds in _feeds(batches).items()
    ]


def _feeds(batches: Batches) -> dict[Transfers, Sequence[Feed]]:
    return {"host to host": batches.host, "input on the GPU": cast(Sequence[Feed], batches.resident)}


def _calling(run: Callable[[Feed], Mapping[str, Array]], feeds: Sequence[Feed]) -> Callable[[int], Mapping[str, Array]]:
    return lambda number: run(feeds[number % len(feeds)])
