"""Stands for pycuda.driver."""

from tests.fakes.pycuda_driver import fill

fill(globals())
