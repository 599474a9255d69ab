"""Stuck lines: word lines and bit lines that are open, so that no cell on them conducts."""

from dataclasses import dataclass

from xbar.namespace import Array, as_float64, namespace


@dataclass(frozen=True)
class StuckLines:
    """Rates of open word lines and bit lines, drawn once per line, each line by itself."""

    word_lines: float
    """Share of word lines that are open, 0 to 1."""
    bit_lines: float
    """Share of bit lines that are open, 0 to 1."""
    source: str = ""

    def draw(self, rows: Array, cols: Array) -> Array:
        """Return which cells lie on an open line (rows, cols) as int8, from one uniform number for each line."""
        xp = namespace(rows, cols)
        open_rows = as_float64(rows) < self.word_lines
        open_cols = as_float64(cols) < self.bit_lines
        return xp.astype(open_rows[:, None] | open_cols[None, :], xp.int8)

    def apply(self, g: Array, opened: Array) -> Array:
        """Return conductances [S] with 0 S on open lines; the last step, after stuck cells."""
        xp = namespace(g, opened)
        return xp.where(opened != 0, 0.0, as_float64(g))

    def describe(self) -> str:
        """Return the law in a few words, for logs."""
        return f"{100 * self.word_lines:g} % of word lines and {100 * self.bit_lines:g} % of bit lines open"
