"""Where products run: NumPy with compiled kernels on the CPU, or array operations on another device such as a GPU."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.array.exact_grid import SQUARES_LIMIT
from xbar.array.product import ArrayProduct
from xbar.errors import Unsupported
from xbar.namespace import Array, namespace
from xbar.periphery.converter import adc_codes, dac_codes, squares
from xbar.random import Purpose, array_normals, key

CHUNK = 2**16
"""Input vectors on the device at once."""


@dataclass(frozen=True)
class Device:
    """A device that holds arrays."""

    name: str
    put: Callable[[NDArray[Any]], Array]
    """Copies a NumPy array to the device."""
    get: Callable[[Array], NDArray[Any]]
    """Copies an array back."""


def gpu() -> Device:
    """Return the first CUDA device, through CuPy.

    Raises `Unsupported` where CuPy or a device is missing; the message says what to install.
    """
    try:
        import cupy
    except ImportError as error:
        raise Unsupported("device 'gpu' needs CuPy: pip install 'xbar-emulator[gpu]', or use --device cpu") from error
    if not cupy.cuda.is_available():
        raise Unsupported("device 'gpu': CuPy finds no CUDA device or driver; check the driver, or use --device cpu")
    name = cupy.cuda.runtime.getDeviceProperties(0)["name"].decode()
    return Device(name, cupy.asarray, cupy.asnumpy)


class DeviceProduct:
    """A product whose arrays lie on a device; same integers as the CPU's, normals to 4 units in the last place.

    Args:
        product: the array's product, made on the CPU: conductances snapped, variances as whole numbers.
        device: where to multiply.

    """

    def __init__(self, product: ArrayProduct, device: Device) -> None:
        self._product, self._device = product, device
        self._conductances = device.put(product.conductances)
        self._variances = None if product.variances is None else device.put(product.variances)
        self.put, self.get = device.put, device.get

    def currents(self, levels: Array, unit: float, steps: NDArray[np.float64], events: Array, plane: int = 0) -> Array:
        """Return currents (batch, cols) in converter steps, as `ArrayProduct.currents`; arrays lie on the device."""
        gain, xp = self._device.put(unit / steps), namespace(levels)
        sums = xp.astype(levels, self._conductances.dtype) @ self._conductances
        found = xp.astype(sums, xp.float64) * gain
        if self._variances is None:
            return found
        return found + xp.astype(self._noise(levels, gain, events, plane), xp.float64)

    def convert(
        self,
        volts: NDArray[Any],
        input_step: float,
        output_step: NDArray[np.float64],
        events: NDArray[np.uint64],
        out: NDArray[Any],
    ) -> None:
        """Fill `out` (batch, cols) with the codes of `volts` (batch, rows) [V]; steps [V], [A]; events (batch,)."""
        gain = self._device.put(input_step / output_step)
        for first in range(0, len(volts), CHUNK):
            block = slice(first, first + CHUNK)
            codes = self._codes(np.ascontiguousarray(volts[block], np.float32), input_step, gain, events[block])
            out[block] = self._device.get(codes)

    def _codes(self, volts: NDArray[np.float32], input_step: float, gain: Array, events: NDArray[np.uint64]) -> Array:
        periphery, put = self._product.periphery, self._device.put
        inputs = dac_codes(put(volts), 1 / input_step, periphery.dac.code_max)
        xp = namespace(inputs)
        sums = xp.astype(inputs, self._conductances.dtype) @ self._conductances
        noise = None if self._variances is None else self._noise(inputs, gain, put(np.ascontiguousarray(events)))
        if periphery.adc is not None:
            return adc_codes(sums, gain, periphery.adc.code_max, noise)
        currents = xp.astype(sums, xp.float64) * gain
        return currents if noise is None else currents + xp.astype(noise, xp.float64)

    def _noise(self, inputs: Array, gain: Array, events: Array, draw: int = 0) -> Array:
        """Return the read noise of every output in output codes (batch, cols), float32."""
        xp, product = namespace(inputs), self._product
        if product.periphery.exact:
            squared, factors = squares(inputs, SQUARES_LIMIT, product.half)
            variances = (squared @ self._variances) * factors[:, None]
        else:
            variances = (inputs * inputs) @ self._variances
        spread = xp.astype(self._device.put(product.spread) * gain, xp.float32)
        keys = key(product.periphery.seed, Purpose.READ_NOISE)
        return (xp.sqrt(variances) * spread) * array_normals(events, product.array, gain.shape[0], keys, draw)
