"""Which forms go into a bundle, and which of them this machine can run."""

from __future__ import annotations

from collections.abc import Sequence

from edgeneuro.errors import UsageError
from edgeneuro.export.emulate import open_emulated
from edgeneuro.export.forms import FORMS, Form, forms_of
from edgeneuro.manifest import Precision
from edgeneuro.runtime.backends import BACKENDS, Backend, open_backend, unavailable
from edgeneuro.runtime.cpu import cpu_features

NEEDS_ITS_RUNTIME = ("openvino",)
"""Backends whose numbers are known to part from those of the same graph elsewhere: never lowered unchecked."""


def bundle_forms(precision: Precision, backends: Sequence[str]) -> tuple[Form, ...]:
    """The forms a bundle of `precision` gets. backends: as the user named them; empty takes all that can be checked.

    Raises UsageError for a backend that is not known, or that has to be checked and is not installed.
    """
    known = tuple(dict.fromkeys(form.backend for form in FORMS.values()))
    offered = tuple(name for name, kind in BACKENDS.items() if {name, *kind.reads} & set(known))
    for name in backends:
        if name not in offered:
            raise UsageError(f"--backend {name}: is not known, expected one of {', '.join(offered)}")
        if name in NEEDS_ITS_RUNTIME and not executes(name):
            raise UsageError(f"--backend {name}: {unavailable(name)}; its graph has to be checked on it")
    wanted = [form for name in backends for form in (name, *BACKENDS[name].reads)]
    wanted = wanted or [name for name in known if name not in NEEDS_ITS_RUNTIME or executes(name)]
    return forms_of(precision, wanted)


def executes(backend: str) -> bool:
    """Whether `backend` runs graphs here."""
    return not unavailable(backend)


def runs_here(form: Form) -> bool:
    """Whether this machine executes `form` as a device would."""
    return cpu_features().issuperset(form.requires) and executes(form.backend)


def open_checked(form: Form, model: bytes) -> Backend:
    """`model`, lowered for `form`, on its own backend where that runs here, else emulated operator by operator."""
    return open_backend(form.backend, model, threads=None) if runs_here(form) else open_emulated(model)
