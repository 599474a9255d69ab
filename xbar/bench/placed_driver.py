"""A driver on a bench, and which of the bench's arrays are its own."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from xbar.bench.capabilities import Capabilities, Identity
from xbar.bench.chip import Chip
from xbar.bench.driver import Driver, Unsafe
from xbar.bench.limits import Limits
from xbar.bench.operation import DriverHeader
from xbar.bench.readings import CellReadings
from xbar.errors import DriverError, InputError, LimitError, XbarError

if TYPE_CHECKING:
    import threading


class PlacedDriver:
    """One driver of a bench: arrays `first` to `first + capabilities.arrays - 1` of the bench are its arrays from 0.

    Args:
        name: its name on the bench.
        driver: the driver, not yet open.
        limits: what may be done to its arrays; None takes its own ranges when it opens.
        chip: the life of its arrays, or None where it is not kept.

    """

    identity: Identity
    limits: Limits

    def __init__(self, name: str, driver: Driver, limits: Limits | None, chip: Chip | None = None) -> None:
        self.name, self.driver, self.first, self.chip = name, driver, 0, chip
        self._given, self._zero = limits, 0.0

    @property
    def capabilities(self) -> Capabilities:
        """Get what it can do, once it is open."""
        return self.driver.capabilities

    @property
    def clock(self) -> float:
        """Get the time since it opened [s]."""
        return self.driver.clock() - self._zero

    @property
    def kind(self) -> str:
        """Get the name of its class, for messages."""
        return type(self.driver).__name__

    def set_clock(self, moment: float) -> None:
        """Let `clock` be `moment` now [s]."""
        self._zero = self.driver.clock() - moment

    def dated(self, readings: CellReadings) -> CellReadings:
        """Return readings with their times on the clock of the bench: a driver's own starts where it likes."""
        return readings if self._zero == 0 else replace(readings, time=readings.time - self._zero)

    def open(self, first: int, stop: "threading.Event") -> None:
        """Open it, the owner of the arrays from `first` on, with the chip that stands on it.

        Raises `DriverError`, or what it raises of `XbarError`.
        """
        self.driver.stop, self.driver.limits = stop, self._given
        try:
            self.identity = self.driver.open()
            if self.chip is not None:
                self.chip.attach(self.driver, self.identity)
            self.first, self._zero = first, self.driver.clock()
            self.limits = self._given or Limits.of(self.driver.capabilities)
        except Exception as error:
            if isinstance(error, XbarError):
                raise
            raise DriverError(f"driver {self.kind} did not open: {error}") from error

    def header(self) -> DriverHeader:
        """Return what a trace says of it."""
        return DriverHeader(self.name, self.identity, self.capabilities, self.driver.settings(), self.limits)

    # ---- the end

    def keep_chip(self, used: bool = True) -> None:
        """Write the chip file if the bench was used; whatever happened, the arrays are what they are now."""
        if self.chip is not None:
            try:
                if used:
                    self.chip.save(self.driver)
            finally:
                self.chip.close()

    def safe_off(self) -> Unsafe:
        """Switch everything off; return the names of what could not be."""
        try:
            return self.driver.safe_off()
        except Exception as error:
            return (f"all of {self.kind} (switching off failed: {error})",)

    def disconnect(self, left: Unsafe) -> tuple[Unsafe, Exception | None]:
        """Close it; return what of `left` a second try did not switch off, and the error in which closing ended."""
        if left:
            left = self._reconnect_and_switch_off(left)
        try:
            self.driver.close()
        except XbarError as error:
            return left, error
        except Exception as error:
            wrapped = DriverError(f"driver {self.kind} did not close: {error}")
            wrapped.__cause__ = error
            return left, wrapped
        return left, None

    def _reconnect_and_switch_off(self, left: Unsafe) -> Unsafe:
        try:
            self.driver.close()
            self.driver.open()
        except Exception:
            return left
        return self.safe_off()


def place(
    driver: Driver | Mapping[str, Driver],
    limits: Limits | Mapping[str, Limits | None] | None,
    address: str,
    chips: Chip | Mapping[str, Chip] | None = None,
) -> tuple[PlacedDriver, ...]:
    """Return the drivers of a bench in the order of their arrays.

    `limits` of several drivers are one for all, or by name, `chips` by name. Raises `InputError` for no driver, or one
    chip for several, `LimitError` for a driver that moves real charge and has no limits.
    """
    drivers = dict(driver) if isinstance(driver, Mapping) else {"": driver}
    if not drivers:
        raise InputError(f"bench {address!r} has no driver; name at least one")
    if isinstance(chips, Chip) and len(drivers) > 1:
        raise InputError(
            f"bench {address!r} has several drivers; a chip file belongs to one: name it under `chip` in the bench file"
        )
    kept = chips if isinstance(chips, Mapping) else {} if chips is None else dict.fromkeys(drivers, chips)
    given = limits if isinstance(limits, Mapping) else dict.fromkeys(drivers, limits)
    for name, one in drivers.items():
        if one.hardware and given.get(name) is None:
            which = f"driver {name!r} of bench {address!r}" if name else f"bench {address!r}"
            raise LimitError(f"{which} moves real charge and has no limits; give [limits] in the bench file")
    return tuple(PlacedDriver(name, one, given.get(name), kept.get(name)) for name, one in drivers.items())
