"""Laws of cells: derivatives, monotony, limits, on several array libraries."""

from collections.abc import Callable
from typing import Any

import array_api_strict
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xbar.circuit import Ohmic, Polynomial, PooleFrenkel, Resistor, Selector, Series, Sinh
from xbar.errors import InputError

LAWS: list[Any] = [
    Ohmic(),
    Resistor(2e4),
    Sinh(0.1),
    Selector(1e-7, 0.05),
    PooleFrenkel(3.0),
    Polynomial((0.4, 1.0, 0.2), limit=0.7),
    Series(Sinh(0.1), Resistor(2e4)),
    Series(Ohmic(), Selector(1e-7, 0.05)),
    Series(PooleFrenkel(3.0), Selector(1e-7, 0.05)),
]
POINTS = np.array([-3.0, -0.6, -0.31, -1e-3, -1e-9, 0.0, 1e-12, 2e-3, 0.05, 0.2, 0.45, 1.1, 5.0])


def names(law: Any) -> str:
    return str(law)


@pytest.mark.parametrize("law", LAWS, ids=names)
def test_the_conductance_is_the_slope_of_the_current(law: Any) -> None:
    g = np.full(POINTS.shape, 3e-5)
    h = 1e-6 * np.maximum(np.abs(POINTS), 1e-9)
    difference = (law.current(g, POINTS + h) - law.current(g, POINTS - h)) / (2 * h)
    # At the limit of a law its slope stays continuous, not its curvature.
    assert law.conductance(g, POINTS) == pytest.approx(difference, rel=2e-5)


@pytest.mark.parametrize("law", LAWS, ids=names)
def test_the_derivative_by_g(law: Any) -> None:
    g = np.full(POINTS.shape, 3e-5)
    h = 1e-9
    difference = (law.current(g + h, POINTS) - law.current(g - h, POINTS)) / (2 * h)
    scale = np.abs(difference) + 1e-6 * np.abs(law.current(g, POINTS)) / 3e-5
    assert (np.abs(law.by_g(g, POINTS) - difference) <= 1e-4 * scale).all()


@pytest.mark.parametrize("law", LAWS, ids=names)
@given(v=st.floats(-20, 20), step=st.floats(1e-6, 5))
def test_currents_increase_with_the_voltage(law: Any, v: float, step: float) -> None:
    g = np.array([1e-5])
    low, high = law.current(g, np.array([v])), law.current(g, np.array([v + step]))
    assert np.isfinite([low, high]).all()
    assert high > low
    assert law.conductance(g, np.array([v])) > 0


@pytest.mark.parametrize("law", LAWS, ids=names)
def test_without_voltage_nothing_flows(law: Any) -> None:
    assert law.current(np.array([1e-5]), np.array([0.0])) == 0.0


@pytest.mark.parametrize("law", LAWS, ids=names)
def test_every_array_library_gives_the_same(law: Any) -> None:
    g, v = np.full(POINTS.shape, 3e-5), POINTS.copy()
    g.flags.writeable = v.flags.writeable = False
    strict = law.evaluate(array_api_strict.asarray(np.array(g)), array_api_strict.asarray(np.array(v)))
    for one, two in zip(law.evaluate(g, v), strict, strict=True):
        assert type(two).__module__.startswith("array_api_strict")
        assert np.asarray(two) == pytest.approx(one, rel=1e-12)


@pytest.mark.parametrize("v0", [0.05, 0.3])
def test_sinh_is_exact(v0: float) -> None:
    v = np.concatenate([np.geomspace(1e-12, 30 * v0, 200), -np.geomspace(1e-12, 30 * v0, 200)])
    found = Sinh(v0).current(np.ones(v.shape), v)
    exact = np.array([float(np.sinh(np.longdouble(x) / v0) * v0) for x in v])
    # The exponential multiplies the rounding of its argument.
    assert np.abs(found / exact - 1).max() <= 1e-14


def test_currents_in_series_are_equal_and_voltages_add() -> None:
    law = Series(Sinh(0.1), Selector(1e-7, 0.05))
    g, v = np.full(POINTS.shape, 3e-5), POINTS
    x = law.device_voltage(g, v)
    one, two = law.device.current(g, x), law.access.current(g, v - x)
    assert one == pytest.approx(two, rel=1e-9)
    assert law.current(g, v) == pytest.approx(one, rel=1e-9)
    ohmic = Series(Ohmic(), Resistor(1e4))
    assert ohmic.current(g, v) == pytest.approx(v / (1 / 3e-5 + 1e4), rel=1e-15)


def test_an_open_device_in_series_is_open() -> None:
    law = Series(Ohmic(), Selector(1e-7, 0.05))
    current, slope = law.evaluate(np.zeros(POINTS.shape), POINTS)
    assert not current.any()
    assert not slope.any()


def test_poole_frenkel_is_the_published_formula() -> None:
    assert PooleFrenkel(2.0).current(np.array([1e-5]), np.array([0.25]))[0] == pytest.approx(1e-5 * 0.25 * np.exp(1.0))


BAD: list[tuple[Callable[[], Any], str]] = [
    (lambda: Sinh(0.0), "v0 of a sinh law is 0 V"),
    (lambda: Selector(-1e-9, 0.1), "i0 of a selector"),
    (lambda: Resistor(float("inf")), "must be positive"),
    (lambda: PooleFrenkel(-1.0), "b sqrt"),
    (lambda: PooleFrenkel(80.0, limit=1.0), "b sqrt"),
    (lambda: Polynomial((0.0, -0.25), limit=2.0), "turns at 1.155 V; lower the limit"),
    (lambda: Sinh("0.1"), "v0 of a sinh law is '0.1'; give a number in V"),  # type: ignore[arg-type]  # bad on purpose
    (lambda: Polynomial(0.3), "give coefficients"),  # type: ignore[arg-type]  # bad on purpose
    (lambda: Series(Sinh(0.1), 50.0), "the access device is 50.0; give a law of cells"),
    (lambda: Polynomial((float("nan"),)), "finite"),
]


@pytest.mark.parametrize(("make", "message"), BAD)
def test_laws_that_cannot_be_are_refused(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


def test_the_cubic_toy_up_to_its_turn() -> None:
    """I = G (V - 0.25 V^3) increases up to 1.155 V."""
    law = Polynomial((0.0, -0.25), limit=1.1)
    assert law.current(np.array([1e-5]), np.array([1.0]))[0] == pytest.approx(0.75e-5)
