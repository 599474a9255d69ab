"""The figure of a device card: one panel for each thing that its laws say."""

import math
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from xbar.devices.card import DeviceCard
from xbar.devices.card_summary import expected, levels, n_a, read_sigma, written
from xbar.devices.dynamics import DynamicModel, respond, state_of
from xbar.devices.iv_law import IvLaw
from xbar.devices.pulse_law import PulseLaw
from xbar.errors import InputError
from xbar.figures import style
from xbar.random import Purpose, normals, uniforms
from xbar.units import MONTH, YEAR, show

Floats = NDArray[np.float64]

DEVICES: Final = 12
"""Devices whose pulse response is drawn."""
PULSES_MAX: Final = 1500
"""Pulses of each train that are drawn at most."""
TIMES: Final = (1.0, 86400.0)
"""Times since the write for which the noise of a reading is drawn [s]."""


def card_figure(card: DeviceCard) -> Figure:
    """Return the figure of a card: write error, time, noise, pulse response, I-V curves, whichever it has."""
    panels: list[style.Draw] = []
    if card.programming_error or card.device_variation or card.cycle_variation or card.levels:
        panels.append(lambda axes: _draw_error(axes, card))
    if card.relaxation or card.drift or card.retention:
        panels.append(lambda axes: _draw_time(axes, card))
    if card.read_noise or card.flicker_noise:
        panels.append(lambda axes: _draw_noise(axes, card))
    pulse, model, iv = card.pulse_response, card.dynamics, card.iv_nonlinearity
    if pulse is not None:
        panels.append(lambda axes: _draw_train(axes, pulse))
        panels.append(lambda axes: _draw_steps(axes, card, pulse))
    if iv is not None:
        panels.append(lambda axes: _draw_iv(axes, card, iv))
    if model is not None:
        panels.append(lambda axes: _draw_loop(axes, model, card))
        panels.append(lambda axes: _draw_loop(axes, model, card, logarithmic=True))
    if not panels:
        raise InputError(f"card {card.name!r} has no law that could be drawn; its cells are ideal")
    across = min(len(panels), 3)
    rows = -(-len(panels) // across)
    figure = style.new_figure(4.0 * max(across, 2), 3.3 * rows + 0.5)
    style.headline(figure, f"{card.name}: {card.title}")
    for axes, draw in zip(style.panels(figure, len(panels), across), panels, strict=True):
        draw(axes)
    return figure


def _grid(card: DeviceCard) -> Floats:
    return np.linspace(card.g_min, card.g_max, 201)


def _draw_error(axes: Axes, card: DeviceCard) -> None:
    g = _grid(card)
    mean, sigma = written(card, g)
    factor, unit = style.prefix(np.concatenate([sigma, np.abs(mean - g)]), "S")
    axes.plot(g * style.MICRO, sigma * factor, color=style.BLUE, label="standard deviation")
    if np.abs(mean - g).max() > 1e-3 * card.g_max:
        axes.plot(g * style.MICRO, (mean - g) * factor, color=style.ORANGE, linestyle="--", label="mean − target")
        style.legend(axes)
    else:
        axes.set_ylim(bottom=0)
    style.describe(axes, "error of a write", "target conductance [µS]", f"programmed − target [{unit}]")


def _horizon(card: DeviceCard) -> float:
    """Return the latest time that all laws of time hold, at most ten years [s]."""
    names = [name for name in ("programming_error", "relaxation", "drift", "retention") if getattr(card, name)]
    ends = [valid.time[1] for valid in map(card.validity, names) if valid.time is not None]
    return min([10 * YEAR, *ends])


def _draw_time(axes: Axes, card: DeviceCard) -> None:
    last = _horizon(card)
    times = np.geomspace(1.0, last, 80) if last > 1 else np.array([last])
    shown = levels(card, 5)[1:] if card.levels is None else levels(card)
    curves = np.array([expected(card, shown, float(t)) for t in times])
    for k in reversed(range(len(shown))):
        colour = style.PALETTE[k % len(style.PALETTE)]
        mean, sigma = curves[:, 0, k] * style.MICRO, curves[:, 1, k] * style.MICRO
        axes.plot(times, mean, color=colour, label=f"{shown[k] * style.MICRO:.3g} µS")
        axes.fill_between(times, mean - sigma, mean + sigma, color=colour, alpha=0.18, linewidth=0)
    axes.set_xscale("log")
    axes.set_xlim(times[0], max(times[-1], MONTH))
    if times[-1] < MONTH:
        axes.axvspan(times[-1], MONTH, color=style.UNUSED, linewidth=0)
        place: dict[str, Any] = {
            "transform": axes.get_xaxis_transform(),
            "ha": "center",
            "va": "center",
            "rotation": 90,
        }
        middle = math.sqrt(times[-1] * MONTH)
        axes.text(middle, 0.5, "n/a", fontsize=style.SMALL, color=style.GREY, **place)
    axes.set_ylim(0, float(np.nanmax(curves.sum(axis=1))) * style.MICRO * 1.28)
    style.describe(axes, "mean ± standard deviation of cells", "time since the write [s]", "conductance [µS]")
    style.legend(axes, loc="upper right", ncols=2)


def _draw_noise(axes: Axes, card: DeviceCard) -> None:
    g = _grid(card)
    white = np.zeros_like(g) if card.read_noise is None else np.asarray(card.read_noise.sigma(g))
    curves = {}
    if card.flicker_noise is not None:
        for seconds in TIMES:
            held = np.isfinite(n_a(card, g, seconds)[0]).any()
            if held:
                curves[f"1/f, {show(seconds, 's')} after the write"] = np.asarray(
                    card.flicker_noise.sigma(g, g, seconds)
                )
        if card.read_noise is not None:
            curves["white and 1/f together"] = read_sigma(card, g, TIMES[0])
    if card.read_noise is not None:
        curves["white, of one reading"] = white
    factor, unit = style.prefix(np.concatenate(list(curves.values())), "S")
    for (name, sigma), colour in zip(curves.items(), style.PALETTE, strict=False):
        axes.plot(g * style.MICRO, sigma * factor, color=colour, label=name)
    axes.set_ylim(0, axes.get_ylim()[1] * (1 + 0.1 * len(curves)))
    style.describe(axes, "noise of a reading", "conductance [µS]", f"standard deviation [{unit}]")
    style.legend(axes, loc="upper left")


def _draw_train(axes: Axes, law: PulseLaw) -> None:
    shape = (DEVICES,)
    event = np.zeros(1, np.uint64)

    def random(count: int, draw: int, kind: str) -> Floats:
        make = normals if kind == "normals" else uniforms
        drawn = make(event, 0, count * DEVICES, 0, Purpose.PROGRAMMING_ERROR, draw)
        return np.asarray(drawn[0], np.float64).reshape(count, *shape)

    devices = law.devices(random(law.device_normals, 0, "normals"), random(max(law.device_uniforms, 1), 1, "uniforms"))
    count = _pulses(law)
    numbers = random(2 * count, 2, law.draws)
    noise = random(2 * count, 3, "normals")
    state = np.asarray(devices.w_min) + 0.0
    seen = []
    for n in range(2 * count):
        state = np.asarray(law.pulse(state, devices, np.full(shape, 1.0 if n < count else -1.0), numbers[n]))
        seen.append(np.asarray(law.conductance(law.apparent(state, noise[n]))))
    factor, unit = style.prefix(np.array(seen), "S")
    pulses = np.arange(1, 2 * count + 1)
    for k in range(DEVICES):
        axes.plot(pulses, np.array(seen)[:, k] * factor, color=style.BLUE, linewidth=0.6, alpha=0.35)
    middle = np.median(np.array(seen), axis=1) * factor
    axes.plot(pulses, middle, color=style.RED, linewidth=1.4, label=f"median of {DEVICES} devices")
    axes.axvline(count + 0.5, color=style.GREY, linestyle=":", linewidth=1)
    axes.set_xlim(0, 2 * count)
    style.whole_numbers(axes, x=True)
    low, high = style.extent(np.array(seen) * factor)
    if low > 0 and high > 100 * low:
        style.log_scale(axes.yaxis, low, high * 3)
    else:
        axes.set_ylim(top=axes.get_ylim()[1] * 1.15)
    style.describe(axes, f"{count} SET, then {count} RESET pulses", "pulse", f"conductance [{unit}]")
    style.legend(axes, loc="upper right")


def _pulses(law: PulseLaw) -> int:
    """Return how many pulses take an average device through most of its range, 10 to `PULSES_MAX`."""
    zero = np.zeros((law.device_normals, 1))
    devices = law.devices(zero, np.full((max(law.device_uniforms, 1), 1), 0.999999))
    state, still = np.asarray(devices.w_min) + 0.0, np.full((1,), 0.0 if law.draws == "normals" else 0.5)
    goal = devices.w_min + 0.95 * (devices.w_max - devices.w_min)
    for n in range(PULSES_MAX):
        if state[0] >= goal[0]:
            return max(10, n)
        state = np.asarray(law.pulse(state, devices, np.ones(1), still))
    return PULSES_MAX


def _draw_steps(axes: Axes, card: DeviceCard, law: PulseLaw) -> None:
    """Draw how far one pulse moves an average device without noise."""
    g = np.linspace(card.g_min, card.g_max, 101)
    zero = np.zeros((law.device_normals, len(g)))
    devices = law.devices(zero, np.full((max(law.device_uniforms, 1), len(g)), 0.999999))
    state = np.asarray(law.state(g))
    still = np.full(g.shape, 0.0 if law.draws == "normals" else 0.5)
    steps = {
        name: np.asarray(law.conductance(law.pulse(state, devices, np.full(g.shape, sign), still))) - g
        for name, sign in (("SET", 1.0), ("RESET", -1.0))
    }
    factor, unit = style.prefix(np.concatenate(list(steps.values())), "S")
    for (name, step), colour in zip(steps.items(), (style.BLUE, style.ORANGE), strict=True):
        axes.plot(g * style.MICRO, step * factor, color=colour, label=name)
    axes.axhline(0, color=style.GREY, linewidth=0.8)
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.18 * (high - low))
    style.describe(axes, "step of one pulse, average device", "conductance [µS]", f"change [{unit}]")
    style.legend(axes, loc="upper right", ncols=2)


def _draw_iv(axes: Axes, card: DeviceCard, law: IvLaw) -> None:
    valid = card.validity("iv_nonlinearity").voltage
    low, high = valid if valid is not None else (-5 * card.read_voltage, 5 * card.read_voltage)
    v = np.linspace(low, high, 201)
    shown = levels(card, 5)[1:] if card.levels is None else levels(card)
    currents = [np.asarray(law.current(v, np.full_like(v, g))) for g in shown]
    factor, unit = style.prefix(np.array(currents), "A")
    for k in reversed(range(len(shown))):
        colour = style.PALETTE[k % len(style.PALETTE)]
        axes.plot(v, currents[k] * factor, color=colour, label=f"{shown[k] * style.MICRO:.3g} µS")
        axes.plot(v, shown[k] * v * factor, color=colour, linestyle=":", linewidth=1)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    style.describe(axes, "I-V curves (dotted: linear)", "voltage [V]", f"current [{unit}]")
    style.legend(axes, loc="upper left")


def _draw_loop(axes: Axes, model: DynamicModel, card: DeviceCard, logarithmic: bool = False) -> None:
    """Draw two cycles of a triangular sweep whose amplitude and speed make the state move."""
    amplitude, period = _sweep(model, card)
    phase = np.linspace(0, 2, 2 * 400 + 1)
    v = amplitude * (2 / math.pi) * np.arcsin(np.sin(2 * math.pi * phase))
    start = state_of(model, np.array([math.sqrt(max(card.g_min, 1e-9) * card.g_max)]), card.read_voltage)
    found = respond(model, start, v, np.full(v.shape, period / 400), tolerance=1e-4)
    current = np.asarray(found.current)[:, 0]
    factor, unit = style.prefix(current, "A")
    for cycle, colour in ((0, style.SKY), (1, style.BLUE)):
        part = slice(400 * cycle, 400 * cycle + 401)
        values = current[part] * factor
        x = v[part]
        if logarithmic:
            values = np.where(np.abs(x) > 0.01 * amplitude, np.abs(values), np.nan)
        axes.plot(x, values, color=colour, linewidth=1.2, label=f"cycle {cycle + 1}")
    if logarithmic:
        axes.set_yscale("log")
    else:
        axes.axhline(0, color=style.GREY, linewidth=0.6)
        axes.axvline(0, color=style.GREY, linewidth=0.6)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    title = f"hysteresis, {show(1 / period, 'Hz', 3)}{', |I|' if logarithmic else ''}"
    style.describe(axes, title, "voltage [V]", f"current [{unit}]")
    style.legend(axes, loc="upper left" if not logarithmic else "lower right")


def _sweep(model: DynamicModel, card: DeviceCard) -> tuple[float, float]:
    """Return amplitude [V] and period [s] of a sweep over which the state moves through much of its range."""
    middle = np.array([(model.low + model.high) / 2])
    span = model.high - model.low
    for amplitude in (0.25, 0.5, 1.0, 1.5, 2.0, 3.0):
        rates = [abs(float(np.asarray(model.rate(middle, np.array([s * amplitude])))[0])) for s in (1.0, -1.0)]
        if min(rates) > 0 and amplitude >= 3 * card.read_voltage:
            return amplitude, 400 * span / math.sqrt(rates[0] * rates[1])
    raise InputError(f"card {card.name!r}: no voltage up to 3 V moves its state, so there is no loop to draw")
