"""Stands for cuda.bindings.runtime."""

from tests.fakes.cudart_module import fill

fill(globals())
