"""Stands for pycuda; there only where EDGENEURO_FAKE_CUDA says so."""

import os

if os.environ.get("EDGENEURO_FAKE_CUDA") != "pycuda":
    raise ModuleNotFoundError("No module named 'pycuda'", name="pycuda")

VERSION_TEXT = "2026.1"
