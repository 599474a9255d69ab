"""The locked versions belong to pyproject.toml and name no place that packages come from."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]


def pins(name: str) -> dict[str, Requirement]:
    """Return the pins of a lock file by package."""
    lines = (ROOT / "requirements" / name).read_text(encoding="utf-8").splitlines()
    found = [Requirement(line) for line in lines if line and not line.lstrip().startswith("#")]
    return {each.name: each for each in found}


def declared(group: str | None) -> list[Requirement]:
    """Return what pyproject.toml asks for, with a group beside that which builds."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = project["dependency-groups"]
    asked = project["project"]["dependencies"] + groups["build"] + (groups[group] if group else [])
    if group == "interop":
        asked += project["project"]["optional-dependencies"]["instruments"]
    return [Requirement(each) for each in asked]


@pytest.mark.parametrize(("name", "group"), [("run.txt", None), ("test.txt", "test"), ("interop.txt", "interop")])
def test_every_dependency_is_pinned_within_its_bounds(name: str, group: str | None) -> None:
    locked = pins(name)
    for each in declared(group):
        (pin,) = locked[each.name].specifier
        assert pin.operator == "=="
        assert each.specifier.contains(pin.version), f"{each} is locked to {pin.version}"


@pytest.mark.parametrize("name", ["test.txt", "interop.txt"])
def test_tests_run_with_the_versions_of_the_demo(name: str) -> None:
    run, own = pins("run.txt"), pins(name)
    assert {each: pin.specifier for each, pin in run.items()} == {each: own[each].specifier for each in run}


@pytest.mark.parametrize("name", ["run.txt", "test.txt", "interop.txt"])
def test_locks_name_no_index(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    assert not re.search(r"://|index-url|find-links|trusted-host", text)
