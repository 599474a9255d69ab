"""What travels with a trace beside its operations: files, such as map and data, and the result of the recorded run."""

import json
from pathlib import Path
from typing import Any

from xbar.errors import FormatError
from xbar.hdf5 import find, open_file, read_array, read_text
from xbar.trace.schema import EMBEDDED, RESULT, RESULT_BYTES

LARGEST = 2**30
"""Largest embedded file that is read [bytes]."""

FILES_MAX = 100
"""Most embedded files that are read."""


def read_embedded(path: str | Path) -> dict[str, bytes]:
    """Return the files in a trace by name.

    Raises `FileError` or `FormatError` for a trace that cannot be read, or files beyond the bounds above.
    """
    file, _ = open_file(path)
    with file:
        if f"run/{EMBEDDED}" not in file:
            return {}
        group = find(file, f"run/{EMBEDDED}")
        names = list(group)
        if len(names) > FILES_MAX:
            raise FormatError(f"{path} holds {len(names)} embedded files; at most {FILES_MAX} are read")
        return {name: read_array(group, name, kinds="u", ndim=1, max_items=LARGEST).tobytes() for name in names}


def read_result(path: str | Path) -> dict[str, Any] | None:
    """Return the result of the recorded run (JSON values), or None where it did not end.

    Raises `FileError` or `FormatError` for a trace that cannot be read.
    """
    file, _ = open_file(path)
    with file:
        if f"run/{RESULT}" not in file:
            return None
        text = read_text(file, f"run/{RESULT}", max_bytes=RESULT_BYTES)
    if not text:
        return None
    try:
        found = json.loads(text)
    except ValueError as error:
        raise FormatError(f"{path} holds a result that is not JSON; it is damaged") from error
    return found if isinstance(found, dict) else None
