"""What a run gives: typed, prints well, turns into dicts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.bench.capabilities import Effect
from xbar.execution.accuracy import Accuracy, Spread, spread
from xbar.execution.clip_counts import Clipped
from xbar.execution.drift_compensation import Compensated
from xbar.execution.layer_error import LayerError
from xbar.execution.recalibration import Recalibrated
from xbar.units import show


@dataclass(frozen=True, eq=False)
class RunResult:
    """One chip's run."""

    outputs: Mapping[str, NDArray[Any]] = field(repr=False)
    """The analog network's outputs by name, axis 0 the samples."""
    digital_outputs: Mapping[str, NDArray[Any]] = field(repr=False)
    """The digital network's outputs by name."""
    accuracy: Accuracy | None
    """None where the data have no labels."""
    layers: tuple[LayerError, ...]
    error_samples: int
    """Samples that the layer errors were measured on."""
    effects: tuple[Effect, ...]
    seed: int
    samples: int
    at: float | None
    """Time since programming [s]; None ran right after it."""
    bench_s: float
    """Time that passed on the bench, waiting included [s]."""
    wall_s: float
    """Time that passed here, programming and products [s]."""
    bench: str
    """Who answered."""
    recalibrated: tuple[Recalibrated, ...] = ()
    """Error of every layer on the calibration data before and after recalibration; empty without."""
    placed: tuple[Mapping[str, Any], ...] = ()
    """On a bench of several drivers, where each layer stands: layer, drivers, arrays, whether it was written."""
    clipped: tuple[Clipped, ...] = ()
    """Conversions of each layer, and how many of them clipped."""
    compensated: tuple[Compensated, ...] = ()
    """Factors of drift compensation of every layer; empty without."""

    @property
    def throughput(self) -> float:
        """Get samples per second of wall time."""
        return self.samples / self.wall_s

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the outputs, as JSON values."""
        return {
            "accuracy": None if self.accuracy is None else self.accuracy.to_dict(),
            "layers": [layer.to_dict() for layer in self.layers],
            "compensated": [layer.to_dict() for layer in self.compensated],
            "recalibrated": [layer.to_dict() for layer in self.recalibrated],
            "placed": [dict(layer) for layer in self.placed],
            "clipped": [layer.to_dict() for layer in self.clipped],
            "error_samples": self.error_samples,
            "effects": [{"name": e.name, "state": e.state, "note": e.note} for e in self.effects],
            "seed": self.seed,
            "samples": self.samples,
            "at_s": self.at,
            "bench": self.bench,
            "bench_s": self.bench_s,
            "wall_s": self.wall_s,
            "samples_per_s": self.throughput,
        }

    def __str__(self) -> str:
        """Return the result in a few lines."""
        lines = [f"{self.bench}, seed {self.seed}, {self.samples} samples" + _at(self.at)]
        if self.accuracy is not None:
            a = self.accuracy
            lines.append(f"accuracy: digital {a.digital:.2%}, analog {a.analog:.2%}")
            lines.append(f"  difference {100 * a.difference:+.2f} points, 95 % interval {interval(a.ci95)} (n = {a.n})")
        lines += [f"  {v.name}: {v.snr_db:.1f} dB alone, {v.cumulative_snr_db:.1f} dB cumulative" for v in self.layers]
        lines.append(
            f"bench time {show(self.bench_s, 's')}, wall time {self.wall_s:.2f} s, {self.throughput:.0f} samples/s"
        )
        return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class RepeatResult:
    """The same run on several chips: seeds `seed`, `seed + 1`, ..."""

    chips: tuple[RunResult, ...]

    @property
    def analog(self) -> Spread | None:
        """Get the spread of the analog accuracy over chips; None without labels."""
        return self._spread(lambda a: a.analog)

    @property
    def difference(self) -> Spread | None:
        """Get the spread of analog minus digital accuracy over chips; None without labels."""
        return self._spread(lambda a: a.difference)

    def _spread(self, figure: Any) -> Spread | None:
        known = [chip.accuracy for chip in self.chips if chip.accuracy is not None]
        return spread([figure(a) for a in known]) if known else None

    def to_dict(self) -> dict[str, Any]:
        """Return the spread over chips, and each chip's result, as JSON values."""
        analog, difference = self.analog, self.difference
        return {
            "chips": len(self.chips),
            "analog": None if analog is None else analog.to_dict(),
            "difference": None if difference is None else difference.to_dict(),
            "runs": [chip.to_dict() for chip in self.chips],
            "wall_s": sum(chip.wall_s for chip in self.chips),
        }

    def __str__(self) -> str:
        """Return the spread in a few lines."""
        first, analog, difference = self.chips[0], self.analog, self.difference
        lines = [
            f"{len(self.chips)} chips, seeds {first.seed} to {self.chips[-1].seed}, {first.samples} samples each"
            + _at(first.at)
        ]
        if analog is not None and difference is not None and first.accuracy is not None:
            lines.append(
                f"accuracy: digital {first.accuracy.digital:.2%}, "
                f"analog {analog.mean:.2%} +- {analog.std:.2%} (chip to chip)"
            )
            lines.append(
                f"  difference {100 * difference.mean:+.2f} points, "
                f"95 % interval of the mean {interval(difference.ci95)}"
            )
        return "\n".join(lines)


def _at(at: float | None) -> str:
    return "" if at is None else f", {show(at, 's')} after programming"


def interval(bounds: tuple[float, float]) -> str:
    """Return an interval of an accuracy difference as text; one sample or chip tells none."""
    if not np.isfinite(bounds).all():
        return "unknown"
    return f"{100 * bounds[0]:+.2f} to {100 * bounds[1]:+.2f} points"
