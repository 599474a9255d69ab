"""A run that was cut off goes on: what every driver must do when a bench takes over from a trace."""

import numpy as np

from xbar.bench.bench import Bench
from xbar.bench.operation import Operation
from xbar.bench.settings import ReadConfig
from xbar.testing.checks import check_same
from xbar.testing.operations import WAIT
from xbar.testing.suite import KeepingRecorder, Suite
from xbar.trace.reader import open_trace
from xbar.trace.recorded_run import RecordedRun


class ResumeTests(Suite):
    """A run in two parts. See `DriverTests`, which authors inherit."""

    def test_resume(self) -> None:
        """The same bench opened again takes over; simulated arrays stand where a run in one part leaves them."""
        old = self.on_bench(self._first_part)
        with open_trace(old) as trace:
            if trace.header.identity.driver == "replay":
                return  # a trace has nothing to go on with
            recorded, bits = list(trace), trace.header.capabilities.dac_bits
        recorder = KeepingRecorder(self.folder / "resumed.h5")
        past = RecordedRun(old)
        with Bench(self.make_driver(), address=self.address, recorder=recorder, limits=self.limits, past=past) as bench:
            self._first_part(bench)
            assert not bench.resuming, "all recorded operations were taken up"
            assert bench.clock >= recorded[-1].ended, "the clock goes on where the record ends"
            self._second_part(bench)
        done = recorder.operations
        for kept, again in zip(recorded, done, strict=False):
            check_same(kept, again, bits)
        assert len(done) > len(recorded)
        with self.opened() as driver:
            simulated = driver.state() is not None
        if simulated:
            self._check_one_part(done, bits)

    def _check_one_part(self, done: list[Operation], bits: int | None) -> None:
        """Check that a run that was not cut off gives the same."""

        def both(bench: Bench) -> None:
            self._first_part(bench)
            self._second_part(bench)

        with open_trace(self.record(self.make_driver(), self.folder / "whole.h5", both)) as whole:
            for one, other in zip(whole, done, strict=True):
                check_same(one, other, bits)

    def _first_part(self, bench: Bench) -> None:
        has = bench[self.array].capabilities
        if "program" in has.native and has.conductance_range is not None and (not has.hardware or self.writes_hardware):
            low, high = has.conductance_range
            bench.program(self.array, np.random.default_rng(2).uniform(low, high, (has.rows, has.cols)))
        self._second_part(bench)

    def _second_part(self, bench: Bench) -> None:
        places = self.places(bench)
        bench.read(self.array, places, ReadConfig(voltage=self.voltage, repeat=2))
        cell = (int(places[0, 0]), int(places[0, 1]))
        bench.sweep(self.array, cell, self.voltage * np.array([0.0, 0.5, 1.0]), ReadConfig())
        if "mvm" in bench[self.array].capabilities.native:
            bench.mvm([self.array], self._volts(bench, 2), self._vector())
        bench.wait(WAIT)
