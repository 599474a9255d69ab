"""How a network is run: bench, chip, time, batch, effects, and what is kept."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from xbar.bench.placement_rule import PlacementRule
from xbar.errors import InputError
from xbar.execution.drift_compensation import WAYS
from xbar.execution.hashing import data_hash
from xbar.execution.recalibration import FITS
from xbar.trace.encoding import Level


@dataclass(frozen=True)
class RunSettings:
    """How a network is run. What changes the answer is logged in the trace; threads and progress do not."""

    bench: str | Path = "sim"
    seed: int | None = None
    """Number of the chip; chip i of a repeat has seed + i. None takes that of the bench file, or 0."""
    at: float | None = None
    """Time between the end of programming and the first product [s]."""
    batch: int = 100
    """Samples that go through the bench together."""
    dtype: str = "float64"
    """"float64": exact products; "float32": the faster way."""
    only: tuple[str, ...] | None = None
    """Effects to apply; None applies all."""
    without: tuple[str, ...] = ()
    """Effects to leave out."""
    card: str | None = None
    """Card of the simulated bench; None takes the card of the map."""
    wires: str | None = None
    """Wires of the simulated bench, such as "1 ohm" or "22nm-1t1r"; None: ideal ones."""
    wire_noise: str | None = None
    """Read noise behind wires: "output" (the default) or "exact", a thousand times slower."""
    iv: str | None = None
    """Products of cells with an I-V law: "linear" (the default) or "exact", 30 times slower, more behind wires."""
    temperature: float | None = None
    """Temperature of the cells [K]; None: 300 K. It acts where the card has a law for it."""
    outside: str | None = None
    """What happens outside the valid range of a card's law: "refuse" (the default) or "warn"."""
    dac_bits: int | None = None
    """Bits of the input converters, 2 to 16, sign included; None: those of the bench file, or 8."""
    adc_bits: int | None = None
    """Bits of the output converters, 2 to 16, sign included; None: those of the bench file, or 8."""
    converters: Mapping[str, Any] | None = None
    """What is not ideal about the converters of the simulated bench: tables `dac`, `sense`, `adc` and what stands
    beside them in a converter file, in SI units and LSB; None: nothing."""
    threads: int | None = None
    """Threads that share the work; None takes the usable cores. The result does not depend on it."""
    device: str = "cpu"
    compensate: str = "none"
    """Make up for drift by what summed currents lost since programming: "none", "global" (a factor for each matrix)
    or "column" (one for each output of each tile)."""
    recalibration: Mapping[str, NDArray[Any]] | None = field(default=None, repr=False, compare=False)
    """Calibration samples, network inputs by name: gain and offset of every output are fitted on them. None fits
    nothing."""
    recalibrate_by: str = "products"
    """Fit each output to its exact products, "products", or to the mean and spread that the digital network has there,
    "statistics": batch normalisation estimated again."""
    read_back: bool = False
    """Read every cell of the map after programming, and again after the wait: the trace then holds conductances."""
    tiles_per_call: int | None = None
    error_samples: int = 100
    """Samples that layer errors are measured on; 0 measures none."""
    chip: Path | None = None
    """File that keeps the arrays from run to run; None: they end with the run."""
    program: bool = True
    """Write the map; False runs on what stands on the chip, which must have been programmed with this map."""
    placement: tuple[PlacementRule, ...] = ()
    """Which layers stand on which drivers of a bench of several; none takes the rules of the bench file."""
    after: float = 0.0
    """Time that passes for the chip before the run [s]."""
    trace: Path | None = None
    resume: Path | None = None
    """Trace of this run that was cut off: it goes on from there, into the new trace."""
    level: Level = "outputs"
    """What the trace keeps of products: "outputs", "full" (input voltages too) or "off"."""
    embed: bool = True
    """Let map and data travel with the trace, up to 64 MB, so that `xbar replay` needs nothing else."""
    flush: float | None = None
    """Seconds between flushes of the trace, 0 after every operation; None takes 0.25 s where simulated."""
    force: bool = False
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """More that the trace should say (JSON values)."""

    def __post_init__(self) -> None:
        """Raise `InputError` for numbers that cannot be meant."""
        if isinstance(self.trace, str):
            # A frozen field, set once more while it is made: callers may name the file by a text.
            object.__setattr__(self, "trace", Path(self.trace))
        if isinstance(self.resume, str):
            object.__setattr__(self, "resume", Path(self.resume))
        if isinstance(self.chip, str):
            object.__setattr__(self, "chip", Path(self.chip))
        if self.chip is None and self.after:
            raise InputError("time can pass only for a chip that is kept; name its file with --chip")
        for name, value, least in (
            ("batch", self.batch, 1),
            ("threads", self.workers, 1),
            ("error samples", self.error_samples, 0),
            ("tiles per call", self.tiles_per_call, 1),
            ("flush", self.flush, 0),
        ):
            if value is not None and not value >= least:
                raise InputError(f"{name} {value} must be at least {least}")
        if self.compensate not in WAYS:
            raise InputError(f"compensation {self.compensate!r} is not known; choose {', '.join(WAYS)}")
        if self.recalibrate_by not in FITS:
            raise InputError(f"recalibration by {self.recalibrate_by!r} is not known; choose products or statistics")
        if self.at is not None and not 0 <= self.at < float("inf"):
            raise InputError(f"time since programming {self.at} s must be finite and not below 0")

    @property
    def workers(self) -> int:
        """Get the number of threads in use."""
        if self.threads is not None:
            return self.threads
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

    @property
    def is_simulated(self) -> bool:
        """Get whether the bench is the simulated one, made to the measure of the map."""
        return str(self.bench) == "sim"

    @property
    def input_bits(self) -> int | None:
        """Get the bits of the input converters as far as the settings tell; None where they are switched off."""
        off = "dac" in self.without or (self.only is not None and "dac" not in self.only)
        return None if off else self.dac_bits or 8

    @property
    def output_bits(self) -> int:
        """Get the bits of the output codes as far as the settings tell: with bit-serial inputs those of the sum."""
        bits, serial = self.adc_bits or 8, (self.converters or {}).get("bit_serial")
        return bits if serial is None or self.input_bits is None else bits + self.input_bits

    def chip_traces(self, chips: int) -> list[Path | None]:
        """Return the trace of every chip of a repeat: `t.chip0.h5` and on where there are several."""
        if self.trace is None or chips == 1:
            return [self.trace] * chips
        return [self.trace.with_name(f"{self.trace.stem}.chip{chip}{self.trace.suffix}") for chip in range(chips)]

    def logged(self, samples: int) -> dict[str, Any]:
        """Return what the trace keeps and a replay takes up again."""
        names = ("batch", "dtype", "seed", "at", "compensate", "read_back", "program")
        said = {name: getattr(self, name) for name in names}
        if self.placement:
            said["placement"] = [rule.to_dict() for rule in self.placement]
        fitted = None if self.recalibration is None else data_hash(self.recalibration, None)
        if fitted is not None:
            said["recalibrate_by"] = self.recalibrate_by
        return {"samples": samples, "recalibration_sha256": fitted} | said
