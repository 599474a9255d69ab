"""A trace replays a run: the same bits and accuracy, no simulator; anything else is refused with its reason."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import xbar
from xbar.errors import InputError, ReplayError
from xbar.execution.results import RunResult
from xbar.mapping.mapped_network import MappedNetwork


@pytest.fixture(scope="module")
def recorded(
    digits_map: MappedNetwork, digits: dict[str, NDArray[Any]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, RunResult]:
    path = tmp_path_factory.mktemp("run") / "trace.h5"
    how: dict[str, Any] = {"seed": 6, "at": 86400.0, "compensate": "column", "batch": 50, "read_back": True}
    return path, xbar.run_network(digits_map, digits["x"], digits["y"], trace=path, **how)


def test_outputs_accuracy_and_errors_are_those_recorded(
    digits_map: MappedNetwork, digits: dict[str, NDArray[Any]], recorded: tuple[Path, RunResult]
) -> None:
    path, run = recorded
    again = xbar.run_network(digits_map, digits["x"], digits["y"], bench=f"replay:{path}")
    for name, outputs in run.outputs.items():
        np.testing.assert_array_equal(again.outputs[name], outputs)
    assert again.accuracy == run.accuracy
    assert again.layers == run.layers
    assert again.effects == run.effects
    assert (again.seed, again.at) == (6, 86400.0)
    assert again.bench_s == pytest.approx(run.bench_s)
    assert again.bench.startswith("replay:")


def test_no_simulator_is_loaded(
    digits_map: MappedNetwork, digits: dict[str, NDArray[Any]], recorded: tuple[Path, RunResult], tmp_path: Path
) -> None:
    xbar.save_map(digits_map, tmp_path / "m.h5")
    np.savez(tmp_path / "d.npz", x=digits["x"], y=digits["y"])
    code = f"""
import sys, numpy as np, xbar
d = np.load({str(tmp_path / "d.npz")!r})
r = xbar.run_network(xbar.load_map({str(tmp_path / "m.h5")!r}), d["x"], d["y"], bench="replay:" + {str(recorded[0])!r})
print(r.accuracy.analog, [n for n in sys.modules if n.startswith(("xbar.array", "xbar_drivers.simulated"))])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    accuracy = recorded[1].accuracy
    assert accuracy is not None
    assert done.stdout.strip() == f"{accuracy.analog} []"


def test_other_inputs_are_refused(
    digits_map: MappedNetwork, digits: dict[str, NDArray[Any]], recorded: tuple[Path, RunResult]
) -> None:
    other = digits["x"].copy()
    other[3] = other[4]
    with pytest.raises(ReplayError, match="mvm"):
        xbar.run_network(digits_map, other, digits["y"], bench=f"replay:{recorded[0]}")


def test_fewer_samples_are_refused(
    digits_map: MappedNetwork, digits: dict[str, NDArray[Any]], recorded: tuple[Path, RunResult]
) -> None:
    with pytest.raises(ReplayError, match="--samples 120"):
        xbar.run_network(digits_map, digits["x"][:50], bench=f"replay:{recorded[0]}")


def test_another_map_is_refused(
    digits_map: MappedNetwork, digits: dict[str, NDArray[Any]], recorded: tuple[Path, RunResult]
) -> None:
    other = xbar.map_network(digits_map.network, digits_map.card, tile=(24, 32), keep=0.9, calibration=digits["x"])
    with pytest.raises(ReplayError, match="program"):
        xbar.run_network(other, digits["x"], bench=f"replay:{recorded[0]}")


def test_a_trace_with_more_operations_is_refused(
    digits_map: MappedNetwork, digits: dict[str, NDArray[Any]], tmp_path: Path
) -> None:
    """A recording that goes on after the run is another experiment."""
    from xbar.execution.open_bench import open_bench
    from xbar.execution.placement import program
    from xbar.execution.runner import Runner

    rows, cols = digits_map.tile
    run = {"batch": 120, "at": None, "seed": 0, "dtype": "float64", "compensate": "none", "read_back": False}
    sim: dict[str, Any] = {"card": digits_map.card, "arrays": digits_map.arrays, "rows": rows, "cols": cols}
    path = tmp_path / "t.h5"
    with open_bench("sim", record=path, provenance={"run": run | {"samples": 120}}, **sim) as bench:
        program(bench, digits_map)
        inputs = {digits_map.network.inputs[0].name: digits["x"]}
        Runner(bench, digits_map).run(inputs, 120)
        bench.wait(1.0)
    with pytest.raises(ReplayError, match="1 more operation"):
        xbar.run_network(digits_map, digits["x"], bench=f"replay:{path}")


def test_another_seed_is_refused(
    digits_map: MappedNetwork, digits: dict[str, NDArray[Any]], recorded: tuple[Path, RunResult]
) -> None:
    """The recorded chip answers, whatever the seed: to ask for another is a mistake. The seed of the trace is none."""
    address = f"replay:{recorded[0]}"
    with pytest.raises(ReplayError, match="recorded with seed 6, asked for is 3; leave the seed out"):
        xbar.run_network(digits_map, digits["x"], digits["y"], bench=address, seed=3)
    assert xbar.run_network(digits_map, digits["x"], digits["y"], bench=address, seed=6).seed == 6
    settings = xbar.RunSettings(bench=address)
    assert xbar.repeat_network(digits_map, digits["x"], digits["y"], 1, settings=settings).chips[0].seed == 6


def test_effects_cannot_be_chosen_on_replay(digits_map: MappedNetwork, recorded: tuple[Path, RunResult]) -> None:
    with pytest.raises(InputError, match="simulated bench"):
        xbar.run_network(digits_map, np.zeros((1, 64), np.float32), bench=f"replay:{recorded[0]}", only=("dac",))


@pytest.mark.parametrize("level", ["outputs", "full"])
def test_another_rounding_replays_and_another_input_step_does_not(
    digits_map: MappedNetwork, digits: dict[str, NDArray[Any]], tmp_path: Path, level: Any
) -> None:
    """Another build of ONNX Runtime and other threads round inputs by parts in 10^7; a converter step is 10^5 such."""
    path, x = tmp_path / "t.h5", digits["x"][:30]
    run = xbar.run_network(digits_map, x, trace=path, level=level, threads=1, batch=20)
    signs = np.where(np.random.default_rng(4).random(x.shape) < 0.5, -1, 1)
    rounded = (x.astype(np.float64) * (1 + 1e-7 * signs)).astype(np.float32)
    assert not np.array_equal(rounded, x)
    again = xbar.run_network(digits_map, rounded, bench=f"replay:{path}", threads=2)
    for name, outputs in run.outputs.items():
        np.testing.assert_allclose(again.outputs[name], outputs, rtol=1e-5, atol=1e-6)
    moved = x.copy()
    moved[7, 20] += x.max() / 127 * (-1 if x[7, 20] > 0 else 1)
    with pytest.raises(ReplayError, match=r"by their projection\) of 1 of"):
        xbar.run_network(digits_map, moved, bench=f"replay:{path}")
