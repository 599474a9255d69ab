"""The head of a trace as JSON: address, and of each driver identity, capabilities, settings and limits."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from xbar.bench.capabilities import Capabilities, Effect, Identity, Timings
from xbar.bench.limits import Limits
from xbar.bench.operation import DriverHeader, Header
from xbar.bench.settings import Unselected
from xbar.errors import FormatError, InputError

MAX_SIZE = 2**31
"""Largest number of arrays, rows or columns that is believed."""
MAX_DRIVERS = 4096
"""Largest number of drivers that is believed."""


def to_json(values: Mapping[str, Any], what: str) -> str:
    """Return a mapping of JSON values as text; raises `InputError` naming what cannot be written."""
    try:
        return json.dumps(values, ensure_ascii=False, sort_keys=True)
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"{what} cannot stand in a trace as JSON: {error}; use text, numbers, lists and dicts"
        ) from None


def from_json(text: str, what: str) -> dict[str, Any]:
    """Return a JSON object; raises `FormatError` for anything else."""
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{what} is not valid JSON ({error}); the file is damaged or of another kind") from None
    if not isinstance(values, dict):
        raise FormatError(f"{what} is not a JSON object; the file is damaged or of another kind")
    return values


def encode_header(header: Header) -> str:
    """Return a header as JSON text; raises `InputError` where a driver's settings are no JSON values."""
    values = {"address": header.address, "drivers": [_driver_values(part) for part in header.drivers]}
    return to_json(values, "header (the driver's settings)")


def _driver_values(part: DriverHeader) -> dict[str, Any]:
    capabilities = asdict(part.capabilities)
    capabilities["native"] = sorted(part.capabilities.native)
    capabilities["unselected"] = sorted(mode.value for mode in part.capabilities.unselected)
    return {
        "name": part.name,
        "identity": asdict(part.identity),
        "capabilities": capabilities,
        "settings": dict(part.settings),
        "limits": asdict(part.limits),
    }


def decode_header(text: str) -> Header:
    """Return the header from its text; raises `FormatError` where a part is missing or of another type."""
    values = from_json(text, "header of the trace")
    try:
        drivers = tuple(_driver(part) for part in values["drivers"])
        if not 0 < len(drivers) <= MAX_DRIVERS or len({part.name for part in drivers}) < len(drivers):
            raise ValueError(f"{len(drivers)} drivers, or two of one name")
        return Header(str(values["address"]), drivers)
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise FormatError(f"header of the trace is incomplete or wrong ({error!r}); the file is damaged") from None


def _driver(values: dict[str, Any]) -> DriverHeader:
    return DriverHeader(
        str(values["name"]),
        Identity(**{str(k): str(v) for k, v in values["identity"].items()}),
        _capabilities(values["capabilities"]),
        dict(values["settings"]),
        _limits(values["limits"]),
    )


def _capabilities(values: dict[str, Any]) -> Capabilities:
    given = dict(values)
    for name in ("arrays", "rows", "cols"):
        if not isinstance(given[name], int) or not 0 < given[name] < MAX_SIZE:
            raise ValueError(f"{name} = {given[name]!r}")
    if given["conductance_range"] is not None:
        low, high = given["conductance_range"]
        given["conductance_range"] = (float(low), float(high))
    for name in ("dac_bits", "adc_bits"):
        given[name] = None if given[name] is None else int(given[name])
    given["native"] = frozenset(str(name) for name in given["native"])
    given["unselected"] = frozenset(Unselected(mode) for mode in given["unselected"])
    given["effects"] = tuple(Effect(str(e["name"]), e["state"], str(e["note"])) for e in given["effects"])
    given["timings"] = Timings(**{str(k): float(v) for k, v in given["timings"].items()})
    given["voltage_max"], given["current_max"] = float(given["voltage_max"]), float(given["current_max"])
    given["pulse_min"] = float(given.get("pulse_min", 0.0))  # traces of before have none
    return Capabilities(**given)


def _limits(values: dict[str, Any]) -> Limits:
    limits = Limits(**values)
    for number in (limits.cell_voltage, limits.current, limits.forming_voltage or 0.0):
        if math.isnan(float(number)):
            raise ValueError("limit is not a number")
    return limits
