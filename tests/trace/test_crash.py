"""A trace survives its writer: killed at any moment, or out of space."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from xbar.trace.reader import open_trace

WRITER = Path(__file__).with_name("crash_writer.py")
KILLS = 40


@pytest.fixture(scope="module")
def writer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("crash_writer", WRITER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(WRITER), *arguments]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks its writers; the test below kills one everywhere")
def test_no_acknowledged_operation_is_lost_by_a_kill(tmp_path: Path) -> None:
    """Killed at 40 moments, each file is readable and holds what was acknowledged, at most one operation more."""
    done = run(str(tmp_path), "kills", str(KILLS))
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["wrong"] == []
    assert result["acknowledged"] > KILLS


def test_a_killed_file_is_open_and_whole(tmp_path: Path, writer: ModuleType) -> None:
    """A writer in another process is killed: the file says that it was not closed."""
    path = tmp_path / "t.h5"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    with subprocess.Popen([sys.executable, str(WRITER), str(path)], stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        acknowledged = len(process.stdout.read(50))
        with open_trace(path) as trace:  # while its writer runs
            assert trace.status == "open"
            assert len(trace) >= acknowledged
        process.kill()
        acknowledged += len(process.stdout.read())
    assert writer.check(path, acknowledged) is None
    with open_trace(path) as trace:
        assert (trace.status, trace.state, trace.complete) == ("open", "open", False)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit of a file's size")
def test_a_full_disk_keeps_what_was_acknowledged(tmp_path: Path, writer: ModuleType) -> None:
    """When the file may not grow, the error names it and the number of operations, and those are readable."""
    path = tmp_path / "t.h5"
    done = run(str(path), "limit")
    assert done.returncode == 7, done.stderr
    result = json.loads(done.stdout)
    assert result["acknowledged"] > 100
    assert f"{path} cannot be written" in result["message"]
    assert f"holds {result['acknowledged']} operations" in result["message"]
    assert writer.check(path, result["acknowledged"]) is None
