"""Every state in which a kill can leave a trace: logged by system call, rebuilt, and read.

Run by `test_crash_points.py` and by `scripts/soak_trace.py`:

crash_points.py FOLDER OPERATIONS       record, rebuild and read every state, print what was found as JSON
crash_points.py PATH OPERATIONS LOG     record under the shim that logs (started by the above)

The process is killed between two system calls or, in the middle of a write, at a page of the file: the kernel copies
a write page by page. So the file is rebuilt after each call, and with each write cut at each page.
"""

import faulthandler
import importlib
import json
import os
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from xbar.errors import XbarError
from xbar.trace.reader import open_trace
from xbar.trace.recorder import TraceRecorder

sys.path.insert(0, str(Path(__file__).parent))
writer = importlib.import_module("crash_writer")

PAGE = 4096
HANGING = 30.0
"""Time after which reading one state counts as hanging [s]; it takes some milliseconds."""
CALL = struct.Struct("<qqq")
"""Kind, offset and length of a logged call; the data of a write follow."""
WRITE, TRUNCATE, STARTED, ACKNOWLEDGED, CLOSED = range(1, 6)

SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

static void put(int fd, long long kind, long long offset, const void *data, long long length) {
    char link[64], path[4096];
    const char *name = getenv("XBAR_CRASH_FILE"), *log = getenv("XBAR_CRASH_LOG");
    long long head[3] = {kind, offset, length};
    ssize_t size;
    if (!name || !log) return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    size = readlink(link, path, sizeof path - 1);
    if (size < 0 || (size_t)size != strlen(name) || memcmp(path, name, size)) return;
    if (syscall(SYS_write, atoi(log), head, sizeof head) != sizeof head) abort();
    if (data && syscall(SYS_write, atoi(log), data, (size_t)length) != length) abort();
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset) {
    ssize_t done = REAL(pwrite)(fd, data, size, offset);
    if (done > 0) put(fd, 1, offset, data, done);
    return done;
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset) {
    ssize_t done = REAL(pwrite64)(fd, data, size, offset);
    if (done > 0) put(fd, 1, offset, data, done);
    return done;
}

ssize_t write(int fd, const void *data, size_t size) {
    off_t offset = lseek(fd, 0, SEEK_CUR);
    ssize_t done = REAL(write)(fd, data, size);
    if (done > 0) put(fd, 1, offset, data, done);
    return done;
}

int ftruncate(int fd, off_t size) {
    int failed = REAL(ftruncate)(fd, size);
    if (!failed) put(fd, 2, size, 0, 0);
    return failed;
}

int ftruncate64(int fd, off64_t size) {
    int failed = REAL(ftruncate64)(fd, size);
    if (!failed) put(fd, 2, size, 0, 0);
    return failed;
}
"""
"""Logs what HDF5 writes; `strace`, which could too, is on fewer machines than a C compiler."""


@dataclass
class Found:
    """What the states of one run were."""

    calls: int = 0
    states: int = 0
    cut: int = 0
    """States in which a write is cut at a page."""
    nothing_recorded: int = 0
    """States of the set-up that say so."""
    operations: int = 0
    wrong: list[str] = field(default_factory=list)


def write(path: Path, operations: int, log: int) -> None:
    """Record operations, and say in the log when the trace was started, acknowledged, and closed."""
    small_chunks = replace(writer.HEADER.drivers[0], capabilities=replace(writer.CAPABILITIES, hardware=True))
    recorder = TraceRecorder(path, provenance={})
    recorder.start(replace(writer.HEADER, drivers=(small_chunks,)))
    os.write(log, CALL.pack(STARTED, 0, 0))
    for index in range(operations):
        recorder.record(writer.operation(index))
        os.write(log, CALL.pack(ACKNOWLEDGED, recorder.acknowledged, 0))
    recorder.close()
    os.write(log, CALL.pack(CLOSED, 0, 0))


def logged(folder: Path, operations: int) -> tuple[Path, Path]:
    """Record under the shim; return the finished trace and the log."""
    source, shim, path, log = folder / "shim.c", folder / "shim.so", folder / "whole.h5", folder / "log"
    source.write_text(SHIM, encoding="ascii")
    compiler = shutil.which("cc") or "cc"
    subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-o", shim, source, "-ldl"], check=True)
    with log.open("wb") as file:
        os.set_inheritable(file.fileno(), True)
        names = {"LD_PRELOAD": str(shim), "XBAR_CRASH_FILE": str(path.resolve()), "XBAR_CRASH_LOG": str(file.fileno())}
        paths = {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        command = [sys.executable, __file__, str(path), str(operations), str(file.fileno())]
        subprocess.run(command, env=os.environ | paths | names, pass_fds=[file.fileno()], check=True)
    return path, log


def read_log(log: Path) -> Iterator[tuple[int, int, bytes]]:
    """Give kind, offset and data of each call."""
    with log.open("rb") as file:
        while head := file.read(CALL.size):
            kind, offset, length = CALL.unpack(head)
            yield kind, offset, file.read(length)


def verdict(path: Path, started: bool, acknowledged: int) -> str | None:
    """Return what is wrong with a state, "nothing" where it rightly says that nothing was recorded, or None."""
    faulthandler.dump_traceback_later(HANGING, exit=True)
    try:
        if started:
            wrong: str | None = writer.check(path, acknowledged)
            return wrong
        try:
            with open_trace(path) as trace:
                return None if len(trace) == 0 else "operations before the first"
        except XbarError as error:
            return "nothing" if "before anything was recorded" in str(error) else f"in the set-up: {error}"
    finally:
        faulthandler.cancel_dump_traceback_later()


def try_states(folder: Path, operations: int) -> Found:
    """Rebuild and read every state of a run."""
    whole, log = logged(folder, operations)
    found, state, started, acknowledged = Found(operations=operations), folder / "state.h5", False, 0

    def look(where: str) -> None:
        found.states += 1
        said = verdict(state, started, acknowledged)
        if said == "nothing":
            found.nothing_recorded += 1
        elif said is not None:
            found.wrong.append(f"call {found.calls}, {where}: {said}")

    with state.open("wb", buffering=0) as file:
        for kind, offset, data in read_log(log):
            if kind == WRITE:
                found.calls += 1
                first, stop = offset, offset + len(data)
                for page in range((first // PAGE + 1) * PAGE, stop, PAGE):
                    os.pwrite(file.fileno(), data[first - offset : page - offset], first)
                    first = page
                    found.cut += 1
                    look(f"cut at {page}")
                os.pwrite(file.fileno(), data[first - offset :], first)
                look("whole")
            elif kind == TRUNCATE:
                found.calls += 1
                file.truncate(offset)
                look("truncated")
            else:
                started = True
                acknowledged = offset if kind == ACKNOWLEDGED else acknowledged
    if state.read_bytes() != whole.read_bytes():
        found.wrong.append("the log does not lead to the file: HDF5 writes in ways that the shim does not see")
    with open_trace(state) as trace:
        if not trace.complete or len(trace) != operations:
            found.wrong.append("the last state is not the finished trace")
    return found


if __name__ == "__main__":
    with np.errstate(over="ignore"):
        if len(sys.argv) > 3:
            write(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
        else:
            print(json.dumps(vars(try_states(Path(sys.argv[1]), int(sys.argv[2])))))
