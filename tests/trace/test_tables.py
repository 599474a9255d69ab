"""A trace as tables: the rows are those of its operations, units stand in the headers of what is exported."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import xbar
from xbar.bench.readings import CellReadings
from xbar.errors import FileError, InputError, UnknownNameError
from xbar.trace.export import export
from xbar.trace.tables import READS, VECTORS, parts, table

Make = Callable[..., Any]


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """Return a trace of two written arrays: reads, a sweep, products with and without events."""
    path = tmp_path / "t.h5"
    with xbar.open_bench("sim", card="pcm", rows=4, cols=3, arrays=2, record=path) as bench:
        for array in (0, 1):
            bench.program(array, np.full((4, 3), 1e-5))
        bench.read(1, [[0, 1], [3, 2]], xbar.ReadConfig(repeat=2))
        bench.sweep(0, (2, 1), [-0.1, 0.0, 0.1])
        config = xbar.VectorConfig(output_range=2e-5, columns=2)
        bench.mvm((1, 0), np.full((2, 5, 4), 0.1), config, np.arange(5) + 7)
        bench.mvm((0,), np.full((1, 2, 4), 0.1), config)
    return path


def test_reads_are_those_of_the_operations(trace: Path) -> None:
    with xbar.open_trace(trace) as opened:
        found = table(opened, "reads")
        operation = opened[2]
        assert isinstance(operation.readings, CellReadings)
        wanted = operation.readings
    assert list(found.columns) == list(READS)
    assert len(found) == 4 + 3
    np.testing.assert_array_equal(found["current"][:4], wanted.current.ravel())
    np.testing.assert_array_equal(found["time"][:4], wanted.time.ravel())
    assert found["row"].tolist() == [0, 0, 3, 3, 2, 2, 2]
    assert found["col"].tolist() == [1, 1, 2, 2, 1, 1, 1]
    assert found["array"].tolist() == [1, 1, 1, 1, 0, 0, 0]
    assert found["applied"].tolist() == [0.2] * 4 + [-0.1, 0.0, 0.1]
    with pytest.raises(UnknownNameError, match="current"):
        found["colour"]


def test_vectors_are_codes_and_currents(trace: Path) -> None:
    with xbar.open_trace(trace) as opened:
        found, only = table(opened, "vectors"), table(opened, "vectors", array=1)
        answer = opened[4].readings
    assert list(found.columns) == list(VECTORS)
    assert len(found) == 2 * 5 * 2 + 2 * 2
    assert len(only) == 5 * 2
    assert only["event"].tolist() == np.repeat(np.arange(5) + 7, 2).tolist()
    assert answer is not None
    np.testing.assert_array_equal(only["current"], answer.current[0].ravel())


def test_operations_tell_kinds_and_times(trace: Path) -> None:
    with xbar.open_trace(trace) as opened:
        found = table(opened, "operations")
        assert [len(part) for part in parts(opened, "operations", array=1)] == [1, 1, 1]
    assert found["kind"].tolist() == ["program", "program", "read", "sweep", "mvm", "mvm"]
    assert found["arrays"].tolist() == ["0", "1", "1", "0", "1 0", "0"]
    assert (np.diff(found["started"].astype(float)) >= 0).all()


def test_csv_has_units_in_its_first_line(trace: Path, tmp_path: Path) -> None:
    rows = export(trace, "reads", tmp_path / "r.csv")
    with (tmp_path / "r.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.reader(file))
    names = "operation,time [s],array,row,col,applied [V],voltage [V],current [A],status,range [A]"
    assert ",".join(lines[0]) == names
    assert rows == len(lines) - 1 == 7
    with xbar.open_trace(trace) as opened:
        wanted = table(opened, "reads")["current"]
    # repr round trip: every bit of a number survives the text.
    np.testing.assert_array_equal([float(line[7]) for line in lines[1:]], wanted)


def test_npz_has_columns_and_units(trace: Path, tmp_path: Path) -> None:
    rows = export(trace, "vectors", tmp_path / "v.npz", array=0)
    with np.load(tmp_path / "v.npz", allow_pickle=False) as found:
        assert found["columns"].tolist() == list(VECTORS)
        assert dict(zip(found["columns"], found["units"], strict=True))["current"] == "A"
        assert len(found["code"]) == rows == 5 * 2 + 2 * 2


def test_a_table_without_rows_is_empty(make_trace: Make, reading: Make, tmp_path: Path) -> None:
    source = make_trace(reading())
    assert export(source, "vectors", tmp_path / "v.npz") == 0
    assert export(source, "vectors", tmp_path / "v.csv") == 0


def test_what_cannot_be_exported(trace: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="operations, reads, vectors"):
        export(trace, "pulses", tmp_path / "p.csv")
    with pytest.raises(InputError, match="xlsx"):
        export(trace, "reads", tmp_path / "p.xlsx")
    (tmp_path / "r.csv").write_text("mine", encoding="utf-8")
    with pytest.raises(FileError, match="--force"):
        export(trace, "reads", tmp_path / "r.csv")
    assert (tmp_path / "r.csv").read_text(encoding="utf-8") == "mine"
