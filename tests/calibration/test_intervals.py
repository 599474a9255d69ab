"""Intervals against closed forms, and how often they hold the truth."""

import numpy as np
import pytest
from scipy import stats

from xbar.errors import InputError
from xbar_calibration.fit import held_out, simplest
from xbar_calibration.intervals import bootstrap, maximise, profile, proportion


def normal(values: np.ndarray) -> tuple[object, ...]:
    """Return the fitted mean and ln sigma of a normal sample with their intervals."""

    def function(p: np.ndarray) -> float:
        return float(stats.norm.logpdf(values, p[0], np.exp(p[1])).sum())

    peak = maximise(function, [0.0, 0.0], [1.0, 0.5])
    return profile(function, peak, ["mean", "log_sigma"], ["", ""])


def test_profile_of_a_normal_sample() -> None:
    """The mean's interval is that of the likelihood ratio: sigma sqrt(exp(chi2 / n) - 1) on both sides."""
    values = np.random.default_rng(1).normal(3.0, 2.0, 200)
    mean, log_sigma = normal(values)
    half = values.std() * np.sqrt(np.expm1(stats.chi2.ppf(0.95, 1) / 200))
    assert mean.value == pytest.approx(values.mean(), abs=1e-3)  # type: ignore[attr-defined]  # a parameter
    assert mean.high - mean.value == pytest.approx(half, rel=0.02)  # type: ignore[attr-defined]  # a parameter
    assert mean.value - mean.low == pytest.approx(half, rel=0.02)  # type: ignore[attr-defined]  # a parameter
    assert np.exp(log_sigma.value) == pytest.approx(values.std(), rel=1e-3)  # type: ignore[attr-defined]  # the same


def test_coverage_of_profiles() -> None:
    """Of 60 intervals between 50 and 60 hold the truth: by chance fewer in 0.1 %."""
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(30):
        mean, log_sigma = normal(rng.normal(0.5, 1.5, 60))
        held += mean.covers(0.5) + log_sigma.covers(np.log(1.5))  # type: ignore[attr-defined]  # parameters
    assert held >= 50


def test_open_intervals_are_infinite() -> None:
    """A parameter that the data do not determine has an open interval."""

    def function(p: np.ndarray) -> float:
        return -0.5 * float((p[0] - 1) ** 2)

    first, second = profile(function, maximise(function, [0.0, 0.0], [1.0, 1.0]), ["a", "b"], ["", ""])
    assert first.high == pytest.approx(1 + 1.96, abs=0.05)
    assert second.low == -np.inf
    assert second.high == np.inf


def test_impossible_data_are_an_error() -> None:
    """A likelihood that is zero where the search begins is told, not searched."""
    with pytest.raises(InputError, match="likelihood of the data is zero"):
        maximise(lambda p: -np.inf, [0.0], [1.0])


def test_shares_and_bootstrap() -> None:
    """Shares have exact intervals, medians bootstrap ones that hold the middle of a large sample."""
    none = proportion("off", 0, 100)
    assert none.low == 0
    assert none.high == pytest.approx(1 - 0.025 ** (1 / 100))
    values = np.random.default_rng(3).normal(7.0, 1.0, 400)
    found = bootstrap("median", values, np.median)
    assert found.low < 7.0 < found.high
    assert found.high - found.low == pytest.approx(4 * 1.2533 / 20, rel=0.3)


def test_the_simplest_of_near_laws_is_taken() -> None:
    """A law with fewer parameters wins unless the other is better by an AIC of 4."""
    sizes = {"line": 2, "cubic": 4}
    assert simplest({"line": 103.0, "cubic": 100.0}, sizes) == "line"
    assert simplest({"line": 105.0, "cubic": 100.0}, sizes) == "cubic"


def test_held_out_spread() -> None:
    """Normal residuals agree with one, those of twice the size do not; few tell nothing."""
    z = np.random.default_rng(4).standard_normal(500)
    good, bad = held_out(z), held_out(2 * z)
    assert good is not None
    assert bad is not None
    assert good.agrees
    assert not bad.agrees
    assert held_out(z[:5]) is None
