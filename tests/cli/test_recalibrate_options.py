"""`--recalibrate` and `--recalibrate-by` of `xbar run` and `xbar budget`, and what reports say of before and after."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]

SAMPLES = ("--data", "sample:digits", "--samples", 20, "--at", "1 month")


@pytest.mark.parametrize("by", ["products", "statistics"])
def test_the_report_tells_before_and_after(run: Run, digits_file: Path, by: str) -> None:
    """Text and JSON tell each layer's error without and with, and the fit on its samples."""
    given = ("run", digits_file, *SAMPLES, "--recalibrate", "sample:digits", "--recalibrate-by", by)
    assert "nothing made up for" in run(*given).out
    found = json.loads(run(*given, "--compensate", "column", "--json").out)
    for layer in found["layers"]:
        assert layer["snr_db"] > layer["bare_snr_db"] + 8
    assert [layer["name"] for layer in found["compensated"]] == [layer["name"] for layer in found["layers"]]
    for layer in found["recalibrated"]:
        assert layer["after_db"] > layer["before_db"] + 1


def test_the_budget_takes_it_too(run: Run, digits_file: Path) -> None:
    """With recalibration, drift that is left alone costs next to nothing."""
    given = ("budget", digits_file, "--data", "sample:digits", "--samples", 10, "--at", "1 month", "--json")
    plain, fitted = (json.loads(run(*given, *more).out) for more in ((), ("--recalibrate", "sample:digits")))
    drift = [
        [e["alone"]["layers"][0]["snr_db"] for e in f["effects"] if e["effect"] == "drift"] for f in (plain, fitted)
    ]
    assert drift[1][0] > drift[0][0] + 8


def test_a_fit_without_samples_is_refused(run: Run, digits_file: Path) -> None:
    for command in ("run", "budget"):
        ended = run(command, digits_file, "--data", "sample:digits", "--recalibrate-by", "statistics")
        assert ended.code == 2
        assert "--recalibrate" in ended.err
    ended = run("run", digits_file, *SAMPLES, "--recalibrate", "sample:digits", "--recalibrate-by", "means")
    assert ended.code == 2
    assert "products or statistics" in ended.err
