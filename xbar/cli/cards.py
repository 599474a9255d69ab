"""`xbar cards`: the device cards there are, what one says, and its figure."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xbar.cli.options import Force, Json
from xbar.cli.options import seconds as read_seconds
from xbar.cli.output import note, print_json, print_table
from xbar.errors import InputError
from xbar.units import MONTH, show

if TYPE_CHECKING:
    from xbar.devices.card import DeviceCard

TIMES = (1.0, 3600.0, 86400.0, MONTH)
"""Times of the table of a card [s]."""


def cards(
    action: Annotated[
        str | None, typer.Argument(metavar="show|plot", help="What to do with a card.", show_default=False)
    ] = None,
    card: Annotated[
        str | None, typer.Argument(metavar="CARD", help="A name or a file .toml.", show_default=False)
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Figure to write (.png or .svg).", show_default=False)
    ] = None,
    at: Annotated[
        str | None,
        typer.Option("--at", help="Show the card at this time since the write, such as '1 day'.", show_default=False),
    ] = None,
    force: Force = False,
    json: Json = False,
) -> None:
    """List the device cards, show one with its laws (cards show CARD), or draw it (cards plot CARD -o FIGURE)."""
    from xbar.devices.card_file import card_names, load_card

    if action not in (None, "show", "plot") and card is None:
        # A card alone is shown.
        action, card = "show", action
    if action is None:
        _refuse_options(output, at)
        _list([load_card(name) for name in card_names()], json)
    elif card is None or action not in ("show", "plot"):
        raise InputError(f"xbar cards {action}: name one card, for example xbar cards show pcm")
    elif action == "plot":
        _refuse_options(None, at)
        _plot(load_card(card), output, force)
    else:
        _refuse_options(output, None)
        _show(load_card(card), TIMES if at is None else (_time(at),), json)


def _refuse_options(output: Path | None, at: str | None) -> None:
    if output is not None:
        raise InputError(f"--output {output} is for xbar cards plot CARD")
    if at is not None:
        raise InputError(f"--at {at} is for xbar cards show CARD; figures show the whole time that is known")


def _time(text: str) -> float:
    value = read_seconds(text)
    return 0.0 if value is None else value


def _list(found: "list[DeviceCard]", json: bool) -> None:
    if json:
        print_json([_values(card) for card in found])
        return
    rows = [
        [c.name, f"{show(c.g_min, 'S')} to {show(c.g_max, 'S')}", ", ".join(n for n, _ in c.laws()) or "none", c.title]
        for c in found
    ]
    print_table("", ["card", "range", "laws", "device"], rows)


def _values(card: "DeviceCard") -> dict[str, Any]:
    return {
        "name": card.name,
        "title": card.title,
        "source": card.source,
        "g_min_S": card.g_min,
        "g_max_S": card.g_max,
        "read_voltage_V": card.read_voltage,
        "effects": dict(card.effects()),
        "laws": dict(card.laws()),
        "valid": {name: card.validity(name).describe() for name, _ in card.laws()},
    }


def _show(card: "DeviceCard", times: tuple[float, ...], json: bool) -> None:
    from xbar.devices.card_summary import levels, n_a, written

    g = levels(card)
    sigma = written(card, g)[1]
    after = [n_a(card, g, t) for t in times]
    if json:
        table = [
            {"target_S": float(g[k]), "write_sigma_S": float(sigma[k])}
            | {
                "after": [
                    {"time_s": t, "mean_S": float(mean[k]), "sigma_S": float(spread[k])}
                    for t, (mean, spread) in zip(times, after, strict=True)
                ]
            }
            for k in range(len(g))
        ]
        print_json([_values(card) | {"table": table}])
        return
    print(f"{card.name}: {card.title}\n{card.source}")
    print(f"range {show(card.g_min, 'S')} to {show(card.g_max, 'S')}, read at {show(card.read_voltage, 'V')}")
    laws = [[name, text, card.validity(name).describe() or "not stated"] for name, text in card.laws()]
    print_table("", ["law", "what it says, and its source", "valid"], laws)
    if not (card.relaxation or card.drift or card.retention):
        print("no law of time: what cells do after the write is not in this card")
        after, times = [], ()
    rows = [
        [show(float(g[k]), "S"), show(float(sigma[k]), "S", 3), *(_pair(m[k], s[k]) for m, s in after)]
        for k in range(len(g))
    ]
    print_table(
        "mean and standard deviation of cells, without the noise of the reading (n/a: beyond what was measured)",
        ["target", "write error", *(f"after {show(t, 's')}" for t in times)],
        rows,
    )


def _pair(mean: float, sigma: float) -> str:
    return "n/a" if mean != mean else f"{show(float(mean), 'S', 3)} ± {show(float(sigma), 'S', 3)}"


def _plot(card: "DeviceCard", output: Path | None, force: bool) -> None:
    from xbar.figures.card_figure import card_figure
    from xbar.figures.saving import check_figure_path, save

    if output is None:
        raise InputError(f"xbar cards plot {card.name}: name the figure with -o, for example -o {card.name}.png")
    check_figure_path(output, force)
    save(card_figure(card), output, force)
    note(f"wrote {output}")
