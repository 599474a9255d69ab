"""The simulated array as a driver: options, effects, capabilities, clock, status, and the same seed the same chip."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from threadpoolctl import threadpool_info

from xbar.bench.bench import Bench
from xbar.bench.registry import make_driver
from xbar.bench.settings import Pulse, ReadConfig, VectorConfig
from xbar.bench.status import Status
from xbar.devices.card import SWITCHES
from xbar.devices.card_file import load_card
from xbar.errors import FileError, InputError, LimitError, UnknownNameError, Unsupported
from xbar.periphery.real_converters import EFFECTS as ERRORS
from xbar_drivers.simulated import SimulatedDriver

ROWS, COLS = 20, 12
CELLS = np.array([[0, 0], [19, 11]])


def make(card: Any = "ideal", **options: Any) -> Bench:
    return Bench(SimulatedDriver(card, **{"rows": ROWS, "cols": COLS, "arrays": 2} | options))


def random_targets(low: float = 1e-6, high: float = 25e-6) -> NDArray[np.float64]:
    return np.random.default_rng(1).uniform(low, high, (ROWS, COLS))


def random_volts(batch: int = 40, k: int = 1) -> NDArray[np.float32]:
    return np.random.default_rng(2).uniform(-0.2, 0.2, (k, batch, ROWS)).astype(np.float32)


# ---- options


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"arrays": 0}, InputError, "arrays 0"),
        ({"arrays": 65537}, InputError, "arrays 65537"),
        ({"rows": 0}, InputError, "rows 0"),
        ({"rows": 8193}, InputError, "rows 8193"),
        ({"cols": -1}, InputError, "cols -1"),
        ({"arrays": 65536, "rows": 8192, "cols": 8192}, InputError, "more than 2147483648 cells"),
        ({"seed": -1}, InputError, "seed -1"),
        ({"seed": 2**48}, InputError, "seed"),
        ({"dac_bits": 1}, InputError, "1 bits"),
        ({"adc_bits": 17}, InputError, "17 bits"),
        ({"adc_bits": 17, "without": ["adc"]}, InputError, "17 bits"),
        ({"dtype": "float16"}, InputError, "'float16'"),
        ({"threads": 0}, InputError, "threads 0"),
        ({"device": "tpu"}, InputError, "'tpu'"),
        ({"only": ["drfit"]}, UnknownNameError, "'drfit'.*known are programming_error"),
        ({"without": ["noise"]}, UnknownNameError, "'noise'"),
        ({"only": "drift!"}, UnknownNameError, "'drift!'"),
        ({"temperature": 0}, InputError, "temperature 0 K"),
        ({"card": "generic_all", "temperature": 500.0}, InputError, "temperature 500 K lies outside"),
        ({"outside": "ignore"}, InputError, "'ignore'"),
        ({"wires": "1 V"}, InputError, "'V' is not a unit of ohm"),
        ({"wires": "23nm-1t1r"}, UnknownNameError, "23nm-1t1r.*22nm-1t1r"),
        ({"wires": {"word": -1.0}}, InputError, "word = -1 ohm"),
        ({"wires": {"row": 1.0}}, InputError, "no 'row'"),
        ({"only": ["levels"]}, UnknownNameError, "'levels'"),
        ({"card": "unobtainium"}, UnknownNameError, "unobtainium"),
        ({"card": "missing.toml"}, FileError, "missing"),
        ({"colour": "red"}, InputError, "colour"),
        ({"rows": "many"}, InputError, "sim"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make_driver("sim", "", options)


def test_the_address_says_nothing_more() -> None:
    with pytest.raises(InputError, match="'sim:fast' says too much"):
        make_driver("sim", "fast", {})


def test_a_card_may_be_a_name_a_file_or_a_card(tmp_path: Path) -> None:
    card = load_card("pcm")
    file = tmp_path / "mine.toml"
    file.write_text(card.text.replace('name = "pcm"', 'name = "mine"'), encoding="utf-8")
    for given, name in (("pcm", "pcm"), (str(file), "mine"), (card, "pcm")):
        with make(given) as bench:
            assert bench.identity.model == f"sim:{name}"
            assert bench.settings["card"] == name


# ---- who stands there


def test_capabilities_follow_card_and_options() -> None:
    with make("pcm", dac_bits=6, adc_bits=10, seed=9) as bench:
        c = bench.capabilities
        assert (c.arrays, c.rows, c.cols, c.dac_bits, c.adc_bits) == (2, ROWS, COLS, 6, 10)
        assert c.conductance_range == (0.0, 25e-6)
        assert c.native == {"read", "sweep", "mvm", "program"}
        assert (c.hardware, c.parallel_sense) == (False, COLS)
        assert c.voltage_max == pytest.approx(1.0)
        assert c.current_max == pytest.approx(1.0 * 25e-6 * ROWS)
        assert (bench.identity.driver, bench.identity.serial) == ("simulated", "9")


def test_settings_hold_what_makes_the_chip_again() -> None:
    with make("pcm", seed=9, dtype="float32", without=["adc", "drift"]) as bench:
        card = load_card("pcm")
        expected = {
            "card": "pcm",
            "card_sha256": card.sha256,
            "card_text": card.text,
            "seed": 9,
            "dac_bits": 8,
            "adc_bits": None,
            "converters": None,
            "dtype": "float32",
            "device": "cpu",
            "wires": None,
            "wire_noise": "output",
            "iv": "linear",
            "temperature": 300.0,
            "outside": "refuse",
            "device_laws": {},
        }
        assert bench.settings == expected


def states(bench: Bench) -> dict[str, str]:
    return {effect.name: effect.state for effect in bench.capabilities.effects}


def test_every_effect_is_accounted_for() -> None:
    """Applied with its law and source, skipped with the reason, or unsupported with the reason."""
    with make("generic", without=["read_noise"]) as bench:
        notes = {effect.name: effect.note for effect in bench.capabilities.effects}
        applied = {"programming_error", "stuck_cells", "dac", "adc"}
        assert states(bench) == {
            name: "applied" if name in applied else "skipped" for name in (*SWITCHES, "dac", "adc", *ERRORS, "ir_drop")
        }
    assert notes["read_noise"] == "switched off by the caller"
    assert notes["drift"] == "card 'generic' has no such law"
    assert notes["dac"] == "8 bits, ideal steps"
    assert "Gaussian" in notes["programming_error"]
    assert all(notes.values())


@pytest.mark.parametrize("effect", [*SWITCHES, "dac", "adc"])
def test_only_and_without_switch_one_effect(effect: str) -> None:
    """A name alone is one effect, not its letters."""
    card = "generic_all"
    with make(card, only=effect) as bench:
        assert [name for name, state in states(bench).items() if state == "applied"] == [effect]
        assert (bench.capabilities.dac_bits is None, bench.capabilities.adc_bits is None) == (
            effect != "dac",
            effect != "adc",
        )
    with make(card, without=[effect]) as bench:
        assert states(bench)[effect] == "skipped"
        assert "applied" in states(bench).values()


def test_without_any_effect_products_are_ideal() -> None:
    """Amperes, and the cells as they were written, to the steps of 16-bit inputs."""
    with make("pcm", only=[]) as bench:
        targets, volts = random_targets(), random_volts()
        bench.program(0, targets)
        readings = bench.mvm((0,), volts, VectorConfig(0.2, 1e-4))
        assert readings.codes.dtype == np.float64
        assert (readings.step == 1).all()
        assert not readings.status.any()
        half_steps = 0.5 * 0.2 / 32767 * targets.sum(axis=0)
        assert (np.abs(readings.current[0] - volts[0].astype(float) @ targets) <= half_steps).all()


def test_codes_times_step_are_the_currents() -> None:
    """8-bit converters: within half an output step and half an input step on each word line."""
    with make("ideal") as bench:
        targets, volts = random_targets(), random_volts()
        bench.program(1, targets)
        ranges = np.full(COLS, 0.2 * 25e-6 * ROWS)
        readings = bench.mvm((1,), volts, VectorConfig(0.2, ranges[None]))
        assert readings.codes.dtype == np.int8
        np.testing.assert_array_equal(readings.step, ranges[None] / 127)
        error = np.abs(readings.current[0] - volts[0].astype(float) @ targets)
        assert (error <= 0.5 * ranges / 127 + 0.5 * 0.2 / 127 * targets.sum(axis=0) + 1e-12).all()
        assert error.max() > 0.05 * ranges[0] / 127


# ---- operations


def test_each_operation_takes_its_time_on_the_clock() -> None:
    """10 us to write or read a cell, settling on top, 1 us a vector for all arrays at once."""
    with make() as bench:

        def took(do: Callable[[], Any]) -> float:
            before = bench.clock
            do()
            return bench.clock - before

        some = np.full((ROWS, COLS), np.nan)
        some[0, :3] = 1e-6
        assert took(lambda: bench.program(0, random_targets())) == pytest.approx(ROWS * COLS * 1e-5)
        assert took(lambda: bench.program(0, some)) == pytest.approx(3e-5)
        assert took(lambda: bench.mvm((0, 1), random_volts(40, 2))) == pytest.approx(40e-6)
        assert took(lambda: bench.read(0, CELLS, ReadConfig(repeat=3, settle=1e-3))) == pytest.approx(6 * 1.01e-3)
        assert took(lambda: bench.sweep(0, (1, 1), [0.1, 0.2], ReadConfig(repeat=2))) == pytest.approx(4e-5)
        assert took(lambda: bench.wait(12.5)) == 12.5


def test_a_sweep_of_a_cell_is_a_straight_line() -> None:
    with make() as bench:
        bench.program(0, np.full((ROWS, COLS), 40e-6))
        readings = bench.sweep(0, (2, 3), [-0.3, 0.0, 0.1, 0.5], ReadConfig(repeat=2))
        np.testing.assert_allclose(readings.current, 40e-6 * readings.applied, rtol=1e-12)
        np.testing.assert_array_equal(readings.applied, np.repeat([[-0.3], [0.0], [0.1], [0.5]], 2, axis=1))
        np.testing.assert_array_equal(readings.voltage, readings.applied)
        assert (np.diff(readings.time.ravel()) > 0).all()
        assert np.isnan(readings.range).all()


def test_a_current_beyond_compliance_is_clipped_and_flagged() -> None:
    with make() as bench:
        targets = np.full((ROWS, COLS), 10e-6)
        targets[0, 0] = 50e-6
        bench.program(0, targets)
        for sign in (1, -1):
            readings = bench.read(0, CELLS, ReadConfig(sign * 0.2, current_limit=5e-6))
            np.testing.assert_allclose(readings.current[:, 0], [sign * 5e-6, sign * 2e-6])
            assert readings.status[:, 0].tolist() == [Status.COMPLIANCE, Status.OK]
        assert not bench.read(0, CELLS, ReadConfig(0.2)).status.any()


def test_bit_lines_at_the_end_of_the_range_are_flagged() -> None:
    """A bit line is flagged where one code of the batch stands at either end."""
    with make() as bench:
        targets = np.full((ROWS, COLS), 1e-6)
        targets[:, 3] = 100e-6
        bench.program(0, targets)
        volts = np.zeros((1, 3, ROWS))
        for voltage in (0.2, -0.2):
            volts[0, 1] = voltage
            readings = bench.mvm((0,), volts, VectorConfig(0.2, 0.2 * 50e-6 * ROWS))
            assert readings.status.shape == (1, 1, COLS)
            assert readings.status[0, 0].tolist() == [Status.OVERRANGE if j == 3 else 0 for j in range(COLS)]
            assert readings.codes[0, 1, 3] == np.sign(voltage) * 127
        assert not bench.mvm((0,), volts[:, :0]).status.any()


def test_targets_are_written_and_nan_leaves_a_cell() -> None:
    with make() as bench:
        bench.program(0, np.full((ROWS, COLS), 30e-6))
        some = np.full((ROWS, COLS), np.nan)
        some[0, 0] = 70e-6
        bench.program(0, some)
        np.testing.assert_allclose(bench.read(0, CELLS).conductance[:, 0], [70e-6, 30e-6])
        np.testing.assert_allclose(bench.read(1, CELLS).conductance, 0.0)  # the other array was never written


def test_pulses_need_a_card_that_knows_them() -> None:
    """A pulse law with its write pulses, or a dynamic model; the sources then give what a write needs."""
    with make() as bench, pytest.raises(Unsupported, match="pulse"):
        bench.pulse(0, CELLS, Pulse(0.5, 1e-6, current_limit=1e-4))
    for card, voltage in (("reram_array_hfo2", 2.0), ("vteam", 5.0)):
        with make(card) as bench:
            assert "pulse" in bench.capabilities.native
            assert bench.capabilities.voltage_max == voltage
            assert bench.limits.current >= 1e-3
            bench.pulse(0, CELLS, Pulse(0.5, 1e-6))
    with make("reram_wan") as bench:  # it knows its write pulses, and not what they do
        assert "pulse" not in bench.capabilities.native


def test_the_range_of_the_source_is_a_limit() -> None:
    with make() as bench, pytest.raises(LimitError):
        bench.read(0, CELLS, ReadConfig(1.01))


# ---- sameness


def chip(batch: int = 0, per_call: int = 2, **options: Any) -> NDArray[Any]:
    """Program both arrays and multiply 40 vectors in calls of `batch` vectors and `per_call` arrays."""
    with make("pcm", **options) as bench:
        for k in (0, 1):
            bench.program(k, random_targets())
        bench.wait(60.0)
        volts, events = random_volts(40, 2), np.arange(40) + 2**32 - 20
        size = batch or 40
        found = np.empty((2, 40, COLS), np.int64)
        for first in range(0, 40, size):
            part = slice(first, first + size)
            for arrays in [(0, 1)] if per_call == 2 else [(1,), (0,)]:
                picked = volts[list(arrays)][:, part]
                readings = bench.mvm(arrays, picked, VectorConfig(0.2, 1e-5), events=events[part])
                found[list(arrays), part] = readings.codes
        return found


@pytest.mark.parametrize(
    "other", [{"batch": 1}, {"batch": 7}, {"per_call": 1}, {"threads": 2}, {"threads": 3, "batch": 9}]
)
def test_the_same_seed_gives_the_same_codes_for_any_grouping(other: dict[str, Any]) -> None:
    """Batches, arrays per call and threads; bench time of the calls moves no result within an epoch."""
    base = chip()
    assert base.std() > 15
    np.testing.assert_array_equal(chip(**other), base)


def test_another_seed_is_another_chip() -> None:
    assert (chip(seed=1) != chip(seed=0)).mean() > 0.3
    np.testing.assert_array_equal(chip(seed=1), chip(seed=1))


def test_products_without_events_are_numbered() -> None:
    """Each operation has new noise, and a second bench with the same operations has the same."""

    def run() -> list[NDArray[Any]]:
        with make("generic", without=["stuck_cells"]) as bench:
            bench.program(0, np.full((ROWS, COLS), 50e-6))
            volts = np.tile([0.1, -0.1], ROWS // 2) * np.ones((1, 30, 1))
            return [bench.mvm((0,), volts, VectorConfig(0.2, 5e-6)).codes for _ in range(2)]

    one, two = run(), run()
    np.testing.assert_array_equal(one[0], two[0])
    np.testing.assert_array_equal(one[1], two[1])
    assert (one[0] != one[1]).mean() > 0.1
    assert len(np.unique(one[0][0], axis=0)) > 10  # the vectors of one operation differ too


def test_threads_are_given_back() -> None:
    """BLAS has the threads it had, after products on the bench's own threads and after its end."""

    def blas() -> list[int]:
        return [lib["num_threads"] for lib in threadpool_info() if lib["user_api"] == "blas"]

    before = blas()
    with make(threads=2) as bench:
        bench.mvm((0, 1), random_volts(40, 2))
        assert blas() == before
    assert blas() == before


def test_closing_twice_is_harmless() -> None:
    driver = SimulatedDriver("ideal", threads=2)
    driver.open()
    driver.close()
    driver.close()
    assert driver.safe_off() == ()


def test_a_whole_number_of_volts_is_a_voltage() -> None:
    """`ReadConfig(voltage=1)` reads at 1 V, with every field a number or NaN as at 1.0 V."""
    with make("ideal") as bench:
        whole = bench[0].read_all(ReadConfig(voltage=1))
        real = bench[0].read_all(ReadConfig(voltage=1.0))
    assert np.array_equal(whole.current, real.current)
    assert np.isnan(whole.range).all()
