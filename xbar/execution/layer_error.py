"""Error of every layer against the digital network: of the layer alone, and with all layers before it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xbar.network.analog_node import AnalogNode, ideal
from xbar.network.blocks import Block
from xbar.network.network import Network


@dataclass(frozen=True)
class LayerError:
    """Signal-to-error ratios of one layer, 10 log10(sum of squared outputs / sum of squared errors) [dB]."""

    name: str
    snr_db: float
    """Of the layer alone: against the exact layer on the same inputs."""
    cumulative_snr_db: float
    """Against the digital network: errors of the layers before included."""
    bare_snr_db: float | None = None
    """Of the layer alone, from the same readings, without drift compensation and recalibration; None where neither was
    asked for."""

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values; an error of 0 gives None, as JSON has no infinity."""
        bare = {} if self.bare_snr_db is None else {"bare_snr_db": _finite(self.bare_snr_db)}
        return {
            "name": self.name,
            "snr_db": _finite(self.snr_db),
            "cumulative_snr_db": _finite(self.cumulative_snr_db),
            **bare,
        }


@dataclass
class _Sums:
    signal: float = 0.0
    error: float = 0.0
    reference: float = 0.0
    cumulative: float = 0.0
    bare: float | None = None


@dataclass
class LayerErrors:
    """Collects layer errors over the first `samples` samples, block by block: sums do not depend on the batch."""

    network: Network
    inputs: Mapping[str, NDArray[Any]]
    """Network inputs by name; their first `samples` are run digitally here."""
    samples: int = 100
    _digital: dict[tuple[int, int], NDArray[Any]] = field(default_factory=dict)
    _sums: dict[tuple[int, int], _Sums] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Run the digital network and keep what every analog node gives."""
        some = {name: array[: self.samples] for name, array in self.inputs.items()}
        self.samples = min(self.samples, len(next(iter(some.values()))))

        def keep(node: AnalogNode, xs: Sequence[NDArray[Any]], blocks: Sequence[Block]) -> list[NDArray[Any]]:
            outputs = ideal(node, xs, blocks)
            for block, output in zip(blocks, outputs, strict=True):
                self._digital[node.index, block.first] = output
            return outputs

        self.network.run(self.network.blocks(some, 0), keep)

    def counts(self, block: Block) -> bool:
        """Tell whether errors are measured on samples of a block."""
        real = _counted(block, self.samples)
        return bool(real.stop > real.start)

    def compare(
        self,
        node: AnalogNode,
        xs: Sequence[NDArray[Any]],
        outputs: Sequence[NDArray[Any]],
        blocks: Sequence[Block],
        bare: Sequence[NDArray[Any] | None] | None = None,
    ) -> None:
        """Take a node's analog outputs into account; blocks without collected samples are passed over.

        `bare` are the outputs without compensation and recalibration, where there is one.
        """
        for x, output, block, plain in zip(xs, outputs, blocks, bare or [None] * len(blocks), strict=True):
            real = _counted(block, self.samples)
            if not self.counts(block) or output.shape[0] != x.shape[0]:
                continue
            exact = ideal(node, [x], [block])[0]
            # One sum for each sample, added in the order of samples at the end.
            for place in range(real.start, real.stop):
                got, alone, digital = (
                    array[place].astype(np.float64) for array in (output, exact, self._digital[node.index, block.first])
                )
                self._sums[node.index, block.first + place] = _Sums(
                    float(np.square(alone).sum()),
                    float(np.square(got - alone).sum()),
                    float(np.square(digital).sum()),
                    float(np.square(got - digital).sum()),
                    None if plain is None else float(np.square(plain[place].astype(np.float64) - alone).sum()),
                )

    def results(self) -> tuple[LayerError, ...]:
        """Return the error of every analog node, in the order of the network."""
        found = []
        for node in self.network.nodes:
            sums = [self._sums[key] for key in sorted(self._sums) if key[0] == node.index]
            alone = decibels(sum(s.signal for s in sums), sum(s.error for s in sums))
            cumulative = decibels(sum(s.reference for s in sums), sum(s.cumulative for s in sums))
            known = [s.bare for s in sums if s.bare is not None]
            bare = decibels(sum(s.signal for s in sums), sum(known)) if known else None
            found.append(LayerError(node.name, alone, cumulative, bare))
        return tuple(found)


def _counted(block: Block, samples: int) -> slice:
    return slice(block.valid.start, min(block.valid.stop, max(samples - block.first, 0)))


def decibels(signal: float, error: float) -> float:
    """Return the signal-to-error ratio of two sums of squares [dB]: infinite without error, NaN without a signal."""
    if error == 0:
        return float("inf")
    return float(10 * np.log10(signal / error)) if signal > 0 else float("nan")


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None
