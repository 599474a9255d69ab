"""Tables from elsewhere: separators, heads, decimal commas, units, missing points; what is wrong names its rows."""

from pathlib import Path

import numpy as np
import pytest

from xbar.errors import FormatError, InputError
from xbar_calibration.column_mapping import Mapping, parse_column
from xbar_calibration.compliance import plateaus
from xbar_calibration.observations import Observations
from xbar_calibration.read_table import read_table
from xbar_calibration.table_observations import table_observations


def table(folder: Path, text: str, *columns: str, name: str = "t.csv") -> Observations:
    """Return the observations of a text with these columns."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return table_observations([path], Mapping.of(columns))


def test_separators_heads_and_decimal_commas(tmp_path: Path) -> None:
    """The same numbers come out of commas, semicolons with decimal commas, tabs and blanks."""
    rows = [(0.5, 1.25), (1.0, -2e-3), (1.5, 3.0)]
    texts = {
        "a.csv": "# instrument 7\nV (V),I_mA\n" + "\n".join(f"{a},{b}" for a, b in rows),
        "b.csv": "V (V);I_mA\n" + "\n".join(f"{a};{b}".replace(".", ",") for a, b in rows),
        "c.tsv": "V (V)\tI_mA\n" + "\n".join(f"{a}\t{b}" for a, b in rows),
        "d.txt": "\n".join(f"  {a}   {b}" for a, b in rows),
        "e.csv": "V (V);I_mA\r\n" + "\r\n".join(f"{a};{b}" for a, b in rows),
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
        found = read_table(tmp_path / name)
        assert found.values == pytest.approx(np.array(rows)), name
        assert found.heads == (("1", "2") if name == "d.txt" else ("V (V)", "I_mA")), name


def test_rows_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    """Missing values become NaN, and a word in a row of numbers is an error that names the row."""
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n3,\n5,n/a\n", encoding="utf-8")
    found = read_table(path)
    assert np.isnan(found.values[1:, 1]).all()
    assert found.row(0) == 2
    path.write_text("a,b\n1,2\n3,four\n", encoding="utf-8")
    with pytest.raises(InputError, match="column 'b', row 3: 'four': no number"):
        table_observations([path], Mapping.of(["conductance=b:uS"]))


def test_npz_without_pickle(tmp_path: Path) -> None:
    """Columns of an npz are named as its arrays; one that needs pickle is refused."""
    np.savez(tmp_path / "t.npz", g=np.arange(6.0), up=np.ones((6, 2)))
    assert read_table(tmp_path / "t.npz").heads == ("g", "up1", "up2")
    np.savez(tmp_path / "bad.npz", g=np.array([{}], object))
    with pytest.raises(FormatError, match="pickle"):
        read_table(tmp_path / "bad.npz")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("current", "QUANTITY=COLUMN:UNIT"),
        ("charge=Q:C", "quantity 'charge' is not known"),
        ("current=I:furlong", "unit 'furlong' is not known for current"),
        ("time=t:V", "unit 'V' is not known for time"),
    ],
)
def test_wrong_mappings(text: str, why: str) -> None:
    """A mapping that cannot be meant is an error that lists what can."""
    with pytest.raises(InputError, match=why):
        parse_column(text)


def test_units_are_converted(tmp_path: Path) -> None:
    """Microamperes over millivolts give siemens, kiloohms as well; a mapping file says the same as flags."""
    lines = "\n".join(f"{k},10,{0.1 * (1 + k)}" for k in range(6))
    found = table(tmp_path, f"t,V_mV,I_uA\n{lines}", "time=t:s", "voltage=V_mV:mV", "current=I_uA:uA")
    assert found.visits.mean == pytest.approx(1e-5 * (1 + np.arange(6)))
    assert found.read_voltage == pytest.approx(0.01)
    resistances = table(tmp_path, "R\n" + "\n".join(["10", "20", "40", "50", "80"]), "conductance=R:kohm")
    assert resistances.visits.mean[0] == pytest.approx(np.mean([1e-4, 5e-5, 2.5e-5, 2e-5, 1.25e-5]))
    (tmp_path / "map.toml").write_text('columns.conductance = "R:kohm"\n', encoding="utf-8")
    mapping = Mapping.of((), tmp_path / "map.toml")
    assert mapping.columns[0] == parse_column("conductance=R:kohm")


def test_writes_and_ages(tmp_path: Path) -> None:
    """Readings of a cell with a target belong to its write, their times count from there."""
    rows = [f"{cell},{10 + cell},{t},{(10 + cell) * 0.9}" for cell in range(3) for t in (1, 1, 10)]
    columns = ("cell=cell", "target=T:uS", "time=t:s", "conductance=G:uS")
    found = table(tmp_path, "cell,T,t,G\n" + "\n".join(rows), *columns)
    assert found.writes.target == pytest.approx([10e-6, 11e-6, 12e-6])
    assert found.visits.count.tolist() == [2, 1] * 3
    assert found.visits.age == pytest.approx([1, 10] * 3)
    assert found.visits.write.tolist() == [0, 0, 1, 1, 2, 2]


def test_times_that_fall_are_named(tmp_path: Path) -> None:
    """A time before the one above it, of the same cell, is an error with both rows."""
    text = "t,G\n" + "\n".join(f"{t},{5}" for t in (1, 2, 3, 2.5, 4, 5))
    with pytest.raises(InputError, match=r"times fall from row 4 to 5 \(3 s to 2.5 s\)"):
        table(tmp_path, text, "time=t:s", "conductance=G:uS")


def test_mixed_arrays_are_named(tmp_path: Path) -> None:
    """Rows of several arrays are an error with the rows at which they change, unless one is chosen."""
    text = "array,G\n" + "\n".join(["0,1"] * 5 + ["1,2"] * 6)
    with pytest.raises(InputError, match=r"mixes 2 arrays: row 7 \(array 1\)"):
        table(tmp_path, text, "array=array", "conductance=G:uS")
    path = tmp_path / "t.csv"
    found = table_observations([path], Mapping.of(["array=array", "conductance=G:uS"]), array=1)
    assert found.visits.count.tolist() == [6]


def test_readings_in_compliance(tmp_path: Path) -> None:
    """A plateau at the largest current is left out; where nothing else is left, the rows are named."""
    volts = np.linspace(0, 1, 21)
    current = np.minimum(volts * 1e-3, 4e-4)
    good = np.ones(21, np.bool_)
    assert plateaus(volts, current, good).nonzero()[0].tolist() == list(range(8, 21))
    assert not plateaus(volts, volts * 1e-3, good).any()
    text = "V,I,limited\n" + "\n".join(f"{v},{i},1" for v, i in zip(volts, current, strict=True))
    with pytest.raises(InputError, match="all readings are in compliance, rows 2 to 22"):
        table(tmp_path, text, "voltage=V:V", "current=I:A", "compliance=limited")


def test_too_few_points_and_no_columns(tmp_path: Path) -> None:
    """A table of four rows, a column that is not there, and a table without mapping are errors that say so."""
    with pytest.raises(InputError, match="4 rows with all columns; at least 5"):
        table(tmp_path, "G\n1\n2\n3\n4\n", "conductance=G:uS")
    with pytest.raises(InputError, match="no column 'H' for conductance; the table has 'G'"):
        table(tmp_path, "G\n1\n2\n3\n4\n5\n", "conductance=H:uS")
    with pytest.raises(InputError, match="needs to know its columns"):
        Mapping.of(())
    with pytest.raises(InputError, match="currents need the voltage"):
        table(tmp_path, "I\n1\n2\n3\n4\n5\n", "current=I:uA")
