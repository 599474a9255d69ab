"""Options that several commands share, and what their texts mean."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xbar.errors import InputError

if TYPE_CHECKING:
    from xbar.execution.data_file import Data
    from xbar.execution.run_settings import RunSettings

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Force = Annotated[bool, typer.Option("--force", help="Rename an output that exists instead of refusing.")]
DataFile = Annotated[
    str, typer.Option("--data", help="Samples: .npz with x (first axis the samples) and labels y; or sample:NAME.")
]
Bench = Annotated[str, typer.Option("--bench", help="sim, replay:TRACE.h5, or a bench file .toml.")]
Seed = Annotated[
    int | None,
    typer.Option("--seed", min=0, help="Number of the chip; that of the bench file, or 0.", show_default=False),
]
At = Annotated[str | None, typer.Option("--at", help="Time since programming, such as '1 day'.")]
Record = Annotated[
    str, typer.Option("--record", help="What the trace keeps of products: outputs, full (input codes too), off.")
]
Flush = Annotated[
    str | None,
    typer.Option(
        "--flush",
        help="Make the trace safe after every operation ('every') or after SECONDS ('0.25').",
        show_default=False,
    ),
]
NoEmbed = Annotated[
    bool, typer.Option("--no-embed", help="Leave map and data out of the trace; xbar replay then needs them.")
]
Samples = Annotated[int | None, typer.Option("--samples", min=1, help="Run the first N samples.")]
Batch = Annotated[int, typer.Option("--batch", min=1, help="Samples that go through the bench together.")]
Dtype = Annotated[str, typer.Option("--dtype", help="float64: exact products; float32: the faster way.")]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="Threads; the usable cores by default.")]
Device = Annotated[str, typer.Option("--device", help="cpu or gpu.")]
Compensate = Annotated[
    str,
    typer.Option(
        "--compensate",
        help="Make up for drift by what summed currents lost since programming: none, global (by matrix) or column.",
    ),
]
Recalibrate = Annotated[
    str | None,
    typer.Option(
        "--recalibrate",
        help="Samples (.npz or sample:NAME) on which gain and offset of every output are fitted before the run.",
        show_default=False,
    ),
]
RecalibrateBy = Annotated[
    str | None,
    typer.Option(
        "--recalibrate-by",
        help="What --recalibrate fits outputs to: their exact products, or the statistics (mean and spread) of the "
        "digital network, as batch normalisation is estimated again.",
        show_default="products",
    ),
]
Card = Annotated[str | None, typer.Option("--card", help="Device card: a name (see xbar cards) or a file .toml.")]

WireNoise = Annotated[
    str | None,
    typer.Option("--wire-noise", help="Read noise behind wires: output (fast) or exact.", show_default="output"),
]
Iv = Annotated[
    str | None,
    typer.Option("--iv", help="Products of cells with an I-V law: linear (fast) or exact.", show_default="linear"),
]
Temperature = Annotated[
    str | None, typer.Option("--temperature", help="Of the simulated cells, such as '350 K'.", show_default="300 K")
]
Outside = Annotated[
    str | None,
    typer.Option("--outside", help="Outside the valid range of a card's law: refuse, or warn.", show_default="refuse"),
]
DacBits = Annotated[
    int | None,
    typer.Option("--dac-bits", min=2, max=16, help="Bits of the simulated input converters.", show_default="8"),
]
AdcBits = Annotated[
    int | None,
    typer.Option("--adc-bits", min=2, max=16, help="Bits of the simulated output converters.", show_default="8"),
]
Converters = Annotated[
    Path | None,
    typer.Option("--converters", help="File (.toml) of what is not ideal about the simulated converters."),
]
Chip = Annotated[
    Path | None,
    typer.Option("--chip", help="Keep the arrays in this file (.h5) from command to command; begun where it is new."),
]
After = Annotated[
    str | None, typer.Option("--after", help="Time that passes for the chip before this command, such as '1 day'.")
]
NoProgram = Annotated[
    bool, typer.Option("--no-program", help="Run on what stands on the chip, programmed earlier with this map.")
]
Wires = Annotated[
    str | None,
    typer.Option(
        "--wires",
        help="Wires of the simulated bench: '1 ohm', 'word=1 ohm, bit=2 ohm, source=50 ohm', or '22nm-1t1r'.",
        show_default="ideal",
    ),
]


Resume = Annotated[
    Path | None,
    typer.Option(
        "--resume", metavar="OLD.h5", help="Go on with a run that was cut off, from its trace; --trace holds all of it."
    ),
]


def sample_or_file(text: str, kind: Any) -> Path:
    """Return the path that an argument names: a file, or "sample:NAME" for a file that comes with xbar."""
    from xbar.samples import PREFIX, sample_file

    return sample_file(text, kind) if text.startswith(PREFIX) else Path(text)


def load_samples(text: str, samples: int | None) -> "Data":
    """Return the data that `--data` and `--samples` name."""
    from xbar.execution.data_file import load_data

    return load_data(sample_or_file(text, "data")).first(samples)


def flush_seconds(text: str | None) -> float | None:
    """Return seconds between flushes: 0 for "every", a number of seconds otherwise; None stays None."""
    if text is None:
        return None
    if text == "every":
        return 0.0
    try:
        value = float(text.removesuffix("s"))
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise InputError(f"flush {text!r} is neither 'every' nor a number of seconds, for example 0.25")
    return value


def seconds(text: str | None) -> float | None:
    """Return a time such as "1 day" in seconds, 0 or more; None stays None."""
    from xbar.units import parse

    if text is None:
        return None
    value = parse(text, "s")
    if value < 0:
        raise InputError(f"time {text!r} lies before programming; give a time of 0 s or more")
    return value


def kelvin(text: str | None) -> float | None:
    """Return a temperature such as "350 K" in kelvin; None stays None."""
    from xbar.units import parse

    return None if text is None else parse(text, "K")


def converter_options(dac_bits: int | None, adc_bits: int | None, file: Path | None) -> dict[str, Any]:
    """Return run settings of the converters: those of the file, with bits of the command line before its own."""
    from xbar.bench.converter_section import load_converters

    found = {} if file is None else load_converters(file)
    return found | {name: n for name, n in (("dac_bits", dac_bits), ("adc_bits", adc_bits)) if n is not None}


def recalibration_options(samples: str | None, by: str | None) -> dict[str, Any]:
    """Return run settings of the recalibration: samples that a file or "sample:NAME" holds, and what is fitted."""
    from xbar.execution.data_file import load_data

    if samples is not None:
        inputs = load_data(sample_or_file(samples, "calibration")).inputs
        return {"recalibration": inputs, "recalibrate_by": by or "products"}
    if by is not None:
        raise InputError(f"--recalibrate-by {by} needs samples; name them with --recalibrate")
    return {}


def size(text: str) -> tuple[int, int]:
    """Return the word lines and bit lines of "128x128"; both at least 1 and at most 8192."""
    match = re.fullmatch(r"\s*(\d{1,9})\s*[xX]\s*(\d{1,9})\s*", text)
    if match is None:
        raise InputError(f"size {text!r} is not of the form ROWSxCOLUMNS, for example 128x128")
    rows, cols = int(match[1]), int(match[2])
    if not (1 <= rows <= 8192 and 1 <= cols <= 8192):
        raise InputError(f"size {rows} x {cols}: word lines and bit lines must be 1 to 8192")
    return rows, cols


def settings(**values: Any) -> "RunSettings":
    """Return run settings; the trace path is made a path."""
    from xbar.execution.run_settings import RunSettings

    return RunSettings(**values)
