"""The frame every command runs in: help, exit codes, common options."""

from __future__ import annotations

import importlib
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import typer

from edgeneuro import __version__
from edgeneuro.cli import main as main_module
from edgeneuro.cli.main import COMMANDS, main
from edgeneuro.cli.options import EXTRAS, Threads, framed
from edgeneuro.errors import DataError, SelfTestError, UsageError

HEAVY = {"numpy", "cv2", "torch", "onnx", "onnxruntime", "nncf", "rich", "lightning", "sklearn", "scipy"}


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command `run` that raises what this module's `failure` holds."""
    monkeypatch.setitem(main_module.COMMANDS, "run", (f"{__name__}:failing", "Fails."))
    monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])


failure: BaseException = Exception()


def failing() -> NoReturn:
    raise failure


def exit_code_of(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys.modules[__name__], "failure", error)
    return main(["run"])


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (DataError("table.csv: has no column 'label'"), 1, "error: table.csv: has no column 'label'\n"),
        (UsageError("choose one"), 2, "error: choose one\n"),
        (SelfTestError("differs"), 3, "error: differs\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (
            ModuleNotFoundError("No module named 'torch'", name="torch"),
            1,
            "error: this needs torch, which is not installed; run: pip install 'edgeneuro[train]'\n",
        ),
    ],
)
def test_what_a_command_raises_becomes_one_line_and_its_exit_code(
    fails: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    said: str,
) -> None:
    assert exit_code_of(error, monkeypatch) == code
    assert capsys.readouterr() == ("", said)


@pytest.mark.parametrize("error", [ZeroDivisionError("1 / 0"), ModuleNotFoundError("No module named 'x'", name="x")])
def test_a_fault_of_ours_keeps_its_traceback_and_ends_with_70(
    fails: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    assert exit_code_of(error, monkeypatch) == 70
    said = capsys.readouterr().err
    assert "Traceback" in said and "in failing" in said and str(error) in said


def test_wrong_usage_ends_with_2_and_guesses_what_was_meant(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspekt"]) == 2
    assert "Did you mean 'inspect'" in capsys.readouterr().err
    assert main(["verify"]) == 2
    assert main(["verify", "--no-such-option"]) == 2
    assert main(["doctor", "--threads", "0"]) == 2


@pytest.mark.parametrize("arguments", [["-h"], ["run", "-h"], ["data", "-h"], ["data", "list", "-h"]])
def test_help_has_a_short_name(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    assert f"Usage: edgeneuro {' '.join(arguments[:-1])}".strip() in capsys.readouterr().out


def test_version_and_help_end_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"edgeneuro {__version__}\n"
    assert main(["--help"]) == 0
    listed = capsys.readouterr().out
    for name, (_, line) in COMMANDS.items():
        assert name in listed
        assert line.split()[0] in listed


@pytest.mark.parametrize("name", ["run", "inspect", "verify", "doctor"])
def test_every_command_explains_itself_with_an_example_and_the_common_options(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name, "--help"]) == 0
    text = capsys.readouterr().out
    assert f"edgeneuro {name} " in text
    for option in ("--threads", "--quiet", "--verbose"):
        assert option in text


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"], ["doctor", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from edgeneuro.cli.main import main; main(sys.argv[1:]); "
        f"print(sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_python_m_edgeneuro_is_the_same_command() -> None:
    done = subprocess.run([sys.executable, "-m", "edgeneuro", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"edgeneuro {__version__}\n"


def test_a_reader_that_stops_reading_is_no_error(edge: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "many.npy", np.zeros((400, 40, 40), np.uint8))
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "edgeneuro", "run", str(edge), str(tmp_path / "many.npy"), "--json"]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, "")


def run_command(*arguments: str, **streams: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgeneuro", *arguments]
    return subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False, **streams)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which only Linux has")
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_an_output_on_a_full_disk_is_said_in_one_line(edge: Path, options: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = run_command("inspect", str(edge), *options, stdout=full)
    assert (done.returncode, done.stderr) == (
        1,
        "error: output: No space left on device; free some space and run again\n",
    )


def test_a_closed_standard_output_is_no_fault(edge: Path) -> None:
    code = (
        "import os, sys; os.close(1); "
        f"os.execv(sys.executable, [sys.executable, '-m', 'edgeneuro', 'verify', {str(edge)!r}])"
    )
    done = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_name_the_system_refuses_is_said_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "describe", "x" * 300]) == 1
    assert capsys.readouterr().err == f"error: {'x' * 300}: File name too long; give a shorter name\n"


def test_threads_reach_the_libraries_and_the_command_that_asks_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    seen: list[object] = []

    def asks(threads: Threads = None) -> None:
        seen.append((threads, os.environ.get("OMP_NUM_THREADS")))

    app = typer.Typer()
    app.command()(framed(asks))
    built = typer.main.get_command(app)
    built([], standalone_mode=False)
    built(["--threads", "3"], standalone_mode=False)
    assert seen == [(None, None), (3, "3")]


@pytest.mark.parametrize(
    ("options", "level"), [([], "WARNING"), (["-q"], "ERROR"), (["-v"], "INFO"), (["-vv"], "DEBUG")]
)
def test_verbosity_sets_what_the_package_says(options: list[str], level: str) -> None:
    assert main(["doctor", "--json", *options]) == 0
    assert logging.getLevelName(logging.getLogger("edgeneuro").level) == level


def test_every_extra_named_in_a_remedy_is_one_of_the_package() -> None:
    from importlib.metadata import metadata

    assert set(EXTRAS.values()) <= set(metadata("edgeneuro").get_all("Provides-Extra") or ())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_row_of_the_table_leads_to_a_command(name: str) -> None:
    module, _, attribute = COMMANDS[name][0].partition(":")
    assert hasattr(importlib.import_module(module), attribute)
    assert main_module.load(name).name == name
