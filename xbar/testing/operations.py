"""Operations that every driver must do, or refuse, in the same way: each test is a scenario on a bench."""

import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from xbar.bench.bench import Bench
from xbar.bench.settings import ReadConfig
from xbar.errors import InputError, LimitError, Unsupported
from xbar.testing.checks import check_cells, check_vectors
from xbar.testing.suite import Suite
from xbar.trace.reader import open_trace

WAIT = 0.05
"""How long the suite waits [s]; real time on a bench that has no simulated clock."""


class OperationTests(Suite):
    """Reads, sweeps, waits, products and writes. See `DriverTests`, which authors inherit."""

    # ---- readings

    @pytest.mark.parametrize("repeat", [1, 3])
    def test_read(self, repeat: int) -> None:
        """One cell, several, and one named twice: a row for each, a column for each repetition."""

        def scenario(bench: Bench) -> None:
            places, config = self.places(bench), ReadConfig(voltage=self.voltage, repeat=repeat)
            for cells in (places[:1], places, np.repeat(places[:1], 2, axis=0)):
                readings = bench.read(self.array, cells, config)
                check_cells(readings, (len(cells), repeat))
                assert np.allclose(readings.applied, self.voltage, rtol=1e-6), "applied is the voltage asked for"

        self.on_bench(scenario)

    @pytest.mark.parametrize("repeat", [1, 2])
    def test_sweep(self, repeat: int) -> None:
        """A row for each voltage, in the order asked for, not sorted."""
        steps = self.voltage * np.array([0.0, 1.0, -1.0, 0.5, 0.5])

        def scenario(bench: Bench) -> None:
            cell = (int(self.places(bench)[0, 0]), int(self.places(bench)[0, 1]))
            readings = bench.sweep(self.array, cell, steps, ReadConfig(repeat=repeat))
            check_cells(readings, (len(steps), repeat))
            assert np.allclose(readings.applied, steps[:, None], rtol=1e-6), "applied follows the list of voltages"

        self.on_bench(scenario)

    def test_wait_moves_the_clock(self) -> None:
        """The clock of the bench moves on by the time waited for, and never back."""
        coarse = 2 * time.get_clock_info("monotonic").resolution

        def scenario(bench: Bench) -> None:
            before = bench.clock
            bench.wait(0.0)
            bench.wait(WAIT)
            assert bench.clock - before >= WAIT * (1 - 1e-9) - coarse

        self.on_bench(scenario)

    # ---- products

    def test_mvm(self) -> None:
        """Codes, steps and offsets have their shapes, with fewer rows and columns than the array's too."""

        def scenario(bench: Bench) -> None:
            self._need(bench, "mvm")
            has, batch = bench.capabilities, 3
            for rows, columns in ((has.rows, None), (1, None), (has.rows, 1)):
                volts = self._volts(bench, batch)[:, :, :rows]
                readings = bench.mvm([self.array], volts, self._vector(columns))
                check_vectors(readings, (1, batch, columns or has.cols))
            readings = bench.mvm(range(len(bench)), self._volts(bench, batch, len(bench)), self._vector())
            check_vectors(readings, (len(bench), batch, has.cols))

        self.on_bench(scenario)

    def test_mvm_of_zero_volts_is_zero(self) -> None:
        """Without voltage no bit line carries more than the converter's own error."""

        def scenario(bench: Bench) -> None:
            self._need(bench, "mvm")
            readings = bench.mvm([self.array], np.zeros((1, 2, bench.capabilities.rows)), self._vector())
            amperes = bench.capabilities.adc_bits is None
            usual = 1e-3 * bench.capabilities.current_max if amperes else 2 * float(readings.step.max())
            assert np.abs(readings.current).max() <= (usual if self.zero_current is None else self.zero_current)

        self.on_bench(scenario)

    def test_mvm_does_not_depend_on_the_batch(self) -> None:
        """The same events give the same codes: once more, and in other batches (hardware has true noise)."""

        def scenario(bench: Bench) -> None:
            self._need(bench, "mvm")
            if bench.capabilities.hardware:
                pytest.skip("noise of hardware cannot be repeated")
            volts, events, parts = self._volts(bench, 5), np.arange(7, 12, dtype=np.uint64), list[NDArray[np.float64]]()
            for split in ((5,), (5,), (2, 3), (1, 1, 3)):
                edges = np.cumsum((0, *split))
                blocks = [slice(a, b) for a, b in pairwise(edges)]
                answers = [bench.mvm([self.array], volts[:, s], self._vector(), events[s]) for s in blocks]
                parts.append(np.concatenate([each.codes for each in answers], axis=1).astype(np.float64))
            for other in parts[1:]:
                assert np.abs(other - parts[0]).max() <= self.code_slack

        self.on_bench(scenario)

    # ---- writing

    def test_program_leaves_nan_alone(self) -> None:
        """A cell whose target is NaN stays as it is while another one goes from the low to the high end."""

        def scenario(bench: Bench) -> None:
            self._need(bench, "program")
            has, places = bench.capabilities, self.places(bench)
            low, high = has.conductance_range or (0.0, 0.0)
            targets = np.full((has.rows, has.cols), np.nan)
            targets[places[:, 0], places[:, 1]] = low
            bench.program(self.array, targets)
            config = ReadConfig(voltage=self.voltage)
            before = bench.read(self.array, places, config).conductance[:, 0]
            targets[:] = np.nan
            targets[tuple(places[0])] = high
            bench.program(self.array, targets)
            moved = (bench.read(self.array, places, config).conductance[:, 0] - before) / (high - low)
            assert moved[0] > 0.5, "the cell with a target must move"
            assert (np.abs(moved[1:]) < 0.25).all(), "the cells without a target must not"

        self.on_bench(scenario)

    def test_pulse(self) -> None:
        """Pulses on several cells, more than one, and one cell named twice."""

        def scenario(bench: Bench) -> None:
            self._need(bench, "pulse")
            places, pulse = self.places(bench), self._pulse(bench, self.voltage)
            bench.pulse(self.array, places, pulse)
            bench.pulse(self.array, np.repeat(places[:1], 2, axis=0), pulse, count=2)

        self.on_bench(scenario)

    # ---- what is refused

    @pytest.mark.parametrize("verb", ["mvm", "program", "pulse"])
    def test_unsupported_verbs_say_so(self, verb: str) -> None:
        """What `native` does not name raises `Unsupported`, nothing else."""

        def scenario(bench: Bench) -> None:
            has = bench.capabilities
            if verb in has.native:
                pytest.skip(f"the driver has a {verb} of its own")
            # Nothing that would harm cells where the driver has the verb and hides it.
            calls: dict[str, Callable[[], object]] = {
                "mvm": lambda: bench.mvm([self.array], self._volts(bench, 1), self._vector()),
                "program": lambda: bench.program(self.array, np.full((has.rows, has.cols), np.nan)),
                "pulse": lambda: bench.pulse(self.array, self.places(bench)[:1], self._pulse(bench, 0.0)),
            }
            with pytest.raises(Unsupported):
                calls[verb]()

        self.on_bench(scenario)

    def test_voltages_above_the_range_do_not_reach_it(self) -> None:
        """The guard refuses them from the capabilities: no operation is begun."""

        def scenario(bench: Bench) -> None:
            places, volts = self.places(bench), 1.01 * bench.capabilities.voltage_max
            with pytest.raises(LimitError):
                bench.read(self.array, places, ReadConfig(voltage=volts))
            with pytest.raises(LimitError):
                bench.sweep(self.array, (int(places[0, 0]), int(places[0, 1])), [0.0, -volts])

        with open_trace(self.on_bench(scenario)) as trace:
            assert len(trace) == 0

    def test_targets_out_of_range_do_not_reach_it(self) -> None:
        """The guard refuses targets outside `conductance_range`: no operation is begun."""

        def scenario(bench: Bench) -> None:
            self._need(bench, "program")
            has = bench.capabilities
            targets = np.full((has.rows, has.cols), np.nan)
            targets[tuple(self.places(bench)[0])] = 1.01 * (has.conductance_range or (0.0, 0.0))[1]
            with pytest.raises(InputError):
                bench.program(self.array, targets)

        with open_trace(self.on_bench(scenario)) as trace:
            assert len(trace) == 0

    # ---- the trace

    def test_trace_reads_back_equal(self) -> None:
        """A whole session stands in the trace as it happened, bit for bit, an error too (`record` checks that)."""

        def scenario(bench: Bench) -> None:
            has, places = bench.capabilities, self.places(bench)
            bench.read(self.array, places, ReadConfig(voltage=self.voltage, repeat=2))
            bench.wait(WAIT)
            bench.sweep(self.array, (int(places[0, 0]), int(places[0, 1])), [0.0, self.voltage])
            if "mvm" in has.native:
                events = np.arange(2, dtype=np.uint64)
                bench.mvm([self.array], self._volts(bench, 2).astype(np.float32), self._vector(), events)
            else:
                with pytest.raises(Unsupported):
                    bench.mvm([self.array], self._volts(bench, 2), self._vector())

        with open_trace(self.on_bench(scenario)) as trace:
            assert [operation.request.kind.name for operation in trace] == ["READ", "WAIT", "SWEEP", "MVM"]
