"""Read a table file, whatever it is: text, npz or xlsx."""

import zipfile
from pathlib import Path
from typing import Any, Final

import numpy as np

from xbar.errors import FormatError, InputError, Unsupported
from xbar_calibration.fit import Floats
from xbar_calibration.text_table import MOST_COLUMNS, TextTable, read_text, table_of

LARGEST: Final = 2 * 10**9
"""Bytes of the largest table that is read."""
MOST_VALUES: Final = 2 * 10**8
LARGEST_SHEET: Final = 5 * 10**8
"""Bytes of all parts of an xlsx file together, unpacked."""
MOST_CELLS: Final = 2 * 10**7


def read_table(path: Path) -> TextTable:
    """Return a table; a sheet of an xlsx file is named as `file.xlsx`, of which the first with numbers is taken.

    Raises `FormatError` where it holds no numbers or is too large, `Unsupported` where xlsx cannot be read.
    """
    if path.stat().st_size > LARGEST:
        raise FormatError(f"{path}: larger than {LARGEST // 10**9} GB; cut it, or bring it into a trace")
    kind = path.suffix.lower()
    if kind in (".npz", ".npy"):
        return _npz(path)
    if kind in (".xlsx", ".xlsm"):
        return _xlsx(path)
    if kind in (".xls", ".ods", ".mat", ".parquet", ".feather"):
        raise InputError(f"{path}: {kind} is not read; save it as .xlsx, .csv or .npz")
    return read_text(path)


def _npz(path: Path) -> TextTable:
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            parts = {"": loaded}
        else:
            with loaded as file:
                parts = {name: np.asarray(file[name]) for name in file.files}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise FormatError(f"{path} is no npz file that can be read without pickle: {error}") from error
    heads, columns = list[str](), list[Floats]()
    for name, part in parts.items():
        if part.dtype.kind not in "fiub" or part.ndim not in (1, 2):
            continue
        wide = part.astype(np.float64).reshape(len(part), -1)
        heads += [name or "1"] if part.ndim == 1 else [f"{name}{k + 1}" for k in range(wide.shape[1])]
        columns += list(wide.T)
    if not columns:
        raise FormatError(f"{path} holds no arrays of numbers of one or two dimensions")
    longest = max(map(len, columns))
    if len(columns) > MOST_COLUMNS or longest * len(columns) > MOST_VALUES:
        raise FormatError(f"{path}: {len(columns)} columns of {longest} rows; too large")
    values = np.full((longest, len(columns)), np.nan)
    for k, column in enumerate(columns):
        values[: len(column), k] = column
    return TextTable(path, tuple(heads), values, np.arange(1, longest + 1), {})


def _xlsx(path: Path) -> TextTable:
    """Return the first sheet that has rows of numbers; formulas count with the values that were saved with them."""
    try:
        import openpyxl
    except ImportError as error:
        raise Unsupported(f'{path}: xlsx needs openpyxl: pip install "xbar-emulator[tables]"') from error
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(part.file_size for part in archive.infolist())
        if unpacked > LARGEST_SHEET:
            raise FormatError(f"{path}: {unpacked // 10**6} MB unpacked; save the sheet as .csv")
        book = openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
    except FormatError:
        raise
    except Exception as error:
        # What openpyxl raises for a damaged file is not told in its documentation.
        raise FormatError(f"{path} is no xlsx file: {error}") from error
    try:
        for sheet in book.worksheets:
            rows = _rows(path, sheet)
            if any(isinstance(_value(cell), float) for _, row in rows for cell in row):
                return table_of(path, rows, comma=False)
    finally:
        book.close()
    raise FormatError(f"{path}: no sheet has rows of numbers")


def _rows(path: Path, sheet: Any) -> list[tuple[int, list[str]]]:
    found, count = list[tuple[int, list[str]]](), 0
    for number, row in enumerate(sheet.iter_rows(values_only=True), start=1):
        cells = ["" if cell is None else str(cell).strip() for cell in row[:MOST_COLUMNS]]
        while cells and not cells[-1]:
            cells.pop()
        count += len(cells)
        if count > MOST_CELLS:
            raise FormatError(f"{path}: more than {MOST_CELLS} cells; save the sheet as .csv")
        if cells and not cells[0].startswith(("#", "%")):
            found.append((number, cells))
    return found


def _value(cell: str) -> float | str:
    try:
        return float(cell)
    except ValueError:
        return cell
