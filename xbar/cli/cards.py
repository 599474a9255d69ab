"""`xbar cards`: the device cards there are."""

from typing import Annotated

import typer

from xbar.cli.options import Json
from xbar.cli.output import print_json, print_table
from xbar.units import show


def cards(
    card: Annotated[
        str | None, typer.Argument(help="Show this card: a name or a file .toml.", show_default=False)
    ] = None,
    json: Json = False,
) -> None:
    """List the device cards, or show one with its laws."""
    from xbar.devices.card_file import card_names, load_card

    found = [load_card(name) for name in (card_names() if card is None else (card,))]
    if json:
        print_json(
            [
                {
                    "name": c.name,
                    "title": c.title,
                    "source": c.source,
                    "g_min_S": c.g_min,
                    "g_max_S": c.g_max,
                    "effects": dict(c.effects()),
                }
                for c in found
            ]
        )
    elif card is None:
        rows = [
            [
                c.name,
                f"{show(c.g_min, 'S')} to {show(c.g_max, 'S')}",
                ", ".join(n for n, _ in c.effects()) or "none",
                c.title,
            ]
            for c in found
        ]
        print_table("", ["card", "range", "effects", "device"], rows)
    else:
        only = found[0]
        print(f"{only.name}: {only.title}\n{only.source}")
        print(f"range {show(only.g_min, 'S')} to {show(only.g_max, 'S')}, read at {show(only.read_voltage, 'V')}")
        print_table("", ["effect", "law and source"], [list(row) for row in only.effects()])
