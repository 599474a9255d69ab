"""The sense amplifier between a bit line and its ADC: gain, offset, settling, noise, saturation; all input-referred."""

from dataclasses import dataclass
from math import exp, expm1, pi, sqrt

from xbar.errors import InputError
from xbar.periphery.checks import check_numbers

LARGEST = float("inf")


@dataclass(frozen=True)
class SenseAmplifier:
    """The amplifiers of the bit lines. All zero, or None: ideal ones.

    An amplifier of one pole is reset before each conversion and watches the current for `time`. Its output then is
    1 - exp(-2 pi f t) of the current, and its white input noise of density S has the variance
    S**2 (pi / 2) f (1 - exp(-4 pi f t)): the noise bandwidth of one pole, as far as it has built up.

    Source: the step response of a pole at f, and the variance of white noise behind it (Ornstein-Uhlenbeck) that starts
    from 0; for long times the noise bandwidth is (pi / 2) f.
    """

    gain_sigma: float = 0.0
    """Deviation of the relative gain error between bit lines, 0 to 1."""
    offset_sigma: float = 0.0
    """Deviation of the input offset between bit lines [A]."""
    bandwidth: float | None = None
    """Frequency of the pole [Hz]; None: settled at once."""
    time: float | None = None
    """Time between reset and conversion [s]; needed with a bandwidth."""
    noise_density: float = 0.0
    """Input noise [A / sqrt(Hz)]; needs a bandwidth."""
    saturation: float | None = None
    """Largest current that it can take, either sign [A]; None: any."""

    def __post_init__(self) -> None:
        """Raise `InputError` for numbers that cannot be meant, and what is missing."""
        names = ("offset_sigma", "bandwidth", "time", "noise_density", "saturation")
        check_numbers("sense amplifier", self, {"gain_sigma": 1.0} | dict.fromkeys(names, LARGEST))
        for name in ("bandwidth", "time", "saturation"):
            if getattr(self, name) == 0:
                raise InputError(f"sense amplifier: {name} 0 leaves no signal; leave it out for an ideal one")
        if (self.bandwidth is None) != (self.time is None):
            raise InputError("sense amplifier: bandwidth and time belong together; give both or neither")
        if self.noise_density and self.bandwidth is None:
            raise InputError("sense amplifier: noise needs a bandwidth; give bandwidth and time")

    @property
    def settled(self) -> float:
        """Get the part of a current that the output shows, 0 to 1."""
        return 1.0 if self.bandwidth is None or self.time is None else -expm1(-2 * pi * self.bandwidth * self.time)

    @property
    def noise(self) -> float:
        """Get the deviation of the noise at the input [A]."""
        if self.bandwidth is None or self.time is None:
            return 0.0
        return self.noise_density * sqrt(pi / 2 * self.bandwidth * (1 - exp(-4 * pi * self.bandwidth * self.time)))
