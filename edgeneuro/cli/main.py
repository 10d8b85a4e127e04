"""The command `edgeneuro`: a table of commands, each imported when it is called."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from io import TextIOWrapper
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from edgeneuro.cli.options import HELP, framed, report

COMMANDS: dict[str, tuple[str, str]] = {
    "train": ("edgeneuro.cli.train:command", "Train a reference model on labelled frames."),
    "prune": ("edgeneuro.cli.prune:command", "Take operations away from a trained network, and train what is left."),
    "distil": ("edgeneuro.cli.distil:command", "Train a small network with what a large one makes of the same frames."),
    "evaluate": ("edgeneuro.cli.evaluate:command", "Measure accuracy with 95 % intervals."),
    "build-engine": ("edgeneuro.cli.build_engine:command", "Make an .edge file: the main job."),
    "compress": ("edgeneuro.cli.compress:command", "Search for the smallest network that is still good enough."),
    "run": ("edgeneuro.cli.run:command", "Run an .edge file on images, volumes or arrays."),
    "segment": ("edgeneuro.cli.segment:command", "Segment a volume of any size, also on a cluster."),
    "benchmark": ("edgeneuro.cli.benchmark:command", "Measure compute, size, latency and accuracy of engines."),
    "compare": ("edgeneuro.cli.compare:command", "Hold several executables against each other on the same frames."),
    "report": ("edgeneuro.cli.report:command", "Make a page of measurements, of one or several devices."),
    "inspect": ("edgeneuro.cli.inspect:command", "Show what an .edge file is and promises."),
    "calibrate": ("edgeneuro.cli.calibrate:command", "Find INT8 ranges, and compare the ways to find them."),
    "lint": ("edgeneuro.cli.lint:command", "Check a quantised .onnx file against the rules of each target."),
    "sensitivity": ("edgeneuro.cli.sensitivity:command", "Find the layers that cost most in INT8."),
    "keygen": ("edgeneuro.cli.keygen:command", "Make a key to sign .edge files with."),
    "sign": ("edgeneuro.cli.sign:command", "Sign an .edge file."),
    "verify": (
        "edgeneuro.cli.verify:command",
        "Check an .edge file's hashes, signature and golden outputs on this machine.",
    ),
    "doctor": ("edgeneuro.cli.doctor:command", "Say what this machine can build and run."),
    "v1": ("edgeneuro.cli.v1:app", "Analyse recordings of the visual cortex."),
    "data": ("edgeneuro.cli.data:app", "List, describe and make data sets."),
}
"""Name -> "module:command" (or "module:app" for a command with commands of its own) and its line in --help."""


class LazyGroup(TyperGroup):
    """Lists commands from the table and imports a command only to run it or to show its own --help."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The real command behind `cmd_name`, None where there is none."""
        return load(cmd_name) if cmd_name in COMMANDS else None

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The list in --help, from the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


def load(name: str) -> Any:
    """The click command `name` of the table, in its frame."""
    module, _, attribute = COMMANDS[name][0].partition(":")
    found: Callable[..., None] | typer.Typer = getattr(import_module(module), attribute)
    if isinstance(found, typer.Typer):
        for row in found.registered_commands:
            if row.callback is not None:
                row.callback = framed(row.callback)
                row.context_settings = HELP
        found.rich_markup_mode = None
        built: Any = typer.main.get_group(found)
    else:
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        app.command(name=name, context_settings=HELP)(framed(found))
        built = typer.main.get_command(app)
    built.name = name
    return built


def _version(asked: bool) -> None:
    if asked:
        from edgeneuro import __version__

        print(f"edgeneuro {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Take a biomedical model to a device and prove what was lost on the way.

    Research software, not a medical device.

    \b
    edgeneuro build-engine --int8
    edgeneuro run myositis-int8.edge frame.png folder/ --json
    """


def main(arguments: Sequence[str]) -> int:
    """Run the command line; returns its exit code.

    0 done; 1 input that cannot be read or is refused; 2 wrong usage; 3 readable, but a promise fails; 70 a fault of
    edgeneuro, with its traceback; 130 interrupted.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file name that is not UTF-8; in JSON, the escape it needs
    app = typer.Typer(
        cls=LazyGroup, no_args_is_help=True, add_completion=False, rich_markup_mode=None, context_settings=HELP
    )
    app.callback()(_root)
    for name, (_, line) in COMMANDS.items():
        app.command(name, help=line)(_listed)
    try:
        typer.main.get_command(app)(list(arguments), prog_name="edgeneuro", obj=list(arguments))
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException as error:  # noqa: BLE001  (the last place that can turn it into an exit code)
        return report(error)
    return 0


def _listed() -> None:
    """Stands in the group's own list, from which a mistyped name is guessed; never called."""


def run() -> NoReturn:
    """Entry point of the console script."""
    sys.exit(main(sys.argv[1:]))
