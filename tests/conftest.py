"""What some tests need that this machine may lack, and how to give it."""

import importlib
import os
import signal

import pytest
from hypothesis import settings

# No deadline: the first call of a kernel compiles it. In CI the examples are the same each time, so that a change is
# blamed for what it breaks; elsewhere new ones are tried.
settings.register_profile("xbar", deadline=None, derandomize=bool(os.environ.get("CI")))
settings.load_profile("xbar")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--resource`, the instrument that `hardware` tests may drive."""
    parser.addoption(
        "--resource",
        metavar="VISA",
        help="VISA resource of the instrument that `hardware` tests may drive",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip `gpu` and `hardware` tests, with the reason, where what they need is missing."""
    gpu = [item for item in items if item.get_closest_marker("gpu")]
    missing = missing_gpu() if gpu else None
    if missing:
        for item in gpu:
            item.add_marker(pytest.mark.skip(reason=missing))
    if config.getoption("--resource") is None:
        for item in items:
            if item.get_closest_marker("hardware"):
                item.add_marker(pytest.mark.skip(reason="no instrument: give one with --resource"))


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_is_heard() -> None:
    """Let Ctrl-C raise as it does at a prompt: a shell starts commands in the background with it ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def resource(pytestconfig: pytest.Config) -> str:
    """VISA resource of the instrument under test; a test that asks for it carries the marker `hardware`."""
    return str(pytestconfig.getoption("--resource"))


def missing_gpu() -> str | None:
    """Say what a `gpu` test lacks here; None where it can run."""
    try:
        devices = importlib.import_module("cupy").cuda.runtime.getDeviceCount()
    except ImportError:
        return "CuPy is not installed: pip install xbar-emulator[gpu]"
    except Exception as error:  # CuPy's own CUDARuntimeError, which only exists where CuPy does
        return f"CuPy finds no CUDA device: {error}"
    return None if devices else "CuPy finds no CUDA device"
