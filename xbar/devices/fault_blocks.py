"""Blocks of a card file about faults: stuck cells and open lines."""

from typing import Literal

from pydantic import ValidationInfo, field_validator

from xbar.devices.card_blocks import Device, Law
from xbar.devices.stuck_cells import StuckCells
from xbar.devices.stuck_lines import StuckLines
from xbar.errors import InputError
from xbar.quantity_fields import Share


class IndependentStuckCells(Law):
    """Stuck cells, each by itself."""

    kind: Literal["independent"]
    off: Share
    on: Share

    @field_validator("on")
    @classmethod
    def _at_most_all(cls, on: float, info: ValidationInfo) -> float:
        if on + info.data.get("off", 0.0) > 1:
            raise InputError("off and on are more than 100 % together")
        return on

    def law(self, device: Device) -> StuckCells:
        """Return the law for a device."""
        return StuckCells(self.off, self.on, device.g_min, device.g_max, self.source)


class OpenLines(Law):
    """Open lines, each by itself."""

    kind: Literal["open"]
    word_lines: Share
    bit_lines: Share

    def law(self, device: Device) -> StuckLines:
        """Return the law for a device."""
        return StuckLines(self.word_lines, self.bit_lines, self.source)
