"""Compiled pass from asked voltages to the codes of the input converters, as `xbar.periphery.converter_kernel` has it.

Adding and subtracting a large constant rounds half to even at the last bit that the sum keeps, without a call.
"""

import numba as nb
import numpy as np

F32, I32 = np.float32, np.int32
ROUND32 = F32(12582912.0)
"""1.5 x 2**23."""


@nb.njit(nogil=True, error_model="numpy", cache=True)
def codes_of(volts, inverse_step, code_max, codes):  # type: ignore[no-untyped-def]  # compiled: numba infers the types
    """Fill integer `codes` (n,) from finite `volts` (n,) [V]; `inverse_step` and `code_max` float32."""
    for i in range(volts.shape[0]):
        v = F32(volts[i]) * inverse_step
        codes[i] = I32((min(max(v, -code_max), code_max) + ROUND32) - ROUND32)
