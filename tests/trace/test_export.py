"""Tables of a trace for other programs: units stand in the headers, every bit survives, memory stays bounded."""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import typer
from typer.testing import CliRunner

import xbar
from xbar.bench.operation import Operation, OperationKind, Request
from xbar.cli.trace_export import export as command
from xbar.errors import FileError, InputError, UnknownNameError, Unsupported
from xbar.trace.export import FORMATS, export
from xbar.trace.selection import Filters, Selection
from xbar.trace.tables import TABLES, VECTORS, Table

Make = Callable[..., Any]
READ_HEAD = "operation,time [s],array,row,col,applied [V],voltage [V],current [A],status,range [A]"


@pytest.fixture
def trace(make_trace: Make, reading: Make, product: Make) -> Path:
    """Return a trace of reads, products and a program operation that leaves a cell as it is."""
    targets = np.array([[1e-6, np.nan], [3e-6, 4e-6]])
    write = Operation(Request(OperationKind.PROGRAM, (1,), targets=targets), 0.0, 0.5)
    path: Path = make_trace(write, *(make(i) for i in range(3) for make in (reading, product)))
    return path


def read_back(path: Path) -> dict[str, Any]:
    """Return the columns of an exported file by their headers."""
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            head, *lines = csv.reader(file)
        return dict(zip(head, zip(*lines, strict=True) if lines else [()] * len(head), strict=True))
    if path.suffix == ".parquet":
        return {name: column.to_numpy() for name, column in zip(*_parquet(path), strict=True)}
    with np.load(path, allow_pickle=False) as found:
        units = dict(zip(found["columns"].tolist(), found["units"].tolist(), strict=True))
        return {f"{name} [{unit}]" if unit else name: found[name] for name, unit in units.items()}


def _parquet(path: Path) -> tuple[list[str], list[Any]]:
    table = pyarrow.parquet.read_table(path)
    return table.column_names, table.columns


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("name", TABLES)
def test_every_table_comes_back(trace: Path, tmp_path: Path, name: str, suffix: str) -> None:
    """Each table in each form: headers with units, and every bit of every value, chunks or not."""
    target = tmp_path / f"x{suffix}"
    rows = export(trace, name, target, chunk=7)
    found = read_back(target)
    with xbar.open_trace(trace) as opened:
        selection = opened.select(name)
        assert rows == len(selection) > 0
        heads = [f"{column} [{unit}]" if unit else column for column, unit in selection.units.items()]
        assert list(found) == heads
        for column, head in zip(selection.columns, heads, strict=True):
            wanted = selection[column]
            values = np.array(found[head], object)
            given = np.array([str(v) for v in values]) if suffix == ".csv" else values.astype(wanted.dtype)
            if suffix == ".csv" and wanted.dtype.kind in "fiu":
                given = given.astype(wanted.dtype)
            np.testing.assert_array_equal(given, wanted.astype(str) if given.dtype.kind == "U" else wanted)


def test_csv_has_units_in_its_first_line(trace: Path, tmp_path: Path) -> None:
    export(trace, "reads", tmp_path / "r.csv")
    with (tmp_path / "r.csv").open(encoding="utf-8") as file:
        assert file.readline().rstrip("\n") == READ_HEAD


def test_parquet_has_units_in_the_fields(trace: Path, tmp_path: Path) -> None:
    export(trace, "vectors", tmp_path / "v.parquet", chunk=50)
    schema = pyarrow.parquet.read_schema(tmp_path / "v.parquet")
    field = schema.field("current [A]")
    assert field.metadata[b"units"] == b"A"
    assert field.metadata[b"name"] == b"current"
    assert field.metadata[b"long_name"] == b"Current"
    assert schema.metadata[b"xbar_table"] == b"vectors"
    assert schema.field("code").type == pyarrow.int8()
    assert pyarrow.parquet.ParquetFile(tmp_path / "v.parquet").num_row_groups > 1


def test_npz_has_columns_units_and_names(trace: Path, tmp_path: Path) -> None:
    rows = export(trace, "vectors", tmp_path / "v.npz", filters=Filters(array=0))
    with np.load(tmp_path / "v.npz", allow_pickle=False) as found:
        assert found["columns"].tolist() == list(VECTORS)
        assert dict(zip(found["columns"], found["units"], strict=True))["current"] == "A"
        assert dict(zip(found["columns"], found["long_names"], strict=True))["current"] == "Current"
        assert len(found["code"]) == rows == 3 * 5 * 8
        assert set(found["array"].tolist()) == {0}
        assert found["code"].dtype == np.int8


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("name", TABLES)
def test_a_table_without_rows_is_empty(make_trace: Make, tmp_path: Path, name: str, suffix: str) -> None:
    """The header is there, the columns have their types."""
    assert export(make_trace(), name, tmp_path / f"v{suffix}") == 0
    found = read_back(tmp_path / f"v{suffix}")
    assert len(found) == len(TABLES[name])
    assert all(len(column) == 0 for column in found.values())


@pytest.mark.parametrize("suffix", FORMATS)
def test_memory_is_bounded(
    make_trace: Make, reading: Make, tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more rows than asked for are in memory, of one large operation too, and no column is read as a whole."""
    trace = make_trace(reading(0, cells=100, repeat=50))
    sizes: list[int] = []
    plain = Selection.chunks

    def counted(self: Selection, rows: int, columns: Any = None) -> Iterator[Table]:
        for part in plain(self, rows, columns):
            sizes.append(len(part))
            yield part

    def whole(self: Selection, name: str = "") -> Any:
        raise AssertionError(f"{name} is read as a whole")

    monkeypatch.setattr(Selection, "chunks", counted)
    monkeypatch.setattr(Selection, "__getitem__", whole)
    monkeypatch.setattr(Selection, "table", whole)
    assert export(trace, "reads", tmp_path / f"x{suffix}", chunk=300) == 5000
    assert max(sizes) == 300


def test_what_cannot_be_exported(trace: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="operations, reads, vectors, targets"):
        export(trace, "pulses", tmp_path / "p.csv")
    with pytest.raises(InputError, match="xlsx"):
        export(trace, "reads", tmp_path / "p.xlsx")
    with pytest.raises(InputError, match="cannot be selected by cell"):
        export(trace, "vectors", tmp_path / "p.csv", filters=Filters(cell=(0, 0)))
    (tmp_path / "r.csv").write_text("mine", encoding="utf-8")
    with pytest.raises(FileError, match="--force"):
        export(trace, "reads", tmp_path / "r.csv")
    assert (tmp_path / "r.csv").read_text(encoding="utf-8") == "mine"
    export(trace, "reads", tmp_path / "r.csv", force=True)
    assert (tmp_path / "r.1.csv").read_text(encoding="utf-8") == "mine"


def test_a_refused_filter_keeps_the_old_file(trace: Path, tmp_path: Path) -> None:
    """With --force the old file is renamed only when there is something to write."""
    (tmp_path / "r.csv").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="cell"):
        export(trace, "vectors", tmp_path / "r.csv", filters=Filters(cell=(0, 0)), force=True)
    assert (tmp_path / "r.csv").read_text(encoding="utf-8") == "mine"


def test_parquet_needs_its_package(trace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr("importlib.import_module", absent)
    with pytest.raises(Unsupported, match=r"pyarrow.*xbar-emulator\[analysis\]"):
        export(trace, "reads", tmp_path / "p.parquet")
    assert list(tmp_path.glob("p.*")) == []


# ---- the command


@pytest.fixture
def run() -> Callable[..., Any]:
    app = typer.Typer()
    app.command()(command)
    return lambda *given: CliRunner().invoke(app, [str(part) for part in given])


def test_command_chooses_rows(trace: Path, tmp_path: Path, run: Callable[..., Any]) -> None:
    with xbar.open_trace(trace) as opened:
        row, col = int(opened.reads()["row"][0]), int(opened.reads()["col"][0])
        wanted = opened.reads(array=1, cell=(row, col), time=(0.0, 2.0))
        number, times = len(wanted), wanted["time"]
    target = tmp_path / "x.parquet"
    choice = ("--array", 1, "--cell", f"{row},{col}", "--from", 0, "--to", 2)
    done = run(trace, "-o", target, "--table", "reads", *choice, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {"table": "reads", "rows": number, "file": str(target)}
    assert number > 0
    np.testing.assert_array_equal(read_back(target)["time [s]"], times)


def test_command_takes_reads_of_all_arrays_by_itself(trace: Path, tmp_path: Path, run: Callable[..., Any]) -> None:
    done = run(trace, "-o", tmp_path / "x.csv")
    assert done.exit_code == 0
    assert done.stdout == "18 rows of reads\n"


@pytest.mark.parametrize("cell", ["3", "a,b", "1,2,3", "-1,2", ","])
def test_command_says_what_a_cell_is(trace: Path, tmp_path: Path, run: Callable[..., Any], cell: str) -> None:
    done = run(trace, "-o", tmp_path / "x.csv", "--cell", cell)
    assert isinstance(done.exception, InputError)
    assert "ROW,COLUMN" in str(done.exception)
