"""Converters in bench files and files of their own: units, tables beside them, and all errors in one message."""

from pathlib import Path

import pytest

from xbar.bench.bench_file import load_bench_file
from xbar.bench.converter_section import load_converters
from xbar.errors import FileError, FormatError

HEAD = 'schema = "xbar-converters/1"\n'
EVERYTHING = """
bit_serial = "twos-complement"
range_factor = 1.5
[dac]
gain_sigma = "1 %"
offset_sigma = "0.25 LSB"
[sense]
gain_sigma = 0.02
offset_sigma = "3 nA"
bandwidth = "10 MHz"
time = "100 ns"
noise_density = "0.5 pA/rtHz"
saturation = "80 uA"
[adc]
gain_sigma = "2 %"
offset_sigma = "4 LSB"
noise = "0.3 LSB"
model = "ramp"
slope_sigma = "0.5 %"
curvature = "-1.5 LSB"
columns_per_adc = 8
"""
VALUES = {
    "bit_serial": "twos-complement",
    "range_factor": 1.5,
    "dac": {"gain_sigma": 0.01, "offset_sigma": 0.25},
    "sense": {
        "gain_sigma": 0.02,
        "offset_sigma": 3e-9,
        "bandwidth": 1e7,
        "time": 1e-7,
        "noise_density": 5e-13,
        "saturation": 8e-5,
    },
    "adc": {
        "gain_sigma": 0.02,
        "offset_sigma": 4.0,
        "noise": 0.3,
        "model": "ramp",
        "slope_sigma": 0.005,
        "curvature": -1.5,
        "columns_per_adc": 8,
    },
}


def write(folder: Path, text: str, name: str = "converters.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_says_everything_in_si_units(tmp_path: Path) -> None:
    found = load_converters(write(tmp_path, HEAD + "adc_bits = 10\n" + EVERYTHING))
    assert found["adc_bits"] == 10
    assert "dac_bits" not in found
    assert {name: pytest.approx(v) if isinstance(v, dict) else v for name, v in VALUES.items() if name != "adc"} == {
        name: value for name, value in found["converters"].items() if name != "adc"
    }
    assert found["converters"]["adc"] == VALUES["adc"]


def test_a_bench_file_has_the_same_keys(tmp_path: Path) -> None:
    text = 'schema = "xbar-bench/1"\ndriver = "sim"\n[converters]\n' + EVERYTHING.replace("[", "[converters.")
    (found,) = load_bench_file(write(tmp_path, text)).drivers
    alone = load_converters(write(tmp_path, HEAD + EVERYTHING))
    assert found.options["converters"] == alone["converters"]
    assert (found.options["dac_bits"], found.options["adc_bits"]) == (8, 8)


def test_ideal_converters_are_no_option(tmp_path: Path) -> None:
    """A driver of somebody's own need not know what it cannot do."""
    text = 'schema = "xbar-bench/1"\ndriver = "sim"\n[converters]\nadc_bits = 6\n'
    assert load_bench_file(write(tmp_path, text)).drivers[0].options == {"dac_bits": 8, "adc_bits": 6}
    assert load_converters(write(tmp_path, HEAD)) == {}


@pytest.mark.parametrize("head", ["", "code,inl\n", "# measured on 3 March\n"])
def test_a_table_stands_beside_the_file(tmp_path: Path, head: str) -> None:
    """The last column of a text file, its head and comments left out; the folder is that of the file."""
    write(tmp_path, head + "".join(f"{k}, {0.01 * k:g}  # a code\n" for k in range(14)), "inl.csv")
    found = load_converters(write(tmp_path, HEAD + 'adc_bits = 4\n[adc]\ninl = "inl.csv"\n'))
    assert found["converters"]["adc"]["inl"] == pytest.approx([0.01 * k for k in range(14)])
    inline = load_converters(write(tmp_path, HEAD + "[dac]\ndnl = [0.1, -0.1]\n"))
    assert inline["converters"] == {"dac": {"dnl": (0.1, -0.1)}}


def test_all_errors_stand_in_one_message(tmp_path: Path) -> None:
    text = """
range_factor = 0.0
dac_bits = 1
bit_serial = "gray"
[dac]
gain_sigma = "130 %"
offset_sigma = 0.3
[sense]
bandwidth = "10 MV"
time = "1"
[adc]
model = "flash"
noise = "0.3"
inl = [0.1, nan]
sigma = 1
"""
    with pytest.raises(FormatError) as raised:
        load_converters(write(tmp_path, HEAD + text))
    places = (
        "range_factor",
        "dac_bits",
        "bit_serial",
        "dac.gain_sigma",
        "dac.offset_sigma",
        "sense.bandwidth",
        "sense.time",
        "adc.model",
        "adc.noise",
        "adc.inl",
        "adc.sigma",
    )
    for place in places:
        assert f"  {place}" in str(raised.value), place


@pytest.mark.parametrize(
    ("text", "table", "message"),
    [
        ('[adc]\ninl = "t.csv"\n', "1,0.1\n2,x\n", "converters.adc.inl: .*line 2 does not end in a number"),
        ('[adc]\ninl = "t.csv"\n', "0.1\ninf\n", "line 2 is not finite"),
        ('[adc]\ninl = "t.csv"\n', "0\n" * 9000, "more than 8192 numbers"),
        ('[adc]\nslope_sigma = "1 %"\n', "", "slope_sigma belongs to model 'ramp'"),
        ('[sense]\nbandwidth = "1 MHz"\n', "", "bandwidth and time belong together"),
        ('schema = "xbar-converters/2"\n', "", "this version of xbar reads 'xbar-converters/1'"),
        ("[adc\n", "", "not a TOML file"),
    ],
)
def test_what_cannot_be_is_one_message(tmp_path: Path, text: str, table: str, message: str) -> None:
    write(tmp_path, table, "t.csv")
    head = "" if "schema" in text else HEAD
    with pytest.raises(FormatError, match=message):
        load_converters(write(tmp_path, head + text))


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"table .*none\.csv does not exist"):
        load_converters(write(tmp_path, HEAD + '[adc]\ninl = "none.csv"\n'))
    with pytest.raises(FileError, match=r"converter file .* does not exist"):
        load_converters(tmp_path / "none.toml")
