"""Nothing that edgeneuro imports reports to anybody."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

AUDITED = """
import sys, threading

def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.gethostbyname"):
        print("NETWORK", event, arguments, flush=True)
        raise ConnectionRefusedError(event)

sys.addaudithook(refuse)
from importlib import import_module
import_module(sys.argv[1])
for thread in threading.enumerate():
    if thread is not threading.main_thread() and not thread.daemon:
        thread.join(10)
print("IMPORTED", flush=True)
"""


def imported(module: str, home: Path) -> str:
    """What a process says that imports `module` as a user does who never declined, and not on a build server."""
    plain = {name: value for name, value in os.environ.items() if name not in ("CI", "TF_BUILD", "JENKINS_URL")}
    done = subprocess.run(
        [sys.executable, "-c", AUDITED, module],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**plain, "HOME": str(home)},
    )
    assert "IMPORTED" in done.stdout, done.stderr
    return done.stdout


def test_the_openvino_backend_opens_no_connection(tmp_path: Path) -> None:
    pytest.importorskip("openvino", reason="needs openvino")
    assert "NETWORK" not in imported("edgeneuro.runtime.backends.openvino", tmp_path)


def test_openvino_by_itself_does(tmp_path: Path) -> None:
    """Shows that the test above would fail if nothing were done."""
    pytest.importorskip("openvino_telemetry", reason="needs openvino with its telemetry")
    assert "NETWORK" in imported("openvino", tmp_path)
