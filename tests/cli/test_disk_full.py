"""A disk that fills up: one message, the documented exit code, nothing half-written, and no crash of HDF5."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import xbar

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no limit on the size of a file")

LIMITED = """
import resource, sys
from xbar.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)
sys.argv = ["xbar", *sys.argv[2:]]
main()
"""
"""Runs `xbar` in a process whose files may not grow beyond some bytes: writes then fail as on a full disk."""


ROOM = """
import shutil
whole = shutil.disk_usage
shutil.disk_usage = lambda path: whole("/")._replace(free=2**40)
"""
"""Makes a process believe that there is room for its trace: another program fills the disk while it runs."""


def limited(folder: Path, size: int, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run `xbar` in a folder, with files of at most `size` bytes."""
    command = [sys.executable, "-c", LIMITED, str(size), *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def compile_kernels(map_file: Path) -> None:
    """Run a sample, so that the limit never meets numba, which keeps what it compiled in files."""
    xbar.run_network(xbar.load_map(map_file), np.zeros((1, 64), np.float32))


def test_a_map_on_a_full_disk(tmp_path: Path) -> None:
    """HDF5 crashes Python where its file cannot be closed; the map is not written by it."""
    (tmp_path / "m.h5").write_text("mine", encoding="utf-8")
    done = limited(tmp_path, 20_000, "map", "sample:digits", "-o", "m.h5", "--force")
    assert done.returncode == 3, done.stderr
    assert done.stdout == ""
    assert "m.h5 cannot be written (File too large)" in done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["m.h5"]
    assert (tmp_path / "m.h5").read_text(encoding="utf-8") == "mine"


def test_outputs_on_a_full_disk(tmp_path: Path, digits_file: Path) -> None:
    (tmp_path / "o.npz").write_text("mine", encoding="utf-8")
    options = ("--data", "sample:digits", "--threads", 1, "--outputs", "o.npz", "--force")
    compile_kernels(digits_file)
    done = limited(tmp_path, 2_000, "run", digits_file, *options)
    assert done.returncode == 3, done.stderr
    assert "o.npz cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "o.npz").read_text(encoding="utf-8") == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["o.npz"]


def test_a_trace_on_a_full_disk_keeps_what_it_holds(tmp_path: Path, digits_file: Path) -> None:
    compile_kernels(digits_file)
    options = ("--data", "sample:digits", "--threads", 1, "--batch", 10, "--no-embed", "--flush", "every")
    done = limited(tmp_path, 1_000_000, "run", digits_file, *options, "--record", "full", "--trace", "t.h5")
    assert done.returncode == 7, done.stderr
    assert done.stdout == ""
    assert "cannot be written any further" in done.stderr
    assert "Traceback" not in done.stderr
    with xbar.open_trace(tmp_path / "t.h5") as kept:
        held = len(kept)
    assert held >= 1
    assert f"it holds {held} operations" in done.stderr


def test_no_room_for_a_new_trace(tmp_path: Path, digits_file: Path) -> None:
    """The documented code and a message; HDF5, which crashes here, is not asked."""
    compile_kernels(digits_file)
    options = ("--data", "sample:digits", "--threads", 1, "--no-embed", "--trace", "t.h5")
    done = limited(tmp_path, 50_000, "run", digits_file, *options)
    assert done.returncode == 3, done.stderr
    assert done.stdout == ""
    assert "t.h5 cannot be made" in done.stderr
    assert "File too large" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 1 MB, in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("only root may mount a file system")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder], check=False).returncode:
        pytest.skip("this system does not let root mount one either")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize("flush", ["every", "0.05"])
def test_a_disk_that_is_full(small_disk: Path, digits_file: Path, flush: str) -> None:
    """No space left: HDF5 can close such a file, and the trace says that the run failed."""
    options = ["--data", "sample:digits", "--threads", 1, "--batch", 10, "--no-embed", "--flush", flush]
    files = ["--record", "full", "--trace", small_disk / "t.h5"]
    command = [sys.executable, "-c", ROOM + LIMITED, "-1", "run", digits_file, *options, *files]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 7, done.stderr
    assert done.stdout == ""
    assert "No space left on device" in done.stderr
    assert "Traceback" not in done.stderr
    with xbar.open_trace(small_disk / "t.h5") as kept:
        assert f"it holds {len(kept)} operations" in done.stderr
        assert (kept.status, kept.state, kept.complete) == ("failed", "closed", False)
        assert len(kept) >= 1
