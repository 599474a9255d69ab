"""The error budget: what each effect costs alone, and what leaving it out gives back."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.errors import InputError
from xbar.execution.results import RunResult
from xbar.execution.run_network import Progress, quiet, run_network
from xbar.execution.run_settings import RunSettings
from xbar.mapping.mapped_network import MappedNetwork
from xbar.periphery.real_converters import NEEDS


@dataclass(frozen=True, eq=False)
class BudgetRow:
    """One effect of the bench."""

    effect: str
    alone: RunResult
    """Only this effect is on."""
    without: RunResult
    """All others are on."""


@dataclass(frozen=True, eq=False)
class ErrorBudget:
    """Runs of one chip with effects switched one at a time, all on the same samples."""

    everything: RunResult
    """All effects on."""
    nothing: RunResult
    """All effects off: what the mapping itself costs."""
    rows: tuple[BudgetRow, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values: for each run the accuracy and the error of every layer."""
        return {
            "everything": _short(self.everything),
            "nothing": _short(self.nothing),
            "effects": [
                {"effect": row.effect, "alone": _short(row.alone), "without": _short(row.without)} for row in self.rows
            ],
            "samples": self.everything.samples,
            "seed": self.everything.seed,
            "at_s": self.everything.at,
        }

    def __str__(self) -> str:
        """Return the budget as a table: difference to the digital network in points, and mean layer SNR in dB."""
        lines = [f"{'effect':<20} {'alone':>20} {'left out':>20}   points of accuracy / mean layer SNR"]
        lines += [f"{row.effect:<20} {_figures(row.alone):>20} {_figures(row.without):>20}" for row in self.rows]
        lines.append(f"{'(none, all)':<20} {_figures(self.nothing):>20} {_figures(self.everything):>20}")
        return "\n".join(lines)


def error_budget(
    mapped: MappedNetwork,
    inputs: Mapping[str, NDArray[Any]] | NDArray[Any],
    labels: NDArray[Any] | None = None,
    *,
    settings: RunSettings | None = None,
    progress: Progress = quiet,
) -> ErrorBudget:
    """Run the same samples with every effect that is applied alone, and left out.

    Raises `InputError` where the bench is not the simulated one or effects are already chosen, and what a run raises.
    """
    how = settings or RunSettings()
    if not how.is_simulated or how.only is not None or how.without:
        raise InputError(
            "the error budget switches the effects of the simulated bench itself; leave --bench and effects out"
        )
    if how.trace is not None:
        raise InputError(
            "the error budget is many runs and writes no trace; trace one of them with `xbar run --only EFFECT`"
        )

    def one(number: int, **changes: Any) -> RunResult:
        result = run_network(mapped, inputs, labels, settings=replace(how, **changes))
        progress("error budget", number, total)
        return result

    total = 1
    everything = one(0)
    applied = [effect.name for effect in everything.effects if effect.state == "applied"]
    total = 2 + 2 * len(applied)
    nothing = one(2, only=())
    rows = []
    for i, name in enumerate(applied):
        # Errors of a converter alone are those of a converter: with its steps.
        alone = (name, NEEDS[name]) if name in NEEDS else (name,)
        rows.append(BudgetRow(name, one(3 + 2 * i, only=alone), one(4 + 2 * i, without=(name,))))
    return ErrorBudget(everything, nothing, tuple(rows))


def mean_snr(result: RunResult) -> float:
    """Return the mean over layers of the error of the layer alone [dB]; infinite errors-free layers are left out."""
    known = [layer.snr_db for layer in result.layers if np.isfinite(layer.snr_db)]
    return float(np.mean(known)) if known else float("inf")


def _short(result: RunResult) -> dict[str, Any]:
    full = result.to_dict()
    return {"accuracy": full["accuracy"], "layers": full["layers"]}


def _figures(result: RunResult) -> str:
    accuracy = "" if result.accuracy is None else f"{100 * result.accuracy.difference:+.2f} / "
    return f"{accuracy}{mean_snr(result):.1f} dB"
