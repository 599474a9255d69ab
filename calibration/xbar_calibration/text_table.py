"""Tables of numbers from elsewhere: CSV, TSV and the like, and npz; odd heads, decimal commas, missing points."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from xbar.errors import FormatError, InputError
from xbar_calibration.fit import Floats

LARGEST: Final = 2 * 10**9
"""Bytes of the largest table that is read."""
MISSING: Final = {"", "nan", "n/a", "na", "none", "null", "-", "--", "#n/a", "#div/0!", "inf", "-inf"}
MOST_COLUMNS: Final = 4096
MOST_VALUES: Final = 2 * 10**8


@dataclass(frozen=True, eq=False)
class TextTable:
    """Columns of numbers, NaN where one is missing."""

    path: Path
    heads: tuple[str, ...]
    values: Floats
    """`(rows, columns)`."""
    first: int
    """Number of the first row of numbers in the file, from 1."""

    def row(self, index: int) -> int:
        """Return the number of a row in the file, from 1, as an editor shows it."""
        return self.first + index


def read_table(path: Path) -> TextTable:
    """Return a table; raises `FormatError` where it holds no numbers, is too large, or a row has no number at all."""
    if path.stat().st_size > LARGEST:
        raise FormatError(f"{path}: larger than {LARGEST // 10**9} GB; cut it, or bring it into a trace")
    return _npz(path) if path.suffix.lower() == ".npz" else _text(path)


def _npz(path: Path) -> TextTable:
    try:
        with np.load(path, allow_pickle=False) as file:
            parts = {name: np.asarray(file[name]) for name in file.files}
    except (OSError, ValueError, KeyError) as error:
        raise FormatError(f"{path} is no npz file that can be read without pickle: {error}") from error
    heads, columns = list[str](), list[Floats]()
    for name, part in parts.items():
        if part.dtype.kind not in "fiub" or part.ndim not in (1, 2):
            continue
        wide = part.astype(np.float64).reshape(len(part), -1)
        heads += [name] if part.ndim == 1 else [f"{name}{k + 1}" for k in range(wide.shape[1])]
        columns += list(wide.T)
    if not columns:
        raise FormatError(f"{path} holds no arrays of numbers of one or two dimensions")
    longest = max(map(len, columns))
    if len(columns) > MOST_COLUMNS or longest * len(columns) > MOST_VALUES:
        raise FormatError(f"{path}: {len(columns)} columns of {longest} rows; too large")
    values = np.full((longest, len(columns)), np.nan)
    for k, column in enumerate(columns):
        values[: len(column), k] = column
    return TextTable(path, tuple(heads), values, 1)


def _text(path: Path) -> TextTable:
    data = path.read_bytes()
    for encoding in (
        ("utf-8-sig", "utf-16", "latin-1") if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "latin-1")
    ):
        try:
            text = data.decode(encoding)
            break
        except UnicodeDecodeError:
            continue
    lines = text.splitlines()
    numbered = [
        (k + 1, line) for k, line in enumerate(lines) if line.strip() and not line.lstrip().startswith(("#", "%"))
    ]
    if not numbered:
        raise FormatError(f"{path} is empty")
    separator, comma = _dialect([line for _, line in numbered])
    first = next((k for k, (_, line) in enumerate(numbered) if _numeric(_cells(line, separator), comma)), None)
    if first is None:
        raise FormatError(f"{path}: no row of numbers; the columns are to be numbers, separated by , ; tab or blanks")
    width = max(len(_cells(line, separator)) for _, line in numbered[first : first + 1000])
    if width > MOST_COLUMNS:
        raise FormatError(f"{path}: {width} columns; at most {MOST_COLUMNS} are read")
    heads = _heads(numbered[:first], separator, width)
    values = np.full((numbered[-1][0] - numbered[first][0] + 1, width), np.nan)
    for number, line in numbered[first:]:
        cells = _cells(line, separator)
        for k, cell in enumerate(cells[:width]):
            values[number - numbered[first][0], k] = _number(cell, comma, path, number)
    return TextTable(path, heads, values, numbered[first][0])


def _dialect(lines: list[str]) -> tuple[str, bool]:
    """Return the separator ("" is blanks) and whether commas are decimal."""
    sample = lines[: min(len(lines), 200)]
    tail = sample[len(sample) // 2 :]
    for separator in ("\t", ";"):
        if all(separator in line for line in tail):
            return separator, any(re.search(r"\d,\d", line) for line in tail) and not any("." in line for line in tail)
    if all("," in line for line in tail):
        # "1,5 2,5": commas inside numbers, blanks between them.
        if all(
            re.fullmatch(r"\s*[-+]?\d+,\d+([eE][-+]?\d+)?(\s+[-+]?\d+,\d+([eE][-+]?\d+)?)+\s*", line) for line in tail
        ):
            return "", True
        return ",", False
    return "", False


def _cells(line: str, separator: str) -> list[str]:
    if separator == "":
        return line.split()
    if '"' in line:
        import csv

        return [cell.strip() for cell in next(csv.reader([line], delimiter=separator))]
    return [cell.strip() for cell in line.split(separator)]


def _numeric(cells: list[str], comma: bool) -> bool:
    """Return whether a row is numbers, some of them perhaps missing."""
    found = 0
    for cell in cells:
        if cell.lower() in MISSING:
            continue
        try:
            float(cell.replace(",", ".") if comma else cell)
        except ValueError:
            return False
        found += 1
    return found > 0


def _number(cell: str, comma: bool, path: Path, row: int) -> float:
    if cell.lower() in MISSING:
        return np.nan
    try:
        return float(cell.replace(",", ".") if comma else cell)
    except ValueError:
        raise InputError(
            f"{path}, row {row}: {cell[:40]!r} is no number; correct it, or leave the cell empty"
        ) from None


def _heads(lines: list[tuple[int, str]], separator: str, width: int) -> tuple[str, ...]:
    """Return the heads of columns: the last line before the numbers that has one for each."""
    for _, line in reversed(lines):
        cells = _cells(line, separator)
        if len(cells) >= width:
            return tuple(cells[:width])
    return tuple(str(k + 1) for k in range(width))
