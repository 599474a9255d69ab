"""Look-up tables of CrossSim as card blocks: dG(G, u) of one pulse, read from the files of cross-sim-data.

Line 1 of a file is a remark; line 2 holds the conductances [S], line 3 shares of the distribution, and each further
line the steps [S] at one share. Numbers are apart by commas or blanks. An `.npz` file holds both directions as arrays
`increasing_G`, `increasing_cdf`, `increasing_dG` (shares, conductances), and `decreasing_...`.
"""

import zipfile
import zlib
from pathlib import Path
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from xbar.errors import FileError, FormatError, InputError

Floats = NDArray[np.float64]
Direction: TypeAlias = Literal["increasing", "decreasing"]

LARGEST: Final = 32_000_000
"""Bytes of the largest file that is read; the tables of cross-sim-data have 4 MB at most."""

SHARES: Final = (0, 0.002, 0.005, 0.01, 0.02, *(k / 20 for k in range(1, 20)), 0.98, 0.99, 0.995, 0.998, 1)
"""Shares of the distribution that a block keeps: dense at both ends, where the rare steps are."""


def read_lookup(path: str | Path, direction: Direction = "increasing") -> tuple[Floats, Floats, Floats]:
    """Return conductances [S], shares and steps [S] (shares, conductances) of a look-up table.

    `direction` is that of the table in an `.npz` file; a text file has one. Raises `FileError` where the file cannot be
    read, `FormatError` where it is no such table.
    """
    path = Path(path)
    if path.suffix.lower() == ".npz":
        return _checked(path, *_arrays(path, direction))
    rows = _rows(path)
    states, shares, steps = rows[0], rows[1], rows[2:]
    if len(steps) != len(shares) or any(len(row) != len(states) for row in steps):
        raise FormatError(
            f"{path}: {len(states)} conductances and {len(shares)} shares need {len(shares)} rows of {len(states)} "
            f"steps; there are {len(steps)} rows of {min(map(len, steps))} to {max(map(len, steps))}"
        )
    return _checked(path, states, shares, np.array(steps))


def _rows(path: Path) -> list[Floats]:
    """Return the rows of numbers of a text file."""
    try:
        with path.open("rb") as stream:
            data = stream.read(LARGEST + 1)
    except OSError as error:
        raise FileError(f"look-up table {path} cannot be read: {error.strerror or error}") from error
    if len(data) > LARGEST:
        raise FormatError(f"{path}: more than {LARGEST // 1_000_000} MB; a look-up table has 4 MB at most")
    try:
        lines = [line for line in data.decode("ascii").replace(",", " ").split("\n")[1:] if line.strip()]
        rows = [np.array(line.split(), np.float64) for line in lines]
    except ValueError as error:
        raise FormatError(f"{path}: not a look-up table: {error}") from error
    if len(rows) < 4:
        raise FormatError(f"{path}: not a look-up table: it has {len(rows)} rows of numbers, at least 4 are needed")
    return rows


def _arrays(path: Path, direction: Direction) -> tuple[Floats, Floats, Floats]:
    """Return conductances, shares and steps of one direction of an `.npz` file."""
    names = [f"{direction}_{what}" for what in ("G", "cdf", "dG")]
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(entry.file_size for entry in archive.infolist())
        if size > LARGEST:
            raise FormatError(f"{path} unpacks to {size} bytes; look-up tables of more than {LARGEST} are not read")
        with np.load(path, allow_pickle=False) as found:
            states, shares, steps = (np.asarray(found[name], np.float64) for name in names)
    except OSError as error:
        raise FileError(f"look-up table {path} cannot be read: {error.strerror or error}") from error
    except (zipfile.BadZipFile, zlib.error, KeyError, ValueError, TypeError, EOFError) as error:
        raise FormatError(f"{path}: not a look-up table with the arrays {', '.join(names)}: {error}") from error
    if steps.shape != (shares.size, states.size) or states.ndim != 1 or shares.ndim != 1 or states.size < 2:
        raise FormatError(
            f"{path}: conductances of shape {states.shape} and shares of {shares.shape} need steps (shares, "
            f"conductances); those of {names[2]} are {steps.shape}"
        )
    return states, shares, steps


def _checked(path: Path, states: Floats, shares: Floats, table: Floats) -> tuple[Floats, Floats, Floats]:
    ascend = np.all(np.diff(states) > 0) and np.all(np.diff(shares) >= 0)
    if not (ascend and states[0] >= 0 and np.isfinite(table).all() and shares[0] >= 0 and shares[-1] <= 1):
        raise FormatError(f"{path}: conductances and shares must ascend, shares from 0 to 1, and steps be numbers")
    return states, shares, table


def lookup_block(up: str | Path, down: str | Path, source: str, states: int = 48) -> str:
    """Return the block `[pulse_response]` of a card file from the tables of rising and falling pulses.

    Both may be one `.npz` file. `states` conductances, evenly over the range that both tables have, and 29 shares are
    kept; numbers are in uS. Raises what `read_lookup` raises, and `InputError` for tables that have no conductance in
    common.
    """
    tables = [read_lookup(up, "increasing"), read_lookup(down, "decreasing")]
    low, high = max(t[0][0] for t in tables), min(t[0][-1] for t in tables)
    if not low < high or not 2 <= states <= 512:
        raise InputError(
            f"{states} states of tables from {low:g} to {high:g} S: give tables of one device, 2 to 512 states"
        )
    at = np.linspace(low, high, states)
    lines = ["[pulse_response]", 'kind = "lookup"', 'unit = "uS"', f"states = {_row(at * 1e6)}"]
    lines.append(f"shares = {_row(np.array(SHARES, np.float64))}")
    for name, (g, shares, steps) in zip(("up", "down"), tables, strict=True):
        by_state = np.array([np.interp(at, g, row) for row in steps])
        by_share = np.array([np.interp(SHARES, shares, column) for column in by_state.T]).T
        lines += [f"{name} = [", *(f"    {_row(row * 1e6)}," for row in by_share), "]"]
    quoted = source.replace("\\", "\\\\").replace('"', '\\"')
    lines += [f'valid = ["{_number(at[0] * 1e6)} uS", "{_number(at[-1] * 1e6)} uS"]', f'source = "{quoted}"', ""]
    return "\n".join(lines)


def _row(values: Floats) -> str:
    return f"[{', '.join(map(_number, values))}]"


def _number(value: float) -> str:
    return f"{value:.6g}"
