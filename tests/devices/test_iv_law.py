"""I-V laws: derivative against differences, symmetry, and the conductance at the read voltage."""

from typing import Any

import numpy as np
import pytest

from xbar.devices.card_file import load_card
from xbar.devices.iv_law import CubicIv, IvLaw, LinearIv, PolynomialIv, PooleFrenkelIv, SinhIv, at_read

MILO = load_card("reram_milo").iv_nonlinearity
assert isinstance(MILO, PolynomialIv)
LAWS: dict[str, IvLaw] = {
    "linear": LinearIv(),
    "sinh": SinhIv(0.33),
    "cubic": CubicIv(-0.25),
    "polynomial": MILO,
    # Fit of measured SiOx cells.
    "poole_frenkel": PooleFrenkelIv(-1.060, 0.247, 0.455, -0.877),
}


@pytest.mark.parametrize("name", sorted(LAWS))
def test_derivative(name: str) -> None:
    """The differential conductance is the slope of the current, by central differences."""
    law = LAWS[name]
    v, g = np.meshgrid(np.linspace(-0.45, 0.45, 10), np.array([70e-6, 100e-6]))
    h = 1e-5
    slope = (law.current(v + h, g) - law.current(v - h, g)) / (2 * h)
    assert law.conductance(v, g) == pytest.approx(slope, rel=1e-5)


@pytest.mark.parametrize("name", sorted(LAWS))
def test_no_current_at_zero_and_odd(name: str) -> None:
    """At 0 V no current flows, and the opposite voltage gives the opposite current."""
    law = LAWS[name]
    v, g = np.array([0.0, 0.1, 0.4]), np.full(3, 1e-4)
    assert law.current(v, g)[0] == 0
    np.testing.assert_allclose(law.current(-v, g), -law.current(v, g), rtol=1e-14)
    assert np.all(np.diff(law.current(v, g)) > 0)


@pytest.mark.parametrize("name", sorted(LAWS))
def test_conductance_at_the_read_voltage(name: str) -> None:
    """The parameter that `at_read` finds gives the asked chord conductance."""
    law = LAWS[name]
    g = np.array([60e-6, 150e-6, 200e-6])
    found = at_read(law, g, 0.2)
    assert law.current(np.full(3, 0.2), found) / 0.2 == pytest.approx(g, rel=1e-9)


def test_sinh_over_its_linear_line() -> None:
    """At three times v0 the current is sinh(3) / 3 of the linear one."""
    assert SinhIv(0.2).current(np.array([0.6]), np.array([1e-5]))[0] == pytest.approx(1e-5 * 0.2 * np.sinh(3))


def test_poole_frenkel_of_siox_cells() -> None:
    """A cell of 10 kohm, read at 0.1 V, has 10 kohm there to the fit's 10 %, and G(0.5) / G(0.25) of about 1.2."""
    law = LAWS["poole_frenkel"]
    g = np.full(3, 1e-4)
    chord = law.current(np.array([0.1, 0.25, 0.5]), g) / np.array([0.1, 0.25, 0.5])
    assert chord[0] == pytest.approx(1e-4, rel=0.1)
    assert chord[2] / chord[1] == pytest.approx(1.23, abs=0.05)


@pytest.mark.parametrize("name", sorted(LAWS))
def test_runs_on_every_library(arrays: Any, name: str) -> None:
    """Laws answer in double precision on the library and device of their arguments, and change none."""
    law = LAWS[name]
    v, g = np.array([-0.3, 0.0, 0.2]), np.array([60e-6, 100e-6, 200e-6])
    given = arrays.make(v), arrays.make(g)
    for part in (law.current, law.conductance):
        got = part(*given)
        assert type(got) is type(given[0])
        np.testing.assert_allclose(arrays.back(got), part(v, g), rtol=1e-13)
    np.testing.assert_array_equal(arrays.back(given[0]), v)
