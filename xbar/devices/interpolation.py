"""Straight lines between the points of a table, on the array namespace; held at the ends."""

from collections.abc import Sequence

from array_api_compat import device

from xbar.namespace import Array, as_float64, namespace


def constants(values: Sequence[float] | Sequence[Sequence[float]], like: Array) -> Array:
    """Return numbers as a float64 array on the library and device of `like`."""
    xp = namespace(like)
    return xp.asarray(values, dtype=xp.float64, device=device(like))


def place(x: Array, points: Sequence[float]) -> tuple[Array, Array]:
    """Return (index, weight) of values among ascending points, both flat: x = p[i] + w (p[i + 1] - p[i]), 0 <= w <= 1.

    A value beyond an end stands at the end. At least two points.
    """
    xp = namespace(x)
    flat = xp.reshape(as_float64(x), (-1,))
    at = constants(points, x)
    index = xp.clip(xp.searchsorted(at, flat, side="right") - 1, 0, len(points) - 2)
    low, high = xp.take(at, index, axis=0), xp.take(at, index + 1, axis=0)
    return index, xp.clip((flat - low) / (high - low), 0.0, 1.0)


def interpolate(x: Array, points: Sequence[float], values: Sequence[float]) -> Array:
    """Return the value at `x` of a table of ascending points, linear in between; shaped as `x`."""
    xp = namespace(x)
    index, weight = place(x, points)
    table = constants(values, x)
    low, high = xp.take(table, index, axis=0), xp.take(table, index + 1, axis=0)
    return xp.reshape(low + weight * (high - low), x.shape)
