"""`python -m edgeneuro` is the command `edgeneuro`."""

from edgeneuro.cli.main import run

run()
