"""The page of the trace file describes the schema that the code writes: columns and fields, with type and unit."""

import re
from pathlib import Path

import h5py
import numpy as np
import pytest

from xbar.bench.operation import OperationKind
from xbar.trace.schema import (
    COLUMNS,
    CRC_PLACES,
    EMBEDDED,
    FORMAT,
    KINDS,
    OPERATION,
    OPERATION_UNITS,
    RESULT,
    RESULT_BYTES,
    SHARED,
    SLOTS,
    STATUS_BYTES,
    TIME_BYTES,
    VERSION,
    VIEWS,
    Column,
    Flag,
)

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "trace-file.md"
TEXT = PAGE.read_text(encoding="utf-8")


def table_rows(heading: str) -> dict[str, list[str]]:
    """Return the cells of each row of the tables below a heading, by each name in the row's first cell."""
    _, found, rest = TEXT.partition(f"\n{heading}\n")
    assert found, heading
    part = re.split(r"\n#+ ", rest, maxsplit=1)[0]
    rows: dict[str, list[str]] = {}
    for line in part.splitlines():
        if line.startswith("| ") and not line.startswith("| ---"):
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            for name in cells[0].split(", "):
                rows[name.strip("`")] = cells
    return rows


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.path)
def test_column_is_described(column: Column) -> None:
    """A row names its type and its unit, and says what it means."""
    cells = table_rows("## Columns")[column.path]
    assert cells[1] == f"`{column.dtype.lstrip('|')}`"
    assert cells[2] == column.units
    assert len(cells[3]) > 10


@pytest.mark.parametrize("name", [name for name in OPERATION.names or () if not name.endswith(("_start", "_count"))])
def test_field_is_described(name: str) -> None:
    """A row names its type, how many there are of it, and its unit."""
    cells = table_rows("## `/run/operations`")[name]
    dtype, shape = OPERATION[name].base, OPERATION[name].shape
    assert cells[1] == (f"{shape[0]} x " if shape else "") + dtype.str.lstrip("<|")
    assert cells[2] == OPERATION_UNITS.get(name, "")
    assert len(cells[3]) > 5


@pytest.mark.parametrize("slot", SLOTS)
def test_slot_is_described(slot: str) -> None:
    """A row names the fields of a slot, its columns in order, and where their checksums stand."""
    cells = table_rows("### Slots")[slot]
    assert cells[1] == f"`{slot}_start`, `{slot}_count`"
    first, stop = CRC_PLACES[slot]
    assert cells[2] == (str(first) if stop == first + 1 else f"{first} to {stop - 1}")
    assert cells[3] == ", ".join(f"`{path}`" for path in SLOTS[slot])


def test_shared_slots_are_named() -> None:
    _, _, rest = TEXT.partition("Equal blocks of ")
    named = re.findall(r"`(\w+)`", rest.partition(" are stored once")[0])
    assert set(named) == SHARED


def test_numbers_of_kinds_and_flags() -> None:
    cells = table_rows("## `/run/operations`")
    assert cells["kind"][3] == ", ".join(f"{number} {name}" for number, name in KINDS.items())
    assert re.findall(r"\d+(?= )", cells["flags"][3]) == [str(int(flag)) for flag in Flag]


def test_each_kind_says_what_it_fills() -> None:
    rows = table_rows("## What each kind of operation fills")
    assert {kind.name.lower() for kind in OperationKind} | {"end"} <= rows.keys()


def test_views_are_described() -> None:
    rows = table_rows("### Views")
    for name, (signal, axis, paths) in VIEWS.items():
        cells = rows[f"/run/{name}"]
        assert cells[1] == f"`{signal}`: `{paths[0]}`"
        assert cells[2] == ("none" if axis is None else f"`{axis}`: `{paths[1]}`")


def test_version_and_sizes() -> None:
    layout = table_rows("## Layout")
    assert f"`{FORMAT}{VERSION}`" in TEXT
    assert f"{STATUS_BYTES} bytes" in layout["/run/status"][1]
    assert f"{TIME_BYTES} bytes" in layout["/run/end_time"][1]
    assert f"{RESULT_BYTES} bytes" in layout[f"/run/{RESULT}"][1]
    assert f"/run/{EMBEDDED}" in layout


def test_everything_in_a_file_is_on_the_page(tmp_path: Path) -> None:
    """No group, dataset or attribute of a real trace is left undescribed."""
    from xbar.execution.open_bench import open_bench

    with open_bench("sim", card="pcm", rows=2, cols=2, record=tmp_path / "t.h5") as bench:
        bench.program(0, np.full((2, 2), 1e-5))
    with h5py.File(tmp_path / "t.h5") as file:
        run = file["run"]
        names = [
            *file.attrs,
            *run,
            *(f"cells/{name}" for name in run["cells"]),
            *(f"data/{name}" for name in run["data"]),
        ]
        names += [*run["instrument"], *run["process"], *run["operations"].attrs]
    missing = [name for name in names if not re.search(rf"[`/]{re.escape(name)}[`/]", TEXT)]
    assert not missing
