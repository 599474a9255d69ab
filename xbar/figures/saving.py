"""Write a figure to a file, whole or not at all."""

import io
from pathlib import Path
from typing import Any, Final

from matplotlib.figure import Figure

from xbar.errors import InputError
from xbar.hdf5 import atomic_file, check_new_path, new_path

FORMATS: Final = {".png": "png", ".svg": "svg"}
"""Formats by the suffix of the file."""
DPI: Final = 150
"""Dots per inch of a PNG."""


def check_figure_path(path: str | Path, force: bool = False) -> str:
    """Return the format of a figure file; nothing is touched, so a command may check before it computes.

    Raises `InputError` for a suffix that is not known, `FileError` where the file exists and `force` is not given, or
    its folder is missing or not writable.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise InputError(f"figure {path}: suffix {suffix!r} is not known; end the name in {' or '.join(FORMATS)}")
    check_new_path(path, force)
    return FORMATS[suffix]


def save(figure: Figure, path: str | Path, force: bool = False) -> Path:
    """Write a figure as PNG or SVG, by the suffix of `path`, and return the path.

    With `force` an existing file is renamed, never lost. The figure is drawn before the disk is touched. Raises as
    `check_figure_path` does, and `FileError` where the system refuses to write.
    """
    drawn = _drawn(figure, check_figure_path(path, force))
    target = new_path(path, force)
    with atomic_file(target) as partial:
        partial.write_bytes(drawn)
    return target


def replace(figure: Figure, path: str | Path) -> None:
    """Write a figure that changes over the file that `save` wrote before, at once: a viewer sees the old or the new.

    Raises as `save` does.
    """
    drawn = _drawn(figure, check_figure_path(path, force=True))
    with atomic_file(path) as partial:
        partial.write_bytes(drawn)


def _drawn(figure: Figure, kind: str) -> bytes:
    """Return a figure in a format of `FORMATS`."""
    buffer = io.BytesIO()
    # Without a date the same figure gives the same SVG but for its ids.
    options: dict[str, Any] = {"metadata": {"Date": None}} if kind == "svg" else {"dpi": DPI}
    figure.savefig(buffer, format=kind, **options)
    return buffer.getvalue()
