"""Make the QCoDeS fixtures beside this file: real exports of QCoDeS, of an invented cell.

Run with QCoDeS in an environment of its own: `python make_qcodes.py`. The exports carry new ids and time stamps each
time; their values stay the same.
"""

import importlib
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

# xbar's own environment has no QCoDeS: imported this way, nothing has to be known of it to check the types here.
qcodes: Any = importlib.import_module("qcodes")
data: Any = importlib.import_module("qcodes.dataset")
HERE = Path(__file__).parent


def make_cell() -> Any:
    """Return a source meter on one cell: 25 uS up to 0.1 V, twice as much above; a gate that adds 1 uS a volt."""
    cell = qcodes.Instrument("smu")
    for name, label, unit in (
        ("bias", "Bias", "mV"),
        ("gate", "Gate", "V"),
        ("word", "Word line", ""),
        ("bit", "", ""),
    ):
        cell.add_parameter(name, label=label, unit=unit, get_cmd=None, set_cmd=None, initial_value=0.0)

    def current() -> Any:
        volts = 1e-3 * cell.bias()
        siemens = (25e-6 + 1e-6 * cell.gate()) * (2.0 if abs(volts) > 0.1 else 1.0)
        return 1e9 * volts * (siemens + 1e-7 * (4 * cell.word() + cell.bit()))

    cell.add_parameter("current", label="Current", unit="nA", get_cmd=current)
    return cell


def main() -> None:
    """Measure a sweep, a loop (each voltage twice), a map of cells, a gate series, and a run that was stopped."""
    with tempfile.TemporaryDirectory() as folder:
        data.initialise_or_create_database_at(f"{folder}/runs.db")
        data.load_or_create_experiment("transport", sample_name="wafer 3, die 7")
        station, cell = qcodes.Station(), make_cell()
        station.add_component(cell)
        sweep, _, _ = data.do1d(cell.bias, -200, 200, 21, 0.0, cell.current, show_progress=False)
        cell.bias(100.0)
        words, bits = data.LinSweep(cell.word, 0, 2, 3), data.LinSweep(cell.bit, 0, 3, 4)
        cells, _, _ = data.dond(words, bits, cell.bias, cell.current, show_progress=False)
        cell.word(0)
        cell.bit(0)
        outer, inner = data.LinSweep(cell.gate, 0, 2, 3), data.LinSweep(cell.bias, 0, 200, 5)
        gates, _, _ = data.dond(outer, inner, cell.current, show_progress=False)
        cell.gate(0.0)
        runs = {"sweep": sweep, "cells": cells, "gates": gates, "loop": loop(cell), "stopped": stopped(cell)}
        for name, run in runs.items():
            run.export("netcdf", path=folder, prefix=f"{name}_")
            made = next(Path(folder).glob(f"{name}_*.nc"))
            (HERE / f"qcodes_{name}.nc").write_bytes(made.read_bytes())


def loop(cell: Any) -> Any:
    """Measure up and down: the voltages are no unique index, so the export has the dimension "index"."""
    measurement = data.Measurement(name="loop")
    measurement.register_parameter(cell.bias)
    measurement.register_parameter(cell.current, setpoints=(cell.bias,))
    with measurement.run() as saver:
        for volts in np.concatenate([np.linspace(0, 200, 5), np.linspace(150, 0, 4)]):
            cell.bias(float(volts))
            saver.add_result((cell.bias, cell.bias()), (cell.current, cell.current()))
    return saver.dataset


def stopped(cell: Any) -> Any:
    """Measure a part of a grid: the export has a compressed multi-index."""
    measurement = data.Measurement(name="stopped")
    measurement.register_parameter(cell.gate)
    measurement.register_parameter(cell.bias)
    measurement.register_parameter(cell.current, setpoints=(cell.gate, cell.bias))
    with measurement.run() as saver:
        for gate, bias in [(0, 0), (0, 100), (0, 200), (1, 0), (1, 100)]:
            cell.gate(float(gate))
            cell.bias(float(bias))
            values = ((cell.gate, cell.gate()), (cell.bias, cell.bias()), (cell.current, cell.current()))
            saver.add_result(*values)
    return saver.dataset


if __name__ == "__main__":
    main()
