"""Noise of spectrum 1/f^a over the bandwidth of a reading, and readings in time that have that spectrum."""

import math
from dataclasses import dataclass

from array_api_compat import device

from xbar.devices.flicker_noise import FlickerLaw
from xbar.errors import InputError
from xbar.namespace import Array, as_float64, namespace
from xbar.units import show


@dataclass(frozen=True)
class SpectralNoise(FlickerLaw):
    """Noise with the one-sided spectrum S_G(f) = coefficient G^2 / f^exponent.

    Its variance over a reading is the integral of the spectrum from the inverse of the time since programming to the
    Nyquist frequency of readings, 1 / (2 t_read): coefficient G^2 ln(f_high / f_low) for the exponent 1.

    In time it is a sum of Ornstein-Uhlenbeck processes, whose Lorentzian spectra add up to the power law between
    `f_low` and the Nyquist frequency. With relaxation times tau spread evenly in ln tau and variances
    c tau^(a - 1) d ln tau, the sum is 1/f^a with c = coefficient (2 pi)^(a - 1) sin(pi a / 2): the integral over
    ln tau of 4 c tau^a / (1 + (2 pi f tau)^2).
    """

    coefficient: float
    """S_G / G^2 at 1 Hz [1/Hz], for the exponent 1 the number K of S_G = K G^2 / f."""
    exponent: float
    """a, above 0 and below 2."""
    t_read: float
    t0: float
    f_low: float = 1e-3
    """Lowest frequency of readings in time [Hz]."""
    per_decade: int = 3
    """Processes for each decade of frequency; three keep the spectrum within 5 % of the power law up to a fifth of the
    Nyquist frequency."""
    source: str = ""

    def variance(self, f_low: float | Array, f_high: float | Array) -> float | Array:
        """Return the variance relative to G^2 between two frequencies [Hz], numbers or arrays."""
        a = self.exponent
        if isinstance(f_low, int | float) and isinstance(f_high, int | float):
            if not 0 < f_low <= f_high:
                raise InputError(f"band {show(f_low, 'Hz')} to {show(f_high, 'Hz')}: give 0 < low <= high")
            log = math.log(f_high / f_low)
            return self.coefficient * (log if a == 1 else f_low ** (1 - a) * math.expm1((1 - a) * log) / (1 - a))
        xp = namespace(f_low, f_high)
        log = xp.log(f_high / f_low)
        return self.coefficient * (log if a == 1 else f_low ** (1 - a) * xp.expm1((1 - a) * log) / (1 - a))

    def sigma(self, programmed: Array, drifted: Array, seconds: float | Array) -> Array:
        """Return the standard deviation [S] of one read epoch, `seconds` after programming.

        Raises `InputError` for a negative time.
        """
        xp = namespace(programmed, drifted)
        if isinstance(seconds, int | float):
            earliest = float(seconds)
        else:
            seconds = as_float64(seconds)
            earliest = float(xp.min(seconds)) if math.prod(seconds.shape) else 0.0
        if earliest < 0:
            raise InputError(f"time since programming is {show(earliest, 's')}; 1/f noise needs 0 s or later")
        high = 1 / (2 * self.t_read)
        variance = self.variance(1 / (seconds + self.t0 + 2 * self.t_read), high)
        root = math.sqrt(variance) if isinstance(variance, float) else xp.sqrt(variance)
        return as_float64(drifted) * root

    def absolute(self, programmed: Array, drifted: Array) -> Array:
        """Return G sqrt(coefficient) [S]."""
        return as_float64(drifted) * math.sqrt(self.coefficient)

    def spectrum(self, frequency: Array) -> Array:
        """Return S_G / G^2 [1/Hz] at frequencies [Hz]."""
        return self.coefficient / as_float64(frequency) ** self.exponent

    @property
    def processes(self) -> int:
        """Number of processes, the first axis of the state of `start` and `advance`."""
        # A decade more on each side: the edges of the band are still nearly the power law.
        return max(2, math.ceil(self.per_decade * (math.log10(1 / (2 * self.t_read) / self.f_low) + 2)))

    def _times(self) -> list[tuple[float, float]]:
        """Return (relaxation time [s], standard deviation relative to G) of each process."""
        low = math.log(2 * math.pi * self.f_low) - math.log(10)
        high = math.log(math.pi / self.t_read) + math.log(10)
        step = (high - low) / self.processes
        a = self.exponent
        scale = self.coefficient * (2 * math.pi) ** (a - 1) * math.sin(math.pi * a / 2) * step
        rates = (math.exp(low + (k + 0.5) * step) for k in range(self.processes))
        return [(1 / rate, math.sqrt(scale * rate ** (1 - a))) for rate in rates]

    def start(self, normals: Array) -> Array:
        """Return a stationary state `(processes, ...)` from as many standard normals."""
        return self._column(normals, [sigma for _, sigma in self._times()]) * as_float64(normals)

    def advance(self, state: Array, seconds: float, normals: Array) -> Array:
        """Return the state `seconds` later (exact for any step) from as many standard normals."""
        if seconds < 0:
            raise InputError(f"time step {show(seconds, 's')} must be 0 s or longer")
        times = self._times()
        decay = [math.exp(-seconds / tau) for tau, _ in times]
        kick = [sigma * math.sqrt(-math.expm1(-2 * seconds / tau)) for tau, sigma in times]
        moved = as_float64(state) * self._column(normals, decay)
        return moved + self._column(normals, kick) * as_float64(normals)

    def relative(self, state: Array) -> Array:
        """Return the deviation relative to G of a state: the sum over its first axis."""
        return namespace(state).sum(as_float64(state), axis=0)

    def _column(self, like: Array, values: list[float]) -> Array:
        xp = namespace(like)
        shape = (len(values), *(1 for _ in like.shape[1:]))
        return xp.reshape(xp.asarray(values, dtype=xp.float64, device=device(like)), shape)

    def describe(self) -> str:
        """Return the law in a few words, for logs."""
        return f"1/f^{self.exponent:g}, S_G / G^2 {self.coefficient:g} per Hz at 1 Hz"
