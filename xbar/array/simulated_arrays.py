"""Equal simulated arrays on one clock: writing, products frozen within a read epoch, readings of single cells."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xbar.array.ageing import Conditions
from xbar.array.cell_array import CellArray, Floats
from xbar.array.cell_reading import Measured, chords, conductances_at, numbers, settle
from xbar.array.converted import convert
from xbar.array.device import CHUNK as DEVICE_CHUNK
from xbar.array.device import Device, DeviceProduct
from xbar.array.forming_cells import check_formed, form, form_by_reading
from xbar.array.movable_cells import Train
from xbar.array.nonlinear_product import IvWay, NonlinearDevice, NonlinearProduct
from xbar.array.periphery import Periphery
from xbar.array.product import BLOCK, ArrayProduct
from xbar.array.pulses import apply_pulses
from xbar.array.wired_array import Operator, WiredArray, sneak
from xbar.array.wired_noise import WiredNoiseProduct, WireNoise
from xbar.circuit.wires import Wires
from xbar.devices.card import DeviceCard
from xbar.periphery.converter_bank import ConverterBank, ConverterPart
from xbar.random import Purpose, normals

if TYPE_CHECKING:
    from xbar.circuit.bias_scheme import BiasScheme

CHUNK = 4096
"""Input vectors of one task when products run on several threads."""


class SimulatedArrays:
    """`arrays` arrays of `(rows, cols)` cells of one card, with a clock [s].

    Products are frozen within a read epoch, which programming and waiting open: drift and 1/f noise stand still in it,
    so that a result does not depend on how input vectors are grouped. Readings of single cells follow the clock.
    """

    def __init__(
        self,
        arrays: int,
        rows: int,
        cols: int,
        card: DeviceCard,
        periphery: Periphery,
        device: Device | None = None,
        wires: Wires | None = None,
        conditions: Conditions | None = None,
    ) -> None:
        self.shape, self.card, self.periphery = (arrays, rows, cols), card, periphery
        self.conditions = conditions or Conditions()
        self.clock = 0.0
        self._epoch, self._epoch_time, self._reads = 0, 0.0, 0
        self._cells: dict[int, CellArray] = {}
        self._products: dict[int, ArrayProduct | WiredNoiseProduct | NonlinearProduct] = {}
        self.wire_noise: WireNoise = "output"
        """How read noise goes through wires: drawn at the end of each bit line, or exactly, cell by cell."""
        self.iv: IvWay = "linear"
        """How products take cells of an I-V law: as conductances at the read voltage, or by the law."""
        self._device, self._wires = device, wires
        self._wired: dict[int, WiredArray] = {}
        self._on_device: dict[tuple[int, int, int], DeviceProduct] = {}
        self._banks: dict[int, ConverterBank] = {}
        self._converters: dict[int, tuple[tuple[int, bytes], ConverterPart]] = {}

    def cells(self, array: int) -> CellArray:
        """Return the cells of one array, made when first asked for."""
        if array not in self._cells:
            _, rows, cols = self.shape
            self._cells[array] = CellArray(rows, cols, self.card, self.periphery.seed, array, self.conditions)
        return self._cells[array]

    def state(self) -> tuple[dict[str, float], dict[str, Floats]]:
        """Return clock and counters of draws, and the cells of every array that was made, by "array/name"."""
        counters = {"clock": self.clock, "epoch": float(self._epoch), "reads": float(self._reads)}
        cells = {f"{k}/{name}": values for k, c in self._cells.items() for name, values in c.state().items()}
        return counters, cells

    def restore(self, counters: Mapping[str, float], cells: Mapping[str, Floats], after: float) -> None:
        """Bring the arrays to a state of `state`, `after` seconds later; draws go on where they stopped.

        Raises `FormatError` where the state is incomplete.
        """
        by_array: dict[int, dict[str, Floats]] = {}
        for place, values in cells.items():
            array, _, name = place.partition("/")
            by_array.setdefault(int(array), {})[name] = values
        for number, state in by_array.items():
            self.cells(number).restore(state)
        self.clock = float(counters["clock"]) + after
        self._epoch, self._reads = int(counters["epoch"]), int(counters["reads"])
        self.open_epoch()

    def open_epoch(self) -> None:
        """Begin a new read epoch at the present clock: the next products see drift up to now and new 1/f noise."""
        self._epoch, self._epoch_time = self._epoch + 1, self.clock
        self._products.clear()
        self._on_device.clear()

    def program(self, array: int, targets: Floats, seconds: float) -> None:
        """Write `targets` (rows, cols) [S], NaN leaves a cell; takes `seconds` on the clock and opens an epoch.

        Raises `InputError` where the card's cells must be formed and none of these is.
        """
        check_formed(self.cells(array), targets)
        self.clock += seconds
        self.cells(array).program(targets, self.clock)
        self.open_epoch()

    def wait(self, seconds: float) -> None:
        """Move the clock by `seconds` and open an epoch."""
        self.clock += seconds
        self.open_epoch()

    def conductances(self, array: int) -> Floats:
        """Return the conductances (rows, cols) [S] that products of the present epoch see."""
        return self.cells(array).conductances(self._epoch_time, self._epoch)

    def product(self, array: int) -> ArrayProduct | WiredNoiseProduct | NonlinearProduct:
        """Return the product of one array in the present epoch."""
        if array not in self._products:
            self._check(self.cells(array), self._epoch_time)
            g = self.conductances(array)
            sigma = self.cells(array).sigma(g)
            device = self._nonlinear
            if device is not None:
                self._products[array] = NonlinearProduct(g, sigma, device, array, self.periphery, self._wires)
                return self._products[array]
            if self._wires is not None and sigma is not None and self.wire_noise == "exact":
                self._products[array] = WiredNoiseProduct(g, sigma, self._wires, array, self.periphery)
                return self._products[array]
            if self._wires is not None:
                # A cell's noise reaches the end of its bit line as its current does: an approximation, named so.
                seen = self._operator(array, g)
                g, sigma = seen.matrix, None if sigma is None else sigma * seen.share
            self._products[array] = ArrayProduct(g, sigma, array, self.periphery)
        return self._products[array]

    @property
    def _nonlinear(self) -> NonlinearDevice | None:
        """Get the I-V law that products follow, None where they are linear."""
        law = self.card.iv_nonlinearity
        if law is None or self.iv == "linear":
            return None
        measured = self.card.validity("iv_nonlinearity").voltage
        limit = np.inf if measured is None else max(abs(volts) for volts in measured)
        return NonlinearDevice(law, self.card.read_voltage, limit)

    def _operator(self, array: int, conductances: Floats) -> Operator:
        """Return what the converters see of an array whose cells have these conductances (rows, cols) [S]."""
        assert self._wires is not None
        return self._wired.setdefault(array, WiredArray(self._wires)).operator(conductances)

    def _part(
        self, array: int, rows: int, cols: int
    ) -> ArrayProduct | DeviceProduct | WiredNoiseProduct | NonlinearProduct:
        """Return the product of a part of an array, where it is to run."""
        part = self.product(array).part(rows, cols)
        if self._device is None or isinstance(part, WiredNoiseProduct | NonlinearProduct):
            return part
        place = (array, rows, cols)
        if place not in self._on_device:
            self._on_device[place] = DeviceProduct(part, self._device)
        return self._on_device[place]

    def multiply(
        self,
        arrays: Sequence[int],
        volts: NDArray[Any],
        input_range: Floats,
        output_range: Floats,
        events: NDArray[np.uint64],
        pool: Executor | None = None,
        clipped: NDArray[np.bool_] | None = None,
    ) -> tuple[NDArray[Any], Floats]:
        """Return output codes (k, batch, cols) and their steps (k, cols) [A].

        Args:
            arrays: `k` array numbers.
            volts: `(k, batch, rows)` [V]; the word lines beyond `rows` stand at 0 V.
            input_range: `(k,)` voltage of the largest input code [V].
            output_range: `(k, cols)` current of the largest output code [A], for the first `cols` bit lines.
            events: `(batch,)` numbers of the input vectors.
            pool: threads to spread the work over; the result does not depend on it.
            clipped: (k, batch, cols) to be filled with the conversions that clipped, where converters are not ideal;
                with ideal ones the codes at the ends of the range tell.

        """
        if self._nonlinear is not None:
            self.card.check_valid(voltage=volts, outside=self.conditions.outside)
        k, batch, rows = volts.shape
        cols = output_range.shape[1]
        codes: NDArray[Any] = np.empty((k, batch, cols), self.periphery.code_type)
        steps = self.periphery.converter_step(output_range)
        if pool is not None and self._wires is not None:
            list(pool.map(self.product, [array for array in arrays if array not in self._products]))
        parts = [self._part(array, rows, cols) for array in arrays]
        real = self.periphery.real is not None
        converters = [self._part_converters(array, rows, steps[i]) for i, array in enumerate(arrays)] if real else []
        cut = np.empty(codes.shape if real else (k, 0, 0), np.bool_) if clipped is None else clipped

        def task(place: tuple[int, int]) -> None:
            i, first = place
            block = slice(first, first + CHUNK)
            step = self.periphery.input_step(float(input_range[i]))
            if not real:
                parts[i].convert(volts[i, block], step, steps[i], events[block], codes[i, block])
                return
            given = (volts[i, block], step, steps[i], events[block], codes[i, block], cut[i, block])
            part = parts[i]
            if isinstance(part, DeviceProduct):
                convert(converters[i], part.currents, *given, block=DEVICE_CHUNK, put=part.put, get=part.get)
            else:
                convert(converters[i], part.currents, *given, block=BLOCK)

        places = [(i, first) for first in range(0, batch, CHUNK) for i in range(k)]
        for _ in map(task, places) if pool is None or len(places) == 1 else pool.map(task, places):
            pass
        return codes, self.periphery.output_step(output_range)

    def _part_converters(self, array: int, rows: int, steps: Floats) -> ConverterPart:
        """Return the converters of a part of an array at certain steps (cols,) [A], where products run."""
        key = (rows, steps.tobytes())
        known = self._converters.get(array)
        if known is None or known[0] != key:
            if array not in self._banks:
                assert self.periphery.plan is not None
                self._banks[array] = ConverterBank(self.periphery.plan, array, *self.shape[1:])
            put = np.asarray if self._device is None else self._device.put
            known = self._converters[array] = (key, ConverterPart(self._banks[array], rows, steps, put))
        return known[1]

    def pulse(self, array: int, places: NDArray[np.int64], train: Train, scheme: "BiasScheme" = "half") -> None:
        """Give each of some cells (n, 2) a train of pulses, one cell after the other; opens an epoch.

        The other cells see what the bias scheme, and the wires, let them see.
        """
        self.clock = apply_pulses(self.cells(array), places, train, self.clock, scheme, self._wires)
        self.open_epoch()

    def _check(
        self, cells: CellArray, time: float, some: NDArray[np.int64] | None = None, voltages: Floats | None = None
    ) -> None:
        """Raise `InputError`, or warn, where the laws of the card do not hold at a time [s] or at voltages [V]."""
        cells.ageing.check(cells.oldest(time, some))
        self.card.check_valid(
            temperature=self.conditions.temperature, voltage=voltages, outside=self.conditions.outside
        )

    def count_reading(self) -> int:
        """Return the number of the next reading: which random numbers it has to itself."""
        self._reads += 1
        return self._reads - 1

    def read(
        self,
        array: int,
        places: NDArray[np.int64],
        voltages: Floats,
        seconds: float,
        scheme: "BiasScheme" = "ground",
    ) -> tuple[Floats, Floats]:
        """Read cells one after the other as `measure` does; return times [s] and currents [A]."""
        found = self.measure(array, places, voltages, seconds, scheme)
        return found.time, found.current

    def measure(
        self,
        array: int,
        places: NDArray[np.int64],
        voltages: Floats,
        seconds: float,
        scheme: "BiasScheme" = "ground",
        limit: float | None = None,
    ) -> Measured:
        """Read cells one after the other; every part of the answer is shaped as `voltages`.

        A cell of a dynamic model follows the voltage and keeps the state that it comes to: that opens a read epoch. So
        does a cell that the voltage forms.
        Cells on the same lines are taken as shielded: a reading moves the cell that it reads alone.

        Args:
            array: number of the array.
            places: `(n, 2)` (row, column) of each cell.
            voltages: `(n, repeat)` voltage between the ends of the cell's lines at each reading [V].
            seconds: how long one reading takes [s].
            scheme: what the other lines are tied to; the sneak currents that it leaves are in the reading.
            limit: compliance of the source [A]; it acts on cells of a dynamic model.

        Raises `InputError` before anything happens where a law of the card does not hold at the time or voltage.

        """
        cells, some = self.cells(array), numbers(self.cells(array), places)
        n, repeat = voltages.shape
        self._check(cells, self.clock + seconds * n * repeat, some, voltages)
        times = self.clock + seconds * (1 + np.arange(n * repeat).reshape(n, repeat))
        self.clock += seconds * n * repeat
        # One draw of 1/f noise for the whole reading of the array; drift goes on from reading to reading.
        noise = cells.with_flicker(cells.drifted(self.clock), self.clock, self._reads, Purpose.CELL_FLICKER_NOISE)
        row, col = places[:, 0], places[:, 1]
        share = np.ones(1) if self._wires is None else self._operator(array, noise).share[row, col][:, None]
        stray = sneak(noise, places, scheme, share, self._wires)
        g = conductances_at(cells, some, times, noise, self.clock, self._reads)
        formed = numbers(cells, places[:0])
        if self.card.forming is not None:
            found = form_by_reading(cells, some, g, voltages, times, limit)
            g, formed = found.conductance, found.formed
        before = None if self.card.dynamics is None else cells.position.ravel()[some]
        seen = chords(cells, some, g, voltages, seconds, limit)
        current = (seen.conductance * share + stray) * voltages
        if self.card.read_noise is not None and n * repeat:
            event = np.array([self._reads], np.uint64)
            z = normals(event, array, n * repeat, self.periphery.seed, Purpose.CELL_READ_NOISE).reshape(n, repeat)
            current = current + cells.noise(some, g, seen.conductance) * share * voltages * z
        self._reads += 1
        moved = before is not None and settle(cells, some, before, self.clock)
        if len(formed):
            form(cells, formed, limit, np.full(len(formed), self.clock))
        if moved or len(formed):
            self.open_epoch()
        return Measured(times, current, seen.voltage)
