"""Fitted numbers as a card file has them: text with a unit, nine digits."""

DIGITS = 9
"""Significant digits: far beyond any interval, and the same number everywhere in a card, so that ranges meet."""


def number(value: float) -> float:
    """Return a number rounded to the digits of a card."""
    return float(f"{value:.{DIGITS}g}")


def conductance_text(value: float) -> str:
    """Return a conductance [S] as text."""
    return f"{value * 1e6:.{DIGITS}g} uS"


def current_text(value: float) -> str:
    """Return a current [A] as text."""
    return f"{value * 1e6:.{DIGITS}g} uA"


def voltage_text(value: float) -> str:
    """Return a voltage [V] as text."""
    return f"{value:.{DIGITS}g} V"


def time_text(value: float) -> str:
    """Return a time [s] as text."""
    return f"{value:.{DIGITS}g} s"
