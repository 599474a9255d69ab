"""`xbar budget`: what each effect costs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xbar.cli.options import (
    AdcBits,
    At,
    Batch,
    Card,
    Compensate,
    Converters,
    DacBits,
    DataFile,
    Device,
    Dtype,
    Iv,
    Json,
    Outside,
    Recalibrate,
    RecalibrateBy,
    Samples,
    Seed,
    Temperature,
    Threads,
    WireNoise,
    Wires,
    converter_options,
    kelvin,
    load_samples,
    recalibration_options,
    seconds,
    settings,
)
from xbar.cli.output import print_json, print_table, progress

if TYPE_CHECKING:
    from xbar.execution.error_budget import ErrorBudget
    from xbar.execution.results import RunResult


def budget(
    mapped_file: Annotated[Path, typer.Argument(metavar="MAPPED.h5", help="Map file, from xbar map.")],
    data: DataFile,
    seed: Seed = None,
    at: At = None,
    samples: Samples = None,
    batch: Batch = 100,
    dtype: Dtype = "float64",
    threads: Threads = None,
    device: Device = "cpu",
    card: Card = None,
    wires: Wires = None,
    wire_noise: WireNoise = None,
    iv: Iv = None,
    temperature: Temperature = None,
    outside: Outside = None,
    dac_bits: DacBits = None,
    adc_bits: AdcBits = None,
    converters: Converters = None,
    compensate: Compensate = "none",
    recalibrate: Recalibrate = None,
    recalibrate_by: RecalibrateBy = None,
    json: Json = False,
) -> None:
    """Show accuracy loss and layer error with each effect alone, and with each left out."""
    from xbar.execution.error_budget import error_budget
    from xbar.mapping.map_file import load_map

    values = {
        "seed": seed,
        "at": seconds(at),
        "batch": batch,
        "dtype": dtype,
        "threads": threads,
        "device": device,
        "card": card,
        "wires": wires,
        "wire_noise": wire_noise,
        "iv": iv,
        "temperature": kelvin(temperature),
        "outside": outside,
        **converter_options(dac_bits, adc_bits, converters),
        **recalibration_options(recalibrate, recalibrate_by),
    }
    how = settings(compensate=compensate, **values)
    mapped = load_map(mapped_file)
    found = load_samples(data, samples)
    with progress() as shown:
        result = error_budget(mapped, found.inputs, found.labels, settings=how, progress=shown)
    if json:
        print_json(result.to_dict())
    else:
        print_budget(result)


def print_budget(result: "ErrorBudget") -> None:
    """Print an error budget as a table."""
    rows = [[row.effect, *_figures(row.alone), *_figures(row.without)] for row in result.rows]
    rows.append(["(none / all)", *_figures(result.nothing), *_figures(result.everything)])
    title = f"error budget, {result.everything.samples} samples: accuracy difference in points, mean layer SNR"
    print_table(title, ["effect", "alone", "SNR [dB]", "left out", "SNR [dB]"], rows)


def _figures(result: "RunResult") -> tuple[str, str]:
    from xbar.execution.error_budget import mean_snr

    points = "" if result.accuracy is None else f"{100 * result.accuracy.difference:+.2f}"
    return points, f"{mean_snr(result):.1f}"
