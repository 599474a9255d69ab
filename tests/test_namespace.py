"""The namespace of arrays: found from the arrays themselves."""

import array_api_strict
import numpy as np
import pytest

from xbar.errors import InputError
from xbar.namespace import as_float64, namespace


def test_each_library_has_its_own() -> None:
    """NumPy arrays and scalars, and arrays of a second library, each find theirs; Python scalars do not count."""
    assert namespace(np.ones(2), 3.0).sum(np.ones(2)) == 2
    assert namespace(np.float64(1)) is namespace(np.ones(2))
    assert namespace(array_api_strict.ones(2), 3.0) is array_api_strict


def test_mixed_libraries_are_refused() -> None:
    """Arrays of two libraries in one call are named, and so is a call without an array."""
    with pytest.raises(InputError, match=r"one library.*array_api_strict.*numpy.ndarray"):
        namespace(np.ones(2), array_api_strict.ones(2))
    with pytest.raises(InputError, match=r"got builtins.float"):
        namespace(3.0)
    with pytest.raises(InputError, match="got nothing"):
        namespace()


def test_double_precision_on_the_same_device() -> None:
    """The device stays, and an array that is double already is not copied."""
    device = array_api_strict.Device("device1")
    x = array_api_strict.ones(3, dtype=array_api_strict.float32, device=device)
    assert as_float64(x).dtype == array_api_strict.float64
    assert as_float64(x).device == device
    y = np.ones(3)
    assert as_float64(y) is y
