"""Make the arc2control fixtures beside this file with arc2control's own writer (version 0.2.0, `arc2control.h5utils`).

Run where the package is installed: `python make_arc2control.py`. Its window needs Qt and an instrument; its file writer
needs h5py alone, so that one module is loaded by itself. What is written here is what the buttons of the window write:
see `arc2control/widgets/app.py` and the modules.
"""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
STAMP = 1_700_000_000_000_000_000
"""A fixed time [ns since 1970], so that the files are made alike each time."""


def file_writer() -> Any:
    """Return the module `arc2control.h5utils`, without its package, which needs Qt."""
    package = importlib.util.find_spec("arc2control")
    assert package is not None, "install arc2control in this environment"
    assert package.origin is not None
    spec = importlib.util.spec_from_file_location("h5utils", Path(package.origin).parent / "h5utils.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def conductance(word: int, bit: int) -> float:
    """Return the conductance of a cell [S]."""
    return 1e-6 * (10 + 4 * word + bit)


def main() -> None:
    """Write a small crossbar with every kind of entry, and a long series that grew beyond its first 1000 rows."""
    h5utils = file_writer()
    H5DataStore, H5Mode, OpType = h5utils.H5DataStore, h5utils.H5Mode, h5utils.OpType  # its own names
    (HERE / "arc2control.h5").unlink(missing_ok=True)
    with H5DataStore(str(HERE / "arc2control.h5"), "wafer 3", H5Mode.WRITE, shape=(4, 4)) as store:
        # "Read all": the raster alone, by bit lines; no time series (widgets/app.py, crossbarRefresh).
        volts = np.full((4, 4), 0.2)
        store.dataset("crossbar/current")[:] = [[0.2 * conductance(w, b) for w in range(4)] for b in range(4)]
        store.dataset("crossbar/voltage")[:] = volts
        # Three reads of one cell, then two pulses, a pulse and read, another read.
        for _ in range(3):
            store.update_status(1, 2, 0.2 * conductance(1, 2), 0.2, 0.0, 0.2, OpType.READ)
        for _ in range(2):
            store.update_status(1, 2, np.nan, 1.5, 1e-4, np.nan, OpType.PULSE)
        store.update_status(1, 2, 0.2 * 2e-5, -1.5, 1e-4, 0.2, OpType.PULSEREAD)
        store.update_status(1, 2, 0.3 * 2e-5, 0.3, 0.0, 0.3, OpType.READ)
        # The curve tracer: a staircase, read at its bias. Its pulse width is that between pulses: 0.
        ramp = np.concatenate([np.arange(0, 6), np.arange(4, -1, -1)]) * 0.1
        current = ramp * conductance(3, 0)
        table = store.make_wb_table(
            3, 0, "CT", (len(ramp),), [("voltage", "<f4"), ("current", "<f4"), ("read_voltage", "<f4")], tstamp=STAMP
        )
        table[:, "voltage"], table[:, "current"], table[:, "read_voltage"] = ramp, current, ramp
        table.attrs["pw"], table.attrs["inter"] = 1e-4, 0
        kinds = np.array([OpType.PULSEREAD]).repeat(len(ramp))
        store.update_status_bulk(3, 0, current, ramp, np.zeros(len(ramp)), ramp, kinds)
    (HERE / "arc2control_long.h5").unlink(missing_ok=True)
    with H5DataStore(str(HERE / "arc2control_long.h5"), "retention", H5Mode.WRITE, shape=(2, 2)) as store:
        count = 1500
        falling = 0.1 * 1e-5 * (1 - 1e-4 * np.arange(count))
        reads = np.array([OpType.READ]).repeat(count)
        store.update_status_bulk(0, 1, falling, np.full(count, 0.1), np.zeros(count), np.full(count, 0.1), reads)


if __name__ == "__main__":
    main()
