"""Every driver passes `xbar.testing.DriverTests`: ours, replay, and that of another package. Bad drivers do not."""

import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
from numpy.typing import NDArray

import xbar
from xbar.bench.bench import Bench
from xbar.bench.capabilities import Identity
from xbar.bench.driver import Driver, Unsafe
from xbar.bench.limits import Limits
from xbar.bench.operation import Request
from xbar.bench.readings import CellReadings, VectorReadings
from xbar.bench.registry import make_driver
from xbar.bench.settings import Pulse, ReadConfig, VectorConfig
from xbar.errors import InputError, XbarError
from xbar.testing import DriverTests
from xbar.testing.checks import check_same
from xbar.testing.suite import Scenario
from xbar_drivers.replay import ReplayDriver
from xbar_drivers.simulated import SimulatedDriver

PLUGIN = Path(__file__).resolve().parents[1] / "data" / "plugin_board"


REAL = {"adc": {"gain_sigma": 0.02, "noise": 0.3}, "dac": {"gain_sigma": 0.01}, "sense": {"offset_sigma": 1e-8}}


class TestSimulated(DriverTests):
    address = "sim"

    @pytest.fixture(
        autouse=True,
        params=[
            {"card": "generic"},
            {"card": "pcm"},
            {"card": "generic", "dtype": "float32"},
            {"card": "pcm", "dtype": "float32"},
            {"card": "pcm", "without": ["adc"]},
            {"card": "pcm", "converters": REAL},
            {"card": "pcm", "converters": {"bit_serial": "twos-complement", "range_factor": 2.0}, "adc_bits": 12},
        ],
        ids=["generic", "pcm", "generic-float32", "pcm-float32", "pcm-amperes", "pcm-converters", "pcm-serial"],
    )
    def _options(self, request: pytest.FixtureRequest) -> None:
        self.options: Mapping[str, Any] = request.param
        # Float32 sums depend on how BLAS groups them: one code, and no promise about amperes.
        self.code_slack = 1 if self.options.get("dtype") == "float32" else 0

    def make_driver(self) -> Driver:
        return SimulatedDriver(arrays=2, rows=12, cols=5, seed=3, **self.options)


class TestReplay(DriverTests):
    """The same scenarios, done on a simulated bench first, then replayed from its trace."""

    address = "replay:recorded.h5"

    @pytest.fixture(autouse=True, params=["generic", "pcm"])
    def _card(self, request: pytest.FixtureRequest) -> None:
        self.card: str = request.param

    def _simulated(self) -> Driver:
        return SimulatedDriver(self.card, arrays=2, rows=12, cols=5, seed=3)

    def make_driver(self) -> Driver:
        """Return the driver of a trace without operations."""
        path = self.folder / "nothing.h5"
        if not path.exists():
            self.record(self._simulated(), path, lambda bench: None)
        return ReplayDriver(str(path))

    def on_bench(self, scenario: Scenario) -> Path:
        def whole(bench: Bench) -> None:
            scenario(bench)
            assert bench.settings["remaining"] == 0

        recorded = self.record(self._simulated(), self.folder / "recorded.h5", scenario)
        replayed = self.record(ReplayDriver(str(recorded)), self.folder / "replayed.h5", whole)
        with xbar.open_trace(recorded) as first, xbar.open_trace(replayed) as second:
            assert len(first) == len(second)
            for one, two in zip(first, second, strict=True):
                check_same(one, two)
        return replayed


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let Python find the package of another laboratory, as if it were installed."""
    monkeypatch.syspath_prepend(str(PLUGIN))
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "our_lab"]:
        del sys.modules[name]


@pytest.mark.usefixtures("plugin")
class TestPlugin(DriverTests):
    address = "board:COM3"
    voltage = 0.5

    def make_driver(self) -> Driver:
        return make_driver("board", "COM3", {"rows": 3, "cols": 2})


@pytest.mark.usefixtures("plugin")
def test_plugin_opens_by_its_address() -> None:
    """The entry point of the package is enough: its driver opens by name, with rest and options."""
    with xbar.open_bench("board:COM3", rows=2, cols=3, ohms=1e4) as bench:
        assert bench.identity.serial == "COM3"
        assert np.allclose(bench[0].read_all().conductance, 1e-4)
        assert (bench.capabilities.rows, bench.capabilities.cols) == (2, 3)


def test_plugin_is_unknown_without_its_package() -> None:
    """The driver of the tests above came through the entry point, not some other way."""
    with pytest.raises(XbarError, match="neither a driver"):
        xbar.open_bench("board:COM3")


def test_factory_must_be_given(tmp_path: Path) -> None:
    suite = DriverTests()
    with pytest.raises(InputError, match="override make_driver"):
        suite.test_errors_drain()


# ---- each of these drivers breaks one rule, and the test of that rule says so


class Wrong(SimulatedDriver):
    """Breaks no rule itself."""

    def __init__(self) -> None:
        super().__init__("generic", rows=6, cols=4)


class Anonymous(Wrong):
    def open(self) -> Identity:
        super().open()
        return Identity("wrong", "an instrument")


class UnknownVerb(Wrong):
    def open(self) -> Identity:
        who = super().open()
        self.capabilities = replace(self.capabilities, native=self.capabilities.native | {"teleport"})
        return who


class ClaimsPulses(Wrong):
    def open(self) -> Identity:
        who = super().open()
        self.capabilities = replace(self.capabilities, native=self.capabilities.native | {"pulse"})
        return who


class HidesProducts(Wrong):
    def open(self) -> Identity:
        who = super().open()
        self.capabilities = replace(self.capabilities, native=self.capabilities.native - {"mvm"})
        return who


class PathSettings(Wrong):
    def settings(self) -> dict[str, Any]:
        return {"size": (6, 4)}


class ErrorsStay(Wrong):
    def errors(self) -> list[str]:
        return ["-113, Undefined header"]


class Deaf(Wrong):
    @classmethod
    def from_address(cls, rest: str, options: Mapping[str, Any]) -> Self:
        return cls()


class OffNeedsAnOpenPort(Wrong):
    def safe_off(self) -> Unsafe:
        self._arrays.wait(0.0)
        return ()


class Sleeper(Wrong):
    def wait(self, seconds: float) -> None:
        threading.Event().wait(seconds)


class StoppedClock(Wrong):
    def wait(self, seconds: float) -> None:
        return None


class FlatReadings(Wrong):
    def read(self, array: int, cells: NDArray[np.int64], config: ReadConfig) -> CellReadings:
        found = super().read(array, cells, config)
        return replace(found, status=found.status.astype(np.int64))


class BackInTime(Wrong):
    def read(self, array: int, cells: NDArray[np.int64], config: ReadConfig) -> CellReadings:
        found = super().read(array, cells, config)
        return replace(found, time=-found.time)


class Sorter(Wrong):
    def sweep(
        self, array: int, cell: tuple[int, int], voltages: NDArray[np.float64], config: ReadConfig
    ) -> CellReadings:
        return super().sweep(array, cell, np.sort(voltages), config)


class Product(Wrong):
    """Products that a subclass changes."""

    calls = 0

    def mvm(
        self, arrays: tuple[int, ...], voltages: NDArray[Any], config: VectorConfig, events: NDArray[np.uint64] | None
    ) -> VectorReadings:
        self.calls += 1
        return self.changed(super().mvm(arrays, voltages, config, events))

    def changed(self, found: VectorReadings) -> VectorReadings:
        return found


class AllColumns(Product):
    def changed(self, found: VectorReadings) -> VectorReadings:
        codes = np.repeat(found.codes, 4, axis=2)[:, :, :4]
        return replace(found, codes=codes, step=found.step[:, :1].repeat(4, 1), offset=found.offset[:, :1].repeat(4, 1))


class Offset(Product):
    def changed(self, found: VectorReadings) -> VectorReadings:
        return replace(found, offset=found.offset + 10 * found.step)


class OtherEachTime(Product):
    def changed(self, found: VectorReadings) -> VectorReadings:
        return replace(found, codes=found.codes + np.int8(self.calls % 2))


class OtherSettings(Wrong):
    opened = 0

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "opened": OtherSettings.opened}

    def open(self) -> Identity:
        OtherSettings.opened += 1
        return super().open()


class Forgets(Wrong):
    def retrace(self, request: Request) -> None:
        """Leave the arrays as they are."""


class FillsNan(Wrong):
    def program(self, array: int, targets: NDArray[np.float64]) -> None:
        super().program(array, np.nan_to_num(targets, nan=float(np.nanmax(targets))))


class NotImplementedPulse(Wrong):
    def pulse(self, array: int, cells: NDArray[np.int64], pulse: Pulse, count: int = 1) -> None:
        raise NotImplementedError


class TakesPulses(ClaimsPulses):
    """Breaks no rule."""

    def pulse(self, array: int, cells: NDArray[np.int64], pulse: Pulse, count: int = 1) -> None:
        return None


BAD: list[tuple[type[Wrong], str, tuple[Any, ...]]] = [
    (Anonymous, "test_opens_and_says_who_it_is", ()),
    (UnknownVerb, "test_capabilities_are_sane", ()),
    (ClaimsPulses, "test_pulse", ()),
    (HidesProducts, "test_unsupported_verbs_say_so", ("mvm",)),
    (NotImplementedPulse, "test_unsupported_verbs_say_so", ("pulse",)),
    (PathSettings, "test_settings_are_json_values", ()),
    (ErrorsStay, "test_errors_drain", ()),
    (Deaf, "test_refuses_an_option_it_does_not_know", ()),
    (OffNeedsAnOpenPort, "test_close_and_safe_off_are_idempotent", ()),
    (Sleeper, "test_wait_gives_up_when_stopped", ()),
    (StoppedClock, "test_wait_moves_the_clock", ()),
    (FlatReadings, "test_read", (1,)),
    (BackInTime, "test_read", (3,)),
    (Sorter, "test_sweep", (1,)),
    (AllColumns, "test_mvm", ()),
    (Offset, "test_mvm_of_zero_volts_is_zero", ()),
    (OtherEachTime, "test_mvm_does_not_depend_on_the_batch", ()),
    (FillsNan, "test_program_leaves_nan_alone", ()),
    (OtherSettings, "test_resume", ()),
    (Forgets, "test_resume", ()),
]


def run(kind: type[Wrong], test: str, arguments: tuple[Any, ...], folder: Path, writes: bool = False) -> None:
    """Do one test of the suite on a driver."""

    class Suite(DriverTests):
        limits = Limits(cell_voltage=0.5, current=1e-3)
        writes_hardware = writes

        def make_driver(self) -> Driver:
            return kind()

    suite = Suite()
    suite.folder = folder
    folder.mkdir(exist_ok=True)
    getattr(suite, test)(*arguments)


class Hardware(TakesPulses):
    """Says that its pulses and writes are real."""

    hardware = True

    def open(self) -> Identity:
        who = super().open()
        self.capabilities = replace(self.capabilities, hardware=True)
        return replace(who, model="an instrument")


@pytest.mark.parametrize("test", ["test_program_leaves_nan_alone", "test_pulse"])
def test_hardware_is_written_only_where_its_author_says_so(test: str, tmp_path: Path) -> None:
    """Cells of real hardware are left alone unless the suite is told otherwise."""
    with pytest.raises(pytest.skip.Exception, match="writes_hardware"):
        run(Hardware, test, (), tmp_path / "left")
    run(Hardware, test, (), tmp_path / "written", writes=True)


@pytest.mark.parametrize(("kind", "test", "arguments"), BAD, ids=[bad[0].__name__ for bad in BAD])
def test_bad_driver_is_caught(kind: type[Wrong], test: str, arguments: tuple[Any, ...], tmp_path: Path) -> None:
    """The test of the broken rule fails (and is not skipped), also by what the bench or pytest.raises says."""
    with pytest.raises((AssertionError, XbarError, AttributeError, pytest.fail.Exception)):
        run(kind, test, arguments, tmp_path)


@pytest.mark.parametrize(
    ("test", "arguments"), sorted({bad[1:] for bad in BAD if bad[1:] != ("test_unsupported_verbs_say_so", ("mvm",))})
)
def test_driver_that_they_derive_from_passes(test: str, arguments: tuple[Any, ...], tmp_path: Path) -> None:
    """What is caught above is the broken rule."""
    run(TakesPulses if test == "test_pulse" else Wrong, test, arguments, tmp_path)
