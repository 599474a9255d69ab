"""A trace is whole in every state in which a kill can leave it, the middle of a write included."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("crash_points.py")
OPERATIONS = 16


def run(*arguments: object) -> "subprocess.CompletedProcess[str]":
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    command = [sys.executable, str(PROGRAM), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)


@pytest.mark.skipif(sys.platform != "linux", reason="the library that logs system calls is preloaded as Linux does")
@pytest.mark.skipif(shutil.which("cc") is None, reason="the library that logs system calls is compiled by cc")
def test_every_state_between_two_system_calls_is_readable(tmp_path: Path) -> None:
    """Rebuilt after each call and with each write cut at each page: never unreadable, never hanging, nothing lost.

    What was acknowledged before a state is there and equal; states of the set-up say that nothing was recorded.
    """
    done = run(tmp_path, OPERATIONS)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["wrong"] == []
    assert found["calls"] > 8 * OPERATIONS
    assert found["cut"] > OPERATIONS
    assert 0 < found["nothing_recorded"] < found["states"] / 2


CONTROL = """
import json, sys
from pathlib import Path
import numpy as np
import crash_points as c
path = Path(sys.argv[1])
with np.errstate(over="ignore"):
    c.write(path, 6, c.os.open(c.os.devnull, c.os.O_WRONLY))
    said = [c.verdict(path, True, n) for n in (5, 6, 7)]
    whole = path.read_bytes()
    place = whole.index(bytes(np.full(36, 5.0)))  # what operation 5 read
    path.write_bytes(whole[:place] + b"\\1" + whole[place + 1:])
    said.append(c.verdict(path, True, 6))
print(json.dumps(said))
"""


def test_the_check_notices_what_is_lost_or_changed(tmp_path: Path) -> None:
    """A negative control: one acknowledged operation too many, and one changed byte of a reading."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(PROGRAM.parent), *(p for p in sys.path if p)])}
    command = [sys.executable, "-c", CONTROL, str(tmp_path / "t.h5")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    *fitting, lost, changed = json.loads(done.stdout)
    assert fitting == [None, None]
    assert "7 operations acknowledged, 6 readable" in lost
    assert "6 operations acknowledged, 5 readable" in changed
