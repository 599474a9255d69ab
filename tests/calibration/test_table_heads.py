"""Heads, units and parts of tables; what is wrong is told with what to do."""

import shlex
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xbar.errors import FormatError, InputError
from xbar_calibration.column_guess import guess
from xbar_calibration.column_mapping import Mapping, parse_column, resolved
from xbar_calibration.column_units import factor_of, in_head, spelled
from xbar_calibration.command import calibrate_files
from xbar_calibration.read_table import read_table
from xbar_calibration.table_observations import table_observations

V0 = 0.35


@pytest.mark.parametrize(
    ("head", "quantity", "factor"),
    [
        ("I (uA)", "current", 1e-6),
        ("Current [nA]", "current", 1e-9),
        ("Conductance/uS", "conductance", 1e-6),
        ("R (kΩ)", "conductance", 1e3),
        ("R / KOhm", "conductance", 1e3),
        ("I_mA", "current", 1e-3),
        ("Spannung, mV", "voltage", 1e-3),
        ("Time (min)", "time", 60.0),
        ("V (Volts)", "voltage", 1.0),
        ("G [µS]", "conductance", 1e-6),
        ("T (K)", "temperature", 1.0),
    ],
)
def test_units_in_heads(head: str, quantity: str, factor: float) -> None:
    """A unit in the head of a column counts where the flag names none."""
    column = resolved(parse_column(f"{quantity}={head}"), head, Path("t.csv"))
    assert column.factor == pytest.approx(factor)
    assert guess([head]) == [f"--column {shlex.quote(f'{quantity}={head}')}"]


def test_spellings_of_units() -> None:
    """Ohms, micro signs, words, degrees Celsius are understood; a name without unit is left alone."""
    assert [spelled(text) for text in ("kΩ", "KOhms", "MOHM", "Ω", "µA", "amps", "[uS]")] == [
        "kohm",
        "kohm",
        "Mohm",
        "ohm",
        "uA",
        "A",
        "uS",
    ]
    assert factor_of("temperature", "°C") == ("K", 1.0, 273.15)
    assert factor_of("current", "V") is None
    assert in_head("Bias") == ("Bias", "")


def test_a_head_without_unit_needs_one() -> None:
    """Where neither flag nor head names a unit the error says how to; a plain number needs none."""
    with pytest.raises(
        InputError, match=r"neither the flag nor its head names a unit; write --column 'current=I:UNIT'"
    ):
        resolved(parse_column("current=I"), "I", Path("t.csv"))
    with pytest.raises(InputError, match="unit 'furlong' of its head is not known"):
        resolved(parse_column("time=t"), "t (furlong)", Path("t.csv"))
    assert resolved(parse_column("up=LTP"), "LTP", Path("t.csv")).unit == "1"


def test_tables_of_several_parts(tmp_path: Path) -> None:
    """Heads that are repeated divide a file into parts, which a column counts; rows keep their numbers."""
    path = tmp_path / "t.csv"
    path.write_text("run 1\nV,I\n1,2\n2,3\nrun 2\nV,I\n1,4\n2,5\nend of data\n", encoding="utf-8")
    found = read_table(path)
    assert found.heads == ("V", "I", "block")
    assert found.values[:, 2].tolist() == [0, 0, 1, 1]
    assert [found.row(k) for k in range(4)] == [3, 4, 7, 8]


def test_columns_that_are_cells(tmp_path: Path) -> None:
    """Several columns of one quantity are cells of their own, by a pattern or by flags; other quantities are one."""
    path = tmp_path / "wide.csv"
    path.write_text("t,G1,G2,G3\n" + "\n".join(f"{t},{t},{2 * t},{3 * t}" for t in range(1, 7)), encoding="utf-8")
    for columns in (["conductance=G*:uS"], [f"conductance=G{k}:uS" for k in (1, 2, 3)]):
        found = table_observations([path], Mapping.of(["time=t:s", *columns]))
        assert len(found.places) == 3
        assert found.visits.cell.tolist() == [0] * 6 + [1] * 6 + [2] * 6
    with pytest.raises(InputError, match="2 columns for time; give one"):
        table_observations([path], Mapping.of(["time=t:s", "time=G1:s", "conductance=G2:uS"]))
    states = table_observations([path], Mapping.of(["cell=1", "cycle=t", "conductance=G*:uS"]))
    assert len(states.writes.cell) == 18
    assert states.writes.target[:3] == pytest.approx([3.5e-6, 7e-6, 10.5e-6])
    assert "median of all writes" in states.notes[0]
    with pytest.raises(InputError, match=r"2 columns for time and 1 for conductance|2 columns for time; give one"):
        table_observations([path], Mapping.of(["time=t:s", "time=G3:s", "conductance=G1:uS"]))
    with pytest.raises(
        InputError, match=r"3 columns for conductance and 2 for time|2 columns for time and 3 for conductance"
    ):
        table_observations([path], Mapping.of(["time=t:s", "time=G1:s", "conductance=G*:uS"]))


def test_sweeps_in_compliance_up_and_down(tmp_path: Path) -> None:
    """The plateau of a sweep up and down is left out on both ways; the law is that of the rest."""
    rows, kept = [], 0
    for curve, g in enumerate((20e-6, 40e-6, 80e-6, 60e-6) * 4):
        for v in np.r_[np.linspace(0.02, 0.6, 30), np.linspace(0.6, 0.02, 30)]:
            current = min(g * V0 * np.sinh(v / V0), 60e-6)
            kept += current < 60e-6
            rows.append(f"{curve},{v:.4f},{current:.6E}")
    path = tmp_path / "t.csv"
    path.write_text("n,V,I\n" + "\n".join(rows), encoding="utf-8")
    report = calibrate_files([path], "iv", ["curve=n", "voltage=V:V", "current=I:A"])
    assert report.found.observed.curves is not None
    assert len(report.found.observed.curves.current) == kept
    assert report.found.fit("iv_nonlinearity").parameter("v0").value == pytest.approx(V0, rel=1e-3)


def test_mistakes_are_told_with_what_to_do(tmp_path: Path) -> None:
    """Cells stacked without a column for them, two heads alike, a curve without voltage, other files: each is said."""
    path = tmp_path / "t.csv"
    path.write_text("t,G\n" + "\n".join(f"{t},5" for t in (1, 2, 3, 1, 2, 3)), encoding="utf-8")
    with pytest.raises(InputError, match=r"row 4 to 5 .*--column cell="):
        table_observations([path], Mapping.of(["time=t:s", "conductance=G:uS"]))
    path.write_text("V,I,V,I\n" + "\n".join("1,2,3,4" for _ in range(6)), encoding="utf-8")
    with pytest.raises(InputError, match="2 columns are named 'V'; voltage is one: give its number, 1 or 3"):
        table_observations([path], Mapping.of(["voltage=V:V", "current=2:A"]))
    path.write_text("n,I\n" + "\n".join("1,2" for _ in range(6)), encoding="utf-8")
    with pytest.raises(InputError, match=r"curves need voltages and currents: --column voltage="):
        table_observations([path], Mapping.of(["curve=n", "current=I:A"]))
    path.write_text("a,G\n" + "\n".join("1," for _ in range(6)), encoding="utf-8")
    with pytest.raises(InputError, match="conductance has no number at all"):
        table_observations([path], Mapping.of(["cell=a", "conductance=G:uS"]))
    old = tmp_path / "t.xls"
    old.write_bytes(b"\xd0\xcf\x11\xe0")
    with pytest.raises(InputError, match=r"\.xls is not read; save it as \.xlsx"):
        read_table(old)


@pytest.mark.parametrize("text", ["", "\n\n", "only words\nand more words\n", "# 1,2\n"])
def test_files_without_numbers(tmp_path: Path, text: str) -> None:
    """A file without rows of numbers is an error that says so."""
    path = tmp_path / "t.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FormatError, match=r"is empty|no row of numbers"):
        read_table(path)


def test_targets_beside_readings(tmp_path: Path) -> None:
    """Rows of a target and a reading are a cell each, of which some are held out; cycles beside states are writes."""
    rng, path = np.random.default_rng(4), tmp_path / "t.csv"
    rows = [f"{a:.3f},{a + rng.standard_normal():.4f}" for a in rng.uniform(5, 80, 300)]
    path.write_text("target,read\n" + "\n".join(rows), encoding="utf-8")
    fit = calibrate_files([path], "t", ["target=target:uS", "conductance=read:uS"]).found.fit("programming_error")
    assert fit.parameter("c0").value == pytest.approx(1e-6, rel=0.15)
    assert fit.held_out is not None
    rows = [
        f"{c},{1e5 * np.exp(0.3 * rng.standard_normal()):.4g},{1e4 * np.exp(0.05 * rng.standard_normal()):.4g}"
        for c in range(200)
    ]
    path.write_text("cycle,HRS (ohm),LRS (ohm)\n" + "\n".join(rows), encoding="utf-8")
    found = calibrate_files([path], "t", ["cycle=cycle", "resistance=HRS", "resistance=LRS"]).found
    assert found.fit("cycle_variation").parameter("off").covers(0.3)
    path.write_text("t,G\n" + "\n".join(f"{t},{-5 - t % 3}" for t in range(100)), encoding="utf-8")
    with pytest.raises(InputError, match="conductances are negative: check the signs"):
        calibrate_files([path], "t", ["time=t:s", "conductance=G:uS"])


def test_pairs_of_columns_beside_each_other(tmp_path: Path) -> None:
    """As many columns of voltages as of currents are a sweep each, in text and in an npz file of matrices."""
    v, g = np.linspace(-0.5, 0.5, 21), np.geomspace(5e-6, 1e-4, 12)
    current = g * V0 * np.sinh(v[:, None] / V0) * (1 + 1e-3 * np.random.default_rng(1).standard_normal((21, 12)))
    volts = np.tile(v[:, None], (1, 12))
    np.savez(tmp_path / "t.npz", V=volts, I=current)
    np.savetxt(
        tmp_path / "t.txt",
        np.c_[volts, current * 1e6],
        header=" ".join([f"V{k}(V)" for k in range(12)] + [f"I{k}(uA)" for k in range(12)]),
    )
    np.save(tmp_path / "t.npy", np.c_[v, current])
    one_by_one = ["voltage=1:V", *(f"current={k}:A" for k in range(2, 14))]
    for name, columns in (
        ("t.npz", ["voltage=V*:V", "current=I*:A"]),
        ("t.txt", ["voltage=V*", "current=I*"]),
        ("t.npy", one_by_one),
    ):
        found = calibrate_files([tmp_path / name], "iv", columns).found
        assert len(found.observed.places) == 12
        assert found.fit("iv_nonlinearity").parameter("v0").value == pytest.approx(V0, rel=0.01), name


def test_many_columns_are_proposed_as_a_pattern() -> None:
    """Flags for many columns of a kind are one, with a star."""
    heads = ["Time [s]", *(f"State {k} (uS)" for k in range(8))]
    assert guess(heads) == ["--column 'time=Time [s]'", "--column 'conductance=State * (uS)'"]
    assert guess(["1", "2"]) == []


def test_dates_and_times_of_day(tmp_path: Path) -> None:
    """Times as dates count from the first one; a comma may be decimal beside their dots."""
    rows = [
        f"11.03.2026 09:{k // 60:02d}:{k % 60:02d};{10 + k / 100:.2f}".replace("11.03.", "@").replace(".", ",")
        for k in range(0, 300, 30)
    ]
    path = tmp_path / "t.csv"
    path.write_text("Datum;G (uS)\n" + "\n".join(rows).replace("@", "11.03."), encoding="utf-8")
    found = table_observations([path], Mapping.of(["time=Datum", "conductance=G"]))
    assert found.visits.age == pytest.approx(np.arange(0, 300, 30))
    assert found.visits.mean[1] == pytest.approx(10.3e-6)
    path.write_text("t,G\n" + "\n".join(f"2026-03-11T09:00:{k:02d},5" for k in range(6)), encoding="utf-8")
    assert table_observations([path], Mapping.of(["time=t", "conductance=G:uS"])).visits.age[-1] == 5
    path.write_text("t,G\n" + "\n".join(f"March {k},5" for k in range(6)), encoding="utf-8")
    with pytest.raises(InputError, match=r"row 2: 'March 0'.* and 1 more: no number"):
        table_observations([path], Mapping.of(["time=t:s", "conductance=G:uS"]))


def test_long_tables_of_numbers_alone(tmp_path: Path) -> None:
    """A long table is read as a short one is, whatever its header; a word far below is found as well."""
    values = np.random.default_rng(2).normal(size=(25_000, 2))
    lines = [f"{a:.6f};{b:.6f}".replace(".", ",") for a, b in values]
    path = tmp_path / "t.csv"
    path.write_text("log;7\nt (s);G (uS)\n" + "\n".join(lines), encoding="utf-8")
    found = read_table(path)
    assert found.heads == ("t (s)", "G (uS)")
    assert found.values == pytest.approx(values, abs=1e-6)
    assert found.row(24_999) == 25_002
    lines[20_000] = "1,0;broken"
    path.write_text("t (s);G (uS)\n" + "\n".join(lines), encoding="utf-8")
    with pytest.raises(InputError, match="row 20002: 'broken'"):
        table_observations([path], Mapping.of(["conductance=G"]))


def test_names_that_python_would_read_as_numbers(tmp_path: Path) -> None:
    """A device 1_2 is no number 12, and a minus of typesetters is a minus."""
    path = tmp_path / "t.csv"
    path.write_text("d,G\n" + "\n".join(f"1_{k},\N{MINUS SIGN}{k}" for k in range(6)), encoding="utf-8")
    with pytest.raises(InputError, match="row 2: '1_0'"):
        table_observations([path], Mapping.of(["cell=d", "conductance=G:uS"]))
    assert read_table(path).values[:, 1].tolist() == [0, -1, -2, -3, -4, -5]


def test_noise_of_states_over_time(tmp_path: Path) -> None:
    """Long series of many states give the white noise of neighbouring readings, slow drift left out."""
    rng = np.random.default_rng(3)
    states = np.geomspace(2, 60, 30)
    values = states * (1 + 0.01 * rng.standard_normal((400, 30)) - 1e-4 * np.arange(400)[:, None])
    head = ";".join(["Time [s]", *(f"State {k} (uS)" for k in range(30))])
    np.savetxt(tmp_path / "t.csv", np.c_[np.arange(400) * 0.01, values], delimiter=";", header=head, comments="")
    found = calibrate_files([tmp_path / "t.csv"], "noise", ["time=Time", "conductance=State*"]).found
    noise = found.fit("read_noise")
    assert noise.kind == "proportional"
    assert noise.parameter("relative").value == pytest.approx(0.01, rel=0.03)


def test_pulses_need_trains(tmp_path: Path) -> None:
    """Rows that are values after pulses make trains; without any long enough the error says so."""
    path = tmp_path / "t.csv"
    path.write_text("V,G\n" + "\n".join(f"{(-1) ** k},5" for k in range(12)), encoding="utf-8")
    with pytest.raises(InputError, match="no train of pulses has 5 readings"):
        table_observations([path], Mapping.of(["pulse=V:V", "conductance=G:uS"]))
    rows = [f"{1.2 if k % 20 < 10 else -1.4},{min(k % 20, 20 - k % 20) + 5}" for k in range(40)]
    path.write_text("V,G\n" + "\n".join(rows), encoding="utf-8")
    ramps = table_observations([path], Mapping.of(["pulse=V:V", "conductance=G:uS"])).ramps
    assert ramps is not None
    assert (ramps.up.shape[1], ramps.down.shape[1]) == (2, 2)
    assert (ramps.set_voltage, ramps.reset_voltage) == (1.2, -1.4)
    assert ramps.down[0, 0] == pytest.approx(14e-6)


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet='0123456789,.;\t eE+-_"#%abV()\n', max_size=120))
def test_any_text_is_read_or_refused(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """Whatever a file holds, it becomes a table with heads and line numbers, or an error of this library."""
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_text(text, encoding="utf-8", newline="\n")
    try:
        found = read_table(path)
    except FormatError:
        return
    assert found.values.shape == (len(found.lines), len(found.heads))
    assert all(1 <= line <= text.count("\n") + 1 for line in found.lines.tolist())
    guess(found.heads)
