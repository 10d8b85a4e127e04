"""What this machine can do at best: multiply-accumulates a second on each backend, and bytes a second to and from memory.

Measured as candidates of `protocol.interleave`, in the same rounds as the engines: a peak of another hour, or another
clock frequency, says nothing about them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgeneuro.benchmarks.compute.dense import DENSE, Dense
from edgeneuro.benchmarks.document import Peak
from edgeneuro.benchmarks.protocol import Candidate, Floats
from edgeneuro.runtime.backends import BACKENDS, open_backend, unavailable
from edgeneuro.runtime.cpu import core_count
from edgeneuro.spec import Array

CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
CACHE_UNKNOWN = 32 << 20
"""Taken for the last cache, bytes, where the system does not say how large it is."""
TIMES_CACHE, ARRAY_LIMIT = 4, 512 << 20
"""Of an array that is streamed: how many times the last cache, and bytes at most, so that two fit small machines."""


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """Something of which the machine's limits are read. run: candidate of `interleave`, {"inference": ms} a call. macs:
    multiply-accumulates of one call. bytes: read and written by one call, 0 where that is not what it measures."""

    backend: str
    precision: str
    title: str
    macs: int
    bytes: int
    run: Candidate
    close: Callable[[], None]


def open_kernels(
    backends: Sequence[str] | None = None, *, threads: int | None, precisions: Sequence[str] = ("fp32", "int8")
) -> dict[str, Kernel]:
    """Name -> dense kernel, on each of `backends`; None takes all for processors that are installed. Each must be closed.

    Raises BackendError: a backend that is missing, or refuses a kernel.
    """
    chosen = (
        [name for name in BACKENDS if not (BACKENDS[name].gpu or unavailable(name))] if backends is None else backends
    )
    kernels: dict[str, Kernel] = {}
    with ExitStack() as opened:
        for backend in chosen:
            for dense in (dense for dense in DENSE if dense.precision in precisions):
                kernel = _open(dense, backend, threads)
                opened.callback(kernel.close)
                kernels[f"peak of {backend}, {dense.precision}: {dense.title}"] = kernel
        opened.pop_all()
    return kernels


def best_peaks(kernels: Mapping[str, Kernel], times: Mapping[str, Floats]) -> tuple[Peak, ...]:
    """The fastest kernel of each backend and precision. times: name -> (call,) ms; the median counts, as it does for the
    engines, so that both hold for the same rounds."""
    best: dict[tuple[str, str], Peak] = {}
    for name, kernel in kernels.items():
        gmac_s = kernel.macs / float(np.median(times[name])) / 1e6
        key = (kernel.backend, kernel.precision)
        if key not in best or gmac_s > best[key].gmac_s:
            best[key] = Peak(backend=kernel.backend, precision=kernel.precision, kernel=kernel.title, gmac_s=gmac_s)
    return tuple(best.values())


def open_bandwidth(threads: int | None) -> Kernel:
    """Copies an array far larger than the last cache to another one, a part in each of `threads` (None: every core).

    bytes / ms / 1e6 are GB/s, read and written together. A processor that first reads what it is going to overwrite
    moves half as much again, which is not counted: it is no use to a network either.
    """
    workers = threads or core_count()
    size = min(TIMES_CACHE * _last_cache(), ARRAY_LIMIT)
    source, target = np.ones(size, np.uint8), np.zeros(size, np.uint8)
    target.fill(2)  # so that every page is there before it is timed
    parts = list(zip(np.array_split(target, workers), np.array_split(source, workers), strict=True))
    pool = ThreadPoolExecutor(workers)

    def run(_: int) -> Mapping[str, float]:
        started = time.perf_counter()
        if workers == 1:
            np.copyto(target, source)
        else:
            for done in [pool.submit(np.copyto, *part) for part in parts]:
                done.result()
        return {"inference": 1e3 * (time.perf_counter() - started)}

    return Kernel(
        backend="memory",
        precision="",
        title=f"copy of {size >> 20} MiB",
        macs=0,
        bytes=2 * size,
        run=run,
        close=pool.shutdown,
    )


def _open(dense: Dense, backend: str, threads: int | None) -> Kernel:
    opened = open_backend(backend, dense.graph(), threads=threads)
    feed = {"x": _input(dense)}

    def run(_: int) -> Mapping[str, float]:
        started = time.perf_counter()
        opened.run(feed)
        return {"inference": 1e3 * (time.perf_counter() - started)}

    return Kernel(
        backend=backend,
        precision=dense.precision,
        title=dense.title,
        macs=dense.macs,
        bytes=0,
        run=run,
        close=opened.close,
    )


def _input(dense: Dense) -> Array:
    rng = np.random.default_rng(0)
    if dense.precision == "int8":
        return rng.integers(0, 256, dense.shape, np.uint8)
    return rng.random(dense.shape, np.float32)


def _last_cache() -> int:
    """Bytes of the largest cache of the first processor, as Linux lists it ("32768K")."""
    units = {"K": 1 << 10, "M": 1 << 20}
    sizes = []
    for path in CACHES.glob("index*/size"):
        text = path.read_text(encoding="ascii").strip()
        if text[:-1].isdigit() and text[-1] in units:
            sizes.append(int(text[:-1]) * units[text[-1]])
    return max(sizes, default=CACHE_UNKNOWN)
