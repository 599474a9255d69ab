"""Rack files of the driver: what is found in the wires, and what is wrong with them."""

import re
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xbar.bench.settings import Unselected
from xbar.errors import FileError, FormatError, InputError
from xbar_drivers.rack.bit_serial import added_up, input_codes, planes_of
from xbar_drivers.rack.connection import matrix_of
from xbar_drivers.rack.rack_driver import RackDriver
from xbar_drivers.rack.rack_file import load_rack_file
from xbar_drivers.rack.wiring import find_wiring


def write(folder: Path, text: str) -> Path:
    path = folder / "rack.toml"
    path.write_text(re.sub(r"\{(\w+)\}", r"GPIB0::26::INSTR", text), encoding="utf-8")
    return path


def test_crosspoints_of_a_3706a(tmp_path: Path, rack_texts: dict[str, str]) -> None:
    """Digits for rows, two digits for columns; addresses of real racks (GPIB, USB) are as good as any."""
    file = load_rack_file(write(tmp_path, rack_texts["linked"]))
    assert file.instrument("smu").address == "GPIB0::26::INSTR"
    wiring = find_wiring(file, *matrix_of(file))
    assert wiring.drive == ("1101", "1102", "1103", "1104")
    assert wiring.sense == ("1205", "1206", "1207", "1208", "1209")
    assert wiring.ground_word == ("1301", "1302", "1303", "1304")
    assert [mode for mode, reason in wiring.modes().items() if not reason] == [Unselected.FLOAT, Unselected.GROUND]


def test_crosspoints_of_several_cards_and_other_matrices(tmp_path: Path, rack_texts: dict[str, str]) -> None:
    large = load_rack_file(write(tmp_path, rack_texts["large"]))
    wiring = find_wiring(large, *matrix_of(large))
    assert (wiring.drive[16], wiring.sense[47]) == ("2101", "6216")
    letters = load_rack_file(write(tmp_path, rack_texts["2450"]))
    assert find_wiring(letters, *matrix_of(letters)).drive[0] == "1A01"
    keysight = load_rack_file(write(tmp_path, rack_texts["keysight"]))
    assert find_wiring(keysight, *matrix_of(keysight)).sense[0] == "00205"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('[rack]\ndrive = "smu.a"', '[rack]\ndriv = "smu.a"', "rack.driv: is not a key of this file"),
        ("nplc = 0.1", 'settle = "1 V"', "rack.settle"),
        ("rows = 4", "rows = 5", "no crosspoint ties smu.a to word4; check .wires. and the size"),
        ('"switch.1.col5-9" = "bit0-4"', '"switch.1.col5-8" = "bit0-3"', "no crosspoint ties smu.b to bit4"),
        ('"switch.1.col5-9"', '"switch.1.col9-5"', "runs backwards"),
        ('"bit0-4"', '"bit0-3"', "names 5 terminals"),
        ('cards = ["3730"]', 'cards = ["9999"]', "card '9999' is not known"),
        ('cards = ["3730"]', 'cards = ["3730","3730","3730","3730","3730","3730","3730"]', "has 6 slots"),
        ('model = "3706A"', 'model = "2450"', "0 matrices; exactly one of 3706A"),
        ('name = "switch"', 'name = "smu"', "two instruments have one name"),
        ('current = "1 mA"', "", r".limits. needs `current`"),
        ('drive = "smu.a"', 'drive = "smx.a"', "instrument 'smx' is not in the file; it has smu, switch"),
    ],
)
def test_mistakes_in_a_rack_file(tmp_path: Path, rack_texts: dict[str, str], old: str, new: str, message: str) -> None:
    text = rack_texts["linked"]
    assert old in text
    with pytest.raises(FormatError, match=message):
        RackDriver(load_rack_file(write(tmp_path, text.replace(old, new))))


def test_rack_file_without_a_rack(tmp_path: Path, rack_texts: dict[str, str]) -> None:
    with pytest.raises(FormatError, match=r"section \[rack\] is missing"):
        load_rack_file(write(tmp_path, rack_texts["linked"].split("[rack]")[0]))
    with pytest.raises(FileError, match="does not exist"):
        load_rack_file(tmp_path / "none.toml")


def test_addresses_and_options(tmp_path: Path, rack_texts: dict[str, str]) -> None:
    path = str(write(tmp_path, rack_texts["linked"]))
    assert RackDriver.from_address(path, {"rows": 4, "cols": 5, "nplc": 1.0}).capabilities.rows == 4
    for rest, options, message in (
        ("", {}, "needs its rack file"),
        (path, {"rows": 5}, "asks for rows = 5, the rack .* is wired to 4"),
        (path, {"nplc": 99}, "nplc 99 must be 0.001 to 25"),
        (path, {"colour": 1}, "no option colour"),
    ):
        with pytest.raises(InputError, match=message):
            RackDriver.from_address(rest, options)


def test_source_that_its_instrument_does_not_have(serve: Any, rack_texts: dict[str, str]) -> None:
    rack = serve("linked", text=rack_texts["linked"])
    driver = rack.driver(
        rack=rack.file.rack.model_copy(update={"drive": "smu.c"}),
        joints=(*rack.file.joints, ("smu.c", "switch.1.row1")),
    )
    driver.stop = threading.Event()
    with pytest.raises(FormatError, match=r"smu\.c: smu, a 2636B, has the sources smu\.a, smu\.b"):
        driver.open()


def test_planes_add_up_to_the_codes() -> None:
    """Planes weighted by their bits give back every code, of either sign."""
    codes = np.array([[127, -127, 5, 0, -1, 64]])
    planes = planes_of(codes, 0.2, 8)
    total = np.zeros(6)
    for plane in planes:
        total[list(plane.rows)] += plane.weight * np.sign(plane.volts) * 127
    assert total == pytest.approx(codes[0])
    assert {plane.volts for plane in planes} == {0.2, -0.2}


def test_codes_are_clipped_and_rounded() -> None:
    volts = np.array([0.0, 0.1, 0.2, 0.3, -0.2])
    assert input_codes(volts, 0.2, 8).tolist() == [0, 64, 127, 127, -127]


def test_missing_readings_make_their_results_nan() -> None:
    planes = planes_of(np.array([[1], [2]]), 0.2, 3)
    current, status = added_up(planes, (2, 1), np.array([1e-6]), np.zeros(1, np.uint32))
    assert current[0, 0] == pytest.approx(1e-6 / 3)
    assert np.isnan(current[1, 0])
    assert status.ravel().tolist() == [0, 64]
