"""A check before large arrays are made: on Linux an array that does not fit ends the process, not the allocation."""

import os

from xbar.errors import InputError


def physical_memory() -> float:
    """Return the memory of this machine [bytes]; infinity where the system does not tell (Windows)."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):  # there the allocation itself fails
        return float("inf")


def require_memory(size: float, what: str) -> None:
    """Raise `InputError` where `what` needs more bytes than this machine has."""
    there = physical_memory()
    if size > there:
        raise InputError(
            f"{what} need {size / 2**30:.3g} GiB, this machine has {there / 2**30:.3g} GiB; ask for fewer at once"
        )
