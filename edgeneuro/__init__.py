"""edgeneuro: take a biomedical model to a device and prove what was lost on the way."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("edgeneuro")
except PackageNotFoundError:  # a bare checkout that was never installed
    __version__ = "0.0.0"
