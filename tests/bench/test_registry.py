"""Drivers by name, and which addresses name one."""

from collections.abc import Callable
from importlib.metadata import EntryPoint
from typing import Any

import pytest

import xbar.bench.registry as module
from xbar.bench.registry import driver_names, make_driver, split_address
from xbar.errors import DriverError, UnknownNameError

Offer = Callable[[dict[str, Any]], None]


class Point:
    """An entry point that loads what it is given, or raises it."""

    def __init__(self, name: str, load: Any) -> None:
        self.name, self.value, self._load = name, f"lab.{name}:Driver", load

    def load(self) -> Any:
        if isinstance(self._load, Exception):
            raise self._load
        return self._load


@pytest.fixture
def offer(monkeypatch: pytest.MonkeyPatch) -> Offer:
    """Return how to put drivers in place of the installed ones."""

    def put(points: dict[str, Any]) -> None:
        made = [Point(name, load) for name, load in points.items()]
        monkeypatch.setattr(module, "entry_points", lambda group: made if group == "xbar.drivers" else [])

    return put


def test_the_shipped_drivers_are_installed() -> None:
    assert {"sim", "replay"} <= set(driver_names())
    assert driver_names() == sorted(driver_names())


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("sim", ("sim", "")),
        ("sim:", ("sim", "")),
        ("replay:t.h5", ("replay", "t.h5")),
        ("replay:C:\\data\\t.h5", ("replay", "C:\\data\\t.h5")),
        ("replay:/data/a b:c.h5", ("replay", "/data/a b:c.h5")),
        ("replay:two\nlines", ("replay", "two\nlines")),
        ("C:\\lab.toml", None),
        ("c:lab.toml", None),
        ("lab.toml", None),
        ("./sim", None),
        ("simulator", None),
        ("unknown:rest", None),
        ("", None),
        (":", None),
    ],
)
def test_an_address_names_a_driver_or_is_none(address: str, found: tuple[str, str] | None) -> None:
    assert split_address(address) == found


def test_one_letter_is_a_drive_even_where_a_driver_has_that_name(offer: Offer, make_driver: Any) -> None:
    offer({"C": make_driver})
    assert split_address("C:\\lab.toml") is None


def test_a_driver_is_made_from_the_rest_of_the_address(offer: Offer, make_driver: Any) -> None:
    offer({"fake": make_driver, "other": RuntimeError("not asked for: not loaded")})
    made = module.make_driver("fake", "rest", {"rows": 3})
    assert isinstance(made, make_driver)
    assert made.seen == [("rest", {"rows": 3})]
    assert made.calls == []


def test_an_unknown_name_lists_those_that_exist(offer: Offer) -> None:
    offer({"beta": None, "alpha": None})
    with pytest.raises(UnknownNameError, match=r"'gamma' is not installed; installed are alpha, beta"):
        make_driver("gamma", "", {})
    offer({})
    with pytest.raises(UnknownNameError, match="none"):
        make_driver("gamma", "", {})


@pytest.mark.parametrize(
    ("load", "message"),
    [
        (ImportError("no module named lab"), "does not load: no module named lab"),
        (RuntimeError("license server"), "does not load: license server"),
        (object, "not a subclass"),
        (EntryPoint, "not a subclass"),
        (lambda: None, "not a subclass"),
    ],
)
def test_what_is_no_driver_is_refused(load: Any, message: str, offer: Offer) -> None:
    offer({"bad": load})
    with pytest.raises(DriverError, match=message):
        make_driver("bad", "", {})
