"""What travels with a trace beside its operations: files, such as map and data, and the result of the recorded run."""

import json
from typing import Any

from xbar.errors import FormatError
from xbar.hdf5 import find, find_dataset, read_array, read_text
from xbar.trace.schema import EMBEDDED, RESULT, RESULT_BYTES

LARGEST = 2**30
"""Most bytes of embedded files that are read, all of them together."""

FILES_MAX = 100
"""Most embedded files that are read."""


def embedded_sizes(run: Any) -> dict[str, int]:
    """Return the sizes [bytes] of the files in the group `run` of a trace by name; nothing of them is read.

    Raises `FormatError` beyond the bounds above.
    """
    if EMBEDDED not in run:
        return {}
    group = find(run, EMBEDDED)
    if len(group) > FILES_MAX:
        raise FormatError(f"the trace holds {len(group)} embedded files; at most {FILES_MAX} are read")
    found = {name: find_dataset(group, name, kinds="u", ndim=1) for name in group}
    sizes = {name: dataset.shape[0] * dataset.dtype.itemsize for name, dataset in found.items()}
    if (total := sum(sizes.values())) > LARGEST:
        raise FormatError(f"the trace declares {total} bytes of embedded files; at most {LARGEST} are read")
    return sizes


def embedded_files(run: Any) -> dict[str, bytes]:
    """Return the files in the group `run` of a trace by name; raises `FormatError` beyond the bounds above."""
    sizes = embedded_sizes(run)
    group = find(run, EMBEDDED) if sizes else {}
    return {name: read_array(group, name, kinds="u", ndim=1, max_items=LARGEST).tobytes() for name in sizes}


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
