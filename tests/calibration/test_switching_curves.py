"""Sweeps in which cells switch: the law is that of the states between, not the mean of both."""

from pathlib import Path

import numpy as np
import pytest

from xbar.errors import InputError
from xbar_calibration.command import calibrate_files
from xbar_calibration.report import Report

FLAGS = ["voltage=V:V", "current=I:A", "curve=cycle"]
V0 = 0.6
"""Of the high-resistance state [V]; the other one is straight."""


def _loop(
    rng: np.random.Generator, low: float, high: float, *, bipolar: bool, gradual: bool, straight: bool
) -> list[tuple[float, float]]:
    """Return the points of a sweep that sets at 1 V and, where it goes there, resets from -0.7 V on."""
    up = np.linspace(0, 1.5, 31)
    volts = np.r_[up, up[::-1][1:], -up[1:], -up[::-1][1:]] if bipolar else np.r_[up, up[::-1][1:]]
    state, points = 0.0, list[tuple[float, float]]()
    for v in volts:
        if v >= 1.0:
            state = 1.0
        if v <= -0.7:
            state = max(0.0, min(state, 1 - (-v - 0.7) / 0.6)) if gradual else 0.0
        off = high * (v if straight else V0 * np.sinh(v / V0))
        current = (state * low * v + (1 - state) * off) * (1 + 0.01 * rng.standard_normal())
        points.append((float(v), float(current)))
    return points


def _calibrated(path: Path, *, bipolar: bool = True, gradual: bool = False, straight: bool = False) -> Report:
    rng = np.random.default_rng(1)
    lines = ["cycle,V,I"]
    for cycle in range(8):
        low, high = 4e-4 * (1 + 0.05 * rng.standard_normal()), 1e-5 * np.exp(0.2 * rng.standard_normal())
        points = _loop(rng, float(low), float(high), bipolar=bipolar, gradual=gradual, straight=straight)
        lines += [f"{cycle},{v:.4f},{i:.6e}" for v, i in points]
    path.write_text("\n".join(lines), encoding="utf-8")
    return calibrate_files([path], "loop", FLAGS)


@pytest.mark.parametrize("bipolar", [True, False])
def test_a_switching_loop_gives_the_laws_of_both_states(tmp_path: Path, bipolar: bool) -> None:
    """The currents of the low state are straight and those of the high one a sinh: each to its noise of 1 %."""
    report = _calibrated(tmp_path / "loop.csv", bipolar=bipolar)
    fit = report.found.fit("iv_nonlinearity")
    assert fit.kind == "polynomial"
    residual = float(str(fit.notes[0]).removeprefix("relative residual ").split(" ")[0])
    assert 0.8 < residual < 1.4
    assert report.found.g_min == pytest.approx(1e-5, rel=0.5)
    assert report.found.g_max == pytest.approx(4e-4, rel=0.2)
    assert any("cells switch in 8 curves" in note for note in report.found.notes)


def test_states_that_change_gradually_are_left_out(tmp_path: Path) -> None:
    """A RESET that takes its time leaves the points on the way back, which are of one state."""
    report = _calibrated(tmp_path / "loop.csv", gradual=True)
    residual = float(str(report.found.fit("iv_nonlinearity").notes[0]).removeprefix("relative residual ").split(" ")[0])
    assert residual < 1.5


def test_two_straight_states_are_refused_as_such(tmp_path: Path) -> None:
    """Where both states are straight there is no law, and the refusal says that the cells switch."""
    with pytest.raises(InputError, match=r"straight up to .* cells switch in 8 curves: \d+ branches"):
        _calibrated(tmp_path / "loop.csv", straight=True)
