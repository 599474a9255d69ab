"""Tables of text from elsewhere: CSV, TSV and the like; odd heads, decimal commas, missing points, words among them."""

import csv
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from xbar.errors import FormatError
from xbar_calibration.fit import Floats, Ints

MISSING: Final = {"", "nan", "n/a", "na", "none", "null", "-", "--", "#n/a", "#div/0!", "inf", "-inf", "overflow"}
OVERFLOW: Final = 9e37
"""What instruments that speak SCPI send for an overflow or no reading is 9.9e37 or 9.91e37 (SCPI 1999, 7.2.1)."""
MOST_COLUMNS: Final = 4096
MOST_WORDS: Final = 1_000_000
BLOCK: Final = "block"
"""Head of the column that counts the parts of a file which heads or lines of text divide."""
NAMES_LINE, VALUES_LINE = "DataName", "DataValue"
"""First cells of the rows that count in exports of Keysight EasyEXPERT: heads, and numbers."""
COMMENT: Final = ("#", "%")
LONG: Final = 20_000
"""Lines of a table that is first tried as nothing but numbers."""
SAMPLE: Final = 2000
LONGEST_LINE: Final = 1_000_000


@dataclass(frozen=True, eq=False)
class TextTable:
    """Columns of numbers, NaN where one is missing or a word stands."""

    path: Path
    heads: tuple[str, ...]
    values: Floats
    """`(rows, columns)`."""
    lines: Ints
    """Number of each row in the file, from 1, as an editor shows it."""
    words: dict[tuple[int, int], str]
    """Texts that are no numbers, by row and column, from 0."""

    def row(self, index: int) -> int:
        """Return the number of a row in the file, from 1."""
        return int(self.lines[index])


def read_text(path: Path) -> TextTable:
    """Return a table of text; raises `FormatError` where it has no row of numbers."""
    numbered = [(k + 1, line) for k, line in enumerate(_decoded(path).splitlines()) if line.strip()]
    lines = [(k, line) for k, line in numbered if not line.lstrip().startswith(COMMENT)]
    if not lines:
        raise FormatError(f"{path} is empty")
    if max(len(line) for _, line in lines) > LONGEST_LINE:
        raise FormatError(f"{path}: a line has more than {LONGEST_LINE} characters; is it a table?")
    separator, comma = dialect([line for _, line in lines])
    if len(lines) > LONG:
        plain = _plain(path, lines, separator, comma)
        if plain is not None:
            return plain
    rows = [(number, cells_of(line, separator)) for number, line in lines]
    found = table_of(path, rows, comma)
    return found if found.heads[0] != "1" else replace(found, heads=_commented(found, numbered, separator))


def _commented(found: TextTable, numbered: Sequence[tuple[int, str]], separator: str) -> tuple[str, ...]:
    """Return the heads of a table without any: those in the comment just above it, as `numpy.savetxt` writes them."""
    above = [line for number, line in numbered if number < found.row(0)]
    if above and above[-1].lstrip().startswith(COMMENT):
        cells = cells_of(above[-1].strip().lstrip("#% "), separator)
        if len(cells) == len(found.heads):
            return tuple(cells)
    return found.heads


def _plain(path: Path, lines: Sequence[tuple[int, str]], separator: str, comma: bool) -> TextTable | None:
    """Return a long table of nothing but numbers below its heads; None where it has anything else."""
    rows = [(number, cells_of(line, separator)) for number, line in lines[:SAMPLE]]
    try:
        sample = table_of(path, rows, comma)
        first = next(k for k, (number, _) in enumerate(lines) if number == sample.row(0))
        texts = [line.replace(",", ".") if comma else line for _, line in lines[first:]]
        values = np.loadtxt(texts, delimiter=separator or None, ndmin=2, comments=None)
    except (FormatError, ValueError):
        return None
    if sample.words or values.shape[1] != len(sample.heads):
        return None
    values[np.abs(values) >= OVERFLOW] = np.nan
    return TextTable(path, sample.heads, values, np.array([number for number, _ in lines[first:]], np.int64), {})


def _decoded(path: Path) -> str:
    data = path.read_bytes()
    wide = data[:2] in (b"\xff\xfe", b"\xfe\xff")
    for encoding in ("utf-16", "latin-1") if wide else ("utf-8-sig", "latin-1"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    return data.decode("latin-1")


def dialect(lines: Sequence[str]) -> tuple[str, bool]:
    """Return the separator ("" is blanks) and whether commas are decimal, by the later half of some lines."""
    sample = lines[: min(len(lines), 400)]
    tail = sample[len(sample) // 2 :]
    numbers = [line for line in tail if re.match(r"\s*\"?[-+.]?\d", line)]
    # Titles between parts of a file say nothing of its numbers.
    tail = numbers if len(numbers) >= 0.3 * len(tail) else tail
    for separator in ("\t", ";"):
        if sum(separator in line for line in tail) > 0.8 * len(tail):
            cells = [cell.strip().strip('"') for line in tail for cell in line.split(separator)]
            # Whole numbers tell nothing, and dates have dots as well.
            comma = any(re.fullmatch(r"[-+]?\d*,\d+([eE][-+]?\d+)?", cell) for cell in cells)
            return separator, comma and not any(re.fullmatch(r"[-+]?\d*\.\d+([eE].*)?", cell) for cell in cells)
    if sum("," in line for line in tail) > 0.8 * len(tail):
        # "1,5 2,5": commas inside numbers, blanks between them.
        number = r"[-+]?\d+,\d+([eE][-+]?\d+)?"
        if all(re.fullmatch(rf"\s*{number}(\s+{number})+\s*", line) for line in tail):
            return "", True
        return ",", False
    return "", False


def cells_of(line: str, separator: str) -> list[str]:
    """Return the cells of a line; quoted ones may have separators in them."""
    if separator == "":
        return line.split()
    if '"' in line:
        try:
            return [cell.strip() for cell in next(csv.reader([line], delimiter=separator))]
        except csv.Error:
            # A quotation mark that nothing closes is a letter as others.
            pass
    return [cell.strip() for cell in line.split(separator)]


def number_of(cell: str, comma: bool) -> float | None:
    """Return the number of a cell, NaN where it is missing, None where it is a word."""
    if cell.lower() in MISSING:
        return float("nan")
    cell = cell.replace("\N{MINUS SIGN}", "-")
    if "_" in cell:
        # Python would read "1_2", which may name a device, as 12.
        return None
    try:
        number = float(cell.replace(",", ".") if comma else cell)
    except ValueError:
        return None
    return number if abs(number) < OVERFLOW else float("nan")


def table_of(path: Path, rows: Sequence[tuple[int, list[str]]], comma: bool) -> TextTable:
    """Return the table of numbered rows of cells; see `read_text`.

    Rows of numbers are those as wide as most rows with numbers are. What is before them is a header; its last row that
    is as wide has the heads. Rows without any number divide the file into parts, which the column "block" counts.
    """
    if any(cells[0] == VALUES_LINE for _, cells in rows):
        rows = [(number, cells[1:]) for number, cells in rows if cells[0] in (NAMES_LINE, VALUES_LINE)]
    counts = [
        sum(number_of(cell, comma) is not None and cell.lower() not in MISSING for cell in row) for _, row in rows
    ]
    widths = Counter(len(cells) for (_, cells), count in zip(rows, counts, strict=True) if count)
    if not widths:
        raise FormatError(f"{path}: no row of numbers; the columns are to be numbers, separated by , ; tab or blanks")
    usual = max(widths, key=lambda width: (widths[width], width))
    typical = float(np.median([c for (_, cells), c in zip(rows, counts, strict=True) if c and len(cells) == usual]))
    # A header may have a number here and there; rows of numbers have as many as most of them have, or no words.
    first = next(
        k
        for k, ((_, cells), c) in enumerate(zip(rows, counts, strict=True))
        if len(cells) >= min(usual, 2) and (2 * c > typical or (2 * c == typical and not _words(cells, comma)))
    )
    width = max(len(cells) for (_, cells), count in zip(rows[first:], counts[first:], strict=True) if count)
    if width > MOST_COLUMNS:
        raise FormatError(f"{path}: {width} columns; at most {MOST_COLUMNS} are read")
    return _filled(path, _heads(rows[:first], width), rows[first:], counts[first:], comma)


def _words(cells: Sequence[str], comma: bool) -> int:
    return sum(number_of(cell, comma) is None for cell in cells)


def _filled(
    path: Path, heads: tuple[str, ...], rows: Sequence[tuple[int, list[str]]], counts: Sequence[int], comma: bool
) -> TextTable:
    kept = [row for row, count in zip(rows, counts, strict=True) if count]
    # A part begins with the first row of numbers after one without.
    changes = np.cumsum([0, *(before == 0 for before in counts[:-1])])
    parts = np.unique(changes[np.asarray(counts) > 0], return_inverse=True)[1].ravel()
    values = np.full((len(kept), len(heads)), np.nan)
    words: dict[tuple[int, int], str] = {}
    for index, (_, cells) in enumerate(kept):
        for k, cell in enumerate(cells[: len(heads)]):
            number = number_of(cell, comma)
            if number is None:
                if len(words) < MOST_WORDS:
                    words[index, k] = cell[:40]
            else:
                values[index, k] = number
    if parts.max(initial=0) and BLOCK not in heads:
        heads, values = (*heads, BLOCK), np.column_stack([values, parts.astype(np.float64)])
    return TextTable(path, heads, values, np.array([number for number, _ in kept], np.int64), words)


def _heads(rows: Sequence[tuple[int, list[str]]], width: int) -> tuple[str, ...]:
    """Return the heads of columns: the last row before the numbers that has one for each; units of a row below it.

    A row of units alone, as some programs write it under the heads, is put in brackets behind them.
    """
    found = [cells for _, cells in rows if len(cells) >= width and any(cells)]
    if not found:
        return tuple(str(k + 1) for k in range(width))
    last = found[-1][:width]
    if len(found) > 1 and _units_alone(last):
        pairs = zip(found[-2][:width], last, strict=True)
        return tuple(f"{name} [{unit.strip('[]()')}]" if unit else name for name, unit in pairs)
    return tuple(last)


def _units_alone(cells: Sequence[str]) -> bool:
    from xbar_calibration.column_units import UNITS, factor_of

    named = [cell for cell in cells if cell]
    return bool(named) and all(any(factor_of(quantity, cell) for quantity in UNITS) for cell in named)
