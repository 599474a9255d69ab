"""A pipeline converter of 1.5-bit stages whose gains are not 2.

Each stage compares its input r (in units of the reference) with -1/4 and 1/4, decides d = -1, 0 or 1, and hands
G (r - d / 2) on, ideally with G = 2; the last one asks for the sign alone. The code is the sum of d times the weight
of the stage. Where G > 2 codes fall back at the decisions, where G < 2 some are missing: the transfer is computed stage
by stage, not from a table.

Source: M. Spear et al., IEEE JXCDC 2023, doi 10.1109/JXCDC.2023.3315134 (stages, thresholds; gain errors there follow
from capacitors and the amplifier gain A with feedback b: G = 2 / (1 + 1 / (A b))).
"""

from typing import Any

from xbar.namespace import namespace


def stages(bits: int) -> int:
    """Return the number of 1.5-bit stages of a converter of `bits` bits; the last decision has no gain."""
    return bits - 1


def codes(inputs: Any, gains: Any) -> Any:
    """Return float64 whole-number codes of `inputs` (batch, cols) [LSB], clipped to the symmetric range.

    `gains` (stages, cols) are the gains of the stages of each column's converter. The oracle of the compiled kernel.
    """
    xp = namespace(inputs)
    count = gains.shape[0]
    code_max = float(2**count - 1)
    r = (inputs + 0.5) * 2.0**-count
    code = r * 0.0
    for stage in range(count):
        decided = xp.astype(r >= 0.25, xp.float64) - xp.astype(r < -0.25, xp.float64)
        code = code + decided * 2.0 ** (count - 1 - stage)
        r = gains[stage, ...] * (r - decided * 0.5)
    code = code - xp.astype(r < 0.0, xp.float64)
    return xp.clip(code, -code_max, code_max)
