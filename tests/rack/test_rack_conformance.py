"""The conformance suite on the rack driver, in front of a served rack."""

from typing import Any

import pytest

from xbar.bench.bench import Bench
from xbar.bench.driver import Driver
from xbar.bench.limits import Limits
from xbar.bench.settings import Pulse, Unselected
from xbar.testing import DriverTests


class TestRackDriver(DriverTests):
    """A linked rack; pulses are as short as its instruments can."""

    address = "rack:linked.toml"
    limits = Limits(cell_voltage=5.0, current=1e-3)

    @pytest.fixture(autouse=True)
    def _rack(self, linked: Any) -> None:
        self.rack = linked

    def make_driver(self) -> Driver:
        driver: Driver = self.rack.driver()
        return driver

    def _pulse(self, bench: Bench, voltage: float) -> Pulse:
        return Pulse(voltage, width=1e-3, current_limit=1e-4, unselected=Unselected.GROUND)
