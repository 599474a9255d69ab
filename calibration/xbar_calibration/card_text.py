"""The text of a calibrated card: its laws as TOML, with data, hash and date as their source."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from xbar.devices.card_file import parse_card
from xbar.errors import FormatError, InputError
from xbar.units import parse
from xbar_calibration.fit import Fit, Refusal
from xbar_calibration.observations import Observations
from xbar_calibration.quantities import conductance_text, number, time_text, voltage_text

ORDER = (
    "levels",
    "programming_error",
    "device_variation",
    "cycle_variation",
    "relaxation",
    "drift",
    "retention",
    "temperature",
    "flicker_noise",
    "random_telegraph_noise",
    "read_noise",
    "stuck_cells",
    "endurance",
    "iv_nonlinearity",
    "pulse_response",
    "write",
)
"""Blocks in the order of a card."""
WITHOUT_RANGE = ("levels", "stuck_cells", "write", "temperature", "endurance")
"""Blocks that have no range of conductances."""


def card_name(stem: str) -> str:
    """Return a name of a card from that of a file: lower-case letters, digits, `_` and `-`."""
    name = re.sub(r"[^a-z0-9_-]+", "_", stem.lower()).strip("_-")
    return (name if re.match(r"[a-z]", name) else f"card_{name}")[:64]


def write_card(
    name: str, observed: Observations, fits: Sequence[Fit], g_min: float, g_max: float, read_voltage: float
) -> str:
    """Return the text of a card.

    Args:
        name: of the card.
        observed: the data, for the source.
        fits: laws; those without keys are left out.
        g_min: smallest conductance [S].
        g_max: largest conductance [S].
        read_voltage: [V].

    Raises `FormatError` where the text is no valid card: the message tells what does not fit.

    """
    source = source_text(observed)
    head = {
        "schema": "xbar-card/1",
        "name": name,
        "title": f"Calibrated from {', '.join(observed.names)}"[:200],
        "source": source,
        "g_min": conductance_text(g_min),
        "g_max": conductance_text(g_max),
        "read_voltage": voltage_text(read_voltage),
    }
    lines = [f"{key} = {toml_value(value)}" for key, value in head.items()]
    by_law = {fit.law: fit for fit in fits if fit.keys}
    for law in ORDER:
        if law in by_law:
            try:
                lines += ["", *_comments(by_law[law]), *_block(by_law[law], source, g_min, g_max)]
            except InputError as error:
                raise FormatError(f"calibrated card {name!r}: 1 error\n  {law}: {error}") from error
    text = "\n".join(lines) + "\n"
    parse_card(text, f"calibrated card {name!r}")
    return text


def writable_card(
    name: str, observed: Observations, fits: Sequence[Fit], g_min: float, g_max: float, read_voltage: float
) -> tuple[str, list[Refusal]]:
    """Return the text of a card, and the laws whose numbers no card can have: they are left out; see `write_card`.

    Raises `FormatError` where what does not fit is no block of a law.
    """
    refused = list[Refusal]()
    while True:
        kept = [fit for fit in fits if fit.law not in {refusal.law for refusal in refused}]
        try:
            return write_card(name, observed, kept, g_min, g_max, read_voltage), refused
        except FormatError as error:
            wrong = dict(re.findall(r"^\s*(\w+)((?:\.\w+)*: .*)$", str(error), re.MULTILINE))
            found = [fit.law for fit in kept if fit.law in wrong]
            if not found:
                raise
            refused += [
                Refusal(law, f"a card cannot have what was fitted: {wrong[law].lstrip('.: ')}") for law in found
            ]


def source_text(observed: Observations) -> str:
    """Return data, hash and date as a card names its source."""
    return f"Fitted to {', '.join(observed.names)}, sha256 {observed.sha256}, measured {observed.date}"


def _comments(fit: Fit) -> list[str]:
    lines = [f"# Fitted to {fit.points} values; 95 % intervals:"]
    lines += [
        f"#   {p.name} = {p.value:.6g} ({p.low:.6g} to {p.high:.6g}) {p.unit}".rstrip() for p in fit.parameters[:24]
    ]
    if len(fit.parameters) > 24:
        lines.append(f"#   and {len(fit.parameters) - 24} more")
    return lines + [f"# {note}" for note in fit.notes]


def _block(fit: Fit, source: str, g_min: float, g_max: float) -> list[str]:
    kind, keys = _kind_and_keys(fit)
    closed = fit.law == "pulse_response" and kind not in ("table", "lookup")
    lines = [f"[{fit.law}]", f'kind = "{kind}"']
    lines += [f"{key} = {toml_value(value)}" for key, value in keys.items()]
    if fit.law not in WITHOUT_RANGE and not closed:
        low, high = fit.valid or (g_min, g_max)
        lines.append(f"valid = {toml_value([conductance_text(min(low, g_min)), conductance_text(max(high, g_max))])}")
    if fit.valid_time is not None:
        lines.append(f"valid_time = {toml_value([time_text(t) for t in fit.valid_time])}")
    if fit.valid_temperature is not None:
        lines.append(f"valid_temperature = {toml_value([f'{number(t):g} K' for t in fit.valid_temperature])}")
    if fit.valid_voltage is not None:
        lines.append(f"valid_voltage = {toml_value([voltage_text(v) for v in fit.valid_voltage])}")
    return [*lines, f"source = {toml_value(source)}"]


def _kind_and_keys(fit: Fit) -> tuple[str, Mapping[str, Any]]:
    """Return kind and keys of a block.

    A polynomial of the programming error that is negative between zero and the data's first target is written in
    powers of the conductance itself: that kind holds in its valid range alone.
    """
    if fit.law != "programming_error" or fit.kind != "polynomial":
        return fit.kind, fit.keys
    reference = parse(fit.keys["g_ref"], "S")
    coefficients = [parse(text, "S") for text in fit.keys["coefficients"]]
    x = [k / 1000 for k in range(1001)]
    if min(sum(c * v**k for k, c in enumerate(coefficients)) for v in x) >= 0:
        return fit.kind, fit.keys
    powers = [number(c * 1e6 * (1e-6 / reference) ** k) for k, c in enumerate(coefficients)]
    return "absolute_polynomial", {"unit": "uS", "coefficients": powers}


def toml_value(value: Any) -> str:
    """Return a value of a TOML file; raises `InputError` for what TOML does not have."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InputError(f"a fitted number is {value}; the data do not determine it")
        return repr(value)
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + re.sub(r"[\x00-\x1f\x7f]", "?", escaped) + '"'
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {toml_value(item)}" for key, item in value.items()) + " }"
    return "[" + ", ".join(toml_value(item) for item in value) + "]"
