"""Make the tables of docs/explanation/converters.md: what converters with errors cost the shipped networks.

python scripts/converters_table.py            # prints the table (about five minutes on two cores)
python scripts/converters_table.py --write    # writes it between the marks of the page, and draws the figure
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import xbar
from xbar.errors import XbarError
from xbar.execution.error_budget import mean_snr
from xbar.periphery.real_converters import EFFECTS

PAGE = Path(__file__).resolve().parents[1] / "docs" / "explanation" / "converters.md"
FIGURE = "recalibration.svg"
COMMAND = "python scripts/converters_table.py"
IMAGES, CHIPS = 250, 3
NETWORKS = {"digits": "digits MLP", "fashion-mnist": "ResNet-8"}
ONLY = ("dac", "adc", *EFFECTS)
"""Converters alone: cells are what was asked for."""

Settings = dict[str, Any]
CASES: dict[str, Settings] = {
    "ideal, 8 bits": {},
    "DAC of 4 bits": {"dac_bits": 4},
    "ADC of 6 bits": {"adc_bits": 6},
    "ADC gain 5 % between columns": {"converters": {"adc": {"gain_sigma": 0.05}}},
    "ADC offset 4 LSB between columns": {"converters": {"adc": {"offset_sigma": 4.0}}},
    "ADC gain 25 % and offset 4 LSB": {"converters": {"adc": {"gain_sigma": 0.25, "offset_sigma": 4.0}}},
    "ADC noise 0.5 LSB": {"converters": {"adc": {"noise": 0.5}}},
    "ADC steps 0.2 LSB": {"converters": {"adc": {"dnl_sigma": 0.2}}},
    "SAR, unit capacitor 2 %": {"converters": {"adc": {"model": "sar", "unit_capacitor_sigma": 0.02}}},
    "SAR, unit capacitor 15 %": {"converters": {"adc": {"model": "sar", "unit_capacitor_sigma": 0.15}}},
    "ramp, slope 2 %, bow 2 LSB": {"converters": {"adc": {"model": "ramp", "slope_sigma": 0.02, "curvature": 2.0}}},
    "pipeline, stage gain 2 %": {"converters": {"adc": {"model": "pipeline", "stage_gain_sigma": 0.02}}},
    "DAC gain 2 % between rows": {"converters": {"dac": {"gain_sigma": 0.02}}},
    "DAC steps 0.3 LSB": {"converters": {"dac": {"dnl_sigma": 0.3}}},
    "sense amplifier 72 % settled": {"converters": {"sense": {"bandwidth": 2e6, "time": 1e-7}}},
    "bit-serial, sign-magnitude": {"converters": {"bit_serial": "sign-magnitude"}},
    "the same, range x 2": {"converters": {"bit_serial": "sign-magnitude", "range_factor": 2.0}},
    "the same, range x 8": {"converters": {"bit_serial": "sign-magnitude", "range_factor": 8.0}},
}


class Network:
    """A shipped network with its samples, mapped for ranges from its calibration samples."""

    def __init__(self, name: str, images: int) -> None:
        files = xbar.sample(name)
        with np.load(files.data) as data, np.load(files.calibration) as calibration:
            self.x, self.y = data["x"][:images], data["y"][:images]
            self.shown: NDArray[Any] = calibration["x"]
        self.mapped = xbar.map_network(
            xbar.load_network(files.model), xbar.load_card("pcm"), calibration=self.shown[:IMAGES]
        )

    def run(self, seed: int, how: Settings, recalibrate: bool = False) -> "xbar.RunResult":
        """Return a run of one chip."""
        shown = {self.mapped.network.inputs[0].name: self.shown[:IMAGES]} if recalibrate else None
        settings = xbar.RunSettings(only=ONLY, seed=seed, recalibration=shown, **how)
        return xbar.run_network(self.mapped, self.x, self.y, settings=settings)


def main() -> None:
    """Print or write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=IMAGES, help="images of each network")
    parser.add_argument("--chips", type=int, default=CHIPS, help="chips for each figure")
    parser.add_argument("--write", action="store_true", help="write the page and its figure instead of printing")
    chosen = parser.parse_args()
    networks = {title: Network(name, chosen.images) for name, title in NETWORKS.items()}
    text = table(networks, chosen.chips)
    if not chosen.write:
        print(text)
        return
    page = PAGE.read_text(encoding="utf-8")
    before, middle, rest = page.partition("<!-- costs -->\n")
    after = rest[rest.index("<!-- end of costs -->") :]
    PAGE.write_text(before + middle + "\n" + text + "\n\n" + after, encoding="utf-8", newline="\n")
    draw(networks["digits MLP"], PAGE.with_name(FIGURE), chosen.chips)


def table(networks: dict[str, Network], chips: int) -> str:
    """Return the table of accuracy and mean layer error, as it is and after recalibration."""
    head = "".join(f" {title} | layers [dB] | recalibrated | layers [dB] |" for title in networks)
    rows = [f"| converters |{head} ADC clipped |", "| --- " * (2 + 4 * len(networks)) + "|"]
    for name, how in CASES.items():
        cells, clipped = [], 0.0
        for network in networks.values():
            for recalibrate in (False, True):
                runs = [network.run(seed, how, recalibrate) for seed in range(chips if drawn(how) else 1)]
                cells += [accuracy(runs), f"{np.mean([mean_snr(run) for run in runs]):.1f}"]
                clipped = max([clipped, *(layer.output_share for run in runs for layer in run.clipped)])
        rows.append(f"| {name} | " + " | ".join(cells) + f" | {clipped:.2%} |")
    return "\n".join(rows)


def drawn(how: Settings) -> bool:
    """Return whether anything about these converters differs from chip to chip."""
    parts = [part for part in how.get("converters", {}).values() if isinstance(part, dict)]
    return any(name.endswith("sigma") or name == "noise" for part in parts for name in part)


def accuracy(runs: "list[xbar.RunResult]") -> str:
    """Return the mean accuracy over chips and, where they differ, its spread."""
    found = [run.accuracy.analog for run in runs if run.accuracy is not None]
    return f"{np.mean(found):.1%}" + (f" ± {100 * np.std(found, ddof=1):.1f}" if len(set(found)) > 1 else "")


def draw(network: Network, path: Path, chips: int) -> None:
    """Draw the mean layer error against the spread of column gains, before and after recalibration."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    sigmas = np.array([0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3])
    figure = Figure(figsize=(6.4, 3.2), layout="constrained")
    axes = figure.subplots(1, 2, sharey=True)
    for axis, key, factor, label in zip(
        axes, ("gain_sigma", "offset_sigma"), (1.0, 40.0), ("gain error [%]", "offset error [LSB]"), strict=True
    ):
        for recalibrate, title, mark in ((False, "as it is", "o-"), (True, "recalibrated", "s-")):
            errors = [{"converters": {"adc": {key: float(sigma * factor)}}} for sigma in sigmas]
            levels = [[mean_snr(network.run(seed, how, recalibrate)) for seed in range(chips)] for how in errors]
            scale = 100 if key == "gain_sigma" else factor
            axis.plot(sigmas * scale, np.mean(levels, axis=1), mark, label=title)
        axis.set_xlabel(f"{label}, between columns")
    axes[0].set_ylabel("layer error, signal to error [dB]")
    axes[0].legend()
    with mpl.rc_context({"svg.hashsalt": "xbar", "svg.fonttype": "none"}):
        figure.savefig(path, format="svg", metadata={"Date": None})


if __name__ == "__main__":
    try:
        main()
    except XbarError as error:
        raise SystemExit(f"converters_table: {error}") from error
