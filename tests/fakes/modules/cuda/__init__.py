"""Stands for cuda-python; there only where EDGENEURO_FAKE_CUDA says so."""

import os

if os.environ.get("EDGENEURO_FAKE_CUDA") != "cuda-python":
    raise ModuleNotFoundError("No module named 'cuda'", name="cuda")
