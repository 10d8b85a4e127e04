"""What the package contains, and what importing it does not wake."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import tomllib

from edgeneuro.cli.main import COMMANDS

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
HEAVY = ("torch", "lightning", "onnx", "onnxscript", "nncf", "sklearn", "scipy", "skimage", "morphio", "neurom")


def imported_by(*modules: str) -> set[str]:
    """Top-level modules in sys.modules after importing `modules` in a fresh interpreter."""
    code = f"import sys, {', '.join(modules)}; print(*sorted(m.partition('.')[0] for m in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT.parent)
    return set(done.stdout.split())


def test_every_folder_with_modules_is_listed_for_the_wheel() -> None:
    mapping: dict[str, str] = PROJECT["tool"]["setuptools"]["package-dir"]
    found = {
        ".".join((package, *init.parent.relative_to(ROOT / folder).parts))
        for package, folder in mapping.items()
        for init in (ROOT / folder).rglob("__init__.py")
    }
    assert found == set(PROJECT["tool"]["setuptools"]["packages"])


@pytest.mark.parametrize("folder", ["export", "runtime", "calibration", "benchmarks"])
def test_each_top_level_folder_is_linked_into_the_package(folder: str) -> None:
    link = ROOT / "edgeneuro" / folder
    assert link.is_symlink()
    assert link.readlink() == Path("..") / folder


def test_the_runtime_loads_no_training_or_export_library() -> None:
    loaded = imported_by("edgeneuro.runtime", "edgeneuro.runtime.backends.ort")
    assert "onnxruntime" in loaded
    assert not loaded & set(HEAVY)


def test_the_command_line_starts_without_any_heavy_library() -> None:
    loaded = imported_by("edgeneuro.cli.main")
    assert not loaded & {*HEAVY, "onnxruntime", "numpy", "cv2"}


def test_the_table_of_models_needs_no_torch() -> None:
    assert not imported_by("edgeneuro.models") & set(HEAVY)


def test_measuring_needs_the_base_install_only() -> None:
    assert not imported_by("edgeneuro.benchmarks.measure.run", "edgeneuro.benchmarks.accuracy") & set(HEAVY)


def test_every_command_of_the_table_explains_itself_with_an_example() -> None:
    for name in COMMANDS:
        done = subprocess.run(
            [sys.executable, "-m", "edgeneuro", name, "--help"], capture_output=True, text=True, check=True
        )
        assert f"edgeneuro {name}" in done.stdout.replace("Usage: edgeneuro", ""), name


def test_readme_names_only_commands_there_are() -> None:
    lines = [
        line.split() for line in (ROOT / "README.md").read_text().splitlines() if line.strip().startswith("edgeneuro ")
    ]
    assert lines
    assert {words[1] for words in lines} <= set(COMMANDS)


def test_links_in_the_documents_lead_somewhere() -> None:
    import re

    for page in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_no_extra_is_called_like_a_version() -> None:
    """pip before 23 compares the names of extras as versions where both look like one, and stops."""
    extras = PROJECT["project"]["optional-dependencies"]
    assert [name for name in extras if re.fullmatch(r"v?\d+([._-]?(a|b|c|rc|post|dev)?\d+)*", name)] == []
