"""The names of the package itself: each loads, none that is not there, and nothing heavy before it is asked for."""

import subprocess
import sys

import pytest

import xbar


@pytest.mark.parametrize("name", xbar.__all__)
def test_every_public_name_loads(name: str) -> None:
    """What is listed is there, documented, and kept after the first use."""
    value = getattr(xbar, name)
    assert getattr(xbar, name) is value
    if name != "__version__":
        assert callable(value)
        assert value.__doc__


def test_names_are_listed_once_and_in_order() -> None:
    assert sorted(set(xbar.__all__)) == xbar.__all__
    assert dir(xbar) == xbar.__all__
    assert set(xbar._PLACES) == set(xbar.__all__) - {"__version__"}


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="'frobnicate'"):
        xbar.frobnicate  # noqa: B018  # reading the attribute is the test
    assert not hasattr(xbar, "run_networks")


def test_importing_the_package_imports_nothing_else() -> None:
    """Names are loaded when they are used: `import xbar` alone brings neither numpy nor h5py."""
    code = "import sys, xbar; print([n for n in sys.modules if n.split('.')[0] in ('numpy', 'h5py', 'onnx', 'numba')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
