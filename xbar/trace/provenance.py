"""Where a trace comes from: versions, machine, command line, time and a number that no other trace has."""

import os
import platform
import sys
import uuid
from datetime import datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from xbar.trace.writer_process import boot_id
from xbar.version import __version__

PACKAGES = ("numpy", "scipy", "h5py", "numba", "onnx", "onnxruntime", "onnxruntime-gpu", "cupy-cuda13x")
"""Packages whose version is kept where they are installed; none is imported for it."""


def now() -> str:
    """Return the time of the wall clock, ISO 8601 with the offset to UTC."""
    return datetime.now().astimezone().isoformat(timespec="milliseconds")


def versions() -> dict[str, str]:
    """Return the versions of Python, xbar and the packages that its results depend on."""
    return dict(_versions())


@cache
def _versions() -> dict[str, str]:
    """Look them up once: it takes some 30 ms, a tenth of a short run."""
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
        "process": {"host": platform.node(), "pid": os.getpid(), "boot": boot_id()},
    }
