"""Stands in for the probe of a graph that crashes OpenVINO."""

from __future__ import annotations

import os
import signal

if __name__ == "__main__":
    os.kill(os.getpid(), signal.SIGSEGV)
