"""Noisy products of other simulators for benchmarks/products.py, where they are installed; each is optional.

Each gives a call that takes float32 inputs (batch, n) through 8-bit converters (254 steps) and a square tile whose
cells have read noise, and returns the outputs. What the tools call read noise differs: aihwkit's PCM_READ draws the
noise of an output from the conductances behind it; CrossSim copies the whole matrix with fresh noise for every vector.
So the ratios compare what a user waits for, not equal work.
"""

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]
Call: TypeAlias = Callable[[], object]


def aihwkit(weights: Floats, inputs: Floats) -> Call:
    """Ask an inference tile of aihwkit: 8-bit DAC and ADC, weight noise as PCM read noise."""
    torch: Any = import_module("torch")
    torch.set_num_threads(1)
    configs: Any = import_module("aihwkit.simulator.configs")
    kinds: Any = import_module("aihwkit.simulator.parameters.enums")
    config = configs.InferenceRPUConfig()
    config.forward.inp_res = config.forward.out_res = 1 / 254
    config.forward.out_noise = 0.0
    config.forward.w_noise_type = kinds.WeightNoiseType.PCM_READ
    config.forward.w_noise = 0.0175  # aihwkit's own scale of PCM read noise
    layer = import_module("aihwkit.nn").AnalogLinear(*weights.shape, bias=False, rpu_config=config)
    layer.set_weights(torch.from_numpy(np.ascontiguousarray(weights.T)))
    layer.eval()
    x = torch.from_numpy(inputs)

    def call() -> object:
        with torch.no_grad():
            return layer(x)

    return call


def crosssim(weights: Floats, inputs: Floats) -> Call:
    """Ask an analog core of CrossSim: balanced pairs, 8-bit DAC and ADC, read noise of 0.5 % of a conductance."""
    simulator: Any = import_module("simulator")
    params = simulator.CrossSimParameters()
    params.core.style = "BALANCED"
    params.xbar.dac.mvm.model, params.xbar.dac.mvm.bits = "SignMagnitudeDAC", 8
    params.xbar.adc.mvm.model, params.xbar.adc.mvm.bits = "SignMagnitudeADC", 8
    noise = params.xbar.device.read_noise
    noise.enable, noise.model, noise.magnitude = True, "NormalProportionalDevice", 0.005
    core = simulator.AnalogCore(weights.T.astype(np.float64), params=params)
    columns = np.ascontiguousarray(inputs.T, np.float64)
    return lambda: core.matmat(columns)


PEERS: dict[str, tuple[str, Callable[[Floats, Floats], Call], int]] = {
    "aihwkit": ("aihwkit", aihwkit, 2**20),
    "CrossSim": ("simulator", crosssim, 64),
}
"""By name: what has to be installed, who makes the call, the largest batch (CrossSim: a matrix copy a vector)."""


def peer_calls(g: NDArray[np.float64], volts: Floats) -> dict[str, Call]:
    """Return the calls of those that are installed, for conductances `g` (n, n) and inputs (batch, n)."""
    weights = ((g - g.mean()) / g.max()).astype(np.float32)
    inputs = volts / np.abs(volts).max()
    return {
        name: make(weights, inputs)
        for name, (module, make, largest) in PEERS.items()
        if find_spec(module) and len(inputs) <= largest
    }
