"""Does a request match the recorded one? If not, what differs, in words."""

from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.bench.operation import OperationKind, Request
from xbar.bench.settings import VectorConfig
from xbar.trace.projection import TOLERANCE, project
from xbar.units import show


def describe(request: Request) -> str:
    """Return a request in a few words: "mvm of 64 vectors on arrays 0 to 13"."""
    kind, what = request.kind.name.lower(), ""
    if request.kind is OperationKind.WAIT:
        return f"wait of {show(request.seconds or 0.0, 's')}"
    if request.kind is OperationKind.MVM and request.voltages is not None:
        what = f" of {request.voltages.shape[1]} vectors"
    elif request.kind is not OperationKind.SWEEP and request.cells is not None:
        what = f" of {len(request.cells)} cells"
    return f"{kind}{what} on {_arrays(request.arrays)}"


def _arrays(arrays: tuple[int, ...]) -> str:
    if len(arrays) == 1:
        return f"array {arrays[0]}"
    if len(arrays) > 4 and arrays == tuple(range(arrays[0], arrays[0] + len(arrays))):
        return f"arrays {arrays[0]} to {arrays[-1]}"
    named = ", ".join(str(n) for n in arrays[:8])
    return f"arrays {named}{f' and {len(arrays) - 8} more' if len(arrays) > 8 else ''}"


def difference(recorded: Request, asked: Request, projections: NDArray[np.float32] | None) -> str | None:
    """Return what differs between a recorded and an asked request, or None where they match.

    `projections` are those of the recorded voltages of a product, `(k, batch)` [V].
    """
    if recorded.kind is not asked.kind or recorded.arrays != asked.arrays:
        return f"recorded was {describe(recorded)}, asked for is {describe(asked)}"
    miss = _settings(recorded, asked) or _vector_config(recorded.vector, asked.vector)
    if miss is None and asked.kind is OperationKind.MVM:
        # The number of vectors comes first: with another number nothing else can match.
        miss = _batch(projections, asked) or _exact(
            "events", recorded.events, asked.events, "give the same batch and data"
        )
        miss = miss or _voltages(recorded, asked, projections)
    if miss is None:
        miss = _exact("cells (row, column)", recorded.cells, asked.cells, "ask for the recorded cells in their order")
    if miss is None:
        miss = _exact("target conductances", recorded.targets, asked.targets, "use the recorded network, card and seed")
    if miss is None and asked.kind is OperationKind.SWEEP:
        miss = _exact("swept voltages", recorded.voltages, asked.voltages, "sweep the recorded voltages")
    return None if miss is None else f"{describe(asked)}: {miss}"


def _settings(recorded: Request, asked: Request) -> str | None:
    """Compare what is equal or not: read configuration, pulse, count, seconds."""
    for name in ("read", "pulse"):
        old, new = getattr(recorded, name), getattr(asked, name)
        if old is None or new is None or old == new:
            continue
        for field in fields(old):
            a, b = getattr(old, field.name), getattr(new, field.name)
            if a != b:
                return f"{name} setting {field.name} differs: recorded {a!r}, asked {b!r}"
    for name, label in (("count", "number of pulses"), ("seconds", "time [s]")):
        a, b = getattr(recorded, name), getattr(asked, name)
        if a != b:
            return f"{label} differs: recorded {a!r}, asked {b!r}"
    return None


def _vector_config(recorded: VectorConfig | None, asked: VectorConfig | None) -> str | None:
    if recorded is None or asked is None:
        return None
    if recorded.columns != asked.columns:
        return f"columns to convert differ: recorded {recorded.columns}, asked {asked.columns}"
    for name, unit in (("input_range", "V"), ("output_range", "A")):
        old, new = np.asarray(getattr(recorded, name), np.float64), np.asarray(getattr(asked, name), np.float64)
        miss = _exact(f"{name.replace('_', ' ')} [{unit}]", old, new, "use the recorded map")
        if miss is not None:
            return miss
    return None


def _batch(projections: NDArray[np.float32] | None, asked: Request) -> str | None:
    if projections is None or asked.voltages is None or projections.shape == asked.voltages.shape[:2]:
        return None
    return f"recorded {projections.shape[1]} vectors, asked {asked.voltages.shape[1]}; give the same --batch and data"


def _exact(what: str, recorded: NDArray[Any] | None, asked: NDArray[Any] | None, remedy: str) -> str | None:
    """Compare arrays bit for bit (so that NaN equals itself); both may be None."""
    if recorded is None or asked is None:
        if recorded is asked:
            return None
        return f"{what}: recorded {_given(recorded)}, asked {_given(asked)}; {remedy}"
    if recorded.shape != asked.shape:
        return f"{what}: recorded shape {recorded.shape}, asked {asked.shape}; {remedy}"
    old, new = np.ascontiguousarray(recorded), np.ascontiguousarray(asked, recorded.dtype)
    if old.tobytes() == new.tobytes():
        return None
    unequal = np.argwhere(_bits(old) != _bits(new))
    place = tuple(int(n) for n in unequal[0])
    return (
        f"{what}: {len(unequal)} of {old.size} differ, first at {place}: "
        f"recorded {old[place].item()!r}, asked {new[place].item()!r}; {remedy}"
    )


def _given(values: NDArray[Any] | None) -> str:
    return "none" if values is None else f"shape {values.shape}"


def _bits(values: NDArray[Any]) -> NDArray[np.uint64]:
    return values.view(np.uint64)


def _voltages(recorded: Request, asked: Request, projections: NDArray[np.float32] | None) -> str | None:
    """Compare asked voltages within the tolerance, by projection: at level full too, where the codes are coarser."""
    if asked.voltages is None or asked.vector is None or projections is None:
        return None
    limit = TOLERANCE * np.broadcast_to(np.asarray(asked.vector.input_range, np.float64), len(asked.arrays))
    if recorded.voltages is not None and recorded.voltages.shape != asked.voltages.shape:
        return f"voltages: recorded shape {recorded.voltages.shape}, asked {asked.voltages.shape}"
    gap = np.abs(projections.astype(np.float64) - project(asked.voltages.astype(np.float64, copy=False)))
    wrong = ~(gap <= limit[:, None])
    if not wrong.any():
        return None
    k, vector = (int(n) for n in np.argwhere(wrong)[0])
    return (
        f"voltages (by their projection) of {int(wrong.sum())} of {wrong.size} vectors differ, first vector {vector}, "
        f"array {asked.arrays[k]}: by {show(float(gap[k, vector]), 'V')}, allowed {show(float(limit[k]), 'V')}; "
        "use the recorded data, network and --dtype"
    )
