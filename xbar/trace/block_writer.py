"""Blocks of operations into columns; a block that was written before is referred to instead of written again."""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple

from xbar.trace.checksums import checksums
from xbar.trace.column import GrowingColumn
from xbar.trace.encoding import Block
from xbar.trace.schema import SHARED, SLOTS

REMEMBERED = 4096
"""Blocks that are remembered for sharing: the ranges, events and settings of the last operations."""


class Reference(NamedTuple):
    """Where a block stands, and the checksum of each of its columns."""

    start: int
    length: int
    crcs: tuple[int, ...]


class BlockWriter:
    """Append blocks to the columns of their slot."""

    def __init__(self, columns: Mapping[str, GrowingColumn]) -> None:
        self._slots = {slot: [columns[path] for path in paths] for slot, paths in SLOTS.items()}
        self._known: OrderedDict[tuple[Any, ...], Reference] = OrderedDict()

    def write(self, slot: str, block: Block) -> Reference:
        """Append a block, or find an equal one in a shared slot; return where it stands."""
        if slot not in SHARED:
            return self._append(slot, block)
        key = (SLOTS[slot], hashlib.blake2b(block[0].data.cast("B"), digest_size=16).digest())
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._append(slot, block)
            if len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
        else:
            self._known.move_to_end(key)
        return found

    def _append(self, slot: str, block: Block) -> Reference:
        start = 0
        for column, values in zip(self._slots[slot], block, strict=True):
            start = column.append(values)
        return Reference(start, len(block[0]), checksums(block))
