"""Status registers of IEEE 488.2 and SCPI-1999, and the status byte over them."""

from collections.abc import Callable
from dataclasses import dataclass, field

SUMMARY_ERRORS, SUMMARY_QUESTIONABLE, SUMMARY_MESSAGE = 0x04, 0x08, 0x10
SUMMARY_STANDARD, SUMMARY_SERVICE, SUMMARY_OPERATION, SUMMARY_MEASUREMENT = 0x20, 0x40, 0x80, 0x01
OPERATION_COMPLETE, POWER_ON = 0x01, 0x80

ALL_BITS = 0x7FFF
"""Bits of a SCPI register: the highest is never used, so that a signed 16-bit answer is not negative."""


@dataclass
class Register:
    """One group of a condition, two transition filters, an event and an enable register."""

    condition: int = 0
    event: int = 0
    enable: int = 0
    rising: int = ALL_BITS
    falling: int = 0

    def become(self, condition: int) -> None:
        """Set the condition; changes that the filters let through become events."""
        up, down = condition & ~self.condition, self.condition & ~condition
        self.event |= (up & self.rising) | (down & self.falling)
        self.condition = condition

    def take_event(self) -> int:
        """Return the events and clear them, as reading them does."""
        event, self.event = self.event, 0
        return event

    def preset(self) -> None:
        """Return to what STATus:PRESet sets."""
        self.enable, self.rising, self.falling = 0, ALL_BITS, 0

    @property
    def summary(self) -> bool:
        """Whether an enabled event stands."""
        return bool(self.event & self.enable)


@dataclass
class StatusModel:
    """The registers of one instrument.

    `errors` tells how many entries the error queue has; `message` whether an answer waits for the asking client.
    """

    errors: Callable[[], int] = lambda: 0
    standard: Register = field(default_factory=lambda: Register(event=POWER_ON))
    operation: Register = field(default_factory=Register)
    questionable: Register = field(default_factory=Register)
    measurement: Register = field(default_factory=Register)
    service_enable: int = 0
    _last: int = 0

    def byte(self, message: bool = False) -> int:
        """Return the status byte; bit 6 is the master summary."""
        found = SUMMARY_ERRORS * bool(self.errors()) | SUMMARY_MESSAGE * message
        found |= SUMMARY_QUESTIONABLE * self.questionable.summary | SUMMARY_STANDARD * self.standard.summary
        found |= SUMMARY_OPERATION * self.operation.summary | SUMMARY_MEASUREMENT * self.measurement.summary
        return found | SUMMARY_SERVICE * bool(found & self.service_enable & ~SUMMARY_SERVICE)

    def requests_service(self, message: bool = False) -> bool:
        """Return whether a new reason for service has come up since the last call."""
        reasons = self.byte(message) & self.service_enable & ~SUMMARY_SERVICE
        new, self._last = bool(reasons & ~self._last), reasons
        return new

    def clear(self) -> None:
        """Clear all events, as *CLS does."""
        for register in (self.standard, self.operation, self.questionable, self.measurement):
            register.event = 0

    def preset(self) -> None:
        """Do what STATus:PRESet does."""
        for register in (self.operation, self.questionable, self.measurement):
            register.preset()
