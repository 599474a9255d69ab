"""The environment of demo.py and test.py: made once, found again, made anew when broken, explained when it fails."""

import errno
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

import environment


class FakeTools:
    """Stands for venv and pip: notes the calls and makes the files that `environment` looks at."""

    def __init__(self) -> None:
        self.made = 0
        self.installed: list[str] = []
        self.version: str | None = sys.version
        self.failure: Exception | None = None

    def run_venv(self, folder: Path) -> None:
        self.made += 1
        python = environment.tool(folder, "python")
        python.parent.mkdir(parents=True)
        python.touch()
        (folder / "pyvenv.cfg").touch()

    def pip(self, folder: Path, arguments: Sequence[str]) -> None:
        if self.failure:
            raise self.failure
        self.installed.append(Path(arguments[-1]).name)

    def asked_version(self, folder: Path) -> str | None:
        return self.version


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> FakeTools:
    fake = FakeTools()
    monkeypatch.setattr(environment, "_run_venv", fake.run_venv)
    monkeypatch.setattr(environment, "_pip", fake.pip)
    monkeypatch.setattr(environment, "_asked_version", fake.asked_version)
    return fake


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "some where" / "venv"
    monkeypatch.setenv("XBAR_VENV", str(folder))
    return folder


PROJECT = environment.CHECKOUT.name


def test_first_run_makes_and_installs(tools: FakeTools, place: Path) -> None:
    assert environment.ensure("run") == environment.tool(place, "python")
    assert tools.made == 1
    assert tools.installed == ["run.txt", PROJECT]


def test_second_run_does_nothing(tools: FakeTools, place: Path) -> None:
    environment.ensure("run")
    environment.ensure("run")
    assert tools.made == 1
    assert tools.installed == ["run.txt", PROJECT]


def test_environment_of_the_tests_serves_the_demo(tools: FakeTools, place: Path) -> None:
    environment.ensure("test")
    environment.ensure("run")
    assert tools.installed == ["test.txt", PROJECT]


def test_environment_of_the_demo_is_completed_for_the_tests(tools: FakeTools, place: Path) -> None:
    environment.ensure("run")
    environment.ensure("test")
    assert tools.made == 1
    assert tools.installed == ["run.txt", PROJECT, "test.txt", PROJECT]


def test_changed_lock_is_installed(
    tools: FakeTools, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment.ensure("run")
    changed = tmp_path / "changed.txt"
    changed.write_text("numpy==2.0.0\n")
    monkeypatch.setitem(environment.REQUIREMENTS, "run", changed)
    environment.ensure("run")
    assert tools.made == 1
    assert tools.installed[2:] == ["changed.txt", PROJECT]


def test_half_made_environment_is_made_anew(tools: FakeTools, place: Path) -> None:
    """A process killed while it installs leaves its mark, and the next run starts over."""
    tools.failure = KeyboardInterrupt()  # type: ignore[assignment]  # stands for any sudden end
    with pytest.raises(KeyboardInterrupt):
        environment.ensure("run")
    tools.failure = None
    (place / "left over").touch()
    environment.ensure("run")
    assert tools.made == 2
    assert not (place / "left over").exists()


def test_environment_is_made_anew_after_a_full_disk(tools: FakeTools, place: Path) -> None:
    """Packages may be half installed then."""
    tools.failure = environment.SetupError("disk is full")
    with pytest.raises(environment.SetupError):
        environment.ensure("run")
    tools.failure = None
    environment.ensure("run")
    assert tools.made == 2


def test_unreached_index_is_tried_again_in_the_same_environment(tools: FakeTools, place: Path) -> None:
    tools.failure = environment.IndexOutOfReachError("no network")
    with pytest.raises(environment.IndexOutOfReachError):
        environment.ensure("run")
    tools.failure = None
    environment.ensure("run")
    assert tools.made == 1
    assert tools.installed == ["run.txt", PROJECT]


@pytest.mark.parametrize(
    ("key", "value", "fault"),
    [("python", "3.10.1 (main)", "of another Python (3.10.1"), ("folder", "/else/where", "was moved")],
)
def test_environment_that_no_longer_fits_is_made_anew(
    tools: FakeTools, place: Path, capsys: pytest.CaptureFixture[str], key: str, value: str, fault: str
) -> None:
    environment.ensure("run")
    marker = json.loads((place / environment.MARKER).read_text())
    (place / environment.MARKER).write_text(json.dumps({**marker, key: value, "run": "old"}))
    environment.ensure("run")
    assert tools.made == 2
    assert fault in capsys.readouterr().err


def test_environment_whose_python_is_gone_is_made_anew(tools: FakeTools, place: Path) -> None:
    environment.ensure("run")
    environment.tool(place, "python").unlink()
    tools.version = None
    environment.ensure("run")
    assert tools.made == 2


def test_folder_with_other_things_is_left_alone(tools: FakeTools, place: Path) -> None:
    place.mkdir(parents=True)
    (place / "thesis.tex").touch()
    with pytest.raises(environment.SetupError, match="not empty and no Python environment"):
        environment.ensure("run")
    assert [path.name for path in place.iterdir()] == ["thesis.tex"]


def test_foreign_environment_is_used_and_never_removed(tools: FakeTools, place: Path) -> None:
    """Somebody's own environment is used when it is of this Python, even after a broken installation."""
    place.mkdir(parents=True)
    (place / "pyvenv.cfg").touch()
    tools.failure = KeyboardInterrupt()  # type: ignore[assignment]  # stands for any sudden end
    with pytest.raises(KeyboardInterrupt):
        environment.ensure("run")
    tools.failure = None
    environment.ensure("run")
    assert tools.made == 0
    assert tools.installed == ["run.txt", PROJECT]


def test_foreign_environment_of_another_python_is_refused(tools: FakeTools, place: Path) -> None:
    place.mkdir(parents=True)
    (place / "pyvenv.cfg").touch()
    tools.version = "3.10.1 (main)"
    with pytest.raises(environment.SetupError, match=r"another Python \(3\.10\.1.*XBAR_VENV"):
        environment.ensure("run")
    assert tools.installed == []


def test_missing_venv_module_is_explained(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The remedy stands in the message, and nothing is left behind."""
    (tmp_path / "venv.py").write_text("raise SystemExit('ensurepip is not available')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(environment.SetupError, match="apt install python3-venv") as caught:
        environment.ensure("run")
    assert "ensurepip is not available" in str(caught.value)
    assert not place.exists()


@pytest.mark.parametrize(
    "configuration",
    [
        {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": ""},
        {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_EXTRA_INDEX_URL": "", "PIP_RETRIES": "0"},
    ],
)
def test_index_out_of_reach_is_explained(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, configuration: dict[str, str]
) -> None:
    """Pip's own configuration is respected, and its failure names the ways out."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    for name, value in configuration.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(environment.IndexOutOfReachError, match="does not reach the package index"):
        environment._pip(Path(sys.prefix), ["--target", str(tmp_path), "a-package-that-is-nowhere"])


def test_full_disk_is_explained(place: Path, tools: FakeTools) -> None:
    tools.failure = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(environment.SetupError, match="disk is full"):
        environment.ensure("run")
    assert "disk is full" in str(environment._explain_pip("OSError: [Errno 28] No space left on device", place))


def test_unknown_failure_of_pip_claims_nothing(place: Path) -> None:
    assert "what it said stands above" in str(environment._explain_pip("error: subprocess-exited-with-error", place))


def test_newer_python_is_tried_with_a_warning(
    tools: FakeTools, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(environment, "NEWEST", (3, 10))
    environment.ensure("run")
    assert "Warning: xbar is tested on Python 3.11 to 3.13" in capsys.readouterr().err


def test_default_folder_is_in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XBAR_VENV", raising=False)
    assert environment.folder() == environment.CHECKOUT / ".venv"
    assert environment.folder("interop") == environment.CHECKOUT / ".venv-interop"


def test_other_peoples_drivers_have_an_environment_of_their_own(tools: FakeTools, place: Path) -> None:
    environment.ensure("run")
    python = environment.ensure("interop")
    assert python == environment.tool(place.with_name(f"{place.name}-interop"), "python")
    assert tools.made == 2
    assert tools.installed == ["run.txt", PROJECT, "interop.txt", PROJECT]
