"""PyTorch on the GPU: operator by operator, and compiled with CUDA graphs; in FP32 and in FP16."""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from edgeneuro.benchmarks.gpu_rows import Batches, GpuRow
from edgeneuro.benchmarks.rivals.network import Network
from edgeneuro.spec import Array, Feed

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

LAYOUT_CALLS = 20
"""Of each memory layout, before one is chosen."""
EAGER, COMPILED = "eager", 'torch.compile, mode "reduce-overhead"'
"""The second captures CUDA graphs, as PyTorch's documentation advises for small batches."""


def torch_missing() -> str:
    """Why PyTorch cannot run on a GPU here, "" where it can."""
    try:
        import torch
    except ImportError as error:
        return f"torch cannot be imported ({error}); run: pip install torch"
    if not torch.cuda.is_available():
        return f"torch {torch.__version__} finds no GPU; install a build of torch for this machine's CUDA"
    return ""


def torch_rows(
    network: Network, batches: Batches, *, device: str = "cuda", compiled: bool = True
) -> tuple[list[GpuRow], dict[str, str]]:
    """FP32 and FP16, each eager and compiled; and what -> why it is missing. FP32 is as PyTorch comes: TF32 in
    convolutions, not in matrix products. The memory layout is the faster of PyTorch's two."""
    import torch

    tool = f"PyTorch {torch.__version__}"
    torch.backends.cudnn.benchmark = True
    rows: list[GpuRow] = []
    missing: dict[str, str] = {}
    for precision, dtype in (("fp32", torch.float32), ("fp16", torch.float16)):
        module = copy.deepcopy(network.module).to(device, dtype).eval()
        example = _uploaded(batches.host[0], network.inputs, device)
        layout, chosen = faster_layout(module, example, dtype)
        rows += _rows(chosen, network, batches, tool, precision, f"{EAGER}, {layout}", device)
        if compiled:
            made = _compiled_rows(chosen, network, batches, tool, precision, device)
            if isinstance(made, str):
                missing[f"{tool}, {precision}, {COMPILED}, batch {batches.size}"] = made
            else:
                rows += made
    return rows, missing


def faster_layout(module: nn.Module, example: Sequence[Tensor], dtype: torch.dtype) -> tuple[str, nn.Module]:
    """The module with contiguous or channels_last weights, whichever takes less time, by the median."""
    import torch

    layouts = {
        "contiguous": module,
        "channels_last": copy.deepcopy(module).to(memory_format=torch.channels_last),  # type: ignore[call-overload]
    }
    taken: dict[str, float] = {}
    for name, candidate in layouts.items():
        seconds = []
        for _ in range(LAYOUT_CALLS):
            started = time.perf_counter()
            _answer(candidate, example, dtype)
            seconds.append(time.perf_counter() - started)
        taken[name] = statistics.median(seconds)
    best = min(taken, key=taken.__getitem__)
    return best, layouts[best]


def _compiled_rows(
    module: nn.Module, network: Network, batches: Batches, tool: str, precision: str, device: str
) -> list[GpuRow] | str:
    """The rows, or why it cannot be compiled here."""
    import torch

    call = torch.compile(module, mode="reduce-overhead", dynamic=False)
    rows = _rows(call, network, batches, tool, precision, COMPILED, device)
    try:
        for row in rows:
            row.run(0)
    except Exception as error:  # noqa: BLE001  (whatever the compiler raises; the other rows can still be measured)
        torch._dynamo.reset()
        return (
            f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else 'no reason given'}"
        )
    return rows


def _rows(
    call: Callable[..., Any],
    network: Network,
    batches: Batches,
    tool: str,
    precision: str,
    setting: str,
    device: str,
) -> list[GpuRow]:
    import torch

    dtype = {"fp32": torch.float32, "fp16": torch.float16}[precision]
    resident = [_uploaded(feed, network.inputs, device) for feed in batches.host]
    staged = _pinned(batches.host[0], network.inputs)

    def from_host(number: int) -> Mapping[str, Array]:
        feed = batches.host[number % len(batches.host)]
        tensors = []
        for name, buffer in staged.items():
            buffer.copy_(torch.from_numpy(feed[name]))
            tensors.append(buffer.to(device, non_blocking=True))
        return _named(network, _answer(call, tensors, dtype))

    def from_gpu(number: int) -> Mapping[str, Array]:
        return _named(network, _answer(call, resident[number % len(resident)], dtype))

    def row(transfers: Any, run: Callable[[int], Mapping[str, Array]]) -> GpuRow:
        return GpuRow(tool=tool, precision=precision, setting=setting, transfers=transfers, run=run)

    return [row("host to host", from_host), row("input on the GPU", from_gpu)]


def _answer(call: Callable[..., Any], tensors: Sequence[Tensor], dtype: torch.dtype) -> tuple[Tensor, ...]:
    """Outputs in host memory, as float32: whoever asks has to wait for them. tensors: float32, on the device."""
    import torch

    with torch.inference_mode():
        if dtype == torch.float16:
            tensors = [tensor.half() for tensor in tensors]
        torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]  # the last call's outputs may be overwritten
        made = call(*tensors)
        values = (made,) if isinstance(made, torch.Tensor) else made
        return tuple(value.float().cpu() for value in values)


def _named(network: Network, values: Sequence[Tensor]) -> dict[str, Array]:
    return {name: value.numpy() for name, value in zip(network.outputs, values, strict=True)}


def _uploaded(feed: Feed, names: Sequence[str], device: str) -> list[Tensor]:
    import torch

    return [torch.from_numpy(feed[name]).to(device) for name in names]


def _pinned(feed: Feed, names: Sequence[str]) -> dict[str, Tensor]:
    """Page-locked buffers, from which the GPU copies by itself."""
    import torch

    pin = torch.cuda.is_available()
    return {name: torch.empty(feed[name].shape, dtype=torch.float32, pin_memory=pin) for name in names}
