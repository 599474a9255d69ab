"""Device cards whose numbers are known, and which no calibration sees: to measure how well it finds them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import xbar
from xbar.devices.card import DeviceCard
from xbar.devices.card_file import parse_card

RERAM: Final = """schema = "xbar-card/1"
name = "hidden_reram"
title = "ReRAM with a pulse law"
source = "Round numbers, not measured"
g_min = "20 uS"
g_max = "120 uS"
read_voltage = "0.2 V"
[programming_error]
kind = "constant"
sigma = "1.5 uS"
valid = ["0 uS", "150 uS"]
source = "Round number"
[read_noise]
kind = "proportional"
relative = 0.005
valid = ["0 uS", "150 uS"]
source = "Round number"
[pulse_response]
kind = "soft_bounds"
state_min = -1.0
state_max = 1.0
step = 0.12
step_spread = 0.25
lognormal = true
up_down = 0.2
up_down_spread = 0.04
state_min_spread = 0.1
state_max_spread = 0.08
step_noise = 0.2
write_noise = 0.15
source = "Round numbers"
[write]
kind = "threshold"
set_voltage = "1.2 V"
reset_voltage = "-1.4 V"
width = "1 us"
voltage_max = "2 V"
width_max = "1 ms"
set_threshold = "0.8 V"
reset_threshold = "-0.9 V"
source = "Round numbers"
"""

WIRED: Final = """schema = "xbar-card/1"
name = "hidden_wired"
title = "Non-linear cells, to stand behind wires"
source = "Round numbers, not measured"
g_min = "5 uS"
g_max = "100 uS"
read_voltage = "0.2 V"
[programming_error]
kind = "constant"
sigma = "0.8 uS"
valid = ["0 uS", "120 uS"]
source = "Round number"
[device_variation]
kind = "lognormal"
on = 0.03
off = 0.10
valid = ["0 uS", "120 uS"]
source = "Round numbers"
[read_noise]
kind = "proportional"
relative = 0.004
valid = ["0 uS", "120 uS"]
source = "Round number"
[stuck_cells]
kind = "independent"
off = 0.01
on = 0.005
source = "Round numbers"
[iv_nonlinearity]
kind = "sinh"
v0 = "0.35 V"
valid = ["0 uS", "120 uS"]
source = "Round number"
"""


PCM: Final = (
    ('coefficients = ["0.26348 uS", "1.9650 uS", "-1.1731 uS"]', 'coefficients = ["0.35 uS", "1.5 uS", "-0.7 uS"]'),
    ('t0 = "20 s"', 't0 = "30 s"'),
    ("slope = -0.0155, offset = 0.0244, low = 0.049", "slope = -0.018, offset = 0.033, low = 0.06"),
    ("slope = -0.0125, offset = -0.0059, low = 0.008", "slope = -0.010, offset = -0.002, low = 0.010"),
    ("coefficient = 0.0088", "coefficient = 0.011"),
    ("exponent = 0.65", "exponent = 0.6"),
    ("relative = 0.0175", "relative = 0.022"),
    ('name = "pcm"', 'name = "hidden_pcm"'),
)
"""What a perturbed card has instead of the shipped one's numbers."""


def perturbed_pcm() -> DeviceCard:
    """Return the shipped PCM card with other numbers."""
    text = xbar.load_card("pcm").text
    for old, new in PCM:
        assert old in text, old
        text = text.replace(old, new)
    return parse_card(text, "perturbed pcm")


@dataclass(frozen=True)
class Hidden:
    """A card, the wires behind which its cells stand, and what should come back."""

    card: DeviceCard
    truth: Mapping[str, Mapping[str, float]]
    """Parameters by "law kind", of polynomials with the number of coefficients."""
    wires: str | None = None


def hidden_cards() -> dict[str, Hidden]:
    """Return the cards by name."""
    return {
        "pcm": Hidden(
            xbar.load_card("pcm"),
            {
                "read_noise sqrt": {"relative": 0.0175},
                "flicker_noise accumulated": {"coefficient": 0.0088, "exponent": 0.65, "t0": 20.0},
                "programming_error polynomial 3": {"c0": 0.26348e-6, "c1": 1.9650e-6, "c2": -1.1731e-6},
                "drift power_law": {
                    "mean_offset": 0.0244,
                    "mean_slope": -0.0155,
                    "mean_floor": 0.049,
                    "spread_offset": -0.0059,
                    "spread_slope": -0.0125,
                    "spread_floor": 0.008,
                },
            },
        ),
        "reram": Hidden(
            parse_card(RERAM, "reram"),
            {
                "read_noise proportional": {"relative": 0.005},
                "programming_error constant 1": {"c0": 1.5e-6},
                "pulse_response soft_bounds": {
                    "step": 0.12,
                    "step_spread": 0.25,
                    "up_down": 0.2,
                    "up_down_spread": 0.04,
                    "state_min_spread": 0.1,
                    "state_max_spread": 0.08,
                    "lower_bound": 20e-6,
                    "upper_bound": 120e-6,
                    "step_noise": 0.2,
                    "write_noise": 0.15,
                },
            },
        ),
        "wired": Hidden(
            parse_card(WIRED, "wired"),
            {
                "wires segments": {"word": 2.0, "bit": 3.0},
                "read_noise proportional": {"relative": 0.004},
                "programming_error constant 1": {"c0": 0.8e-6},
                "device_variation lognormal": {"on": 0.03, "off": 0.10},
                "stuck_cells independent": {"off": 0.01, "on": 0.005},
                "iv_nonlinearity sinh": {"v0": 0.35},
            },
            wires="word=2 ohm, bit=3 ohm",
        ),
    }
