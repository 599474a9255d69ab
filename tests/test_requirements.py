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


def declared(*, with_tests: bool) -> list[Requirement]:
    """Return what pyproject.toml asks for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = project["dependency-groups"]
    asked = project["project"]["dependencies"] + groups["build"] + (groups["test"] if with_tests else [])
    return [Requirement(each) for each in asked]


@pytest.mark.parametrize(("name", "with_tests"), [("run.txt", False), ("test.txt", True)])
def test_every_dependency_is_pinned_within_its_bounds(name: str, with_tests: bool) -> None:
    locked = pins(name)
    for each in declared(with_tests=with_tests):
        (pin,) = locked[each.name].specifier
        assert pin.operator == "=="
        assert each.specifier.contains(pin.version), f"{each} is locked to {pin.version}"


def test_tests_run_with_the_versions_of_the_demo() -> None:
    assert pins("run.txt").items() <= pins("test.txt").items()


@pytest.mark.parametrize("name", ["run.txt", "test.txt"])
def test_locks_name_no_index(name: str) -> None:
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    assert not re.search(r"://|index-url|find-links|trusted-host", text)
