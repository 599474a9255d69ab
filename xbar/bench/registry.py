"""Drivers by name: the entry-point group `xbar.drivers`, loaded when asked for. xbar imports none of them itself."""

import re
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any

from xbar.bench.driver import Driver
from xbar.errors import DriverError, UnknownNameError

GROUP = "xbar.drivers"
_SCHEME = re.compile(r"^([A-Za-z][A-Za-z0-9_+-]+)(?::(.*))?$", re.DOTALL)


def driver_names() -> list[str]:
    """Return the names of the drivers that are installed, sorted."""
    return sorted({point.name for point in entry_points(group=GROUP)})


def split_address(address: str) -> tuple[str, str] | None:
    r"""Return (driver name, rest) where `address` is "name" or "name:rest" of an installed driver, else None.

    A name has at least two letters, so that `C:\lab.toml` is a file.
    """
    match = _SCHEME.match(address)
    if match is None or match[1] not in driver_names():
        return None
    return match[1], match[2] or ""


def make_driver(name: str, rest: str, options: Mapping[str, Any]) -> Driver:
    """Return the driver `name` for the rest of an address, not yet open.

    Raises `UnknownNameError` for a name that is not installed, `DriverError` where the entry point does not load.
    """
    return driver_class(name).from_address(rest, options)


def make_drivers(name: str, rest: str, options: Mapping[str, Any]) -> dict[str, Driver]:
    """Return all drivers that an address stands for, by name; see `make_driver`."""
    return driver_class(name).drivers_from_address(rest, options)


def driver_class(name: str) -> type[Driver]:
    """Return the class of a driver.

    Raises `UnknownNameError` for a name that is not installed, `DriverError` where the entry point does not load.
    """
    found = [point for point in entry_points(group=GROUP) if point.name == name]
    if not found:
        raise UnknownNameError(f"driver {name!r} is not installed; installed are {', '.join(driver_names()) or 'none'}")
    try:
        kind = found[0].load()
    except Exception as error:
        raise DriverError(f"driver {name!r} ({found[0].value}) does not load: {error}") from error
    if not (isinstance(kind, type) and issubclass(kind, Driver)):
        raise DriverError(f"driver {name!r} ({found[0].value}) is not a subclass of xbar.bench.driver.Driver")
    return kind
