"""Whether the process that writes a trace still runs: by host, boot and process number in the trace's provenance."""

import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

Writer = Literal["running", "gone", "unknown"]
"""unknown: it runs on another host, or the trace does not say."""

_BOOT = Path("/proc/sys/kernel/random/boot_id")
_STILL_ACTIVE, _QUERY = 259, 0x1000
"""Exit code of a process that runs, and the right to ask for it (Windows: STILL_ACTIVE, LIMITED_INFORMATION)."""


def boot_id() -> str | None:
    """Return a number that changes when this machine starts, or None where the system has none (Linux has)."""
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None


def writer_of(provenance: Mapping[str, Any]) -> Writer:
    """Return whether the writer of a trace runs, by the entry "process" of its provenance.

    A process number is used again after some time: "running" may be wrong then, "gone" is right.
    """
    process = provenance.get("process")
    if not isinstance(process, Mapping) or process.get("host") != platform.node():
        return "unknown"
    pid, boot, now = process.get("pid"), process.get("boot"), boot_id()
    if not isinstance(pid, int) or isinstance(pid, bool) or not 0 < pid < 2**31:
        return "unknown"
    if boot is not None and now is not None and boot != now:
        return "gone"
    return "running" if _runs(pid) else "gone"


def _runs(pid: int) -> bool:
    if sys.platform == "win32":
        return _runs_on_windows(pid)
    try:
        # The state stands behind the name, which may hold anything but ends in the last parenthesis.
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[:1]
    except OSError:
        state = []
    if state:
        return state[0] not in "ZX"  # a zombie has ended, only nobody has asked for its exit code yet
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is there and belongs to somebody else
        return True
    return True


def _runs_on_windows(pid: int) -> bool:
    """Ask Windows: `os.kill` with signal 0 would end the process there."""
    import ctypes

    kernel: Any = getattr(ctypes, "windll").kernel32  # noqa: B009  # by name: only Windows has it
    handle = kernel.OpenProcess(_QUERY, False, pid)
    if not handle:
        return bool(kernel.GetLastError() == 5)  # access denied: it is there
    try:
        code = ctypes.c_ulong()
        return bool(kernel.GetExitCodeProcess(handle, ctypes.byref(code))) and code.value == _STILL_ACTIVE
    finally:
        kernel.CloseHandle(handle)
