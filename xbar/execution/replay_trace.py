"""Run again what a trace carries, and say of each result whether it is reproduced."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xbar.errors import FormatError, ReplayError
from xbar.execution.data_file import Data, load_data
from xbar.execution.embedding import DATA, MAP, RECALIBRATION, embedded_map, kept_result
from xbar.execution.hashing import data_hash
from xbar.execution.results import RunResult
from xbar.execution.run_network import Progress, quiet, run_network
from xbar.network.named_inputs import named_inputs
from xbar.trace.reader import open_trace

DECIBELS = 0.01
"""Largest difference of a layer error that counts as the same [dB]: digital segments round differently elsewhere."""


@dataclass(frozen=True)
class Comparison:
    """One result, as it was recorded and as it came out now."""

    name: str
    recorded: Any
    replayed: Any
    reproduced: bool
    exact: bool = False
    """True where only the same bits count; another machine may round digital segments differently."""


@dataclass(frozen=True, eq=False)
class ReplayReport:
    """A replayed run and what it says of the recorded results."""

    run: RunResult
    rows: tuple[Comparison, ...]

    @property
    def reproduced(self) -> bool:
        """Get whether accuracy and every layer error are reproduced; the bits of outputs are told apart."""
        return all(row.reproduced for row in self.rows if not row.exact)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values."""
        rows = [
            {"name": r.name, "recorded": r.recorded, "replayed": r.replayed, "reproduced": r.reproduced}
            for r in self.rows
        ]
        return {"reproduced": self.reproduced, "results": rows, "run": self.run.to_dict()}


def replay_trace(path: str | Path, data: Data | None = None, *, progress: Progress = quiet) -> ReplayReport:
    """Run the network that a trace carries on its recorded answers, with the data it carries or `data`.

    Raises:
        FormatError: the trace carries no network, no data, or no result to compare with.
        ReplayError: `data` are not those recorded, or the run asks for something else than was recorded.

    """
    with open_trace(path) as trace:
        files, recorded = trace.embedded, trace.result
    if MAP not in files:
        raise FormatError(
            f"{path} carries no network: it did not record one, or was written with --no-embed. "
            f"Give the map: xbar run MAPPED.h5 --data DATA.npz --bench replay:{path}"
        )
    if recorded is None:
        raise FormatError(f"{path} holds no result: the recorded run did not end; there is nothing to compare with")
    samples = _error_samples(path, recorded)
    mapped = embedded_map(files[MAP])
    found = _data(path, files, data)
    inputs = named_inputs(mapped.network, found.inputs)
    _check_data(path, data_hash(inputs, found.labels))
    run = run_network(
        mapped,
        inputs,
        found.labels,
        bench=f"replay:{path}",
        error_samples=samples,
        recalibration=_arrays(files[RECALIBRATION]) if RECALIBRATION in files else None,
        progress=progress,
    )
    try:
        return ReplayReport(run, tuple(_compare(recorded, kept_result(run))))
    except (KeyError, TypeError, AttributeError) as error:
        raise FormatError(f"the result that {path} holds is damaged ({error}); take another copy of it") from error


def _error_samples(path: str | Path, recorded: Mapping[str, Any]) -> int:
    samples = recorded.get("error_samples", 0)
    if not isinstance(samples, int) or samples < 0:
        raise FormatError(f"the result that {path} holds is damaged: {samples!r} samples; take another copy of it")
    return samples


def _data(path: str | Path, files: Mapping[str, bytes], data: Data | None) -> Data:
    if data is not None:
        return data
    if DATA not in files:
        raise FormatError(f"{path} carries no data; give them with --data DATA.npz")
    return _loaded(files[DATA])


def _loaded(content: bytes) -> Data:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / DATA
        file.write_bytes(content)
        return load_data(file)


def _arrays(content: bytes) -> Mapping[str, Any]:
    return _loaded(content).inputs


def _check_data(path: str | Path, found: str) -> None:
    with open_trace(path) as trace:
        said = trace.provenance.get("data")
    wanted = said.get("sha256") if isinstance(said, dict) else None
    if wanted != found:
        raise ReplayError(
            f"the data are not those that {path} was recorded with: their hash differs; give the same file"
        )


def _compare(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> list[Comparison]:
    rows = []
    if recorded.get("accuracy") is not None or now["accuracy"] is not None:
        for name in ("digital", "analog"):
            one, two = (values["accuracy"][name] for values in (recorded, now))
            rows.append(Comparison(f"accuracy, {name}", one, two, one == two))
    was, are = recorded.get("layers", []), now["layers"]
    if len(was) != len(are):
        rows.append(Comparison("number of layers", len(was), len(are), False))
    for one, two in zip(was, are, strict=False):
        for name in ("snr_db", "cumulative_snr_db"):
            same = one[name] == two[name] or (
                None not in (one[name], two[name]) and abs(one[name] - two[name]) <= DECIBELS
            )
            rows.append(Comparison(f"{one['name']}, {name}", one[name], two[name], same and one["name"] == two["name"]))
    for name, bits in now["outputs"].items():
        old = recorded.get("outputs", {}).get(name)
        rows.append(Comparison(f"bits of output {name}", old, bits, old == bits, exact=True))
    return rows
