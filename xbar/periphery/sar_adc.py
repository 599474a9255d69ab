"""Transitions of a successive-approximation converter whose binary capacitors do not match.

A converter of n bits compares its input with the levels V(k) = 2**n sum_i b_i C_i / (C_0 + ... + C_(n-1) + C_d) of its
capacitors C_i, nominally 2**i units, and a last unit C_d. A capacitor of 2**i units is 2**i cells in parallel, whose
independent errors give it a deviation of 2**(i / 2) units.

Source: M. Spear et al., "The impact of analog-to-digital converter architecture and variability on analog neural
network accuracy", IEEE JXCDC 2023, doi 10.1109/JXCDC.2023.3315134 (capacitor mismatch C_k = 2**k (1 + sigma xi
2**(-k/2)); their amplifier gain is left out). Closed form: with k of 2**n cells the level has the deviation
sigma sqrt(k (1 - k / 2**n)) LSB, the most at half scale, where it is sigma 2**(n / 2 - 1).
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def capacitors(bits: int, sigma: float, normals: Floats) -> Floats:
    """Return capacitors `(..., bits + 1)` [units], the last unit behind the others.

    `sigma` is the relative deviation of one unit capacitor; `normals` `(..., bits + 1)` are standard normals.
    """
    nominal = np.append(2.0 ** np.arange(bits), 1.0)
    return np.asarray(nominal + sigma * np.sqrt(nominal) * normals)


def levels(units: Floats) -> Floats:
    """Return the levels `(..., 2**bits)` [LSB] that a converter with these capacitors `(..., bits + 1)` compares with.

    Level k belongs to the word k; ideal capacitors give k.
    """
    bits = units.shape[-1] - 1
    word = (np.arange(2**bits)[:, None] >> np.arange(bits)) & 1
    return np.asarray(2.0**bits * (units[..., :-1] @ word.T) / units.sum(axis=-1, keepdims=True))


def transitions(units: Floats) -> Floats:
    """Return the inputs `(..., 2**bits - 1)` [LSB] at which the output word becomes 1, 2, ...; they never fall.

    The search goes down a tree: a level is only asked for within what the bits before it have left. A level that lies
    outside is met at once or never, and the words on one side of it are missing.
    """
    bits = units.shape[-1] - 1
    known = levels(units)
    low = np.full((*units.shape[:-1], 2**bits + 1), -np.inf)
    low[..., -1] = np.inf
    for bit in reversed(range(bits)):
        # Words with this bit as their lowest: between two words of the bits above, whose transitions are known.
        half = 1 << bit
        here = slice(half, 2**bits, 2 * half)
        below, above = low[..., 0 : 2**bits : 2 * half], low[..., 2 * half :: 2 * half]
        low[..., here] = np.minimum(np.maximum(known[..., here], below), above)
    return np.asarray(low[..., 1:-1])
