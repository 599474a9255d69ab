"""Make the traces of this folder, and what stands in them as plain numbers beside them.

    python tests/data/trace_v1/make.py [--folder DIR]

They were made once, when schema xbar-trace/1 was frozen, and are never made again: later versions must read and replay
the files as they are. `operate` is what was done on the board; the test does it again on the replay.
"""

import argparse
import contextlib
import gzip
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

import xbar
from xbar.bench.bench import Bench
from xbar.bench.capabilities import Capabilities, Identity
from xbar.bench.driver import Driver, Unsafe
from xbar.bench.limits import Limits
from xbar.bench.readings import CellReadings, VectorReadings
from xbar.bench.settings import Pulse, ReadConfig, Unselected, VectorConfig
from xbar.errors import DriverError
from xbar.trace.pack import pack
from xbar.trace.recorder import TraceRecorder

ROWS, COLS, SAMPLES, BATCH = 6, 4, 6, 4
CONTENTS = ("board", "network", "full")
"""Traces whose content is written; killed and packed hold that of board."""
BROKEN = 0.123
"""A read at this voltage [V] fails."""


class Board(Driver):
    """A board with numbers of its own making, so that each can be told from every other."""

    hardware = True

    def __init__(self, seed: int, dac_bits: int | None, adc_bits: int | None) -> None:
        self._rng, self._bits, self._time = np.random.default_rng(seed), (dac_bits, adc_bits), 0.0

    @classmethod
    def from_address(cls, rest: str, options: Mapping[str, Any]) -> Self:
        """Return a board."""
        return cls(**options)

    def open(self) -> Identity:
        """Say who answers."""
        self.capabilities = Capabilities(
            arrays=2,
            rows=ROWS,
            cols=COLS,
            voltage_max=2.0,
            current_max=1e-3,
            conductance_range=(1e-6, 100e-6),
            dac_bits=self._bits[0],
            adc_bits=self._bits[1],
            native=frozenset({"read", "pulse", "mvm", "program"}),
            unselected=frozenset({Unselected.GROUND, Unselected.HALF}),
            hardware=True,
        )
        return Identity("board", "emulated:board", "17 µ", "1.0")

    def close(self) -> None:
        """Do nothing."""

    def safe_off(self) -> Unsafe:
        """Have nothing to switch off."""
        return ()

    def clock(self) -> float:
        """Return the time [s]."""
        return self._time

    def settings(self) -> dict[str, Any]:
        """Return what the trace should say."""
        return {"bits": list(self._bits)}

    def _draw(self, *shape: int) -> NDArray[np.float64]:
        self._time += 0.125
        return self._rng.uniform(0.1, 1.0, shape)

    def read(self, array: int, cells: NDArray[np.int64], config: ReadConfig) -> CellReadings:
        """Return random readings, some not measured, or the error of this board."""
        if config.voltage == BROKEN:
            raise DriverError("the cable is off, 3 Ω")
        shape = (len(cells), config.repeat)
        voltage = self._draw(*shape)
        voltage[0, 0] = np.nan
        status = self._rng.integers(0, 4, shape).astype(np.uint32)
        times = self._time + self._rng.uniform(0, 1e-3, shape)
        current = 1e-6 * self._draw(*shape)
        return CellReadings(times, np.full(shape, config.voltage), voltage, current, status, np.full(shape, 1e-5))

    def pulse(self, array: int, cells: NDArray[np.int64], pulse: Pulse, count: int = 1) -> None:
        """Take time."""
        self._draw()

    def program(self, array: int, targets: NDArray[np.float64]) -> None:
        """Take time."""
        self._draw()

    def wait(self, seconds: float) -> None:
        """Let time pass at once."""
        self._time += seconds

    def mvm(
        self,
        arrays: tuple[int, ...],
        voltages: NDArray[Any],
        config: VectorConfig,
        events: NDArray[np.uint64] | None,
    ) -> VectorReadings:
        """Return random codes, or currents where there is no converter."""
        k, batch, _ = voltages.shape
        cols = COLS if config.columns is None else config.columns
        values = self._draw(k, batch, cols)
        if self._bits[1] is None:
            status = np.zeros((), np.uint32)
            return VectorReadings(1e-5 * values, np.ones((k, cols)), np.zeros((k, cols)), status)
        codes = np.rint(values * ((1 << (self._bits[1] - 1)) - 1)).astype(np.int16)
        return VectorReadings(
            codes, 1e-8 * self._draw(k, cols), 1e-9 * self._draw(k, cols), np.ones((k, 1, cols), np.uint32)
        )


def boards() -> dict[str, Driver]:
    """Return the drivers of the bench: one with converters, one with neither."""
    return {"left": Board(1, 8, 12), "right": Board(2, None, None)}


def operate(bench: Bench) -> None:
    """Do something of every kind on both drivers; one operation ends in an error."""
    rng = np.random.default_rng(3)
    targets = rng.uniform(1e-6, 1e-4, (ROWS, COLS))
    targets[2, 1] = np.nan
    bench.program(0, targets)
    bench.program(2, targets[::-1])
    bench.wait(0.5)
    cells = [(0, 0), (5, 3), (2, 1)]
    bench.read(0, cells, ReadConfig(0.1, 2, 1e-3, 1e-4))
    bench.read(3, cells[:1])
    bench.sweep(1, (4, 2), np.linspace(-0.5, 0.5, 11))
    bench.sweep(2, (0, 1), [0.1, 0.2, 0.1])
    bench.pulse(0, cells, Pulse(0.9, 1e-6, 1e-8, 2e-8), 3)
    bench.pulse(3, cells[1:], Pulse(-0.8, 1e-3, gate=1.5))
    volts = rng.uniform(-0.2, 0.2, (2, 5, ROWS))
    ranges = np.array([0.2, 0.25])
    events = np.array([2**63 + 1, 2, 3, 4, 5], np.uint64)
    bench.mvm([0, 1], volts.astype(np.float32), VectorConfig(ranges, 1e-4), events)
    bench.mvm([1], volts[1:], VectorConfig(0.1, np.full((1, 2), 1e-4), 2))  # beyond the range: clipped
    bench.mvm([3], volts[:1], VectorConfig(0.2))
    with contextlib.suppress(DriverError):
        bench.read(1, cells, ReadConfig(BROKEN))
    bench.read(1, cells)
    bench.wait(0.25)


def network_data() -> tuple[Any, dict[str, NDArray[Any]]]:
    """Return the digits network on PCM tiles that cut its matrices, and a few digits."""
    sample = xbar.sample("digits")
    with np.load(sample.calibration) as calibration, np.load(sample.data) as data:
        arrays = {"x": data["x"][:SAMPLES], "y": data["y"][:SAMPLES]}
        network = xbar.load_network(sample.model)
        mapped = xbar.map_network(network, xbar.load_card("pcm"), tile=(24, 32), calibration=calibration["x"])
    return mapped, arrays


def content(path: Path) -> tuple[list[dict[str, Any]], dict[str, NDArray[Any]]]:
    """Return every number of a trace: what is short as JSON values, arrays by number and name."""
    said: list[dict[str, Any]] = []
    arrays: dict[str, NDArray[Any]] = {}
    with xbar.open_trace(path) as trace:
        for number, operation in enumerate(trace):
            request, readings = operation.request, operation.readings
            config = request.read or request.pulse
            said.append(
                {
                    "kind": request.kind.name,
                    "arrays": list(request.arrays),
                    "started": operation.started,
                    "ended": operation.ended,
                    "error": None
                    if operation.error is None
                    else [type(operation.error).__name__, str(operation.error)],
                    "settings": None if config is None else {k: str(v) for k, v in vars(config).items()},
                    "columns": None if request.vector is None else request.vector.columns,
                    "count": request.count,
                    "seconds": request.seconds,
                }
            )
            ranges = {} if request.vector is None else vars(request.vector)
            every = {
                **{name: getattr(request, name) for name in ("targets", "voltages", "events", "cells")},
                **{name: ranges.get(name) for name in ("input_range", "output_range")},
                "projections": trace.projections(number),
                **({} if readings is None else vars(readings)),
            }
            arrays |= {f"{number}_{name}": np.asarray(v) for name, v in every.items() if v is not None}
    return said, arrays


def main() -> None:
    """Write traces, compressed as files, and their content."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path(__file__).parent, help="where the files are written")
    target: Path = parser.parse_args().folder
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        provenance = {"run": {"seed": 3}, "note": "fixture", "sample": {"wafer": "W1", "die": "3,4"}}
        recorder = TraceRecorder(folder / "board.h5", provenance=provenance, level="full", flush_every=0)
        limits = dict.fromkeys(("left", "right"), Limits(1.0, 1e-3))
        with Bench(boards(), address="lab.toml", recorder=recorder, limits=limits) as bench:
            operate(bench)
            (folder / "killed.h5").write_bytes((folder / "board.h5").read_bytes())  # as a kill at this moment leaves it
        pack(folder / "board.h5", folder / "packed.h5")
        mapped, data = network_data()
        how: dict[str, Any] = {"seed": 6, "at": 86400.0, "batch": BATCH}
        xbar.run_network(mapped, data["x"], data["y"], trace=folder / "network.h5", **how)
        how["embed"] = False
        xbar.run_network(mapped, data["x"], data["y"], trace=folder / "full.h5", level="full", **how)
        for path in sorted(folder.glob("*.h5")):
            (target / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))
            if path.stem in CONTENTS:
                said, arrays = content(path)
                (target / f"{path.stem}.json").write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
                np.savez_compressed(target / f"{path.stem}.npz", allow_pickle=False, **arrays)


if __name__ == "__main__":
    main()
