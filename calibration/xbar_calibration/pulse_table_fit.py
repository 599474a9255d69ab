"""Tables of the pulse response, for trains that no closed form describes."""

from typing import Any, Final

import numpy as np
from scipy import stats

from xbar.devices.ramp_table import pulse_table
from xbar.errors import InputError
from xbar_calibration.fit import (
    LEVEL,
    Bools,
    Fit,
    Floats,
    Parameter,
    Residuals,
    held_out,
    ranked,
)
from xbar_calibration.pulse_trains import LAW, Trains
from xbar_calibration.quantities import number

STATES: Final = 24


def table_of(trains: Trains, mask: dict[int, Bools], scale: float) -> Any:
    """Return the table of what the fit may see in S, None where they are no conductances or share no range."""
    if not np.isfinite(scale) or trains.every != 1:
        return None
    window = 1
    if trains.noisy:
        window = max(3, min(len(trains.up), len(trains.down)) // 20 * 2 + 1)
    up, down = (np.where(mask[sign], ramp, np.nan) * scale for sign, ramp in trains.parts())
    try:
        return pulse_table(up, down, STATES, window)
    except InputError:
        return None


def table_residuals(trains: Trains, table: Any) -> dict[int, Floats]:
    """Return what a table leaves of each direction: along trains where readings are noisy, else of single steps."""
    found = {}
    for sign, ramp in trains.parts():
        steps = table.up if sign > 0 else table.down
        rest = np.full(ramp.shape, np.nan)
        if trains.noisy:
            g, path = ramp[0], [ramp[0]]
            for _ in range(len(ramp) - 1):
                g = np.clip(g + np.interp(g, table.states, steps), table.states[0], table.states[-1])
                path.append(g)
            rest = ramp - np.array(path)
        else:
            rest[1:] = ramp[1:] - ramp[:-1] - np.interp(ramp[:-1], table.states, steps)
        found[sign] = rest
    return found


def table_law(
    trains: Trains, table: Any, mask: dict[int, Bools], scores: dict[str, float], closed: float, sigma: float
) -> Fit:
    """Return the law of a table that leaves `sigma` where the best closed form leaves `closed`."""
    residual = table_residuals(trains, table)
    columns = {
        "states": table.states,
        "up": table.up,
        "up_std": table.up_sigma,
        "down": table.down,
        "down_std": table.down_sigma,
    }
    keys: dict[str, Any] = {"unit": "uS"} | {n: [number(v * 1e6) for v in c] for n, c in columns.items()}
    keys["write_noise"] = number(table.write_noise * 1e6)
    parameters, z = list[Parameter](), list[Floats]()
    for sign, ramp in trains.parts():
        name = "up" if sign > 0 else "down"
        steps = np.diff(ramp, axis=0)
        kept = steps[np.isfinite(steps) & mask[sign][1:]]
        parameters += _moments(name, kept, residual[sign][1:][mask[sign][1:]])
        usual = table.up_sigma if sign > 0 else table.down_sigma
        spread = np.maximum(np.interp(ramp[:-1], table.states, usual), 1e-3 * sigma)
        z.append(np.where(mask[sign][1:], np.nan, residual[sign][1:] / (sigma if trains.noisy else spread)).ravel())
    notes = (f"no closed form fits: the best leaves {closed:.4g} S, the table {sigma:.4g} S",)
    count = np.concatenate([ramp[1:].ravel() for _, ramp in trains.parts()])
    rest = np.concatenate([residual[s][1:].ravel() for s, _ in trains.parts()])
    shown = Residuals("pulse response", "conductance [S]", "step − table [S]", count, rest, 0 * rest, rest / sigma)
    valid = (float(table.states[0]), float(table.states[-1]))
    seen = int(sum(m.sum() for m in mask.values()))
    return Fit(
        LAW,
        "table",
        tuple(parameters),
        keys,
        seen,
        ranked(scores),
        held_out(np.concatenate(z)),
        shown,
        valid=valid,
        notes=notes,
    )


def _moments(name: str, steps: Floats, residual: Floats) -> list[Parameter]:
    reach = float(stats.norm.ppf((1 + LEVEL) / 2))
    mean, error = float(steps.mean()), float(steps.std() / np.sqrt(len(steps)))
    sigma = float(np.sqrt(np.nanmean(residual**2)))
    spread = sigma / np.sqrt(2 * len(residual))
    return [
        Parameter(f"mean step {name}", mean, mean - reach * error, mean + reach * error, "S"),
        Parameter(f"residual of a step {name}", sigma, sigma - reach * spread, sigma + reach * spread, "S"),
    ]
