"""Every command on traces meets every kind of bad file: a clear error or a clear answer, little memory, no harm."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import xbar
from xbar.trace import verification

Run = Callable[..., Any]
"""Runs `xbar` with arguments; returns exit code, standard output and standard error."""

TERA = 10**12

COMMANDS: dict[str, tuple[object, ...]] = {
    "info": ("info", "bad.h5"),
    "verify": ("verify", "bad.h5"),
    "recover": ("recover", "bad.h5", "-o", "new.h5"),
    "pack": ("pack", "bad.h5", "-o", "new.h5"),
    "diff": ("diff", "good.h5", "bad.h5"),
    "diff first": ("diff", "bad.h5", "good.h5"),
    "watch": ("watch", "bad.h5", "--once"),
    "plot": ("plot", "bad.h5", "-o", "new.png"),
}


WHOLE = {
    "info": ("damaged, stops after", "complete"),
    "verify": ("all 3 operations are right",),
    "diff": ("equal: 3 operations",),
    "diff first": ("equal: 3 operations",),
}
"""What commands say of a truncated file that they take."""


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a trace of some operations of each sort."""
    path = tmp_path_factory.mktemp("good") / "good.h5"
    with xbar.open_bench("sim", card="pcm", rows=4, cols=3, record=path) as bench:
        bench[0].program(np.full((4, 3), 10e-6))
        bench[0].read_all()
        bench[0].mvm(np.full((2, 4), 0.1), xbar.VectorConfig(0.2, 20e-6))
    return path.read_bytes()


def _put(name: str, make: Callable[[Any, str], None]) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        del file[name]
        make(file, name)

    return change


def _external_link(file: Any, name: str) -> None:
    file[name] = h5py.ExternalLink("good.h5", f"/{name}")


def _soft_circle(file: Any, name: str) -> None:
    file[name] = h5py.SoftLink("/run/circle")
    file["run/circle"] = h5py.SoftLink(f"/{name}")


def _external_storage(file: Any, name: str) -> None:
    file.create_dataset(name, (1000,), "u1", external=[("good.h5", 0, 1000)])


def _virtual(file: Any, name: str) -> None:
    layout = h5py.VirtualLayout((1000,), "u1")
    layout[:] = h5py.VirtualSource("good.h5", name, (1000,))
    file.create_virtual_dataset(name, layout)


def _huge(file: Any, name: str) -> None:
    file.create_dataset(name, (TERA,), "u1", chunks=(1000,))


def _huge_text(file: Any, name: str) -> None:
    file.create_dataset(name, (), f"S{2**31 - 1}")


def _huge_chunk(file: Any, name: str) -> None:
    file.create_dataset(name, (0,), "u1", chunks=(2**30,), maxshape=(None,))


def _wrong_type(file: Any, name: str) -> None:
    file.create_dataset(name, (3,), h5py.vlen_dtype(np.float64), maxshape=(None,), chunks=(4,))


def _list(file: Any, name: str) -> None:
    file.create_dataset(name, (10**6,), "S1")


def _group(file: Any, name: str) -> None:
    file.create_group(name)


def _cycle_of_groups(file: Any) -> None:
    """Let a group hold itself: walking the file would never end."""
    del file["run/data"]
    file["run/data"] = file["run"]


def _newer(file: Any) -> None:
    file.attrs["xbar_schema"] = "xbar-trace/99"


def _foreign(file: Any) -> None:
    del file.attrs["xbar_schema"]
    del file["run"]
    file["x"] = np.zeros(10)


def _deep_json(file: Any, name: str) -> None:
    file.create_dataset(name, data=np.bytes_(b"[" * 100_000))


REFUSED: dict[str, Callable[[Any], None]] = {
    "newer schema": _newer,
    "foreign": _foreign,
    "external link": _put("run/data/codes", _external_link),
    "external link for all": _put("run", _external_link),
    "external storage": _put("run/data/text", _external_storage),
    "virtual dataset": _put("run/data/text", _virtual),
    "huge header": _put("run/header", _huge),
    "huge text": _put("run/provenance", _huge_text),
    "huge chunk": _put("run/data/text", _huge_chunk),
    "wrong type": _put("run/cells/current", _wrong_type),
    "list for a text": _put("run/status", _list),
    "group for a column": _put("run/operations", _group),
    "soft links in a circle": _put("run/header", _soft_circle),
    "groups in a circle": _cycle_of_groups,
    "deep json": _put("run/header", _deep_json),
}
"""Changes of a good trace that make a file that no command takes."""

_CHEAP = ("newer schema", "external link", "virtual dataset")
"""Those for which `verify` starts its process here; in the others it does the same work in this one."""


@pytest.fixture
def same_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `verify` work in this process: starting another one for each file takes the time of all else here."""
    monkeypatch.setattr(verification, "verify", lambda path, timeout=None: verification.examine(path))


def check_refused(run: Run, command: str, bad: bytes, good: bytes) -> str:
    """Run a command on a bad file; it ends with code 3 and one message, and leaves the files as they were."""
    Path("good.h5").write_bytes(good)
    Path("bad.h5").write_bytes(bad)
    ended = run("trace", *COMMANDS[command])
    assert ended.code == 3, ended
    assert ended.out == ""
    assert ended.err.startswith("xbar: ")
    assert "internal error" not in ended.err
    assert "Traceback" not in ended.err
    assert Path("bad.h5").read_bytes() == bad
    assert Path("good.h5").read_bytes() == good
    assert sorted(path.name for path in Path().iterdir()) == ["bad.h5", "good.h5"]
    return str(ended.err)


def changed(good: bytes, change: Callable[[Any], None]) -> bytes:
    Path("good.h5").write_bytes(good)
    Path("bad.h5").write_bytes(good)
    with h5py.File("bad.h5", "r+") as file:
        change(file)
    return Path("bad.h5").read_bytes()


@pytest.mark.usefixtures("same_process")
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("kind", REFUSED)
def test_hostile_and_foreign_files_are_refused(run: Run, good: bytes, kind: str, command: str) -> None:
    bad = changed(good, REFUSED[kind])
    limits = memory_limit()
    try:
        message = check_refused(run, command, bad, good)
    finally:
        limits()
    assert "bad.h5" in message or "trace" in message


def memory_limit() -> Callable[[], None]:
    """Let this process have half a gigabyte more than it has, where the system can; return what takes that back."""
    if not sys.platform.startswith("linux"):
        return lambda: None
    import resource

    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 2**29, before[1]))
    return lambda: resource.setrlimit(resource.RLIMIT_AS, before)


@pytest.mark.parametrize("kind", _CHEAP)
def test_verify_tells_what_its_process_says(run: Run, good: bytes, kind: str) -> None:
    assert "bad.h5" in check_refused(run, "verify", changed(good, REFUSED[kind]), good)


@pytest.mark.usefixtures("same_process")
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "content", [b"", b"no HDF5 at all", b"\x89HDF\r\n\x1a\n" + bytes(90)], ids=["empty", "text", "head"]
)
def test_what_is_not_hdf5_is_refused(
    run: Run, good: bytes, content: bytes, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if command == "watch" and not content:  # a file that is being made: waited for, and with --once that is told
        Path("bad.h5").write_bytes(content)
        assert "setting up" in run("trace", *COMMANDS[command]).out
        return
    check_refused(run, command, content, good)


@pytest.mark.usefixtures("same_process")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_truncated_trace(run: Run, good: bytes, command: str) -> None:
    """Cut anywhere it is refused, or shown and copied as far as it is right; a difference is never made of damage."""
    for part in (0.2, 0.5, 0.8, 0.999):
        bad = good[: int(len(good) * part)]
        Path("good.h5").write_bytes(good)
        Path("bad.h5").write_bytes(bad)
        ended = run("trace", *COMMANDS[command])
        assert ended.code in (0, 2, 3), ended  # 2: nothing that could be drawn
        assert "internal error" not in ended.err
        if ended.code == 0 and command in WHOLE:
            # Nothing but the filling of the last page was cut off, or the damage is told.
            assert any(word in ended.out for word in WHOLE[command]), ended
        assert Path("bad.h5").read_bytes() == bad
        for name in ("new.h5", "new.png"):
            Path(name).unlink(missing_ok=True)


def _rows(file: Any) -> None:
    file["run/operations"].resize((TERA,))


def _values(file: Any) -> None:
    file["run/data/targets"].resize((TERA,))
    file["run/cells/current"].resize((TERA,))


@pytest.mark.usefixtures("same_process")
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("change", "damaged"), [(_rows, True), (_values, False)], ids=["rows", "values"])
def test_what_is_declared_and_not_there(
    run: Run, good: bytes, change: Callable[[Any], None], damaged: bool, command: str
) -> None:
    """10^12 rows or values cost neither memory nor time; what the rows name is there and right."""
    bad = changed(good, change)
    limits = memory_limit()
    try:
        ended = run("trace", *COMMANDS[command])
    finally:
        limits()
    harmed = damaged and command in ("verify", "diff", "diff first", "watch")
    assert ended.code == (3 if harmed else 0), ended
    if command == "info":
        assert ("damaged, stops after 3 operations" in ended.out) == damaged
    assert Path("bad.h5").read_bytes() == bad


@pytest.mark.usefixtures("same_process")
def test_files_that_are_declared_and_not_there(run: Run, good: bytes) -> None:
    """Embedded files of 10^12 bytes are no reason to ask for as much memory."""

    def change(file: Any) -> None:
        for number in range(3):
            file["run/embedded"].create_dataset(f"{number}", (TERA // 4,), "u1", chunks=(1000,))

    bad = changed(good, change)
    for command in ("info", "recover", "pack"):
        assert "bytes of embedded files" in check_refused(run, command, bad, good)


def test_a_file_that_hangs_its_reader(run: Run, good: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command gives up in time on a file that was not closed and whose check does not end."""
    hang = "import threading; threading.Event().wait()"
    monkeypatch.setattr(verification, "CHILD", (sys.executable, "-c", hang))
    bad = bytearray(good)
    bad[11] = 5  # as a writer that was killed leaves it; its checksum is wrong then, and HDF5 would not open it
    for command in ("info", "recover", "pack", "diff", "plot"):
        Path("good.h5").write_bytes(good)
        Path("bad.h5").write_bytes(bad)
        ended = run("trace", *COMMANDS[command], "--timeout", "0.3")
        assert ended.code == 3
        assert "did not end in 0.3 s; no operation of it can be read" in ended.err
    ended = run("trace", *COMMANDS["verify"], "--timeout", "0.3")
    assert ended.code == 3
    assert "keeps its reader waiting" in ended.out
    assert not Path("new.h5").exists()


def test_every_command_was_tried() -> None:
    """A command on traces that is new must meet the bad files too."""
    from xbar.cli.app import _TRACE

    assert {words[0] for words in COMMANDS.values()} == _TRACE.keys() - {"export", "import"}


def test_a_killed_set_up_recorded_nothing(run: Run, tmp_path: Path) -> None:
    """A file that was killed before it was open to readers says that nothing was recorded, in every command."""
    code = (
        "import os, sys, h5py\n"
        "file = h5py.File(sys.argv[1], 'w-', libver='latest', fs_strategy='page', fs_page_size=4096)\n"
        "file.create_group('run')\nfile.flush()\nos._exit(0)\n"
    )
    subprocess.run([sys.executable, "-c", code, "bad.h5"], check=True)
    Path("good.h5").write_bytes(Path("bad.h5").read_bytes())
    for name, words in COMMANDS.items():
        ended = run("trace", *words)
        if name == "watch":
            assert (ended.code, "setting up" in ended.out) == (0, True)
            continue
        assert ended.code == 3, name
        assert "before anything was recorded" in ended.err, name
