"""Stands for cuda.bindings."""

from tests.fakes.cudart import LIST
from tests.fakes.guard import listing

__version__ = listing(LIST)["version"]
