"""Ctrl-C and SIGTERM end a run with code 130, outputs off, and a valid trace of what was done."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import xbar
from xbar.errors import XbarError


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGTERM for other processes")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_a_stopped_run_leaves_a_valid_trace(digits_file: Path, tmp_path: Path, number: signal.Signals) -> None:
    trace = tmp_path / "t.h5"
    # A run that would take minutes: many samples, each a batch of its own.
    np.savez(tmp_path / "d.npz", x=np.zeros((200_000, 64), np.float32))
    command = [sys.executable, "-m", "xbar", "run", str(digits_file), "--data", str(tmp_path / "d.npz")]
    options = ["--batch", "1", "--error-samples", "0", "--trace", str(trace)]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        wait_for_operations(trace, running)
        running.send_signal(number)
        out, err = running.communicate(timeout=60)
    assert running.returncode == 130, err
    assert out == ""
    assert "Traceback" not in err
    with xbar.open_trace(trace) as kept:
        assert kept.state == "closed"
        assert kept.status == "aborted"
        assert kept.complete
        assert len(kept) > 10
    check_prefix_is_refused(digits_file, tmp_path)


def check_prefix_is_refused(digits_file: Path, folder: Path) -> None:
    """Replay the trace of the run that was stopped: refused where it ends, in words."""
    for arguments, code, word in (
        (["run", str(digits_file), "--data", "d.npz", "--bench", "replay:t.h5", "--error-samples", "0"], 6, "t.h5"),
        (["replay", "t.h5"], 3, "did not end"),
    ):
        command = [sys.executable, "-m", "xbar", *arguments]
        ended = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        assert ended.returncode == code, ended.stderr
        assert ended.stdout == ""
        assert word in ended.stderr
        assert "Traceback" not in ended.stderr


def wait_for_operations(trace: Path, running: "subprocess.Popen[str]") -> None:
    """Return when the trace, read while it grows, holds a dozen operations."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and running.poll() is None:
        try:
            with xbar.open_trace(trace) as growing:
                if len(growing) > 12:
                    return
        except XbarError:
            pass  # not there yet, or still being set up
        time.sleep(0.05)
    pytest.fail("the run recorded nothing in a minute")
