"""Recalibration: a gain and an offset for each output of each layer, fitted on calibration data run on the bench.

Every layer's products are compared with the exact ones on the same inputs, and want = gain x got + offset fitted by
least squares for each output. The two are digital numbers, applied to every later product. Batch normalisation is such
a gain and offset too, and is folded into the weights when a network is mapped: to estimate it again is part of this.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.execution.layer_error import decibels

Floats = NDArray[np.float64]

FIRST_SAMPLE = 2**31
"""Number of the first calibration sample: its read noise is not that of a sample of the run."""


@dataclass(frozen=True, eq=False)
class Correction:
    """What the products of one layer are corrected with: `gain * product + offset`, each `(outputs,)`."""

    gain: NDArray[np.float32]
    offset: NDArray[np.float32]

    def __call__(self, products: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return corrected products `(vectors, outputs)` [network units]."""
        return products * self.gain + self.offset


@dataclass(frozen=True)
class Recalibrated:
    """Signal-to-error ratio of one layer on the calibration data, before and after [dB]."""

    name: str
    before_db: float
    after_db: float

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values; an error of 0 gives None."""
        ratios = {"before_db": self.before_db, "after_db": self.after_db}
        return {"name": self.name} | {k: v if np.isfinite(v) else None for k, v in ratios.items()}


@dataclass
class _Sums:
    """Sums over vectors of one layer, each `(outputs,)`."""

    n: int
    got: Floats
    want: Floats
    got_got: Floats
    got_want: Floats
    want_want: Floats


@dataclass
class Recalibration:
    """Collects what layers give on the calibration data, and what they should give."""

    _sums: dict[tuple[int, int], _Sums] = field(default_factory=dict)
    _names: dict[tuple[int, int], str] = field(default_factory=dict)

    def see(self, place: tuple[int, int], name: str, got: NDArray[Any], want: NDArray[Any]) -> None:
        """Take products `(vectors, outputs)` of a layer at (node, part) into account."""
        g, w = got.astype(np.float64), want.astype(np.float64)
        parts = (g.sum(axis=0), w.sum(axis=0), (g * g).sum(axis=0), (g * w).sum(axis=0), (w * w).sum(axis=0))
        known = self._sums.get(place)
        if known is None:
            self._sums[place], self._names[place] = _Sums(len(g), *parts), name
            return
        known.n += len(g)
        for field_name, part in zip(("got", "want", "got_got", "got_want", "want_want"), parts, strict=True):
            setattr(known, field_name, getattr(known, field_name) + part)

    def corrections(self) -> Mapping[tuple[int, int], Correction]:
        """Return the correction of each layer by (node, part)."""
        return {place: Correction(*(v.astype(np.float32) for v in _fit(sums))) for place, sums in self._sums.items()}

    def report(self) -> tuple[Recalibrated, ...]:
        """Return each layer's error before and after, in the order of the network."""
        found = []
        for place in sorted(self._sums):
            s = self._sums[place]
            gain, offset = _fit(s)
            before = float((s.want_want - 2 * s.got_want + s.got_got).sum())
            after = float((s.want_want - gain * s.got_want - offset * s.want).sum())
            signal = float(s.want_want.sum())
            found.append(Recalibrated(self._names[place], decibels(signal, before), decibels(signal, max(after, 0.0))))
        return tuple(found)


def _fit(s: _Sums) -> tuple[Floats, Floats]:
    """Return gain and offset (outputs,) of least squares; an output that never moved keeps its gain."""
    spread = s.got_got - s.got * s.got / s.n
    moves = spread > 1e-12 * np.maximum(s.got_got, 1e-300)
    gain = np.where(moves, (s.got_want - s.got * s.want / s.n) / np.where(moves, spread, 1.0), 1.0)
    return gain, (s.want - gain * s.got) / s.n
