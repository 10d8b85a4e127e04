"""What a network takes, gives and means, so that only what can be compared is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgeneuro.data.recordings.session import Session
from edgeneuro.data.split import Split
from edgeneuro.errors import InputError
from edgeneuro.manifest import PRIMARY_METRICS, Task
from edgeneuro.preprocess import Preprocess
from edgeneuro.spec import TensorSpec


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """What a bundle or a checkpoint says beyond its tensors, as a manifest does. split: None where it does not say what it
    was trained on. session: whose neurons it
    takes responses of; None of what takes frames or arrays."""

    task: Task
    classes: tuple[str, ...]
    metric: str
    preprocess: Preprocess | None
    split: Split | None = None
    session: Session | None = None


ARRAYS_ONLY = Meaning(task="tensors", classes=(), metric=PRIMARY_METRICS["tensors"], preprocess=None)
"""Where nothing but bare .onnx files is compared: arrays in, arrays out."""


@dataclass(frozen=True, kw_only=True)
class Interface:
    """label: of the file. meaning: None for a bare .onnx file, which has none."""

    label: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    meaning: Meaning | None


def common_meaning(interfaces: Sequence[Interface]) -> Meaning:
    """What all of them are for. Raises InputError naming the first thing in which two of them differ."""
    first, *others = interfaces
    for other in others:
        _check_tensors("inputs", first, first.inputs, other, other.inputs)
        _check_tensors("outputs", first, first.outputs, other, other.outputs)
    known = [(interface, interface.meaning) for interface in interfaces if interface.meaning is not None]
    for other, meaning in known[1:]:
        _check_meaning(*known[0], other, meaning)
    return known[0][1] if known else ARRAYS_ONLY


def _check_tensors(
    what: str, first: Interface, expected: Sequence[TensorSpec], other: Interface, found: Sequence[TensorSpec]
) -> None:
    by_name = {spec.name: spec for spec in found}
    same = len(expected) == len(found) and all(
        spec.name in by_name and _fit(spec, by_name[spec.name]) for spec in expected
    )
    if not same:
        raise InputError(
            f"{other.label}: has {what} {_in_words(found)}, {first.label} has {_in_words(expected)}; compare executables "
            "of one network, with tensors of the same names, shapes and types"
        )


def _fit(one: TensorSpec, other: TensorSpec) -> bool:
    """Same type and sizes, where both state one."""
    return (
        one.dtype == other.dtype
        and len(one.shape) == len(other.shape)
        and all(a == b or -1 in (a, b) for a, b in zip(one.shape, other.shape, strict=True))
    )


def _in_words(specs: Sequence[TensorSpec]) -> str:
    return ", ".join(f"{spec.name} {list(spec.shape)} {spec.dtype}" for spec in specs)


def _check_meaning(first: Interface, expected: Meaning, other: Interface, found: Meaning) -> None:
    for what, mine, theirs in (
        ("task", expected.task, found.task),
        ("classes", ", ".join(expected.classes), ", ".join(found.classes)),
        ("preprocessing", expected.preprocess, found.preprocess),
        ("session", expected.session, found.session),
    ):
        if mine != theirs:
            raise InputError(
                f"{other.label}: has the {what} {theirs}, {first.label} has {mine}; the same frame would mean something "
                "else to each, compare executables of one network"
            )
