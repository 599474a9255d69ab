"""Tables as programs of laboratories write them, made of known cells: fitted, or an error names the flags that fit."""

import io
import re
import shlex
import sys
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import numpy as np
import openpyxl
import pytest

from xbar.errors import FormatError, InputError, Unsupported
from xbar_calibration.column_mapping import Mapping
from xbar_calibration.command import calibrate_files
from xbar_calibration.read_table import read_table
from xbar_calibration.table_observations import table_observations

V0: Final = 0.35
"""Of the sinh law of every curve [V]."""
SWEEP: Final = np.r_[np.linspace(0, 0.5, 11), np.linspace(0.5, -0.5, 21)[1:], np.linspace(-0.5, 0, 11)[1:]]
LEVELS: Final = np.array([20e-6, 40e-6, 80e-6, 10e-6] * 4)


def _rng() -> np.random.Generator:
    return np.random.default_rng(1)


def _curves() -> Iterable[tuple[int, float, float]]:
    """Yield (curve, V, A) of sweeps up and down of cells of several conductances."""
    rng = _rng()
    for curve, g in enumerate(LEVELS):
        for v in SWEEP:
            yield curve, float(v), float(g * V0 * np.sinh(v / V0) * (1 + 0.002 * rng.standard_normal()))


def kickstart() -> str:
    """Return what Keithley KickStart exports: a quoted header, then points of repeated sweeps."""
    lines = ['"Application","I-V Characterizer"', '"Instrument","2636B"', '"Serial Number","4012345"', ""]
    lines += ['"Repeat","Point","SMU1 Voltage (V)","SMU1 Current (A)","SMU1 Time (s)"']
    lines += [f"{c + 1},{k},{v:.4f},{i:.6E},{0.02 * k:.3f}" for k, (c, v, i) in enumerate(_curves())]
    return "\n".join(lines) + "\n"


def easyexpert() -> str:
    """Return what Keysight EasyEXPERT exports of a B1500A: labelled rows, a block for each sweep."""
    lines = ["SetupTitle, I/V Sweep", "TestParameter, Channel.Unit, SMU1:HR, SMU2:HR", "MetaData, Slot, 4012345"]
    last = -1
    for curve, v, i in _curves():
        if curve != last:
            lines += ["AnalysisSetup, Analysis.Setup.Title, I/V Sweep", "Dimension1, 41, 41", "DataName, V1, I1"]
        lines.append(f"DataValue, {v:.4f}, {i:.6E}")
        last = curve
    return "\n".join(lines) + "\n"


def arc_one() -> str:
    """Return what an ArC ONE session exports: a line for each pulse, resistances, tags that are words."""
    rng, lines = _rng(), ["ArC ONE session", "2026-03-11 09:12:44"]
    lines += ["Wordline,Bitline,Resistance,Amplitude (V),Pulse width (s),Tag,ReadTag,ReadVoltage"]
    for device in (1, 2):
        w = 0.1
        for sign in (1, -1) * 3:
            for _ in range(30):
                w += sign * 0.08 * (1 - w if sign > 0 else w) + 0.004 * float(rng.standard_normal())
                w = min(max(w, 0.0), 1.0)
                ohms = 1 / (2e-5 + 1.8e-4 * w)
                lines.append(f"{device},{device},{ohms:.4f},{1.1 * sign},1e-05,P,S R,0.2")
    return "\n".join(lines) + "\n"


def german_log() -> str:
    """Return a log with semicolons and decimal commas: written cells that drift."""
    rng, lines = _rng(), ["Messung;Retention", "Datum;11.03.2026", "Zelle;Ziel (µS);Zeit (s);Strom (µA)"]
    for cell in range(60):
        target, nu = float(rng.choice([5.0, 10.0, 20.0, 40.0, 80.0])), 0.05 + 0.005 * float(rng.standard_normal())
        written = target * (1 + 0.03 * float(rng.standard_normal()))
        for t in (1.0, 10.0, 100.0, 1000.0, 10000.0):
            g = written * (1 + t / 20) ** -nu * (1 + 0.002 * float(rng.standard_normal()))
            lines.append(f"{cell};{target:g};{t:g};{0.2 * g:.6f}".replace(".", ","))
    return "\n".join(lines) + "\n"


def pulse_numbers() -> str:
    """Return conductance over pulse number, which begins anew with each train up and down."""
    rng, lines, w = _rng(), ["Pulse number\tConductance/uS"], 0.05
    for _ in range(3):
        for k in range(80):
            w += 0.06 * (1 - w) if k < 40 else -0.06 * w
            w = min(max(w + 0.004 * float(rng.standard_normal()), 0.0), 1.0)
            lines.append(f"{k + 1}\t{10 + 90 * w:.4f}")
    return "\n".join(lines) + "\n"


def potentiation() -> str:
    """Return potentiation and depression in columns beside each other."""
    rng, lines, up, down = _rng(), ["Pulse #,LTP (uS),LTD (uS)"], 0.05, 0.95
    for k in range(60):
        up += 0.06 * (1 - up) + 0.004 * float(rng.standard_normal())
        down -= 0.06 * down + 0.004 * float(rng.standard_normal())
        lines.append(f"{k + 1},{10 + 90 * up:.4f},{10 + 90 * down:.4f}")
    return "\n".join(lines) + "\n"


def retention_log() -> str:
    """Return resistances of two cells over time, side by side, their units in a row of their own."""
    rng, lines = _rng(), ["Time\tR1\tR2", "s\tkΩ\tkΩ"]
    for t in np.geomspace(1, 1e5, 25):
        left = np.exp(-((t / 2e4) ** 0.6))
        ohms = [1e-3 / (g * left) * (1 + 0.003 * rng.standard_normal()) for g in (50e-6, 20e-6)]
        lines.append(f"{t:.6g}\t{ohms[0]:.6g}\t{ohms[1]:.6g}")
    return "\n".join(lines) + "\n"


def cycles_of_curves() -> str:
    """Return sweeps with a column for the cycle."""
    lines = ["cycle,V,I (uA),time (s)"]
    lines += [f"{c},{v:.3f},{1e6 * i:.6f},{0.01 * k:.2f}" for k, (c, v, i) in enumerate(_curves())]
    return "\n".join(lines) + "\n"


def telegraph_log() -> str:
    """Return a long series of currents of one cell with two levels, in nA and ms."""
    rng, lines, full = _rng(), ["Elapsed Time [ms],Current [nA]"], False
    for k in range(600):
        full = bool(rng.random() < (0.85 if full else 0.1))
        lines.append(f"{0.3 * k:.1f},{2000 * (0.95 if full else 1.0) * (1 + 0.006 * rng.standard_normal()):.3f}")
    return "\n".join(lines) + "\n"


def overflowing() -> str:
    """Return sweeps whose last points are what an instrument sends for an overflow."""
    lines = ["Voltage (V),Current (A),Sweep"]
    for curve, v, i in _curves():
        lines.append(f"{v:.4f},{'9.91E+37' if v > 0.46 else f'{i:.6E}'},{curve}")
    return "\n".join(lines) + "\n"


def uniformity() -> str:
    """Return resistances of both states of devices that were cycled, lognormal between devices and between cycles."""
    rng, lines = _rng(), ["Device,Cycle,LRS (kΩ),HRS (kΩ)"]
    for device in range(25):
        own = rng.standard_normal()
        for cycle in range(12):
            low = 10 * np.exp(0.03 * own + 0.05 * rng.standard_normal())
            high = 500 * np.exp(0.15 * own + 0.25 * rng.standard_normal())
            lines.append(f"{device},{cycle},{low:.5g},{high:.5g}")
    return "\n".join(lines) + "\n"


TEXTS: Final[dict[str, tuple[Callable[[], str], str, str]]] = {
    "kickstart.csv": (kickstart, "iv_nonlinearity", "sinh"),
    "b1500.csv": (easyexpert, "iv_nonlinearity", "sinh"),
    "arc_one.csv": (arc_one, "pulse_response", ""),
    "german.csv": (german_log, "drift", "power_law"),
    "numbers.txt": (pulse_numbers, "pulse_response", ""),
    "ltp.csv": (potentiation, "pulse_response", ""),
    "retention.txt": (retention_log, "retention", "stretched_exponential"),
    "cycles.csv": (cycles_of_curves, "iv_nonlinearity", "sinh"),
    "rtn.csv": (telegraph_log, "random_telegraph_noise", "two_state"),
    "uniformity.csv": (uniformity, "cycle_variation", "lognormal"),
    "overflow.csv": (overflowing, "iv_nonlinearity", "sinh"),
}
"""Text, the law that it tells, and the kind of it, empty where that is open."""


def workbook() -> bytes:
    """Return an xlsx file whose second sheet has sweeps under a title; cells are numbers, one is empty, one a word."""
    book = openpyxl.Workbook()
    book.active.append(["Operator", "nobody"])
    sheet = book.create_sheet("sweeps")
    sheet.append(["I-V of sixteen cells"])
    sheet.append(["Device", "Voltage (V)", "Current (µA)", "Remark"])
    for k, (curve, v, i) in enumerate(_curves()):
        sheet.append([curve, v, None if k == 3 else 1e6 * i, "noisy" if k == 5 else None])
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


def flags_of(path: Path) -> list[str]:
    """Return the columns that the error of a table without flags says to try."""
    with pytest.raises(InputError, match="needs to know its columns") as caught:
        calibrate_files([path], "guess")
    said = re.search(r"; perhaps (.*); quantities are", str(caught.value))
    assert said is not None, caught.value
    return [word for word in shlex.split(said[1]) if word != "--column"]


@pytest.mark.parametrize("name", TEXTS)
def test_files_of_laboratories(tmp_path: Path, name: str) -> None:
    """The flags that the error proposes give the law that the file was made from."""
    text, law, kind = TEXTS[name]
    path = tmp_path / name
    path.write_text(text(), encoding="latin-1" if name == "german.csv" else "utf-8")
    settings = {"read_voltage": 0.2}
    report = calibrate_files([path], "lab", flags_of(path), settings=settings)
    fit = report.found.fit(law)
    assert kind in ("", fit.kind)
    if law == "iv_nonlinearity":
        assert fit.parameter("v0").value == pytest.approx(V0, rel=0.01)
        assert fit.held_out is not None
    if law == "pulse_response":
        assert fit.points > 50
    if law == "retention":
        assert fit.parameter("tau").value == pytest.approx(2e4, rel=0.1)
    if law == "drift":
        assert fit.parameter("mean_offset").value == pytest.approx(0.05, rel=0.2)
    if law == "cycle_variation":
        assert fit.parameter("on").covers(0.05)
        assert fit.parameter("off").covers(0.25)
    if law == "random_telegraph_noise":
        assert fit.parameter("amplitude").value == pytest.approx(0.05, rel=0.1)
    assert 'name = "lab"' in report.card


def test_workbooks(tmp_path: Path) -> None:
    """The first sheet with rows of numbers of an xlsx file is read; empty cells are missing, words no obstacle."""
    path = tmp_path / "lab.xlsx"
    path.write_bytes(workbook())
    found = read_table(path)
    assert found.heads == ("Device", "Voltage (V)", "Current (µA)", "Remark")
    assert found.row(0) == 3
    assert np.isnan(found.values[3, 2])
    report = calibrate_files([path], "lab", flags_of(path))
    assert report.found.fit("iv_nonlinearity").parameter("v0").value == pytest.approx(V0, rel=0.01)
    assert report.found.observed.dropped == 1
    with pytest.raises(InputError, match=r"column 'Remark', row 8: 'noisy': no number"):
        table_observations([path], Mapping.of(["voltage=Voltage", "current=Remark:A"]))


def test_workbooks_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged file, one that unpacks to too much, one without numbers, and a missing package are told apart."""
    path = tmp_path / "t.xlsx"
    path.write_bytes(b"no zip")
    with pytest.raises(FormatError, match="no xlsx file"):
        read_table(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", bytes(200_000))
    monkeypatch.setattr("xbar_calibration.read_table.LARGEST_SHEET", 100_000)
    with pytest.raises(FormatError, match="MB unpacked"):
        read_table(path)
    openpyxl.Workbook().save(path)
    with pytest.raises(FormatError, match="no sheet has rows of numbers"):
        read_table(path)
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(Unsupported, match=r'pip install "xbar-emulator\[tables\]"'):
        read_table(path)


def test_a_header_with_numbers_is_no_data(tmp_path: Path) -> None:
    """Serial numbers and dates of a header are not taken for rows; the first row of numbers is the sweep's."""
    path = tmp_path / "t.csv"
    path.write_text(kickstart(), encoding="utf-8")
    found = read_table(path)
    assert found.row(0) == 6
    assert found.values.shape == (16 * 41, 5)
