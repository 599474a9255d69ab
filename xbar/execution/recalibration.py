"""Recalibration: a gain and an offset for each output of each layer, fitted on calibration data run on the bench.

Layer by layer, each on what the corrected layers before it give. By "products", every layer's products are compared
with the exact ones on the same inputs, and want = gain x got + offset fitted by least squares for each output. By
"statistics", gain and offset give each output the mean and the standard deviation that the digital network has there:
the statistics of batch normalisation, estimated again. Both are digital numbers, applied to every later product. Batch
normalisation is such a gain and offset too, folded into the weights when a network is mapped.
Source: V. Joshi et al., Nat. Commun. 11, 2473 (2020), doi 10.1038/s41467-020-16108-9, "adaptive batch normalization
statistics update"; they update running means with the statistics of batches, here the samples are one batch.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from xbar.execution.layer_error import decibels

Floats = NDArray[np.float64]

FITS: Final = ("products", "statistics", "together")
"""By least squares against exact products; by mean and standard deviation; or as the first, but the whole network in
one pass, before any layer is corrected, which is how older traces were recorded."""

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
class Moments:
    """Mean and standard deviation of every output of every layer, by (node, part), collected vector by vector."""

    _sums: dict[tuple[int, int], tuple[int, Floats, Floats]] = field(default_factory=dict)

    def see(self, place: tuple[int, int], products: NDArray[Any]) -> None:
        """Take products `(vectors, outputs)` of a layer at (node, part) into account."""
        values = products.astype(np.float64)
        n, first, second = self._sums.get(place, (0, np.float64(0), np.float64(0)))
        self._sums[place] = (n + len(values), first + values.sum(axis=0), second + np.square(values).sum(axis=0))

    def of(self, place: tuple[int, int]) -> tuple[Floats, Floats]:
        """Return mean and standard deviation `(outputs,)` of a layer."""
        return _moments(*self._sums[place])


@dataclass
class Recalibration:
    """Collects what layers give on the calibration data, and what they should give."""

    moments: Moments | None = None
    """Of the digital network, to be given back to the outputs; None fits products by least squares."""
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

    def correction(self, place: tuple[int, int]) -> Correction:
        """Return the correction of the layer at (node, part), from what was seen of it."""
        return Correction(*(v.astype(np.float32) for v in self._fit(place)))

    def corrections(self) -> Mapping[tuple[int, int], Correction]:
        """Return the correction of each layer by (node, part)."""
        return {place: self.correction(place) for place in self._sums}

    def report(self) -> tuple[Recalibrated, ...]:
        """Return each layer's error before and after, in the order of the network."""
        found = []
        for place in sorted(self._sums):
            s = self._sums[place]
            gain, offset = self._fit(place)
            before = float((s.want_want - 2 * s.got_want + s.got_got).sum())
            scaled = s.want_want - 2 * gain * s.got_want + gain**2 * s.got_got
            after = float((scaled + offset * (2 * gain * s.got - 2 * s.want + s.n * offset)).sum())
            signal = float(s.want_want.sum())
            found.append(Recalibrated(self._names[place], decibels(signal, before), decibels(signal, max(after, 0.0))))
        return tuple(found)

    def _fit(self, place: tuple[int, int]) -> tuple[Floats, Floats]:
        """Return gain and offset `(outputs,)`; an output that never moved keeps its gain."""
        s = self._sums[place]
        spread = s.got_got - s.got * s.got / s.n
        moves = spread > 1e-12 * np.maximum(s.got_got, 1e-300)
        if self.moments is None:
            gain = np.where(moves, (s.got_want - s.got * s.want / s.n) / np.where(moves, spread, 1.0), 1.0)
            return gain, (s.want - gain * s.got) / s.n
        mean, deviation = self.moments.of(place)
        gain = np.where(moves, deviation / np.sqrt(np.where(moves, spread / s.n, 1.0)), 1.0)
        return gain, mean - gain * s.got / s.n


def _moments(n: int, first: Floats, second: Floats) -> tuple[Floats, Floats]:
    mean = first / n
    return mean, np.sqrt(np.maximum(second / n - mean * mean, 0.0))
