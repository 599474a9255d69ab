"""Random numbers by counter: Philox4x32-10, the same for any order, batch, thread or device.

A draw is named by what it is for, not by when it is made. Counter, 128 bits: sample 32, node 12, position 20 (together
the *event*, 64 bits), array 16, group of four cells or columns 24, draw 24. Key, 64 bits: seed 48, purpose 16.

Source: J. K. Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011, doi 10.1145/2063384.2063405.
Normals come from Box-Muller with own polynomials: only + - * sqrt and integers, so IEEE 754 fixes their bits.
"""

from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xbar.box_muller import COSINE, LOG_2, LOGARITHM, ROOT_HALF, SINE
from xbar.errors import InputError
from xbar.namespace import namespace

SAMPLE_BITS, NODE_BITS, POSITION_BITS, ARRAY_BITS, GROUP_BITS, DRAW_BITS, SEED_BITS = 32, 12, 20, 16, 24, 24, 48
SEED_MAX = 2**SEED_BITS - 1

LOW = 0xFFFFFFFF
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
WEYL = (0x9E3779B9, 0xBB67AE85)


class Purpose(IntEnum):
    """What a draw is for; the numbers are part of every key and never change."""

    READ_NOISE = 1
    VARIANCE_DITHER = 2
    PROGRAMMING_ERROR = 3
    DRIFT = 4
    FLICKER_NOISE = 5
    STUCK_CELLS = 6
    CELL_READ_NOISE = 7
    CELL_FLICKER_NOISE = 8
    PROJECTION = 9
    DEVICE_VARIATION = 10
    CYCLE_VARIATION = 11
    RELAXATION = 12
    STUCK_LINES = 13
    TRAPS = 14
    TRAP_STATE = 15
    EPOCH_TRAPS = 16
    PULSED_DEVICES = 17
    PULSE = 18
    WRITE_NOISE = 19
    LIFETIME = 20
    SPECTRAL_NOISE = 21
    CONVERTER_ERRORS = 22
    CONVERTER_NOISE = 23
    FORMING_VOLTAGE = 30


def event(sample: ArrayLike, node: int, position: ArrayLike) -> NDArray[np.uint64]:
    """Return the event numbers of input vectors: sample (32 bits), node (12 bits), position in the sample (20 bits).

    Raises `InputError` where a number does not fit: an overflow would reuse another vector's noise.
    """
    samples, nodes = _field(sample, SAMPLE_BITS, "sample"), _field(node, NODE_BITS, "node")
    positions = _field(position, POSITION_BITS, "position")
    return np.asarray((nodes << np.uint64(52)) | (positions << np.uint64(32)) | samples)


def _field(value: ArrayLike, bits: int, name: str) -> NDArray[np.uint64]:
    numbers = np.asarray(value)
    if numbers.size:
        worst = numbers.min() if numbers.min() < 0 else numbers.max()
        if numbers.dtype.kind not in "iu" or worst < 0 or int(worst) >> bits:
            raise InputError(f"{name} number {worst} is not a whole number from 0 to {2**bits - 1}; split the run")
    return numbers.astype(np.uint64)


def key(seed: int, purpose: Purpose) -> tuple[int, int]:
    """Return the two 32-bit key words of a seed (0 to 2**48 - 1) and a purpose."""
    if not 0 <= seed <= SEED_MAX:
        raise InputError(f"seed {seed} is outside 0 to {SEED_MAX}; choose one inside")
    word = (int(seed) << 16) | int(purpose)
    return word & LOW, word >> 32


def check_counter(array: int, count: int, draw: int = 0) -> None:
    """Raise `InputError` where an array number, a count of cells or a draw number does not fit into the counter."""
    limits = (
        (array, ARRAY_BITS, "array number"),
        (max((count + 3) // 4 - 1, 0), GROUP_BITS, "group"),
        (draw, DRAW_BITS, "draw"),
    )
    for value, bits, name in limits:
        if value >> bits:
            raise InputError(f"{name} {value} is outside 0 to {2**bits - 1}, what a random counter holds")


def philox(counter: tuple[Any, Any, Any, Any], keys: tuple[int, int]) -> tuple[Any, Any, Any, Any]:
    """Return four 32-bit words (in uint64 arrays) for counters of four 32-bit words (uint64 arrays)."""
    c0, c1, c2, c3 = counter
    k0, k1 = keys
    for _ in range(10):
        a, b = c0 * MULTIPLIERS[0], c2 * MULTIPLIERS[1]
        c0, c1, c2, c3 = (b >> 32) ^ c1 ^ k0, b & LOW, (a >> 32) ^ c3 ^ k1, a & LOW
        k0, k1 = (k0 + WEYL[0]) & LOW, (k1 + WEYL[1]) & LOW
    return c0, c1, c2, c3


def words(events: Any, array: int, count: int, keys: tuple[int, int], draw: int = 0) -> tuple[Any, Any, Any, Any]:
    """Return the four words of each group of four: arrays `(events, ceil(count / 4))` on the namespace of `events`."""
    check_counter(array, count, draw)
    xp = namespace(events)
    group = xp.arange((count + 3) // 4, dtype=xp.uint64, device=events.device)[None, :]
    e = events[:, None] + group * 0
    g = events[:, None] * 0 + group
    return philox((e & LOW, e >> 32, ((g & 0xFF) << 24) | draw, (array << 16) | (g >> 8)), keys)


def uniforms(events: Any, array: int, count: int, seed: int, purpose: Purpose, draw: int = 0) -> Any:
    """Return float64 numbers in [0, 1), one for each of `count` cells and each event: `(events, count)`.

    `events` is a 1-d uint64 array; the result lies on its namespace and device. The four words of a group serve four
    cells, so neighbours never share a word.
    """
    xp = namespace(events)
    w = words(events, array, count, key(seed, purpose), draw)
    u = xp.stack([xp.astype(v, xp.float64) * 2.0**-32 for v in w], axis=-1)
    return xp.reshape(u, (u.shape[0], 4 * u.shape[1]))[:, :count]


def normals(events: Any, array: int, count: int, seed: int, purpose: Purpose, draw: int = 0) -> Any:
    """Return float32 standard normals, one for each of `count` cells or columns and each event: `(events, count)`.

    `events` is a 1-d uint64 array; the result lies on its namespace and device. NumPy takes the compiled kernel, which
    gives the same bits.
    """
    if isinstance(events, np.ndarray):
        from xbar.normals_kernel import fill_normals

        check_counter(array, count, draw)
        out = np.empty((len(events), count), np.float32)
        fill_normals(
            np.require(events, np.uint64, ["C", "W"]),
            np.uint64(array),
            np.uint64(draw),
            *map(np.uint64, key(seed, purpose)),
            out,
        )
        return out
    return array_normals(events, array, count, key(seed, purpose), draw)


def cell_normals(
    events: NDArray[np.uint64], cells: NDArray[np.integer], array: int, seed: int, purpose: Purpose
) -> NDArray[np.float32]:
    """Return one standard normal for each pair of an event and a cell `(n,)`: the one of `normals` for that cell."""
    w = _cell_words(events, cells, array, key(seed, purpose))
    first = (cells & 2) == 0
    x, y = _box_muller(np, np.where(first, w[0], w[2]), np.where(first, w[1], w[3]))
    return np.asarray(np.where((cells & 1) == 0, x, y), np.float32)


def cell_uniforms(
    events: NDArray[np.uint64], cells: NDArray[np.integer], array: int, seed: int, purpose: Purpose
) -> NDArray[np.float64]:
    """Return one number in [0, 1) for each pair of an event and a cell `(n,)`: the one of `uniforms` for that cell."""
    w = _cell_words(events, cells, array, key(seed, purpose))
    return np.asarray(np.choose(cells & 3, w).astype(np.float64) * 2.0**-32)


def _cell_words(events: NDArray[np.uint64], cells: NDArray[np.integer], array: int, keys: tuple[int, int]) -> Any:
    """Return the four words of the group of each cell, at the event of its own: each `(n,)`."""
    check_counter(array, int(cells.max(initial=0)) + 1)
    group, e = cells.astype(np.uint64) >> np.uint64(2), events.astype(np.uint64)
    return philox((e & LOW, e >> 32, (group & 0xFF) << 24, (array << 16) | (group >> 8)), keys)


def array_normals(events: Any, array: int, count: int, keys: tuple[int, int], draw: int = 0) -> Any:
    """Return what `normals` returns, in plain array operations: the oracle of the kernel, and the way on a GPU."""
    xp = namespace(events)
    w = words(events, array, count, keys, draw)
    z = xp.stack([*_box_muller(xp, w[0], w[1]), *_box_muller(xp, w[2], w[3])], axis=-1)
    return xp.reshape(z, (z.shape[0], 4 * z.shape[1]))[:, :count]


def _polynomial(coefficients: tuple[float, ...], t: Any) -> Any:
    value = t * 0 + coefficients[-1]
    for c in coefficients[-2::-1]:
        value = value * t + c
    return value


def _box_muller(xp: Any, a: Any, b: Any) -> tuple[Any, Any]:
    """Two arrays of 32-bit words -> two float32 arrays of independent normals."""
    m = (xp.astype(a, xp.float32) + 0.5) * 2.0**-32
    e = m * 0
    for k in (32, 16, 8, 4, 2, 1):
        # Multiplying by a power of two is exact: m ends in [sqrt(1/2), sqrt(2)), e is its exponent.
        small = m < float(np.float32(ROOT_HALF) * np.float32(2.0 ** (1 - k)))
        m = xp.where(small, m * 2.0**k, m)
        e = xp.where(small, e - k, e)
    t = m - 1.0
    t2 = t * t
    logarithm = ((_polynomial(LOGARITHM, t) * t) * t2 - t2 * 0.5) + t + e * LOG_2
    radius = xp.sqrt(xp.abs(logarithm * 2.0))
    f = xp.astype(xp.astype(b & 0x3FFFFFFF, xp.int64) - (1 << 29), xp.float32) * 2.0**-30
    g = f * f
    s, c = _polynomial(SINE, g) * f, _polynomial(COSINE, g)
    quarter = b >> 30
    odd = (quarter & 1) == 1
    x, y = xp.where(odd, s, c), xp.where(odd, c, s)
    one = x * 0 + 1.0
    sx = xp.where((quarter == 1) | (quarter == 2), -one, one)
    sy = xp.where(quarter >= 2, -one, one)
    return radius * (x * sx), radius * (y * sy)
