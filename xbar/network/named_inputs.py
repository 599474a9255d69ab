"""Inputs of a network by name, however the caller gives them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.errors import InputError
from xbar.network.network import Network


def named_inputs(network: Network, inputs: Mapping[str, NDArray[Any]] | NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Return inputs by the network's names; an array, or the name "x", may stand for its only input.

    Raises `InputError` where the names are not those of the network.
    """
    names = [spec.name for spec in network.inputs]
    if isinstance(inputs, np.ndarray):
        inputs = {"x": inputs}
    if len(names) == 1 and set(inputs) == {"x"}:
        return {names[0]: inputs["x"]}
    if set(inputs) != set(names):
        held = ", ".join(sorted(inputs)) or "none"
        raise InputError(f"the network takes the inputs {', '.join(names)}; the data hold {held}")
    return dict(inputs)
