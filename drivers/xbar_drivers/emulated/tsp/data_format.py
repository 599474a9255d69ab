"""How TSP instruments write buffers: as text, or as a block of binary numbers."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from xbar_drivers.emulated.tsp.attributes import numeric, switch
from xbar_drivers.emulated.tsp.buffer_object import values_of
from xbar_drivers.emulated.tsp.node_tree import TspError, TspObject

ASCII, SREAL, REAL64 = 1, 2, 3
BIG, LITTLE = 0, 1


@dataclass
class DataFormat:
    """The attributes of `format`."""

    data: int = ASCII
    order: int = LITTLE
    precision: int = 6
    """Digits of printed numbers."""

    def reset(self) -> None:
        """Return to text of 6 digits."""
        self.data, self.order, self.precision = ASCII, LITTLE, 6

    def node(self) -> TspObject:
        """Return the object `format`."""
        part = TspObject("format")
        part.constants = {
            "ASCII": ASCII, "SREAL": SREAL, "REAL32": SREAL, "REAL": REAL64, "REAL64": REAL64, "DREAL": REAL64,
            "NORMAL": BIG, "NETWORK": BIG, "BIGENDIAN": BIG, "SWAPPED": LITTLE, "LITTLEENDIAN": LITTLE,
        }  # fmt: skip
        switch(part, "data", self, "data", (ASCII, SREAL, REAL64))
        switch(part, "byteorder", self, "order", (LITTLE, BIG))
        numeric(part, "asciiprecision", self, "precision", (1, 16))
        return part

    def text(self) -> str:
        """Return the C format of one number."""
        return f"%.{self.precision - 1}e"

    def block(self, *parameters: Any) -> str:
        """Return what `printbuffer(first, last, buffer, ...)` prints, its line end included.

        The values of several buffers are interleaved. Raises `TspError`.
        """
        if len(parameters) < 3 or not all(isinstance(p, int | float) for p in parameters[:2]):
            raise TspError(-286, "printbuffer: expected two numbers and a buffer")
        first, last = int(parameters[0]), int(parameters[1])
        columns = [values_of(part) for part in parameters[2:]]
        end = min(last, *(len(column) for column in columns)) if columns else 0
        if first < 1 or end < first:
            raise TspError(1110, "Parameter is not one of those allowed")
        table = np.array([column[first - 1 : end] for column in columns], np.float64).T.ravel()
        if self.data == ASCII:
            shape = self.text()
            return ", ".join([shape % value for value in table.tolist()]) + "\n"
        kind = {(SREAL, LITTLE): "<f4", (SREAL, BIG): ">f4", (REAL64, LITTLE): "<f8", (REAL64, BIG): ">f8"}
        with np.errstate(over="ignore"):
            data = table.astype(kind[self.data, self.order]).tobytes()
        return "#0" + data.decode("latin-1") + "\n"
