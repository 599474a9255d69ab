"""The steps of a characterisation, each as the operations that it is made of, or the reason why it is left out."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from xbar.bench.capabilities import Capabilities
from xbar.bench.limits import Limits
from xbar.bench.settings import ReadConfig, VectorConfig
from xbar.devices.card import LAWS, DeviceCard
from xbar.errors import InputError
from xbar.programming.characterise_acts import Act, Floats, Ints, Multiply, Read, Sweep, Wait, Write
from xbar.programming.characterise_plan import PlanFile
from xbar.units import show

CELLS_AT_ONCE = 16384
"""Cells of one reading operation of a simulated bench."""
CELLS_AT_ONCE_HARDWARE = 64
"""The same on hardware: what an interruption loses is little."""
SIMULATED_LAST = 1e5
"""Age of the last visit where time costs none [s]."""
HARDWARE_LAST = 1e3
ROUNDING = 1e-9
LATEST = 0.5
"""Share of the time that a card's laws hold for at which the last visit comes: what follows needs some."""
NO_WRITE = "this bench has no one-shot write"
HEADROOM = 1.25
"""Output range of products over the largest current that is expected."""
SAFE_SHARE = 0.8
"""Largest voltage of a sweep over the voltage at which a card's cells begin to move."""

Steps = tuple[Act, ...] | str
"""Operations of a step, or why there are none."""


@dataclass(frozen=True)
class Situation:
    """What a plan is made for."""

    plan: PlanFile
    has: Capabilities
    limits: Limits
    card: DeviceCard | None
    """The card of the cells, where one is known."""
    simulated: bool
    """Whether time on the bench costs none."""

    @property
    def programs(self) -> bool:
        """Tell whether cells are written in one shot."""
        return "program" in self.has.native and self.has.conductance_range is not None

    @property
    def read(self) -> ReadConfig:
        """Get how cells are read."""
        said = self.plan.read
        usual = 0.2 if self.card is None else self.card.read_voltage
        voltage = said.voltage or min(usual, self.limits.cell_voltage, self.has.voltage_max)
        return ReadConfig(voltage, said.repeat, said.settle, said.current_limit)

    def draws(self, step: str) -> np.random.Generator:
        """Return the random numbers of a step: leaving one out changes no other."""
        return np.random.default_rng([self.plan.seed, *step.encode()])

    def level_range(self) -> tuple[float, float]:
        """Return the lowest and the highest level [S]."""
        least, most = self.has.conductance_range or (0.0, 0.0)
        said = self.plan.levels
        high = said.high or most
        low = max(least, 0.02 * high) if said.low is None else said.low
        if not least <= low * (1 + ROUNDING) or not low < high <= most * (1 + ROUNDING):
            raise InputError(
                f"levels from {show(low, 'S')} to {show(high, 'S')}: give low below high, both inside the range of the "
                f"array, {show(least, 'S')} to {show(most, 'S')}"
            )
        return low, high

    def cells(self) -> Ints:
        """Return every cell, row by row `(n, 2)`."""
        return np.argwhere(np.ones((self.has.rows, self.has.cols), bool))

    def reads(self, cells: Ints, config: ReadConfig) -> Iterator[Read]:
        """Yield the reading of cells, in operations that are not too long."""
        at_once = CELLS_AT_ONCE if self.simulated else CELLS_AT_ONCE_HARDWARE
        for start in range(0, len(cells), at_once):
            yield Read(cells[start : start + at_once], config)

    def some_cells(self, step: str, count: int, targets: Floats | None) -> Ints:
        """Return cells `(n, 2)`: evenly over the targets where there are any, else at random."""
        every = self.cells()
        many = min(count, len(every))
        if targets is None:
            return every[np.sort(self.draws(step).choice(len(every), many, replace=False))]
        order = np.argsort(targets.ravel(), kind="stable")
        return every[order[np.linspace(0, len(order) - 1, many).round().astype(np.int64)]]


def wires_step(at: Situation) -> Steps:
    """Return the write of all cells to one high level and the reading of each."""
    if not at.programs:
        return NO_WRITE
    level = wires_level(at)
    targets = np.full((at.has.rows, at.has.cols), level)
    return (Write(targets), Wait(_first(at)), *at.reads(at.cells(), at.read))


def wires_level(at: Situation) -> float:
    """Return the level at which all cells show the wires [S]; raises `InputError` for one out of the array's range."""
    level, (least, most) = at.plan.wires.level or at.level_range()[1], at.has.conductance_range or (0.0, 0.0)
    if not least * (1 - ROUNDING) <= level <= most * (1 + ROUNDING):
        raise InputError(f"wires: level {show(level, 'S')} is outside {show(least, 'S')} to {show(most, 'S')}")
    return level


def level_targets(at: Situation) -> list[Floats]:
    """Return the targets of each write `(rows, cols)` [S]."""
    said = at.plan.levels
    low, high = at.level_range()
    spaced = np.linspace if said.spacing == "linear" or low == 0 else np.geomspace
    least = at.has.conductance_range[0] if at.has.conductance_range is not None else low
    levels = np.asarray(spaced(low, high, said.count), np.float64)
    if said.low is None and least < low and said.count > 1:
        # The smallest conductance is half of all cells of a differential pair: it is a level of its own.
        levels = np.r_[least, spaced(low, high, said.count - 1)]
    draws = at.draws("levels")
    return [draws.choice(levels, (at.has.rows, at.has.cols)) for _ in range(said.writes)]


def levels_step(at: Situation) -> Steps:
    """Return the writes to random levels, each read back."""
    if not at.programs:
        return NO_WRITE
    acts = list[Act]()
    for targets in level_targets(at):
        acts += [Write(targets), Wait(_first(at)), *at.reads(at.cells(), at.read)]
    return tuple(acts)


def retention_step(at: Situation) -> Steps:
    """Return the readings of all cells at later ages of the last write; the first visit was the reading back."""
    if not at.programs:
        return f"{NO_WRITE}, so no age counts from a write"
    if at.plan.levels.skip and at.plan.wires.skip:
        return "no step before it writes cells"
    last = at.plan.retention.last or _last(at)
    if not last > _first(at):
        return f"its last visit, at {show(last, 's')}, is not later than the first, at {show(_first(at), 's')}"
    ages = np.geomspace(_first(at), last, at.plan.retention.visits)
    reads = tuple(at.reads(at.cells(), at.read))
    spent = sum(read.cost(at.has).seconds for read in reads)
    acts = list[Act]()
    for gap in np.diff(ages):
        acts += [Wait(max(0.0, float(gap) - spent)), *reads]
    return tuple(acts)


def _first(at: Situation) -> float:
    """Return the age of the first visit [s]."""
    lowest = 0.0 if at.card is None else max((v[0] for v in _valid_times(at.card)), default=0.0)
    return max(min(at.plan.retention.first, LATEST * holds_until(at.card)), lowest)


def _last(at: Situation) -> float:
    """Return the age of the last visit that is chosen where the plan says none [s]."""
    usual = SIMULATED_LAST if at.simulated else HARDWARE_LAST
    return float(min(usual, LATEST * holds_until(at.card)))


def holds_until(card: DeviceCard | None) -> float:
    """Return the time after a write until which all laws of a card hold [s], infinite where nothing ends it."""
    return np.inf if card is None else min((valid[1] for valid in _valid_times(card)), default=np.inf)


def _valid_times(card: DeviceCard) -> Iterator[tuple[float, float]]:
    for name in LAWS:
        valid = card.validity(name).time
        if getattr(card, name) is not None and valid is not None:
            yield valid


def products_step(at: Situation, targets: Floats | None) -> Steps:
    """Return random products, between two readings of every cell."""
    if "mvm" not in at.has.native:
        return "this bench does not multiply"
    said, rows = at.plan.products, at.has.rows
    count = said.vectors or (rows + 64 if rows <= 512 else 128)
    voltage = said.voltage or at.read.voltage
    volts = at.draws("products").uniform(-voltage, voltage, (count, rows))
    largest = at.has.current_max
    if targets is not None:
        largest = min(largest, HEADROOM * float(np.abs(volts @ targets).max()))
    config = VectorConfig(voltage, largest)
    reads = tuple(at.reads(at.cells(), at.read))
    return (*reads, *(Multiply(volts[k : k + said.batch], config) for k in range(0, count, said.batch)), *reads)


def noise_step(at: Situation, targets: Floats | None) -> Steps:
    """Return bursts of readings of few cells, at several intervals."""
    said = at.plan.noise
    cells = at.some_cells("noise", said.cells, targets)
    configs = [replace(at.read, repeat=said.readings, settle=settle) for settle in said.settle]
    return tuple(read for config in configs for read in at.reads(cells, config)) or "it names no intervals"


def sweeps_step(at: Situation, targets: Floats | None) -> Steps:
    """Return I-V curves from -V to V and back, of cells over the range."""
    said = at.plan.sweeps
    voltage = said.voltage or _sweep_voltage(at)
    one_way = np.linspace(-voltage, voltage, said.points)
    volts = np.concatenate([one_way, one_way[-2::-1]])
    config = replace(at.read, repeat=1)
    cells = at.some_cells("sweeps", said.cells, targets)
    return tuple(Sweep((int(row), int(col)), volts, config) for row, col in cells)


def _sweep_voltage(at: Situation) -> float:
    """Return the largest voltage of a sweep that is chosen where the plan says none [V]."""
    bounds = [2.5 * at.read.voltage, at.limits.cell_voltage, at.has.voltage_max]
    if at.card is not None:
        valid = at.card.validity("iv_nonlinearity").voltage
        if valid is not None and at.card.iv_nonlinearity is not None:
            bounds += [abs(v) for v in valid]
        if at.card.write is not None:
            bounds += [SAFE_SHARE * abs(v) for v in (at.card.write.set_threshold, at.card.write.reset_threshold)]
        elif at.card.dynamics is not None:
            bounds.append(at.read.voltage)  # a dynamic model follows any voltage
    return float(min(bounds))
