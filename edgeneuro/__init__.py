"""edgeneuro: take a biomedical model to a device and prove what was lost on the way."""

__version__: str


def __getattr__(name: str) -> str:
    """`__version__`, looked up when asked for: importing importlib.metadata would slow every start of a device."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("edgeneuro")
    except PackageNotFoundError:  # a bare checkout that was never installed
        return "0.0.0"
