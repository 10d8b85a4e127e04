"""Libraries that report their use to their makers are told not to, before they are imported."""

from __future__ import annotations

import os
import sys
from types import ModuleType
from typing import cast


def silence_telemetry() -> None:
    """Call before importing openvino or nncf: `import openvino` alone sends an event to an analytics service.

    Both take the package openvino_telemetry if it can be imported, so it cannot be (None in sys.modules is Python's way
    to say so); nncf also reads NNCF_CI. Has no effect on a process that imported openvino before.
    """
    os.environ["NNCF_CI"] = "1"
    sys.modules.setdefault("openvino_telemetry", cast(ModuleType, None))
