"""Chip files: pulses that are never lost, limits over the whole life, arrays that go on where they stopped."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import xbar
from xbar.bench.bench import Bench
from xbar.bench.cell_life import CellFlag
from xbar.bench.chip import open_chip
from xbar.bench.chip_file import journal_path
from xbar.bench.limits import Limits
from xbar.bench.settings import Pulse
from xbar.errors import FileError, FormatError, InputError, LimitError, Unsupported
from xbar.execution.open_bench import open_bench

SIM: dict[str, Any] = {"card": "pcm", "rows": 6, "cols": 4, "arrays": 2, "seed": 5}
PULSE = Pulse(0.1, 1e-6, current_limit=1e-6)
LIMITS = Limits(0.5, 1e-3, pulses_per_cell=10)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "chip.h5"


def program(bench: Bench) -> None:
    for array in range(2):
        bench[array].program(np.full((6, 4), (5 + 10 * array) * 1e-6))


def answers(bench: Bench) -> list[Any]:
    codes = bench.mvm([0, 1], np.full((2, 5, 6), 0.1), xbar.VectorConfig(0.2, 20e-6)).codes
    return [codes, bench[1].read_all().current, bench.mvm([0], np.full((1, 3, 6), 0.1)).codes]


def test_a_chip_goes_on_as_if_the_bench_had_stayed_open(file: Path, tmp_path: Path) -> None:
    """Programmed on one bench and read on three others, or all on one with a wait for the first: the same bits."""
    with open_bench("sim", chip=file, **SIM) as bench:
        program(bench)
    with open_bench("sim", chip=open_chip(file, after=3600.0), **SIM) as bench:
        first = answers(bench)
    with open_bench("sim", chip=open_chip(file, after=10.0), **SIM) as bench:
        second = answers(bench)
    with open_bench("sim", **SIM) as bench:
        program(bench)
        bench.wait(3600.0)
        one = answers(bench)
        bench.wait(10.0)
        two = answers(bench)
    for kept, stayed in zip(first + second, one + two, strict=True):
        assert np.array_equal(kept, stayed)
    assert not np.array_equal(first[0], second[0]), "drift and noise go on"


def test_a_kept_chip_knows_what_it_is(file: Path) -> None:
    """Seed, card and size need not be told again; another seed or card is refused."""
    with open_bench("sim", chip=file, **SIM) as bench:
        program(bench)
        cells = bench[0].read_all().current
    with open_bench("sim", chip=file) as bench:
        assert (len(bench), bench.settings["seed"], bench.settings["card"]) == (2, 5, "pcm")
        assert np.abs(bench[0].read_all().current / cells - 1).max() < 0.5
    for wrong, word in (({"seed": 6}, "of seed 5, the bench simulates 6"), ({"card": "generic"}, "sim:generic")):
        with pytest.raises(InputError, match=word):
            open_bench("sim", chip=file, **wrong)
    with pytest.raises(InputError, match="2 arrays of 6 x 4"):
        open_bench("sim", chip=file, rows=7)
    open_chip(file).close()


def test_the_file_is_written_where_the_work_fails(file: Path) -> None:
    """An error in the user's block does not lose what happened to the cells."""

    def work() -> None:
        with open_bench("sim", chip=file, **SIM) as bench:
            program(bench)
            raise KeyError("what the user did")

    with pytest.raises(KeyError):
        work()
    chip = open_chip(file, lock=False)
    assert chip.state is not None
    assert float(np.nanmax(chip.state.arrays["1/target"])) == pytest.approx(15e-6)


def test_limits_hold_over_the_whole_life(file: Path, make_driver: Any) -> None:
    """Six pulses on one bench leave four for the next: the fifth does not leave."""
    with Bench(make_driver(), limits=LIMITS, chip=open_chip(file)) as bench:
        bench.pulse(0, [[1, 1]], PULSE, 6)
    driver = make_driver()
    with Bench(driver, limits=LIMITS, chip=open_chip(file)) as bench:
        bench.pulse(0, [[0, 1]], PULSE, 10)
        with pytest.raises(LimitError, match="would have seen 11 pulses"):
            bench.pulse(0, [[1, 1]], PULSE, 5)
        bench.pulse(0, [[1, 1]], PULSE, 4)
    assert driver.operations == ["pulse", "pulse"]
    assert open_chip(file, lock=False).cells(0).pulses[:2, 1].tolist() == [10, 10]


def test_pulses_of_real_cells_are_on_disk_before_they_leave(
    file: Path, make_driver: Any, make_recorder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the moment the driver is called, another process already finds them; the driver never has to return."""
    driver = make_driver()
    monkeypatch.setattr(type(driver), "hardware", True)
    found: list[int] = []

    def look(name: str) -> None:
        if name == "pulse":
            found.append(int(open_chip(file, lock=False).cells(0).pulses[2, 3]))

    bench = Bench(driver, limits=LIMITS, recorder=make_recorder(), chip=open_chip(file))
    driver.on_call = look
    bench.pulse(0, [[2, 3]], PULSE, 3)
    bench.pulse(0, [[2, 3], [2, 3]], PULSE, 2)
    assert found == [3, 7]
    assert journal_path(file).stat().st_size > 0
    with journal_path(file).open("ab") as journal:
        journal.write(b"half of an ent")
    assert open_chip(file, lock=False).cells(0).pulses[2, 3] == 7
    bench.close()
    assert journal_path(file).stat().st_size == 0
    assert open_chip(file, lock=False).cells(0).pulses[2, 3] == 7


def test_flags_and_readings_are_kept(file: Path, make_driver: Any) -> None:
    """What a program finds out about cells stands in the file, and when they were last read."""
    with Bench(make_driver(), chip=open_chip(file)) as bench:
        bench.read(1, [[0, 0], [2, 1]])
        assert bench.chip is not None
        bench.chip.flag(1, np.array([[2, 1], [0, 1]]), CellFlag.FORMED)
        bench.chip.flag(1, np.array([[2, 1]]), CellFlag.GAVE_UP)
        bench.chip.flag(1, np.array([[0, 1]]), CellFlag.FORMED, on=False)
        bench.chip.notes["wafer"] = "W3"
    cells = open_chip(file, lock=False).cells(1)
    assert np.argwhere(cells.flags).tolist() == [[2, 1]]
    assert cells.flags[2, 1] == CellFlag.FORMED | CellFlag.GAVE_UP
    assert np.argwhere(~np.isnan(cells.last_read)).tolist() == [[0, 0], [2, 1]]
    assert open_chip(file, lock=False).notes == {"wafer": "W3"}


def test_one_process_owns_a_chip(file: Path) -> None:
    """A second one is refused while the first is at it, and may look on."""
    with open_bench("sim", chip=file, **SIM):
        script = f"from xbar.bench.chip import open_chip\nopen_chip({str(file)!r})"
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
        assert f"in use by process {os.getpid()}" in done.stderr
    open_chip(file).close()


def test_time_passes_only_for_simulated_chips(file: Path, make_driver: Any) -> None:
    with pytest.raises(InputError, match="leave --after out"):
        Bench(make_driver(), chip=open_chip(file, after=5.0))
    with pytest.raises(InputError, match="-1"):
        open_chip(file, after=-1.0)
    with pytest.raises(FileError, match="does not exist"):
        open_chip(file, new=False)


def test_a_driver_without_state_refuses_one(file: Path, make_driver: Any) -> None:
    with open_bench("sim", chip=file, **SIM) as bench:
        program(bench)
    chip = open_chip(file)
    chip.arrays, chip.rows, chip.cols, chip.model = 2, 8, 5, "sim:fake"
    driver = make_driver()
    with pytest.raises((Unsupported, InputError)):
        Bench(driver, chip=chip)
    assert driver.calls[-2:] == ["safe_off", "close"]


@pytest.mark.parametrize(
    ("damage", "word"),
    [
        (lambda f: f.attrs.__setitem__("xbar_schema", "xbar-chip/2"), "xbar-chip/2"),
        (lambda f: f.__delitem__("state/0/target"), "lacks 'target'"),
        (lambda f: f.__delitem__("chip"), "chip"),
        (lambda f: f["life/0"].move("pulses", "pulse"), "pulses"),
        (
            lambda f: (f.__delitem__("state/1/target"), f.create_dataset("state/1/target", data=np.zeros((2, 2)))),
            "damaged",
        ),
        (
            lambda f: (f.__delitem__("state/1/target"), f.create_dataset("state/1/target", (10**6, 10**6), "f8")),
            "large|values",
        ),
    ],
)
def test_damaged_files_are_refused(file: Path, damage: Any, word: str) -> None:
    """With a message, in bounded memory, and without a change to the file."""
    with open_bench("sim", chip=file, **SIM) as bench:
        program(bench)
        answers(bench)
        bench[0].read_all()
    with h5py.File(file, "r+") as h5:
        damage(h5)
    before = file.read_bytes()
    with pytest.raises((FormatError, FileError), match=word):
        open_bench("sim", chip=file, **SIM)
    assert file.read_bytes() == before
