"""What the command `xbar calibrate` calls: files in, a report with the text of a card out."""

from collections.abc import Callable, Sequence
from collections.abc import Mapping as Named
from dataclasses import replace
from pathlib import Path

from xbar.devices.card_file import load_card
from xbar.errors import FileError, InputError
from xbar_calibration.calibrate import calibrate
from xbar_calibration.card_text import card_name, writable_card
from xbar_calibration.column_guess import guess
from xbar_calibration.column_mapping import Mapping
from xbar_calibration.column_units import UNITS
from xbar_calibration.comparison import DRAWS, Comparison, compare, sample_of, sample_of_card
from xbar_calibration.observations import Observations
from xbar_calibration.read_table import read_table
from xbar_calibration.report import Report
from xbar_calibration.run import silent
from xbar_calibration.settings import Settings
from xbar_calibration.table_observations import table_observations
from xbar_calibration.trace_observations import trace_observations


def calibrate_files(
    files: Sequence[Path],
    name: str,
    columns: Sequence[str] = (),
    mapping: Path | None = None,
    settings: Named[str, float | None] | None = None,
    array: int | None = None,
    tell: Callable[[str], None] = silent,
) -> Report:
    """Return the calibration of a trace or of tables.

    Args:
        files: one trace, or one or several tables (.csv, .tsv, .txt, .npz).
        name: of the card; letters that a card's name cannot have are replaced.
        columns: `QUANTITY=COLUMN:UNIT` for each column of a table that counts.
        mapping: file that says the same.
        settings: fields of `Settings` by name: share held out, range, voltages, times.
        array: the array to take, where the data hold several.
        tell: called with the name of each law before it is fitted.

    Raises `InputError`, `FileError`, `FormatError` that name what is wrong and where.

    """
    chosen = Settings(**(settings or {}))  # type: ignore[arg-type]  # Settings checks its fields
    observed = load(files, columns, mapping, chosen.read_voltage, array)
    found = calibrate(observed, chosen, tell)
    text, refused = writable_card(card_name(name), observed, found.fits, found.g_min, found.g_max, found.read_voltage)
    if refused:
        laws = {refusal.law for refusal in refused}
        kept = (*(outcome for outcome in found.outcomes if outcome.law not in laws), *refused)
        found = replace(found, outcomes=kept)
        if not found.fits:
            reasons = "; ".join(f"{refusal.law}: {refusal.reason}" for refusal in refused)
            raise InputError(f"{', '.join(observed.names)}: no law can be fitted ({reasons})")
    return Report(found, text)


def load(
    files: Sequence[Path],
    columns: Sequence[str] = (),
    mapping: Path | None = None,
    read_voltage: float | None = None,
    array: int | None = None,
) -> Observations:
    """Return what a trace or tables hold; see `calibrate_files`."""
    if not files:
        raise InputError("name a trace or a table to calibrate from")
    for path in files:
        if not path.is_file():
            raise FileError(f"{path} does not exist or is no file; check the path")
    traces = [path for path in files if is_hdf5(path)]
    if traces and (len(files) > 1 or columns or mapping):
        raise InputError(f"{traces[0]} is a trace: give it alone, without --column or --mapping")
    if traces:
        return trace_observations(traces[0], array)
    if not columns and mapping is None:
        raise InputError(_unmapped(files))
    return table_observations(files, Mapping.of(columns, mapping), read_voltage, array)


def _unmapped(files: Sequence[Path]) -> str:
    """Return what to say where nothing maps the columns of tables: what these are, and flags to try."""
    text = "a table needs to know its columns: give --column QUANTITY=COLUMN:UNIT for each"
    for path in files:
        table = read_table(path)
        heads = ", ".join(repr(head) for head in table.heads[:12])
        text += f"; {path.name} has {len(table.values)} rows of numbers from line {table.row(0)}, columns {heads}"
        flags = guess(table.heads)
        if flags:
            text += f"; perhaps {' '.join(flags)}"
    return text + f"; quantities are {', '.join(UNITS)}"


def is_hdf5(path: Path) -> bool:
    """Return whether a file begins as HDF5 files do."""
    with path.open("rb") as stream:
        return stream.read(8) == b"\x89HDF\r\n\x1a\n"


def compare_files(
    first: Path,
    second: Path | str,
    columns: Sequence[str] = (),
    mapping: Path | None = None,
    read_voltage: float | None = None,
    array: int | None = None,
    seed: int = 0,
) -> Comparison:
    """Return how a trace or table differs from another one, or from a card by its name or file.

    Raises `InputError` where the two have nothing in common, and what `calibrate_files` raises.
    """
    observed = load([first], columns if not is_hdf5(first) else (), mapping, read_voltage, array)
    other = Path(second)
    if other.is_file() and other.suffix.lower() != ".toml":
        beside = load([other], columns if not is_hdf5(other) else (), mapping, read_voltage, array)
        sample, notes = sample_of(beside), list[str]()
    else:
        card = load_card(second)
        sample = sample_of_card(card, observed, seed)
        notes = [f"the card was simulated {DRAWS} times for each written cell, seed {seed}"]
    return compare((first.name, str(second)), sample_of(observed), sample, observed.places, notes)
