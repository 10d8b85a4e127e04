"""PyTorch on the processor: operator by operator, and compiled."""

from __future__ import annotations

import copy
import logging
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np

from edgeneuro.benchmarks.rivals.material import Material
from edgeneuro.benchmarks.rivals.network import Network
from edgeneuro.benchmarks.rivals.rival import Opened, Run
from edgeneuro.errors import BackendError
from edgeneuro.spec import Array, Feed

LAYOUT_S, LAYOUT_ROUNDS = 3.0, (3, 30)
"""For choosing the memory layout: about so long, so many rounds at least and at most."""


def open_eager(material: Material) -> Opened:
    """`network(tensor)` in torch.inference_mode, in the faster of PyTorch's two memory layouts."""
    import torch

    _set_threads(material)
    network = material.network
    layouts = {
        "contiguous": network.module,
        "channels_last": copy.deepcopy(network.module).to(memory_format=torch.channels_last),  # type: ignore[call-overload]
    }
    runs = {name: _bare(module, network) for name, module in layouts.items()}
    name, ratio = _fastest(runs, material.frames[0])
    note = f"{name} weights, which took {ratio:.2f} times as long as the other layout when the rival was made"
    return Opened(run=runs[name], close=_nothing_to_close, notes=(_version(), network.origin, note))


def open_compiled(material: Material) -> Opened:
    """`torch.compile(network)` with Inductor's `freezing`, its setting for inference: weights become constants, are laid out
    for oneDNN, batch normalisation and activations are fused into convolutions.

    Raises BackendError without a C++ compiler.
    """
    import torch
    from torch._inductor import config

    _set_threads(material)
    network = material.network
    run = _bare(torch.compile(network.module), network)
    try:
        with _quiet(), config.patch(freezing=True):
            run(material.frames[0])
    except Exception as error:
        torch._dynamo.reset()
        if "InvalidCxxCompiler" in str(error):
            raise BackendError("torch.compile: found no C++ compiler; install g++") from error
        raise
    return Opened(
        run=run,
        close=_nothing_to_close,
        notes=(_version(), network.origin, "inductor with freezing=True, which chooses the memory layout itself"),
    )


def _bare(call: Callable[..., object], network: Network) -> Run:
    import torch

    inputs, outputs = network.inputs, network.outputs

    def run(feed: Feed) -> Mapping[str, Array]:
        with torch.inference_mode():
            made = call(*[torch.from_numpy(feed[name]) for name in inputs])
        values = (made,) if isinstance(made, torch.Tensor) else made
        return {name: value.numpy() for name, value in zip(outputs, values, strict=True)}  # type: ignore[call-overload]

    return run


def _fastest(runs: Mapping[str, Run], frame: Feed) -> tuple[str, float]:
    """The quickest by the median of rounds in turn, and its share of the slowest's time."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run(frame)
    started = time.perf_counter()
    while len(next(iter(times.values()))) < LAYOUT_ROUNDS[1]:
        for name, run in runs.items():
            before = time.perf_counter()
            run(frame)
            times[name].append(time.perf_counter() - before)
        if time.perf_counter() - started > LAYOUT_S and len(times[name]) >= LAYOUT_ROUNDS[0]:
            break
    medians = {name: float(np.median(values)) for name, values in times.items()}
    best = min(medians, key=medians.__getitem__)
    return best, medians[best] / max(medians.values())


def _set_threads(material: Material) -> None:
    """Of the whole process: PyTorch has no other way, and nothing else here computes with it."""
    import torch

    if material.threads is not None:
        torch.set_num_threads(material.threads)


def _version() -> str:
    import torch

    return f"torch {torch.__version__}"


def _nothing_to_close() -> None:
    """PyTorch's networks are memory like any other."""


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the compiler's remarks."""
    loggers = [logging.getLogger(name) for name in ("torch._dynamo", "torch._inductor", "torch._functorch")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
