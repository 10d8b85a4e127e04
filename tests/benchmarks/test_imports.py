"""Measuring and its JSON need only the base install."""

from __future__ import annotations

import subprocess
import sys


def test_evaluate_and_benchmark_load_nothing_beyond_the_base_install() -> None:
    script = (
        "import sys, edgeneuro.benchmarks.show, edgeneuro.cli.evaluate, edgeneuro.cli.benchmark\n"
        "import edgeneuro.benchmarks.measure.judge, edgeneuro.benchmarks.measure.against\n"
        "heavy = {'torch', 'lightning', 'onnx', 'nncf', 'sklearn', 'scipy', 'skimage', 'safetensors'} & set(sys.modules)\n"
        "sys.exit(f'loaded {sorted(heavy)}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
