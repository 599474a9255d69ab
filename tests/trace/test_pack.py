"""A packed trace is smaller, reads bit for bit alike, replays, and is opened without the user doing anything."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import xbar
from xbar.bench.operation import Operation, OperationKind, Request
from xbar.bench.readings import VectorReadings
from xbar.errors import FileError, FormatError, InputError
from xbar.trace import copying
from xbar.trace.copying import equal_data, equal_rows
from xbar.trace.pack import pack
from xbar.trace.reader import open_trace
from xbar.trace.schema import COLUMNS

Make = Callable[..., Any]


def filters(path: Path) -> dict[str, list[int]]:
    """Return the HDF5 filters of each column."""
    with h5py.File(path, "r") as file:
        lists = {column.path: file[f"run/{column.path}"].id.get_create_plist() for column in COLUMNS}
        return {name: [plist.get_filter(i)[0] for i in range(plist.get_nfilters())] for name, plist in lists.items()}


def large(index: int) -> Operation:
    """Return a product of so many inputs that events and projections are bulk."""
    batch, cols = 150_000, 2
    voltages = np.zeros((1, batch, 2), np.float32)
    request = Request(
        OperationKind.MVM, (0,), voltages=voltages, events=np.arange(index, batch + index, dtype=np.uint64)
    )
    codes = (np.arange(batch * cols) % 7).astype(np.int8).reshape(1, batch, cols)
    status = np.zeros((1, 1, cols), np.uint32)
    return Operation(request, 0.0, 1.0, VectorReadings(codes, np.ones((1, cols)), np.zeros((1, cols)), status))


def test_a_packed_trace_reads_bit_for_bit_alike(make_trace: Make, product: Make, reading: Make, tmp_path: Path) -> None:
    """Operations, projections, header, result and embedded files; the original is left as it is."""
    source = make_trace(*(make(n) for n in range(60) for make in (product, reading)))
    before = source.read_bytes()
    done = pack(source, tmp_path / "p.h5")
    assert (done.operations, done.complete) == (120, True)
    assert (done.source_bytes, done.target_bytes) == (len(before), (tmp_path / "p.h5").stat().st_size)
    assert done.ratio == done.source_bytes / done.target_bytes > 2
    assert source.read_bytes() == before
    with open_trace(source) as old, open_trace(tmp_path / "p.h5") as new:
        assert (new.status, new.state, new.complete, len(new)) == ("ok", "closed", True, 120)
        assert equal_rows(old, new, 0, copying.SAME_FIELDS).tolist() == [True] * 120
        assert all(equal_data(old, new, n) for n in range(120))
        assert (new.header, new.level, new.embedded, new.result) == (old.header, old.level, old.embedded, old.result)
        origin = new.provenance["packed_from"]
        assert origin == {"file": "t.h5", "path": str(source), "uuid": old.uuid, "status": "ok", "operations": 120}
        assert new.uuid != old.uuid
        assert new.file["run/end_time"][()] == old.file["run/end_time"][()]


def test_what_viewers_show_needs_no_plug_in(make_trace: Make, tmp_path: Path) -> None:
    """Bulk is packed by zstd (32015); linked columns of ordinary size and readings by gzip (1), after shuffle (2)."""
    pack(make_trace(large(0), large(5)), tmp_path / "p.h5")
    found = filters(tmp_path / "p.h5")
    assert found["data/events"] == [2, 32015]
    assert found["data/projections"] == [2, 32015]
    assert found["data/codes"] == found["cells/current"] == found["data/targets"] == found["data/text"] == [2, 1]


def test_the_filter_is_found_when_a_file_needs_it(make_trace: Make, tmp_path: Path) -> None:
    """In a fresh process: not loaded with xbar, nor by an ordinary trace, but by a packed one."""
    source = make_trace(large(0))
    pack(source, tmp_path / "p.h5")
    code = (
        "import sys, xbar\n"
        "with xbar.open_trace(sys.argv[1]) as trace: len(trace)\n"
        "assert 'hdf5plugin' not in sys.modules\n"
        "with xbar.open_trace(sys.argv[2]) as trace: assert trace.complete\n"
        "assert 'hdf5plugin' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, str(source), str(tmp_path / "p.h5")], check=True)


def test_a_filter_that_is_not_known_is_refused(make_trace: Make, reading: Make) -> None:
    """HDF5 would load a library for it from the disk."""
    import hdf5plugin

    source = make_trace(reading())
    with h5py.File(source, "r+") as file:
        del file["run/data/events"]
        file["run/data"].create_dataset("events", (0,), "<u8", chunks=(4,), maxshape=(None,), **hdf5plugin.LZ4())
    with pytest.raises(FormatError, match="data/events uses HDF5 filter 32004"):
        open_trace(source)


def test_a_packed_trace_replays(tmp_path: Path) -> None:
    def measure(address: str, **options: Any) -> Any:
        with xbar.open_bench(address, **options) as bench:
            bench[0].program(np.full((4, 3), 10e-6))
            return bench[0].mvm(np.full((2, 4), 0.1), xbar.VectorConfig(0.2, 20e-6)).codes

    codes = measure("sim", card="pcm", rows=4, cols=3, record=tmp_path / "t.h5")
    pack(tmp_path / "t.h5", tmp_path / "p.h5")
    assert np.array_equal(measure(f"replay:{tmp_path / 'p.h5'}"), codes)


def test_what_did_not_end_is_packed_as_far_as_it_goes(make_trace: Make, product: Make, tmp_path: Path) -> None:
    source = make_trace(*(product(n) for n in range(9)))
    with h5py.File(source, "r+") as file:
        file["run/data/codes"][6 * 80] ^= 1
    done = pack(source, tmp_path / "p.h5")
    assert (done.operations, done.complete) == (6, False)
    with open_trace(tmp_path / "p.h5") as new:
        assert (len(new), new.complete, new.status) == (6, True, "recovered")


def test_a_copy_that_does_not_give_back_is_no_copy(
    make_trace: Make, product: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that returns something else: an error, and nothing under the name of the copy."""
    monkeypatch.setattr(copying, "equal_data", lambda one, two, index: index != 3)
    with pytest.raises(FileError, match="does not give back operation 3"):
        pack(make_trace(*(product(n) for n in range(5))), tmp_path / "p.h5")
    assert [path.name for path in tmp_path.iterdir()] == ["t.h5"]


def test_an_original_is_never_its_own_copy(make_trace: Make, product: Make, tmp_path: Path) -> None:
    """Not even with force, and not under another name of the same file."""
    source = make_trace(product())
    before = source.read_bytes()
    names = [source, tmp_path / "." / "t.h5", tmp_path / "hard.h5"]
    (tmp_path / "hard.h5").hardlink_to(source)
    try:
        (tmp_path / "soft.h5").symlink_to(source)
        names.append(tmp_path / "soft.h5")
    except OSError:
        pass  # Windows allows it to administrators alone
    for name in names:
        with pytest.raises(InputError, match="never written to"):
            pack(source, name, force=True)
    assert source.read_bytes() == before


def test_codes_that_do_not_fit_the_header_are_refused(make_trace: Make, reading: Make, tmp_path: Path) -> None:
    source = make_trace(reading())
    with h5py.File(source, "r+") as file:
        del file["run/data/codes"]
        file["run/data"].create_dataset("codes", (0,), "<i4", chunks=(4,), maxshape=(None,))
    with pytest.raises(FormatError, match="data/codes is int32"):
        pack(source, tmp_path / "p.h5")
    assert [path.name for path in tmp_path.iterdir()] == ["t.h5"]
