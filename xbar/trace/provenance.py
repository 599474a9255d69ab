"""Where a trace comes from: versions, machine, command line, time and a number that no other trace has."""

import os
import platform
import sys
import uuid
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from xbar.version import __version__

PACKAGES = ("numpy", "scipy", "h5py", "numba", "onnx", "onnxruntime", "onnxruntime-gpu", "cupy-cuda13x")
"""Packages whose version is kept where they are installed; none is imported for it."""


def now() -> str:
    """Return the time of the wall clock, ISO 8601 with the offset to UTC."""
    return datetime.now().astimezone().isoformat(timespec="milliseconds")


def versions() -> dict[str, str]:
    """Return the versions of Python, xbar and the packages that its results depend on."""
    found = {"python": platform.python_version(), "xbar": __version__}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def collect() -> dict[str, Any]:
    """Return what is known of this process (JSON values); the keys are reserved in the provenance of a trace."""
    return {
        "uuid": str(uuid.uuid4()),
        "start_time": now(),
        "command": list(sys.argv),
        "versions": versions(),
        "platform": {
            "system": platform.system(),
            "release": platform.release(),
            "machine": platform.machine(),
            "implementation": platform.python_implementation(),
        },
        "process": {"host": platform.node(), "pid": os.getpid()},
    }
