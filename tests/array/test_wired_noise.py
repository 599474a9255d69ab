"""Products whose read noise goes through the wires exactly."""

import numpy as np
import pytest
from numpy.typing import NDArray

from xbar.array.periphery import Periphery
from xbar.array.product import ArrayProduct
from xbar.array.wired_noise import WiredNoiseProduct
from xbar.circuit import Wires, effective_operator
from xbar.circuit.read_noise import NoiseStream, noisy_currents
from xbar.errors import Unsupported

Floats = NDArray[np.float64]
WIRES = Wires(30.0, 50.0, source=20.0)
G = 1e-4 * 10.0 ** np.random.default_rng(0).uniform(-2, 0, (12, 10))
VOLTS = np.random.default_rng(1).uniform(-0.2, 0.2, (9, 12)).astype(np.float32)
EVENTS = np.arange(9, dtype=np.uint64) + np.uint64(2**32 - 4)
STEP, OUT_STEP = 0.2 / 127, np.full(10, 2e-5 / 127)


def product(sigma: Floats, adc_bits: int | None = 8) -> WiredNoiseProduct:
    return WiredNoiseProduct(G, sigma, WIRES, 3, Periphery(adc_bits=adc_bits, seed=5))


def test_currents_are_the_exact_noisy_ones_of_the_converted_volts() -> None:
    out = np.empty((9, 10))
    product(0.05 * G, None).convert(VOLTS, STEP, np.ones(10), EVENTS, out)
    v = np.clip(np.rint(VOLTS / np.float32(STEP)), -127, 127).astype(float) * STEP
    want = noisy_currents(effective_operator(G, WIRES), v, 0.05 * G, NoiseStream(EVENTS, 3, 5)).currents
    assert np.abs(out - want).max() <= 1e-13 * np.abs(want).max()


def test_without_noise_the_codes_are_those_of_the_operator() -> None:
    out, want = np.empty((9, 10), np.int8), np.empty((9, 10), np.int8)
    product(0 * G).convert(VOLTS, STEP, OUT_STEP, EVENTS, out)
    plain = ArrayProduct(effective_operator(G, WIRES).matrix, None, 3, Periphery(seed=5))
    plain.convert(VOLTS, STEP, OUT_STEP, EVENTS, want)
    assert np.array_equal(out, want)
    assert len(np.unique(out)) > 20


def test_codes_do_not_depend_on_the_batch() -> None:
    whole, parts = np.empty((9, 10), np.int8), np.empty((9, 10), np.int8)
    noise = product(0.1 * G)
    noise.convert(VOLTS, STEP, OUT_STEP, EVENTS, whole)
    for block in (slice(0, 1), slice(1, 6), slice(6, 9)):
        noise.convert(VOLTS[block], STEP, OUT_STEP, EVENTS[block], parts[block])
    assert np.array_equal(whole, parts)
    other = np.empty((9, 10), np.int8)
    noise.convert(VOLTS, STEP, OUT_STEP, EVENTS + np.uint64(1), other)
    assert not np.array_equal(whole, other)


def test_a_part_of_the_array_sees_the_rest_at_0_volt() -> None:
    """Its word lines stand at 0 V, and their cells still load the bit lines and have noise."""
    whole, part = np.empty((9, 10)), np.empty((9, 6))
    volts = VOLTS.copy()
    volts[:, 8:] = 0
    noise = product(0.1 * G, None)
    noise.convert(volts, STEP, np.ones(10), EVENTS, whole)
    noise.part(8, 6).convert(VOLTS[:, :8], STEP, np.ones(6), EVENTS, part)
    assert np.array_equal(part, whole[:, :6])


def test_a_vector_that_does_not_converge_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xbar.circuit.read_noise.INNER", 0.5)
    monkeypatch.setattr("xbar.circuit.read_noise.ROUNDS", 0)
    with pytest.raises(Unsupported, match="did not converge"):
        product(0.1 * G).convert(VOLTS, STEP, OUT_STEP, EVENTS, np.empty((9, 10), np.int8))
