"""From the files a user names to open executables, and which of them is the reference."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from edgeneuro.benchmarks.compare.interface import Interface
from edgeneuro.benchmarks.compare.open_bundle import open_bundle
from edgeneuro.benchmarks.compare.open_checkpoint import open_checkpoint
from edgeneuro.benchmarks.compare.open_onnx import open_onnx
from edgeneuro.benchmarks.compare.opened import Choice, Open, OpenFile
from edgeneuro.errors import BackendError, InputError


@dataclass(frozen=True, kw_only=True, eq=False)
class Executables:
    """reference: what the others are compared with. missing: name -> why it cannot run here."""

    interfaces: tuple[Interface, ...]
    reference: Open
    others: tuple[Open, ...]
    missing: Mapping[str, str]


def open_files(paths: Sequence[Path], choice: Choice, stack: ExitStack) -> Executables:
    """Every executable in `paths`. The reference is the first checkpoint, where there is one; else the first of the first
    file, which is the float graph on ONNX Runtime of a bundle. `stack` closes what is opened.

    Raises InputError for what is no such file, what opening each raises, BackendError where there are not two that run.
    """
    labels = _labels(paths)
    checkpoint = next((number for number, path in enumerate(paths) if path.is_dir()), None)
    first = checkpoint or 0
    files = [
        _open(path, label, choice, stack, reference=number == first)
        for number, (path, label) in enumerate(zip(paths, labels, strict=True))
    ]
    missing = {name: why for file in files for name, why in file.missing.items()}
    leading, *_ = files[first].opened or (None,)
    if leading is None:
        raise BackendError(f"{labels[first]}: nothing in it runs here, so there is no reference ({_reasons(missing)})")
    others = tuple(one for file in files for one in file.opened if one is not leading)
    if not others:
        raise BackendError(
            f"compare: only {leading.record.name} runs here, expected at least two executables ({_reasons(missing)}); "
            "name another file, or another --backend or --precision"
        )
    return Executables(
        interfaces=tuple(file.interface for file in files), reference=leading, others=others, missing=missing
    )


def _open(path: Path, label: str, choice: Choice, stack: ExitStack, *, reference: bool) -> OpenFile:
    if not path.exists():
        raise InputError(f"{path}: does not exist; expected an .edge file, an .onnx file or a checkpoint folder")
    if path.is_dir():
        return open_checkpoint(path, label, choice)
    if path.suffix == ".edge":
        return open_bundle(path, label, choice, stack, keep_float=reference)
    if path.suffix == ".onnx":
        return open_onnx(path, label, choice, stack)
    raise InputError(f"{path}: is no .edge file, .onnx file or checkpoint folder; expected one of these")


def _labels(paths: Sequence[Path]) -> list[str]:
    """Names without folders, which would go into a certificate; numbered where two have the same one."""
    seen: Counter[str] = Counter()
    labels = []
    for path in paths:
        name = path.name or path.resolve().name
        seen[name] += 1
        labels.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return labels


def _reasons(missing: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {why}" for name, why in missing.items()) or "nothing else was asked for"
