"""Products through converters that are not ideal: the same bits however they are asked for, and what bits add up to."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import array_api_strict
import numpy as np
import pytest
from numpy.typing import NDArray

from xbar.array.device import Device
from xbar.array.periphery import Periphery
from xbar.array.simulated_arrays import SimulatedArrays
from xbar.bench.settings import VectorConfig
from xbar.bench.status import Status
from xbar.circuit.wires import Wires
from xbar.devices.card_file import load_card
from xbar.errors import Unsupported
from xbar.execution.open_bench import open_bench
from xbar.periphery.real_converters import real_converters

ROWS, COLS, BATCH = 24, 14, 700
ERRORS: dict[str, dict[str, Any]] = {
    "adc": {"adc": {"gain_sigma": 0.03, "offset_sigma": 1.0, "noise": 0.4, "columns_per_adc": 3}},
    "sar": {"adc": {"model": "sar", "unit_capacitor_sigma": 0.05, "noise": 0.2}},
    "ramp": {"adc": {"model": "ramp", "slope_sigma": 0.02, "curvature": 1.0}},
    "pipeline": {"adc": {"model": "pipeline", "stage_gain_sigma": 0.02, "noise": 0.2}},
    "dac": {"dac": {"gain_sigma": 0.02, "offset_sigma": 0.3, "dnl_sigma": 0.1}},
    "sense": {
        "sense": {"gain_sigma": 0.02, "bandwidth": 1e7, "time": 5e-8, "noise_density": 2e-11, "saturation": 3e-5}
    },
    "serial": {"bit_serial": "sign-magnitude", "range_factor": 2.0},
    "complement": {"bit_serial": "twos-complement", "dac": {"gain_sigma": 0.01}, "adc": {"noise": 0.3}},
}
VOLTS = np.random.default_rng(1).uniform(-0.21, 0.21, (2, BATCH, ROWS)).astype(np.float32)
EVENTS = np.arange(BATCH, dtype=np.uint64) + np.uint64(2**32 - 40)


def make(errors: dict[str, Any] | None, device: Device | None = None, card: str = "pcm", **how: Any) -> SimulatedArrays:
    real = None if errors is None else real_converters(errors)
    periphery = Periphery(**{"seed": 5, "real": real} | how)
    made = SimulatedArrays(2, ROWS, COLS, load_card(card), periphery, device)
    for array in range(2):
        made.program(array, np.random.default_rng(array).uniform(0, 25e-6, (ROWS, COLS)), 0.0)
    return made


def multiply(
    arrays: SimulatedArrays, which: tuple[int, ...] = (0, 1), part: slice = slice(None), **more: Any
) -> NDArray[Any]:
    picked = VOLTS[list(which), part]
    ranges = np.full((len(which), COLS), 4e-5)
    clipped = np.empty((len(which), picked.shape[1], COLS), np.bool_)
    given = (picked, np.full(len(which), 0.2), ranges, EVENTS[part])
    codes, _ = arrays.multiply(which, *given, clipped=clipped, **more)
    return np.stack([codes, clipped.astype(codes.dtype)])


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("exact", [True, False])
def test_the_same_bits_for_any_batch_threads_and_arrays(name: str, exact: bool) -> None:
    arrays = make(ERRORS[name], exact=exact)
    expected = multiply(arrays)
    assert expected[0].any()
    assert not expected[1].all()
    np.testing.assert_array_equal(multiply(arrays, (1, 0))[:, ::-1], expected)
    with ThreadPoolExecutor(3) as pool:
        np.testing.assert_array_equal(multiply(arrays, pool=pool), expected)
    if exact:
        np.testing.assert_array_equal(multiply(arrays, (1,), slice(250, 263))[:, 0], expected[:, 1, 250:263])
        parts = [multiply(arrays, part=slice(first, first + 1)) for first in (0, 255, 256)]
        np.testing.assert_array_equal(np.concatenate(parts, axis=2), expected[:, :, [0, 255, 256]])


@pytest.mark.parametrize("name", ERRORS)
def test_errors_stay_when_the_cells_age(name: str) -> None:
    """A new read epoch has other cells and the same converters; another chip has others."""
    arrays = make(ERRORS[name], card="ideal")
    expected = multiply(arrays)
    arrays.wait(1e3)
    np.testing.assert_array_equal(multiply(arrays), expected)
    if name != "serial":  # nothing in it is drawn
        assert (multiply(make(ERRORS[name], card="ideal", seed=6))[0] != expected[0]).any()


@pytest.mark.parametrize("name", ERRORS)
def test_a_device_gives_the_bits_of_the_kernels(name: str) -> None:
    """Arrays that refuse to mix with the host's: what breaks on a GPU breaks here."""
    other = array_api_strict.Device("device1")
    host = array_api_strict.Device("CPU_DEVICE")
    device = Device(
        "strict",
        lambda a: array_api_strict.asarray(np.array(a), device=other),
        lambda a: np.asarray(array_api_strict.asarray(a, device=host)),
    )
    some = slice(0, 60)
    np.testing.assert_array_equal(
        multiply(make(ERRORS[name], device), part=some), multiply(make(ERRORS[name]), part=some)
    )


def test_ideal_converters_take_the_fast_path() -> None:
    """Errors of nothing give the bits of no errors, and no product looks at them."""
    base, _ = make(None).multiply((0,), VOLTS[:1], np.full(1, 0.2), np.full((1, COLS), 4e-5), EVENTS)
    with open_bench("sim", converters={"adc": {"gain_sigma": 0.0}}, rows=4, cols=4) as bench:
        assert bench.settings["converters"] is None
    # Range factors alone go the slow way with nothing to do: the same codes for half the range asked for.
    halved, _ = make({"range_factor": 2.0}).multiply((0,), VOLTS[:1], np.full(1, 0.2), np.full((1, COLS), 2e-5), EVENTS)
    np.testing.assert_array_equal(base, halved)


@pytest.mark.parametrize("way", ["sign-magnitude", "twos-complement"])
def test_bit_serial_inputs_give_the_direct_product(way: str) -> None:
    """With steps fine enough, planes converted one by one and added are the product of the whole codes."""
    serial = make({"bit_serial": way}, card="ideal", adc_bits=16)
    g = serial.conductances(0)
    codes, steps = serial.multiply((0,), VOLTS[:1], np.full(1, 0.2), np.full((1, COLS), 2e-4), EVENTS)
    assert codes.dtype == np.int32
    inputs = np.clip(np.rint(VOLTS[0].astype(float) / (0.2 / 127)), -127, 127) * 0.2 / 127
    error = codes[0] * steps[0] - inputs @ g
    # Each plane errs by half a step of its own, and counts with its weight of 127: two steps of the sum of weights.
    assert np.abs(error).max() <= 0.5 * 2e-4 / 32767 * 255 / 127 * 1.01
    assert error.std() < 2e-4 / 32767


def test_bit_serial_without_converters_is_the_exact_product() -> None:
    serial = make({"bit_serial": "sign-magnitude"}, card="ideal", adc_bits=None)
    direct = make(None, card="ideal", adc_bits=None)
    asked: Any = ((0,), VOLTS[:1], np.full(1, 0.2), np.full((1, COLS), 1.0), EVENTS)
    one, two = serial.multiply(*asked), direct.multiply(*asked)
    np.testing.assert_allclose(one[0], two[0], rtol=1e-9, atol=1e-16)
    assert (one[1] == 1).all()


def test_planes_have_read_noise_of_their_own() -> None:
    """Variance of the sum: sum of the squared weights times that of a plane, not the square of their sum."""
    base = load_card("pcm")
    rows = np.full((1, 4000, 1), 0.2, np.float32)  # code 127: all seven planes on
    events = np.arange(4000, dtype=np.uint64)
    spreads = {}
    for way in (None, "sign-magnitude"):
        real = real_converters({"bit_serial": way, "range_factor": 2.0})
        made = SimulatedArrays(1, 1, 1, base.only(["read_noise"]), Periphery(adc_bits=None, real=real))
        made.program(0, np.array([[20e-6]]), 0.0)
        spreads[way] = made.multiply((0,), rows, np.full(1, 0.2), np.ones((1, 1)), events)[0].std()
    ratio = np.sqrt(sum(4.0**k for k in range(7))) / 127
    assert spreads["sign-magnitude"] / spreads[None] == pytest.approx(ratio, rel=5 / np.sqrt(4000))


def test_errors_of_the_inputs_are_those_of_the_word_lines() -> None:
    """Currents are the levels of the word lines times the cells."""
    made = make(ERRORS["dac"], card="ideal", adc_bits=None)
    found, _ = made.multiply((0,), VOLTS[:1], np.full(1, 0.2), np.ones((1, COLS)), EVENTS)
    bank = made._banks[0]
    assert bank.levels is not None
    codes = np.clip(np.rint(VOLTS[0].astype(float) / (0.2 / 127)), -127, 127).astype(int)
    volts = bank.levels[np.arange(ROWS), codes + 127].astype(np.float64) / bank.parts * 0.2 / 127
    # Conductances are on a grid of 2**-28 of the largest.
    np.testing.assert_allclose(found[0], volts @ made.conductances(0), rtol=0, atol=2e-13)


@pytest.mark.parametrize("errors", [{"adc": {"noise": 0.3, "gain_sigma": 0.02}}, {"bit_serial": "sign-magnitude"}])
def test_exact_noise_through_wires_has_converters_but_one_plane(errors: dict[str, Any]) -> None:
    periphery = Periphery(seed=5, real=real_converters(errors))
    made = SimulatedArrays(1, 6, 5, load_card("pcm"), periphery, None, Wires(word=2.0, bit=2.0))
    made.wire_noise = "exact"
    made.program(0, np.full((6, 5), 20e-6), 0.0)
    asked: Any = ((0,), VOLTS[:1, :20, :6], np.full(1, 0.2), np.full((1, 5), 4e-5), EVENTS[:20])
    if "bit_serial" in errors:
        with pytest.raises(Unsupported, match="no bit-serial inputs"):
            made.multiply(*asked)
        return
    codes, _ = made.multiply(*asked)
    ideal = SimulatedArrays(1, 6, 5, load_card("pcm"), Periphery(seed=5), None, Wires(word=2.0, bit=2.0))
    ideal.wire_noise = "exact"
    ideal.program(0, np.full((6, 5), 20e-6), 0.0)
    moved = np.abs(codes.astype(int) - ideal.multiply(*asked)[0])
    assert 0 < moved.max() <= 8


# ---- on a bench


def test_status_tells_which_conversions_clipped() -> None:
    """Each of them where converters are not ideal; and arrays whose inputs asked for more than the range."""
    volts = np.zeros((1, 3, 4), np.float32)
    volts[0, 1] = 0.2
    with open_bench("sim", card="ideal", rows=4, cols=2, converters={"adc": {"noise": 1e-6}}) as bench:
        bench.program(0, np.full((4, 2), 20e-6))
        found = bench.mvm([0], volts, VectorConfig(0.2, np.array([[1e-5, 1e-4]])))
        assert found.status[0].tolist() == [[0, 0], [Status.OVERRANGE, 0], [0, 0]]
        assert found.codes[0, 1].tolist() == [127, 20]
        volts[0, 2, 3] = 0.3
        found = bench.mvm([0], volts, VectorConfig(0.2, 3e-4))
        assert (found.status == Status.INPUT_OVERRANGE).all()


def test_each_plane_takes_its_time() -> None:
    with open_bench("sim", rows=4, cols=2, converters={"bit_serial": "twos-complement"}) as bench:
        before = bench.clock
        bench.mvm([0], np.zeros((1, 10, 4), np.float32))
        assert bench.clock - before == pytest.approx(10 * 8 * 1e-6)
        assert bench.capabilities.adc_bits == 16
