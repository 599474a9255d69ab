"""One process owns a resource, and gives it back however it ends."""

import subprocess
import sys
from pathlib import Path

import pytest

from xbar.bench.lock import ResourceLock
from xbar.errors import FileError

OWNER = """
import sys
from pathlib import Path
from xbar.bench.lock import ResourceLock
lock = ResourceLock(Path(sys.argv[1]), "the rack")
lock.acquire()
print("mine", flush=True)
sys.stdin.read()
"""


def test_a_second_owner_is_refused_until_the_first_is_killed(tmp_path: Path) -> None:
    """The message names what is locked and the process that has it."""
    path = tmp_path / "rack.lock"
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "mine\n"
        with pytest.raises(FileError, match=f"the rack is in use by process {owner.pid}"):
            ResourceLock(path, "the rack").acquire()
        owner.kill()
        owner.wait()
    lock = ResourceLock(path, "the rack")
    lock.acquire()
    lock.acquire()
    lock.release()
    lock.release()
    ResourceLock(path, "the rack").acquire()


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot be locked"):
        ResourceLock(tmp_path / "none" / "x.lock", "chip x").acquire()
