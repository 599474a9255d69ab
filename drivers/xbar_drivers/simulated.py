"""The simulated array as a driver: physics of a device card, wires, converters."""

from collections.abc import Iterable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, Self, get_args

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from xbar.array.ageing import ROOM_TEMPERATURE, Conditions
from xbar.array.device import gpu
from xbar.array.movable_cells import Train
from xbar.array.nonlinear_product import IvWay
from xbar.array.periphery import Periphery
from xbar.array.simulated_arrays import SimulatedArrays
from xbar.array.wired_noise import WireNoise
from xbar.bench.capabilities import Capabilities, Identity, Timings
from xbar.bench.driver import Driver, DriverState, Unsafe
from xbar.bench.operation import OperationKind, Request
from xbar.bench.readings import CellReadings, VectorReadings
from xbar.bench.settings import Pulse, ReadConfig, Unselected, VectorConfig
from xbar.bench.status import Status
from xbar.circuit.wire_text import parse_wires, wire_values, wires_of
from xbar.circuit.wires import Wires
from xbar.devices.card import SWITCHES, DeviceCard
from xbar.devices.card_file import load_card
from xbar.devices.validity import Outside
from xbar.errors import FormatError, InputError, Unsupported
from xbar.periphery.converter import Converter
from xbar.periphery.converter_bank import ConverterBank
from xbar.periphery.real_converters import RealConverters
from xbar.random import SEED_MAX
from xbar.units import show
from xbar_drivers.simulated_effects import WIRES, SimulatedEffects, asked_converters, effects_on
from xbar_drivers.simulated_sweep import moving_points, sweep_moving

if TYPE_CHECKING:
    from xbar.circuit.bias_scheme import BiasScheme

SCHEMES: dict[Unselected, "BiasScheme"] = {
    Unselected.GROUND: "ground",
    Unselected.HALF: "half",
    Unselected.THIRD: "third",
    Unselected.FLOAT: "float",
}
"""What the lines are tied to that a reading does not use, in the words of the circuit."""

DYNAMIC_VOLTAGE = 5.0
"""Range of the sources for cells of a dynamic model, whose cards name no pulses [V]."""

UNNAMED_NODE = 4095
"""Node number in the noise counters of input vectors that came without events; 52 bits number them."""

CELLS_MAX = 2**31
"""Largest number of cells of a simulated bench: 16 GiB of state for each float64 field."""


class SimulatedDriver(Driver):
    """Equal simulated arrays.

    Args:
        card: name of a card, a card file, or a card.
        arrays: number of arrays, 1 to 65536.
        rows: word lines of one array.
        cols: bit lines of one array.
        seed: number of the chip, 0 to 2**48 - 1.
        dac_bits: bits of the input converters, 2 to 16.
        adc_bits: bits of the output converters, 2 to 16.
        converters: what is not ideal about converters: `RealConverters`, or nested values in SI units and LSB by the
            names of its fields; None: nothing.
        only: names of the effects to apply; None applies all.
        without: names of the effects to leave out.
        dtype: "float64" for exact products, "float32" for fast ones.
        threads: threads that share a product.
        device: "cpu", or "gpu" for products on the first CUDA device.
        temperature: temperature of the cells [K]; it acts where the card has a law for it.
        outside: "refuse" readings and products outside the valid range (time, temperature, voltage) of a law of the
            card before they begin, or "warn".
        wires: resistance of the wires: a text such as "1 ohm" or "22nm-1t1r" (see `xbar.circuit.wire_text`), a mapping
            of `word`, `bit`, `source`, `sense` to ohm, or None for ideal wires.
        wire_noise: read noise of products behind wires: "output", one draw for each bit line, whose spread is 2 / 8 /
            27 % too large where wires take 6 / 19 / 53 % of the signal; or "exact", one for each cell, with the whole
            circuit solved for every vector: a thousand times slower.
        iv: how products take cells of an I-V law: "linear", as conductances at the read voltage, or "exact", by the
            law: 25 to 45 times slower for large batches, behind wires some thousand times, with the read noise of each
            cell. It matters for cards that have such a law; readings of cells always follow it.

    """

    hardware: ClassVar[bool] = False

    def __init__(  # noqa: PLR0913  # one keyword for each option of the bench file
        self,
        card: str | DeviceCard = "generic",
        *,
        arrays: int = 1,
        rows: int = 128,
        cols: int = 128,
        seed: int = 0,
        dac_bits: int = 8,
        adc_bits: int = 8,
        converters: RealConverters | Mapping[str, Any] | None = None,
        only: Iterable[str] | None = None,
        without: Iterable[str] = (),
        dtype: str = "float64",
        threads: int = 1,
        device: str = "cpu",
        wires: str | Mapping[str, float] | None = None,
        wire_noise: str = "output",
        iv: str = "linear",
        temperature: float = ROOM_TEMPERATURE,
        outside: Outside = "refuse",
    ) -> None:
        _check_geometry(arrays, rows, cols)
        if dtype not in ("float64", "float32"):
            raise InputError(f"dtype {dtype!r} is not known; choose 'float64' (exact products) or 'float32' (fast)")
        if device not in ("cpu", "gpu"):
            raise InputError(f"device {device!r} is not known; choose 'cpu' or 'gpu'")
        if outside not in get_args(Outside):
            raise InputError(f"outside {outside!r} is not known; choose 'refuse' or 'warn'")
        if not 0 < temperature < np.inf:
            raise InputError(f"temperature {temperature} K must be above 0 K and finite")
        self._device = gpu() if device == "gpu" else None
        if threads < 1:
            raise InputError(f"threads {threads} must be at least 1")
        if not 0 <= seed <= SEED_MAX:
            raise InputError(f"seed {seed} is outside 0 to {SEED_MAX}; choose one inside")
        self._whole_card = card if isinstance(card, DeviceCard) else load_card(card)
        on = effects_on(only, without)
        bits = {name: width if name in on else None for name, width in (("dac", dac_bits), ("adc", adc_bits))}
        for width in (dac_bits, adc_bits):
            Converter(width)  # raises for a number of bits that cannot be
        asked = asked_converters(converters)
        real = asked.only(on)
        periphery = Periphery(bits["dac"], bits["adc"], dtype == "float64", seed, None if real.is_ideal else real)
        if periphery.plan is not None:
            ConverterBank(periphery.plan, 0, rows, cols)  # raises for errors that such converters cannot have
        named = _wires(wires)
        self._wires, self._wire_noise = named if WIRES in on else None, _wire_noise(wire_noise, wires, device)
        self._iv = _iv(iv, device)
        self._card = self._whole_card.only([name for name in SWITCHES if name in on])
        self._conditions = Conditions(float(temperature), outside)
        self._card.check_valid(temperature=self._conditions.temperature, outside=outside)
        self._periphery, self._threads, self._timings = periphery, threads, Timings()
        self._effects = SimulatedEffects(
            self._whole_card, periphery, asked, on, self._conditions.temperature, named, self._wire_noise, self._iv
        )
        self._geometry = (arrays, rows, cols)
        self._pool: Executor | None = None
        self._vectors = 0

    @classmethod
    def from_address(cls, rest: str, options: Mapping[str, Any]) -> Self:
        """Return the driver for the address "sim" with the keyword options of the class."""
        if rest:
            raise InputError(f"address 'sim:{rest}' says too much; write 'sim' and give options")
        try:
            return cls(**options)
        except TypeError as error:
            raise InputError(
                f"bench 'sim': {str(error).split('__init__() ')[-1]}; see the options of the simulated bench"
            ) from error

    def open(self) -> Identity:
        """Make the arrays; every cell stands at the card's smallest conductance."""
        arrays, rows, cols = self._geometry
        self._arrays = SimulatedArrays(
            arrays, rows, cols, self._card, self._periphery, self._device, self._wires, self._conditions
        )
        self._arrays.wire_noise, self._arrays.iv = self._wire_noise, self._iv
        self._blas = ThreadpoolController()
        if self._threads > 1:
            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="xbar-array")
        verbs = {"read", "sweep", "mvm", "program"} | ({"pulse"} if _takes_pulses(self._card) else set())
        voltage, current = _ranges(self._card, rows)
        self.capabilities = Capabilities(
            arrays=arrays,
            rows=rows,
            cols=cols,
            voltage_max=voltage,
            current_max=current,
            conductance_range=(self._card.g_min, self._card.g_max),
            dac_bits=self._periphery.dac_bits,
            adc_bits=self._periphery.output_bits,
            native=frozenset(verbs),
            unselected=frozenset(SCHEMES),
            parallel_sense=cols,
            effects=self._effects.report(),
            timings=self._timings,
        )
        return Identity("simulated", f"sim:{self._card.name}", serial=str(self._periphery.seed))

    def close(self) -> None:
        """Stop the threads."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    def safe_off(self) -> Unsafe:
        """Do nothing: a simulated source stands at 0 V between operations."""
        return ()

    def clock(self) -> float:
        """Return the simulated time since `open` [s]."""
        return self._arrays.clock

    def settings(self) -> dict[str, Any]:
        """Return card, seed, converters, conditions, and the laws that tell what the device is."""
        p = self._periphery
        return {
            "card": self._card.name,
            "card_sha256": self._whole_card.sha256,
            "card_text": self._whole_card.text,
            "seed": p.seed,
            "dac_bits": p.dac_bits,
            "adc_bits": p.adc_bits,
            "converters": None if p.real is None else p.real.to_dict(),
            "dtype": "float64" if p.exact else "float32",
            "device": "cpu" if self._device is None else self._device.name,
            "wires": None if self._wires is None else wire_values(self._wires),
            "wire_noise": self._wire_noise,
            "iv": self._iv,
            "temperature": self._conditions.temperature,
            "outside": self._conditions.outside,
            "device_laws": {name: law for name, law in self._card.laws() if name not in SWITCHES},
        }

    def state(self) -> DriverState:
        """Return everything that the cells are, and how far the random draws came."""
        counters, arrays = self._arrays.state()
        return DriverState({**self._chip(), **counters, "vectors": self._vectors}, arrays)

    def restore(self, state: DriverState, after: float = 0.0) -> None:
        """Bring the arrays to a state of the same chip, `after` seconds later."""
        said, own = state.values, self._chip()
        for name, remedy in (("seed", "--seed"), ("card_sha256", "--card")):
            if said.get(name) != own[name]:
                raise InputError(
                    f"the chip file is of {name} {said.get(name)!r}, the bench simulates {own[name]!r}; give "
                    f"the chip's own with {remedy}, or begin another chip file"
                )
        try:
            self._arrays.restore(said, state.arrays, after)
            self._vectors = int(said["vectors"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise FormatError(f"the state in the chip file is incomplete ({error}); it is damaged") from error

    def _chip(self) -> dict[str, Any]:
        """Return what the cells are drawn from."""
        card = self._whole_card
        return {
            "seed": self._periphery.seed,
            "card": card.name,
            "card_sha256": card.sha256,
            "card_text": card.text,
        }

    def program(self, array: int, targets: NDArray[np.float64]) -> None:
        """Write the targets that are not NaN, one cell after the other."""
        low, high = self._card.g_min, self._card.g_max
        seconds = float(np.count_nonzero(~np.isnan(targets))) * self._timings.write
        self._arrays.program(array, np.clip(targets, low, high), seconds)

    def mvm(
        self, arrays: tuple[int, ...], voltages: NDArray[Any], config: VectorConfig, events: NDArray[np.uint64] | None
    ) -> VectorReadings:
        """Multiply on all arrays at once, in the present read epoch."""
        k, batch, _ = voltages.shape
        cols = self.capabilities.cols if config.columns is None else config.columns
        if events is None:
            # The last node number is kept free by networks: these vectors share no noise with theirs.
            numbers = np.arange(self._vectors, self._vectors + batch, dtype=np.uint64)
            events = (np.uint64(UNNAMED_NODE) << np.uint64(52)) | numbers
            self._vectors += batch
        inputs = np.broadcast_to(np.asarray(config.input_range, np.float64), (k,))
        outputs = np.asarray(config.output_range, np.float64)
        outputs = np.broadcast_to(outputs[:, None] if outputs.ndim == 1 else outputs, (k, cols))
        # One BLAS thread: blocks of tiles are too small to gain from more, and our own threads share the work.
        clipped = None if self._periphery.real is None else np.empty((k, batch, cols), np.bool_)
        with self._blas.limit(limits=1, user_api="blas"):
            codes, step = self._arrays.multiply(arrays, voltages, inputs, outputs, events, self._pool, clipped)
        self._arrays.clock += self._seconds(batch)
        status = self._overrange(codes) if clipped is None else _flags(clipped)
        if self._asks_too_much(voltages, inputs):
            status = status | self._cut_inputs(voltages, inputs)
        return VectorReadings(codes, step, np.zeros((k, cols)), status)

    def retrace(self, request: Request) -> None:
        """Do an operation again; of products the clock and the numbers of input vectors alone move on."""
        if request.kind is not OperationKind.MVM or request.voltages is None:
            super().retrace(request)
            return
        batch = request.voltages.shape[1]
        self._vectors += batch if request.events is None else 0
        self._arrays.clock += self._seconds(batch)

    def _seconds(self, batch: int) -> float:
        """Return how long so many input vectors take [s]."""
        return batch * self._timings.product * self._planes

    @property
    def _planes(self) -> int:
        """Get the conversions of one input vector."""
        return 1 if self._periphery.plan is None else len(self._periphery.plan.weights)

    def _asks_too_much(self, voltages: NDArray[Any], ranges: NDArray[np.float64]) -> bool:
        """Return whether any voltage may lie beyond the largest code of its array: asked at every product."""
        return bool(voltages.size) and max(voltages.max(), -voltages.min()) > ranges.min()

    def _cut_inputs(self, voltages: NDArray[Any], ranges: NDArray[np.float64]) -> NDArray[np.uint32]:
        """Flag the arrays of which a word line got less than was asked for, beyond the largest input code."""
        top = self._periphery.dac.code_max
        over = np.abs(voltages).max(axis=(1, 2)) > ranges * ((top + 0.5) / top)
        return np.where(over, np.uint32(Status.INPUT_OVERRANGE), np.uint32(0)).astype(np.uint32)[:, None, None]

    def _overrange(self, codes: NDArray[Any]) -> NDArray[np.uint32]:
        """Flag the bit lines of which at least one code of this batch stands at the end of the range."""
        adc = self._periphery.adc
        if adc is None or not codes.size:
            return np.zeros((1, 1, 1), np.uint32)
        full = (codes.max(axis=1, keepdims=True) >= adc.code_max) | (codes.min(axis=1, keepdims=True) <= -adc.code_max)
        return np.where(full, np.uint32(Status.OVERRANGE), np.uint32(0)).astype(np.uint32)

    def read(self, array: int, cells: NDArray[np.int64], config: ReadConfig) -> CellReadings:
        """Read cells by an ideal ammeter: drift goes on, 1/f noise is drawn once, white noise at every reading."""
        return self._readings(array, cells, np.full(len(cells), float(config.voltage)), config)

    def sweep(
        self, array: int, cell: tuple[int, int], voltages: NDArray[np.float64], config: ReadConfig
    ) -> CellReadings:
        """Read one cell at each voltage, by its I-V law.

        A cell of a dynamic model follows the voltages; for one of a pulse law each point is a pulse. Other cells stay.
        """
        seconds = self._timings.read + config.settle
        moving = moving_points(self._arrays, array, voltages, seconds)

        def read(volts: NDArray[np.float64], repeat: int, each: float) -> CellReadings:
            some = np.array([cell] * len(volts), np.int64)
            return self._readings(array, some, volts, replace(config, repeat=repeat), each)

        if not moving.any():
            return read(voltages, config.repeat, seconds)
        limit = np.inf if config.current_limit is None else config.current_limit
        return sweep_moving(self._arrays, (array, cell), voltages, moving, seconds, limit, config.repeat, read)

    def _readings(
        self,
        array: int,
        cells: NDArray[np.int64],
        voltages: NDArray[np.float64],
        config: ReadConfig,
        seconds: float | None = None,
    ) -> CellReadings:
        applied = np.repeat(voltages[:, None], config.repeat, axis=1)
        seconds = self._timings.read + config.settle if seconds is None else seconds
        scheme = SCHEMES[config.unselected]
        found = self._arrays.measure(array, cells, applied, seconds, scheme, config.current_limit)
        limit = np.inf if config.current_limit is None else config.current_limit
        over = (np.abs(found.current) > limit) | (found.voltage != applied)
        status = np.where(over, np.uint32(Status.COMPLIANCE), np.uint32(0)).astype(np.uint32)
        missing = np.full_like(applied, np.nan)
        current = np.clip(found.current, -limit, limit)
        return CellReadings(found.time, applied, np.array(found.voltage), current, status, missing)

    def pulse(self, array: int, cells: NDArray[np.int64], pulse: Pulse, count: int = 1) -> None:
        """Move cells by pulses, one cell after the other; the others see the voltages of the bias scheme.

        Raises `LimitError` for a pulse beyond what the card allows, `Unsupported` for a gate voltage.
        """
        if pulse.gate is not None:
            raise Unsupported(
                f"pulse: gate voltage {show(pulse.gate, 'V')}; simulated cells have no access transistor. Leave it out"
            )
        if "pulse" not in self.capabilities.native:
            return super().pulse(array, cells, pulse, count)
        if self._card.write is not None:
            self._card.write.check(pulse.voltage, pulse.width)
        train = Train(pulse.voltage, pulse.width, pulse.rise, pulse.fall, pulse.current_limit, count)
        return self._arrays.pulse(array, cells, train, SCHEMES[pulse.unselected])

    def wait(self, seconds: float) -> None:
        """Move the clock; a new read epoch opens."""
        self._arrays.wait(seconds)


def _flags(clipped: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """Flag every conversion that clipped; one zero where none did."""
    if not clipped.any():
        return np.zeros((1, 1, 1), np.uint32)
    return np.where(clipped, np.uint32(Status.OVERRANGE), np.uint32(0)).astype(np.uint32)


def _check_geometry(arrays: int, rows: int, cols: int) -> None:
    for name, value, largest in (("arrays", arrays, 65536), ("rows", rows, 8192), ("cols", cols, 8192)):
        if not 1 <= value <= largest:
            raise InputError(f"{name} {value} must be 1 to {largest}")
    if arrays * rows * cols > CELLS_MAX:
        raise InputError(
            f"{arrays} arrays of {rows} x {cols} cells are more than {CELLS_MAX} cells; use fewer or smaller arrays"
        )


def _takes_pulses(card: DeviceCard) -> bool:
    """Return whether it is known what a pulse of some volts does to a cell."""
    return card.dynamics is not None or (card.pulse_response is not None and card.write is not None)


def _ranges(card: DeviceCard, rows: int) -> tuple[float, float]:
    """Return the largest voltage of the sources [V] and the largest current of a bit line [A]."""
    voltage = 5 * card.read_voltage
    current = voltage * card.g_max * rows
    if not _takes_pulses(card):
        return voltage, current
    if card.dynamics is not None:
        voltage = max(voltage, DYNAMIC_VOLTAGE)
    if card.write is not None:
        voltage = max(voltage, card.write.voltage_max)
    # One cell at the largest voltage, and the compliance that a pulse has by default, must be possible.
    return voltage, max(current, 2 * voltage * card.g_max, Pulse(0.0, 1.0).current_limit)


def _wire_noise(asked: str, wires: object, device: str) -> WireNoise:
    if asked not in get_args(WireNoise):
        raise InputError(f"wire noise {asked!r} is not known; choose {' or '.join(get_args(WireNoise))}")
    if asked == "exact" and wires is None:
        raise InputError("exact read noise through wires needs wires; name them, for example wires='1 ohm'")
    if asked == "exact" and device == "gpu":
        raise Unsupported("exact read noise through wires runs on the CPU alone; leave the device out")
    exact: WireNoise = "exact"
    return exact if asked == "exact" else "output"


def _iv(asked: str, device: str) -> IvWay:
    if asked not in get_args(IvWay):
        raise InputError(f"iv {asked!r} is not known; choose {' or '.join(get_args(IvWay))}")
    if asked == "exact" and device == "gpu":
        raise Unsupported("products of non-linear cells (iv 'exact') run on the CPU alone; leave the device out")
    exact: IvWay = "exact"
    return exact if asked == "exact" else "linear"


def _wires(wires: str | Mapping[str, float] | None) -> Wires | None:
    if wires is None:
        return None
    return parse_wires(wires) if isinstance(wires, str) else wires_of(wires)
