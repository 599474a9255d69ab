"""What a card says of a cell at some time after the write: mean and spread in closed form, for tables and figures."""

import math

import numpy as np
from numpy.typing import NDArray

from xbar.devices.card import DeviceCard
from xbar.devices.pulse_law import PulseLaw
from xbar.errors import InputError

Floats = NDArray[np.float64]


def levels(card: DeviceCard, count: int = 5) -> Floats:
    """Return conductances [S] that show a card: its levels, or `count` of them evenly over its range."""
    if card.levels is not None:
        return np.array(card.levels.conductances)
    return np.linspace(card.g_min, card.g_max, count)


def written(card: DeviceCard, g: Floats) -> tuple[Floats, Floats]:
    """Return mean and standard deviation [S] of what targets `g` [S] become, before negative ones are cut off.

    Programming error, device-to-device and cycle-to-cycle variation together; of cells with a pulse response also the
    write noise that readings see. Bounds of single devices are left out.
    """
    target = g if card.levels is None else np.asarray(card.levels.nearest(g))
    mean, variance = target + 0.0, np.zeros_like(target)
    if card.programming_error is not None:
        mean = np.asarray(card.programming_error.mean(target))
        variance = np.asarray(card.programming_error.sigma(target)) ** 2
    for variation in (card.device_variation, card.cycle_variation):
        if variation is not None:
            square = np.asarray(variation.sigma(target)) ** 2
            # A lognormal factor: its mean is exp(s^2 / 2), that of its square exp(2 s^2).
            variance = (variance + mean**2) * np.exp(2 * square) - mean**2 * np.exp(square)
            mean = mean * np.exp(square / 2)
    if card.pulse_response is not None:
        variance = variance + _write_noise(card.pulse_response, mean) ** 2
    return mean, np.sqrt(np.maximum(variance, 0.0))


def _write_noise(law: PulseLaw, g: Floats) -> Floats:
    """Return the standard deviation [S] that readings of cells of `g` [S] see from write to write."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(64)
    states = np.asarray(law.state(g))[:, None] + np.zeros(len(nodes))
    seen = np.asarray(law.conductance(law.apparent(states, np.broadcast_to(nodes, states.shape))))
    weights = weights / weights.sum()
    found = np.sqrt(np.maximum((seen - (seen @ weights)[:, None]) ** 2 @ weights, 0.0))
    return np.where(found > 1e-9 * g, found, 0.0)


def _cut(mean: Floats, sigma: Floats) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of normal numbers of which the negative ones have become 0."""
    at = mean / np.maximum(sigma, 1e-300)
    above = np.array([0.5 * math.erfc(-v / math.sqrt(2)) for v in at])
    density = np.exp(-0.5 * np.square(np.minimum(np.abs(at), 40.0))) / math.sqrt(2 * math.pi)
    first = mean * above + sigma * density
    second = (mean**2 + sigma**2) * above + mean * sigma * density
    return first, np.sqrt(np.maximum(second - first**2, 0.0))


def expected(card: DeviceCard, g: Floats, seconds: float) -> tuple[Floats, Floats]:
    """Return mean and standard deviation [S] of cells with targets `g` [S], `seconds` after the write.

    Without noise of the reading and faults; negative conductances have become 0, after the write and after relaxation.
    Raises `InputError` where a law of time does not hold at that time; `n_a` gives NaN instead.
    """
    for law in ("programming_error", "relaxation", "drift", "retention"):
        if getattr(card, law) is not None:
            card.validity(law).check(f"{law} of card {card.name!r}", time=seconds)
    mean, sigma = _cut(*written(card, g))
    if card.relaxation is not None:
        more = np.asarray(card.relaxation.sigma(g, seconds))
        mean, sigma = _cut(mean + np.asarray(card.relaxation.shift(g, seconds)), np.hypot(sigma, more))
    variance = sigma**2
    if card.drift is not None:
        nu = np.asarray(card.drift.exponents(g, np.zeros_like(g)))
        spread = np.asarray(card.drift.spread(g / card.drift.g_max))
        log = math.log1p(seconds / card.drift.t0)
        first, second = np.exp(-nu * log + (spread * log) ** 2 / 2), np.exp(-2 * nu * log + 2 * (spread * log) ** 2)
        variance = (variance + mean**2) * second - (mean * first) ** 2
        mean = mean * first
    if card.retention is not None:
        left = np.asarray(card.retention.conductance(np.ones_like(g) + card.retention.floor, seconds))
        left = left - card.retention.floor
        mean, variance = card.retention.floor + (mean - card.retention.floor) * left, variance * left**2
    return mean, np.sqrt(np.maximum(variance, 0.0))


def read_sigma(card: DeviceCard, g: Floats, seconds: float) -> Floats:
    """Return the standard deviation [S] of one reading: white and 1/f noise, `seconds` after the write."""
    variance = np.zeros_like(g)
    if card.read_noise is not None:
        variance = variance + np.asarray(card.read_noise.variance(g))
    if card.flicker_noise is not None:
        variance = variance + np.asarray(card.flicker_noise.sigma(g, g, seconds)) ** 2
    return np.sqrt(variance)


def n_a(card: DeviceCard, g: Floats, seconds: float) -> tuple[Floats, Floats]:
    """Return what `expected` returns, NaN (not available) where the card does not hold at that time."""
    try:
        return expected(card, g, seconds)
    except InputError:
        missing = np.full_like(g, np.nan)
        return missing, missing
