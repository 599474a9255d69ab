"""The block of a card file about forming."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from xbar.devices.card_blocks import Device, Factor, Law
from xbar.devices.forming import Forming
from xbar.errors import InputError
from xbar.quantity_fields import Conductance, Voltage


class FormingBlock(Law):
    """Forming voltage and what a cell is before and after."""

    kind: Literal["lognormal_voltage"]
    voltage: Voltage
    spread: Factor = 0.0
    pristine: Annotated[Conductance, Field(ge=0)]
    formed: Annotated[Conductance, Field(gt=0)]
    hold_voltage: Annotated[Voltage, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _rises(self) -> "FormingBlock":
        if self.voltage == 0:
            raise InputError("voltage must not be 0 V; its sign is the polarity of forming")
        if not self.pristine < self.formed:
            raise InputError("pristine must be below formed")
        return self

    def law(self, device: Device) -> Forming:
        """Return the law for a device."""
        return Forming(self.voltage, self.spread, self.pristine, self.formed, self.hold_voltage, self.source)
