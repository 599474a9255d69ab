"""What travels with a trace beside its operations: files, such as map and data, and the result of the recorded run."""

import json
from typing import Any

from xbar.errors import FormatError
from xbar.hdf5 import find, read_array, read_text
from xbar.trace.schema import EMBEDDED, RESULT, RESULT_BYTES

LARGEST = 2**30
"""Largest embedded file that is read [bytes]."""

FILES_MAX = 100
"""Most embedded files that are read."""


def embedded_files(run: Any) -> dict[str, bytes]:
    """Return the files in the group `run` of a trace by name; raises `FormatError` beyond the bounds above."""
    if EMBEDDED not in run:
        return {}
    group = find(run, EMBEDDED)
    names = list(group)
    if len(names) > FILES_MAX:
        raise FormatError(f"the trace holds {len(names)} embedded files; at most {FILES_MAX} are read")
    return {name: read_array(group, name, kinds="u", ndim=1, max_items=LARGEST).tobytes() for name in names}


def recorded_result(run: Any) -> dict[str, Any] | None:
    """Return the result (JSON values) in the group `run` of a trace, or None where the recorded run did not end."""
    text = read_text(run, RESULT, max_bytes=RESULT_BYTES) if RESULT in run else ""
    if not text:
        return None
    try:
        found = json.loads(text)
    except ValueError as error:
        raise FormatError("the trace holds a result that is not JSON; it is damaged") from error
    return found if isinstance(found, dict) else None
