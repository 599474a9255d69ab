"""What a B1500A tells of its settings: the answers to *LRN?."""

from collections.abc import Mapping, Sequence

from xbar_drivers.emulated.flex.channel import FlexChannel
from xbar_drivers.emulated.flex.commands import BAD_VALUE, FlexError
from xbar_drivers.emulated.flex.data_format import FlexDataFormat
from xbar_drivers.emulated.flex.measurement import MeasurementPlan


def plain(value: float) -> str:
    """Return a number as *LRN? writes it: no more digits than it needs."""
    return f"{value:.10g}"


def learn(
    kind: int,
    channels: Mapping[int, FlexChannel],
    plan: MeasurementPlan,
    formats: FlexDataFormat,
    settings: Mapping[str, str],
) -> str:
    """Return the answer to `*LRN? kind`.

    `settings` are the parameters of commands that the instrument only stores, by command.
    Raises `FlexError` for a kind that is not served.
    """
    smus = list(channels.values())
    if kind == 0:
        on = [str(channel.number) for channel in smus if channel.smu.output]
        return f"CN{','.join(on)}" if on else "CL"
    if kind in channels:
        return channels[kind].force_text()
    if kind == 30:
        return _filters(smus)
    if kind == 31:
        mode = f";MM{plan.mode},{','.join(map(str, plan.channels))}" if plan.mode else ""
        stored = ";".join(f"{name}{settings[name]}" for name in ("TM", "AV", "CM"))
        return f"{stored};FMT{formats.format},{formats.sources}{mode}"
    if kind == 33:
        times = (plan.hold, plan.delay, plan.step_delay, *plan.trigger_delays)
        sources = [s.text for s in (plan.primary, plan.synchronous, *plan.more) if s is not None]
        return ";".join([f"WM{plan.abort},{plan.post}", f"WT{','.join(map(plain, times))}", *sources])
    if kind == 47:
        return _sampling(plan)
    found = {
        32: lambda c: _both("RI", c.number, c.current_range) + _both("RV", c.number, c.voltage_range),
        46: lambda c: _both("CMM", c.number, c.mode),
        53: lambda c: [f"SSR{c.number},{c.resistor}"],
        54: lambda c: [f"RM{c.number},1"],
        55: lambda c: [f"AAD{c.number},{c.adc}"],
    }
    if kind in found:
        return ";".join(text for channel in smus for text in found[kind](channel))
    if kind == 56:
        return f"AIT0,{settings['AIT0']};AIT1,{settings['AIT1']};AZ{settings['AZ']}"
    if kind == 60:
        return f"TSC{settings['TSC']}"
    if kind in (70, 71, 72, 80, 81, 90, 100, 110):
        return f"PAD{settings['PAD']}" if kind == 110 else ""
    raise FlexError(*BAD_VALUE)


def _filters(smus: Sequence[FlexChannel]) -> str:
    """Return FL0 where all filters are off, else the channels of those that are off and of those that are on."""
    off, on = ([str(smu.number) for smu in smus if smu.filter_on == state] for state in (0, 1))
    return "FL0" if not on else ";".join([",".join(["FL0", *off]), ",".join(["FL1", *on])])


def _both(name: str, number: int, value: int) -> list[str]:
    """Return a setting with and without a blank: PyMeasure reads only the second form, QCoDeS only the first."""
    return [f"{name} {number},{value}", f"{name}{number},{value}"]


def _sampling(plan: MeasurementPlan) -> str:
    parts = [f"MT{plain(plan.sample_hold)},{plain(plan.interval)},{plan.samples}", "ML1", "MSC1,1"]
    for number, (voltage, code, base, bias, limit) in plan.sample_sources.items():
        told = "" if limit is None else f",{plain(limit)}"
        parts.append(f"{'MV' if voltage else 'MI'}{number},{code},{plain(base)},{plain(bias)}{told}")
    return ";".join(parts)
