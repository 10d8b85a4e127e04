"""Makes the lists of what the real libraries have.

python -m tests.fakes.make_lists wheel tensorrt_cu12_bindings-VERSION-*.whl lists/tensorrt-VERSION.json
python -m tests.fakes.make_lists module tensorrt_rtx lists/tensorrt_rtx-VERSION.json
python -m tests.fakes.make_lists module cuda.bindings.runtime lists/cuda-runtime-VERSION.json
python -m tests.fakes.make_lists module pycuda.driver lists/pycuda-VERSION.json

`module` reads what the running Python can import. `wheel` unpacks TensorRT's bindings and imports them over stub libraries
that the C compiler makes, because the libraries themselves are gigabytes and want a GPU; names, enumerations and the
signatures that pybind11 writes into docstrings need none of them. It needs the CPython version that the wheel is for.
pycuda.driver was imported over a stub libcuda too, one that defines every cu* symbol that its compiled module asks for
(nm -D --undefined-only).
"""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from tests.fakes.introspect import describe, write

STUBBED = (
    "createInferBuilder_INTERNAL",
    "createInferRefitter_INTERNAL",
    "createInferRuntime_INTERNAL",
    "createNvOnnxParserRefitter_INTERNAL",
    "createNvOnnxParser_INTERNAL",
    "getBuilderPluginRegistry",
    "getNvOnnxParserVersion",
    "getPluginRegistry",
    "initLibNvInferPlugins",
)
LIBRARIES = ("libnvinfer", "libnvonnxparser", "libnvinfer_plugin")
VERSIONS = {
    "cuda.bindings.runtime": "cuda.bindings",
    "pycuda.driver": "pycuda",
    "tensorrt_bindings": "tensorrt_bindings",
}


def of_module(name: str, out: Path, source: str = "") -> None:
    """Write the list of the importable module `name`."""
    module = importlib.import_module(name)
    version = _version(VERSIONS.get(name, name))
    listed = describe(module, source or f"introspected from the module {name} of {version}")
    write(out, {"library": name.replace("tensorrt_bindings", "tensorrt"), "version": version, **listed})
    print(f"{out}: {name} {version}")


def of_wheel(wheel: Path, out: Path) -> None:
    """Write the list of the TensorRT bindings in `wheel`, imported in a child over stub libraries."""
    found = re.match(r"tensorrt_cu\d+_bindings-(\d+)\.", wheel.name)
    if found is None:
        sys.exit(f"{wheel.name}: not a wheel of TensorRT's bindings; expected tensorrt_cu12_bindings-VERSION-*.whl")
    with tempfile.TemporaryDirectory() as folder:
        unpacked, stubs = Path(folder, "wheel"), Path(folder, "stubs")
        stubs.mkdir()
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(unpacked)
        _build_stubs(stubs, major=found[1])
        paths = os.pathsep.join([str(unpacked), str(Path(__file__).parents[2])])
        command = [sys.executable, "-m", "tests.fakes.make_lists", "module", "tensorrt_bindings", str(out.absolute())]
        command.append(f"introspected from {wheel.name} over stub libraries")
        subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": paths, "LD_LIBRARY_PATH": str(stubs)})


def _build_stubs(folder: Path, major: str) -> None:
    source = folder / "stub.c"
    source.write_text("\n".join(f"void* {symbol}(void) {{ return 0; }}" for symbol in STUBBED))
    for library in LIBRARIES:
        built = folder / f"{library}.so.{major}"
        subprocess.run(
            ["cc", "-shared", "-fPIC", f"-Wl,-soname,{built.name}", "-o", str(built), str(source)], check=True
        )


def _version(package: str) -> str:
    module = importlib.import_module(package)
    return str(getattr(module, "VERSION_TEXT", None) or module.__version__)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["wheel", wheel, out]:
            of_wheel(Path(wheel), Path(out))
        case ["module", name, out, *source]:
            of_module(name, Path(out), *source)
        case _:
            sys.exit(__doc__)
