"""Converters on the command line: bits, and a file of what is not ideal about them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
"""Runs `xbar` with arguments; returns exit code, standard output and standard error."""

FILE = 'schema = "xbar-converters/1"\nadc_bits = 6\n[adc]\nmodel = "sar"\nunit_capacitor_sigma = "5 %"\n'


@pytest.fixture
def converters(tmp_path: Path) -> Path:
    path = tmp_path / "converters.toml"
    path.write_text(FILE, encoding="utf-8")
    return path


def test_a_run_takes_bits_and_errors(run: Run, digits_file: Path, converters: Path) -> None:
    """The file's errors and bits; bits of the command line go before them; what clipped is told."""
    how = ("run", digits_file, "--data", "sample:digits", "--samples", 40, "--converters", converters)
    report = json.loads(run(*how, "--json").out)
    notes = {effect["name"]: effect["note"] for effect in report["effects"]}
    assert notes["adc"] == "6 bits, steps with errors"
    assert notes["adc_errors"] == "model sar, unit capacitor sigma 5 %"
    assert [layer["name"] for layer in report["clipped"]] == [layer["name"] for layer in report["layers"]]
    assert all(layer["outputs"] > 0 for layer in report["clipped"])
    more = json.loads(run(*how, "--adc-bits", 9, "--dac-bits", 5, "--json").out)
    notes = {effect["name"]: effect["note"] for effect in more["effects"]}
    assert (notes["dac"], notes["adc"]) == ("5 bits, ideal steps", "9 bits, steps with errors")


def test_what_clipped_is_printed(run: Run, digits_file: Path, tmp_path: Path) -> None:
    how = ("run", digits_file, "--data", "sample:digits", "--samples", 20, "--converters")
    for factor, text in ((0.3, "conversions that clipped"), (4.0, "no conversion clipped")):
        path = tmp_path / f"{factor}.toml"
        path.write_text(f'schema = "xbar-converters/1"\nrange_factor = {factor}\n', encoding="utf-8")
        assert text in run(*how, path).out


def test_the_budget_has_a_row_for_the_errors(run: Run, digits_file: Path, converters: Path) -> None:
    how = ("budget", digits_file, "--data", "sample:digits", "--samples", 20, "--card", "ideal", "--json")
    names = [row["effect"] for row in json.loads(run(*how, "--converters", converters).out)["effects"]]
    assert names == ["dac", "adc", "adc_errors"]


def test_bad_files_and_bits_are_one_message(run: Run, digits_file: Path, tmp_path: Path) -> None:
    how = ("run", digits_file, "--data", "sample:digits", "--samples", 5)
    bad = tmp_path / "bad.toml"
    bad.write_text('schema = "xbar-converters/1"\n[adc]\nnoise = 0.5\n', encoding="utf-8")
    ended = run(*how, "--converters", bad)
    assert ended.code != 0
    assert "adc.noise: a number without unit" in ended.err
    assert run(*how, "--adc-bits", 17).code != 0
    ended = run(*how, "--converters", tmp_path / "none.toml")
    assert ended.code != 0
    assert "does not exist" in ended.err
