"""Characterise an array: a plan over `Crossbar` alone that exercises it so that its card can be fitted."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from xbar.bench.capabilities import Capabilities
from xbar.bench.crossbar import Crossbar
from xbar.bench.limits import Limits
from xbar.devices.card import DeviceCard
from xbar.programming.characterise_acts import Act, Cost, Floats, Pulses, Read, Sweep, Write, check_acts
from xbar.programming.characterise_plan import PlanFile
from xbar.programming.characterise_pulses import pulses_step
from xbar.programming.characterise_steps import (
    Situation,
    Steps,
    holds_until,
    level_targets,
    levels_step,
    noise_step,
    products_step,
    retention_step,
    sweeps_step,
    wires_level,
    wires_step,
)
from xbar.units import show

SKIPPED = "the plan skips it"


@dataclass(frozen=True)
class Step:
    """One step of a plan."""

    name: str
    acts: tuple[Act, ...]


@dataclass(frozen=True)
class Characterisation:
    """The steps that are done, in their order, and those that are left out."""

    has: Capabilities
    steps: tuple[Step, ...]
    left_out: tuple[tuple[str, str], ...]
    """Name and reason."""

    def costs(self) -> list[tuple[str, Cost]]:
        """Return what each step takes."""
        return [(step.name, sum((act.cost(self.has) for act in step.acts), Cost())) for step in self.steps]

    @property
    def total(self) -> Cost:
        """Get what all steps take."""
        return sum((cost for _, cost in self.costs()), Cost())

    @property
    def cells(self) -> int:
        """Get the number of cells that are written, pulsed, read or swept."""
        seen = np.zeros((self.has.rows, self.has.cols), bool)
        for act in (act for step in self.steps for act in step.acts):
            match act:
                case Write(targets=targets):
                    seen |= ~np.isnan(targets)
                case Read(cells=cells) | Pulses(cells=cells):
                    seen[cells[:, 0], cells[:, 1]] = True
                case Sweep(cell=cell):
                    seen[cell] = True
                case _:
                    pass
        return int(seen.sum())

    @property
    def pulses_per_cell(self) -> int:
        """Get the most pulses that one cell gets."""
        seen = np.zeros((self.has.rows, self.has.cols), np.int64)
        for act in (act for step in self.steps for act in step.acts if isinstance(act, Pulses)):
            seen[act.cells[:, 0], act.cells[:, 1]] += act.count
        return int(seen.max())

    def marks(self) -> dict[str, Any]:
        """Return which operations belong to which step, as JSON values: `first` and `count` from operation 0 on."""
        first, steps = 0, list[dict[str, Any]]()
        for step in self.steps:
            steps.append({"name": step.name, "first": first, "count": len(step.acts)})
            first += len(step.acts)
        return {"steps": steps, "left_out": dict(self.left_out)}

    def check(self, limits: Limits) -> None:
        """Raise `LimitError` for what the limits do not allow, before anything is sent."""
        check_acts((act for step in self.steps for act in step.acts), limits, self.has)


def plan_steps(
    plan: PlanFile, has: Capabilities, limits: Limits, card: DeviceCard | None = None, simulated: bool = False
) -> Characterisation:
    """Return the steps that a bench can do within its limits.

    A plan is made before anything is measured, and depends on nothing that is: the same plan, bench and card give the
    same operations, so that a trace tells where it stopped.

    Args:
        plan: what the plan file says.
        has: what the array can do.
        limits: what may be done to it.
        card: the card of the cells, where one is known: its read voltage, pulses, and where its laws hold.
        simulated: whether time on the bench costs none; the last visit is then later, operations are longer.

    Raises `InputError` for levels out of the range of the array.

    """
    at = Situation(plan, has, limits, card, simulated)
    written = level_targets(at)[-1] if at.programs and not plan.levels.skip else None
    if written is None and at.programs and not plan.wires.skip:
        written = np.full((has.rows, has.cols), wires_level(at))
    made = _in_order(at, written)
    if simulated:
        made = _while_laws_hold(made, has, holds_until(card))
    steps = tuple(Step(name, acts) for name, acts in made if not isinstance(acts, str))
    return Characterisation(has, steps, tuple((name, why) for name, why in made if isinstance(why, str)))


def _in_order(at: Situation, written: Floats | None) -> list[tuple[str, Steps]]:
    """Return every step by name: pulses last where cells can be written, for they move them, else first."""
    plan = at.plan
    writes: dict[str, Callable[[], Steps]] = {
        "wires": lambda: wires_step(at),
        "levels": lambda: levels_step(at),
        "retention": lambda: retention_step(at),
    }
    reads: dict[str, Callable[[], Steps]] = {
        "products": lambda: products_step(at, written),
        "noise": lambda: noise_step(at, written),
        "sweeps": lambda: sweeps_step(at, written),
    }
    pulses: dict[str, Callable[[], Steps]] = {"pulses": lambda: pulses_step(at)}
    visit: dict[str, Callable[[], Steps]] = {"visit": lambda: tuple(at.reads(at.cells(), at.read))}
    order = writes | reads | pulses if at.programs else writes | pulses | visit | reads
    skipped = {name for name in order if name != "visit" and getattr(plan, name).skip}
    return [(name, SKIPPED if name in skipped else make()) for name, make in order.items()]


def _while_laws_hold(made: list[tuple[str, Steps]], has: Capabilities, until: float) -> list[tuple[str, Steps]]:
    """Return the steps without those that would read cells longer after their write than the laws of the card hold."""
    age, kept = 0.0, list[tuple[str, Steps]]()
    for name, acts in made:
        if isinstance(acts, str):
            kept.append((name, acts))
            continue
        now, oldest = age, 0.0
        for act in acts:
            now = 0.0 if isinstance(act, Write) else now + act.cost(has).seconds
            oldest = max(oldest, now)
        if oldest > until:
            why = f"it ends {show(oldest, 's')} after a write, and laws of the card hold until {show(until, 's')}"
            kept.append((name, why))
            continue
        age = now
        kept.append((name, acts))
    return kept


def characterise(
    crossbar: Crossbar, found: Characterisation, tell: Callable[[str, int, int], None] | None = None
) -> None:
    """Do the steps of a plan on an array; what was measured is in the trace of the bench.

    Args:
        crossbar: the array.
        found: its plan, from `plan_steps`.
        tell: called with the name of the step, how many of its operations are done, and how many there are.

    Raises:
        LimitError: an operation that the limits do not allow, before the first one is sent.
        Interrupted: the user stopped; what was measured by then is in the trace.

    """
    found.check(crossbar.limits)
    for step in found.steps:
        for done, act in enumerate(step.acts, 1):
            act.do(crossbar)
            if tell is not None:
                tell(step.name, done, len(step.acts))
