"""Options that several commands share, and the frame every command runs in."""

from __future__ import annotations

import errno
import inspect
import json
import logging
import os
import sys
import textwrap
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import Enum
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgeneuro.errors import EdgeNeuroError

if TYPE_CHECKING:
    from rich.console import Console


class PrecisionName(str, Enum):
    """edgeneuro.manifest.Precision for the command line, without importing what a manifest needs."""

    fp32 = "fp32"
    fp16 = "fp16"
    fp8 = "fp8"
    mixed = "mixed"
    int8 = "int8"


class BackendName(str, Enum):
    """edgeneuro.runtime.backends.BACKENDS for the command line, without importing them, and "auto"."""

    auto = "auto"
    onnxruntime = "onnxruntime"
    openvino = "openvino"
    tensorrt = "tensorrt"
    tensorrt_rtx = "tensorrt-rtx"


Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
Force = Annotated[bool, typer.Option("--force", help="Replace an output that exists.")]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="Threads to compute with.", metavar="N")]
PrecisionOption = Annotated[
    PrecisionName | None, typer.Option("--precision", help="Graph to run.  [default: the one the engine was built for]")
]


class KeptEpoch(str, Enum):
    """edgeneuro.training.settings.Keep for the command line, without importing what training needs."""

    best = "best"
    last = "last"


Keep = Annotated[
    KeptEpoch | None,
    typer.Option(
        "--keep",
        help="Epoch whose weights are written: the best on the validation part, or the last, where few validation frames "
        "make the best a matter of chance.  [default: best]",
        show_default=False,
    ),
]
BackendOption = Annotated[
    BackendName | None,
    typer.Option(
        "--backend",
        help="Library to run with; auto: the fastest installed, measured once.  [default: onnxruntime]",
    ),
]
AllowUnsigned = Annotated[
    bool,
    typer.Option("--allow-unsigned", help="Run it, with a warning, although none of the trusted keys has signed it."),
]
LabelColumn = Annotated[str | None, typer.Option(metavar="NAME", help="Column of the folder's table with the class.")]
GroupColumn = Annotated[
    str | None, typer.Option(metavar="NAME", help="Column that names what must stay together: patient, video, lesion.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Only errors on standard error.")]
Verbose = Annotated[int, typer.Option("--verbose", "-v", count=True, metavar="", show_default=False, help="Say more.")]

COMMON: dict[str, tuple[Any, Any]] = {"threads": (Threads, None), "quiet": (Quiet, False), "verbose": (Verbose, 0)}
"""Options of every command: name of the parameter -> its type and default."""

EXTRAS = {
    "torch": "train",
    "lightning": "train",
    "safetensors": "train",
    "scipy": "train",
    "openpyxl": "train",
    "h5py": "volumes",
    "onnx": "export",
    "onnxscript": "export",
    "nncf": "export",
    "ml_dtypes": "export",
    "torch_pruning": "export",
    "optuna": "export",
    "dask": "cluster",
    "distributed": "cluster",
    "morphio": "morphology",
    "tifffile": "volumes",
    "zarr": "volumes",
    "imblearn": "recordings",
    "xgboost": "recordings",
    "skdim": "recordings",
    **({"tomli": "export"} if sys.version_info < (3, 11) else {}),
    "sklearn": "benchmark",
    "skimage": "train",
    "psutil": "benchmark",
    "neurom": "benchmark",
    "openvino": "openvino",
    "tensorrt_rtx": "tensorrt-rtx",
    "cuda": "cuda",
    "efficientnet_lite_pytorch": "benchmark",
}
"""Module that may be missing -> the extra of edgeneuro that brings it."""

HELP: dict[str, Any] = {"help_option_names": ["-h", "--help"]}
"""Click settings of every command."""

OUTSIDE = {
    errno.ENOSPC: "free some space and run again",
    errno.ENAMETOOLONG: "give a shorter name",
    errno.EACCES: "check its permissions",
    errno.EROFS: "choose a place that can be written",
    errno.EIO: "check the disk",
}
"""Errors of the system that are no fault of edgeneuro -> what to try."""


def framed(command: Callable[..., None]) -> Callable[..., None]:
    """`command` with the common options, and with every exception turned into its exit code.

    A command that declares `threads`, `quiet` or `verbose` itself is given the value; its own default stands.
    """
    own = inspect.signature(command, eval_str=True)
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, (kind, default) in COMMON.items()
        if name not in own.parameters
    ]

    @wraps(command)
    def run(**values: Any) -> None:
        try:
            _set_threads(values["threads"])
            _set_verbosity(values["quiet"], values["verbose"])
            command(**{name: value for name, value in values.items() if name in own.parameters})
            if sys.stdout is not None:  # None where it was closed before the start
                sys.stdout.flush()
        except (SystemExit, typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except BaseException as error:
            raise typer.Exit(report(error)) from error

    parameters = [
        parameter.replace(
            kind=inspect.Parameter.KEYWORD_ONLY,
            annotation=COMMON[parameter.name][0] if parameter.name in COMMON else parameter.annotation,
        )
        for parameter in (*own.parameters.values(), *added)
    ]
    signature = own.replace(parameters=parameters)
    vars(run)["__signature__"] = signature
    run.__annotations__ = {name: parameter.annotation for name, parameter in signature.parameters.items()}
    return run


def report(error: BaseException) -> int:
    """Say on standard error what went wrong; returns the exit code.

    Ctrl-C is an interrupt also where a library turned it into an error of its own, as torch does while it is imported.
    A deliberate error is one line, and so is what the system refuses, such as a full disk. A missing extra names itself.
    A reader that closed its end of a pipe has what it wanted. Anything else is a fault of ours: its traceback and 70.
    """
    if any(isinstance(item, KeyboardInterrupt) for item in _history(error)):
        print("interrupted", file=sys.stderr)
        return 130
    if isinstance(error, EdgeNeuroError):
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    if isinstance(error, BrokenPipeError):
        _drop_output()
        return 0
    if isinstance(error, OSError) and error.errno in OUTSIDE:
        if error.filename is None:
            _drop_output()
        print(f"error: {error.filename or 'output'}: {error.strerror}; {OUTSIDE[error.errno]}", file=sys.stderr)
        return 1
    module = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    if module in EXTRAS:
        print(
            f"error: this needs {module}, which is not installed; run: pip install 'edgeneuro[{EXTRAS[module]}]'",
            file=sys.stderr,
        )
        return 1
    traceback.print_exception(error)
    print("error: this is a fault of edgeneuro; please report it with the lines above", file=sys.stderr)
    return 70


def _drop_output() -> None:
    """What is still buffered goes nowhere; else Python tries to write it at its end, and complains once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _history(error: BaseException | None) -> Iterator[BaseException]:
    """`error`, what it was raised from or while handling, and so on."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def print_json(value: Any) -> None:
    """One JSON document on standard output, for programs."""
    print(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def out() -> Console:
    """Standard output, for what a person asked to see. Lines are wrapped for a terminal only, never in a file."""
    from rich.console import Console

    return Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 1000)


def err() -> Console:
    """Standard error, for progress and remarks."""
    from rich.console import Console

    return Console(stderr=True, highlight=False, markup=False)


def print_facts(console: Console, facts: Iterable[tuple[str, str]]) -> None:
    """Names in a column, beside each its value, wrapped at words below itself; no letter is ever left out."""
    rows = list(facts)
    indent = max(len(name) for name, _ in rows) + 2
    for name, value in rows:
        lines = textwrap.wrap(
            value,
            console.width,
            initial_indent=f"{name:{indent}}",
            subsequent_indent=" " * indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
        console.print("\n".join(lines), soft_wrap=True)


def tracked(what: str, *, quiet: bool) -> Callable[[Sequence[Any]], Iterable[Any]]:
    """Wraps a sequence so that a bar on standard error follows it, where that is a terminal and wants to be told."""
    console = err()
    if quiet or not console.is_terminal:
        return iter
    from rich.progress import track

    return lambda items: track(items, what, console=console, transient=True)


def _set_threads(threads: int | None) -> None:
    """For libraries that are told through the environment; they are imported only after this."""
    if threads is not None:
        os.environ["OMP_NUM_THREADS"] = os.environ["OPENCV_FOR_THREADS_NUM"] = str(threads)


def _set_verbosity(quiet: bool, verbose: int) -> None:
    """Remarks of the package, logger "edgeneuro", go to standard error as "warning: ..."."""
    level = logging.ERROR if quiet else (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_LowerCase("%(levelname)s: %(message)s"))
    handler.addFilter(_Once())
    log = logging.getLogger("edgeneuro")
    log.handlers[:] = [handler]
    log.setLevel(level)
    log.propagate = False


class _LowerCase(logging.Formatter):
    """Level names as in every other message of the command line: "warning: ..."."""

    def format(self, record: logging.LogRecord) -> str:
        record.levelname = record.levelname.lower()
        return super().format(record)


class _Once(logging.Filter):
    """Lets every remark through once: a command that opens a file twice says once what is to be said of it."""

    def __init__(self) -> None:
        super().__init__()
        self.said: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        new = message not in self.said
        self.said.add(message)
        return new
