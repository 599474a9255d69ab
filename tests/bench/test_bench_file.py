"""The bench file: a good one, and every way to be wrong, all errors in one message."""

from pathlib import Path

import pytest

from xbar.bench.bench_file import load_bench_file
from xbar.bench.limits import Limits
from xbar.errors import FileError, FormatError
from xbar.toml_file import LARGEST_FILE

GOOD = """
schema = "xbar-bench/1"
driver = "sim"
card = "pcm"
seed = 7

[geometry]
arrays = 14
rows = 64
cols = 32

[converters]
dac_bits = 6
adc_bits = 10

[limits]
cell_voltage = "0.3 V"
current = "100 uA"
pulse_energy = "1 nJ"
pulses_per_cell = 1000

[sample]
name = "chip 3"
wafer = "W12"
operator = "me"

[options]
threads = 2
"""
SEVERAL = 'schema = "xbar-bench/1"\n[[drivers]]\nname = "a"\ndriver = "sim"\n'
HEAD = 'schema = "xbar-bench/1"\ndriver = "sim"\n'


def write(folder: Path, text: str) -> Path:
    file = folder / "lab.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_good_file_says_everything(tmp_path: Path) -> None:
    file = load_bench_file(write(tmp_path, GOOD))
    (found,) = file.drivers
    assert (found.driver, found.rest) == ("sim", "")
    assert found.options == {
        "threads": 2,
        "arrays": 14,
        "rows": 64,
        "cols": 32,
        "dac_bits": 6,
        "adc_bits": 10,
        "card": "pcm",
        "seed": 7,
    }
    assert found.limits == Limits(0.3, 100e-6, 1e-9, 1000)
    assert file.sample == {"name": "chip 3", "wafer": "W12", "die": "", "operator": "me", "note": ""}


def test_several_drivers_are_in_the_order_of_their_arrays(tmp_path: Path) -> None:
    """Each has its own options and limits; simulated ones are different chips where no seed is given."""
    text = (
        SEVERAL
        + """card = "pcm"
[drivers.limits]
cell_voltage = "0.3 V"
current = "1 mA"
[[drivers]]
name = "b"
driver = "sim"
[drivers.geometry]
arrays = 3
[sample]
name = "W3"
"""
    )
    file = load_bench_file(write(tmp_path, text))
    first, second = file.drivers
    assert (first.name, second.name, file.sample["name"]) == ("a", "b", "W3")
    assert (first.limits, second.limits) == (Limits(0.3, 1e-3), None)
    assert dict(first.options) == {"card": "pcm"}
    assert dict(second.options) == {"arrays": 3, "rows": 128, "cols": 128, "seed": 1}


def test_the_shortest_file_names_a_driver(tmp_path: Path) -> None:
    (found,) = load_bench_file(str(write(tmp_path, HEAD + 'address = "GPIB0::26"\n'))).drivers
    assert found.name == ""
    assert (found.driver, found.rest, found.options, found.limits) == ("sim", "GPIB0::26", {}, None)


def test_a_card_file_is_named_from_where_the_bench_file_lies(tmp_path: Path) -> None:
    (found,) = load_bench_file(write(tmp_path, HEAD + 'card = "cards/mine.toml"\n')).drivers
    assert Path(found.options["card"]) == tmp_path / "cards" / "mine.toml"
    absolute = (tmp_path / "other.toml").as_posix()
    assert load_bench_file(write(tmp_path, HEAD + f'card = "{absolute}"\n')).drivers[0].options["card"] == absolute


def test_all_errors_stand_in_one_message(tmp_path: Path) -> None:
    text = """
schema = "xbar-bench/1"
driver = "s"
seed = -1
colour = "red"
[geometry]
arrays = 0
rows = "many"
[converters]
dac_bits = 1
adc_bits = 17
[limits]
cell_voltage = 0.3
current = "5 V"
pulse_energy = "-1 nJ"
pulses_per_cell = 0
"""
    with pytest.raises(FormatError) as raised:
        load_bench_file(write(tmp_path, text))
    message = str(raised.value)
    places = (
        "driver",
        "seed",
        "colour",
        "geometry.arrays",
        "geometry.rows",
        "converters.dac_bits",
        "converters.adc_bits",
        "limits.cell_voltage",
        "limits.current",
        "limits.pulse_energy",
        "limits.pulses_per_cell",
    )
    assert f": {len(places)} errors\n" in message
    for place in places:
        assert f"\n  {place}: " in message, place
    assert "number without unit" in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + '[limits]\ncell_voltage = 0.3\ncurrent = "1 mA"\n', "limits.cell_voltage: .*number without unit"),
        (HEAD + '[limits]\ncell_voltage = "0.3"\ncurrent = "1 mA"\n', "limits.cell_voltage: .*has no unit"),
        (HEAD + '[limits]\ncell_voltage = true\ncurrent = "1 mA"\n', "limits.cell_voltage"),
        (HEAD + '[limits]\ncell_voltage = ["1 V"]\ncurrent = "1 mA"\n', "limits.cell_voltage"),
        (HEAD + '[limits]\ncell_voltage = "0 V"\ncurrent = "1 mA"\n', "limits.cell_voltage: .*greater than 0"),
        (HEAD + '[limits]\ncurrent = "1 mA"\n', "limits.cell_voltage: is missing"),
        ('schema = "xbar-bench/2"\ndriver = "sim"\n', "xbar-bench/1"),
        ('driver = "sim"\n', "schema: is missing"),
        ('schema = "xbar-bench/1"\n', "driver: is missing"),
        ("", "schema: is missing"),
        (SEVERAL + '[[drivers]]\nname = "a"\ndriver = "sim"\n', "drivers: .*two drivers have one name"),
        (SEVERAL + '[[drivers]]\ndriver = "sim"\n', "drivers.1..name: is missing"),
        (SEVERAL + '[[drivers]]\nname = "b"\ndriver = "sim"\nsample = "W3"\n', "drivers.1..sample: is not a key"),
        ('schema = "xbar-bench/1"\ndrivers = []\n', "drivers: .*at least 1"),
        (
            'driver = "sim"\n' + 'schema = "xbar-bench/1"\n[[drivers]]\nname = "a"\ndriver = "sim"\n',
            "driver: is not a key",
        ),
        ("schema = \n", "not a TOML file"),
        ("{" * 50, "not a TOML file"),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=message):
        load_bench_file(write(tmp_path, text))


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "lab.toml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FormatError, match="not a TOML file"):
        load_bench_file(file)


def test_a_file_that_cannot_be_read_is_a_file_error(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"missing\.toml does not exist"):
        load_bench_file(tmp_path / "missing.toml")
    with pytest.raises(FileError, match="not a file"):
        load_bench_file(tmp_path)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    file = tmp_path / "lab.toml"
    file.write_bytes(b"#" * (LARGEST_FILE + 1))
    with pytest.raises(FormatError, match="more than 1000 kB"):
        load_bench_file(file)
    file.write_bytes(HEAD.encode() + b"#" * (LARGEST_FILE - len(HEAD)))
    assert load_bench_file(file).drivers[0].driver == "sim"
