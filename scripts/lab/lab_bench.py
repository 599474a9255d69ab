"""What the lab scripts share: arguments, the bench, the write before a measurement, the table, the figure."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

import xbar
from xbar.bench.bench import Bench
from xbar.bench.chip import open_chip
from xbar.bench.crossbar import Crossbar
from xbar.bench.settings import Unselected
from xbar.devices.card import DeviceCard
from xbar.devices.write_conditions import WriteConditions
from xbar.errors import InputError, XbarError
from xbar.figures.saving import check_figure_path, save
from xbar.programming.write_settings import WriteVerify
from xbar.programming.write_verify import write_verify
from xbar.units import parse, show


def arguments(text: str | None, card: str, size: str) -> argparse.ArgumentParser:
    """Return a parser with the options of every lab script; `card` and `size` are defaults of the simulated array."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", default="sim", help="sim, replay:TRACE.h5, or a bench file .toml [sim]")
    parser.add_argument("--card", default=card, help=f"device card: the simulated cells, nominal pulses [{card}]")
    parser.add_argument(
        "--size", type=numbers("x"), default=size, help=f"word lines x bit lines of the simulated array [{size}]"
    )
    parser.add_argument("--seed", type=int, default=0, help="number of the simulated chip, and of random patterns [0]")
    parser.add_argument("--chip", type=Path, help="file that keeps the cells from bench to bench (.h5)")
    parser.add_argument("--trace", type=Path, help="log every operation in this file (.h5); a rack needs it")
    parser.add_argument("--resume", type=Path, help="go on with what was cut off, from its trace (.h5), into --trace")
    parser.add_argument("--figure", type=Path, help="draw into this file (.png or .svg)")
    parser.add_argument("--yes", action="store_true", help="write real cells without asking")
    parser.add_argument("--force", action="store_true", help="rename a trace or figure of that name, do not refuse")
    return parser


def quantity(unit: str) -> Callable[[str], float]:
    """Return what reads an option such as "0.3 V"."""

    def read(text: str) -> float:
        try:
            return parse(text, unit)
        except InputError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read


def numbers(separator: str) -> Callable[[str], tuple[int, int]]:
    """Return what reads two numbers: "8x8" or "2,3"."""

    def read(text: str) -> tuple[int, int]:
        try:
            first, second = (int(part) for part in text.split(separator))
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not two numbers such as 4{separator}3") from None
        return first, second

    return read


def open_lab(args: argparse.Namespace) -> Bench:
    """Open the bench that the arguments name; card, size and seed are those of the simulated one alone."""
    if args.figure is not None:
        check_figure_path(args.figure, args.force)  # before anything is measured
    if args.bench != "sim":
        chip = None if args.bench.startswith("replay:") else args.chip
        return xbar.open_bench(args.bench, record=args.trace, resume=args.resume, force=args.force, chip=chip)
    kept = None if args.chip is None else open_chip(args.chip)
    options = {"card": args.card}
    if kept is None or kept.state is None:  # a chip that is kept knows its own size and seed
        options |= {"rows": args.size[0], "cols": args.size[1], "seed": args.seed}
    return xbar.open_bench("sim", record=args.trace, resume=args.resume, force=args.force, chip=kept, **options)


def write_pulses(card: DeviceCard) -> WriteConditions:
    """Return the nominal write pulses of a card; raises `InputError` where it names none."""
    if card.write is None:
        raise InputError(f"card {card.name!r} names no write pulses; choose one that does (see xbar cards: write)")
    return card.write


def offer_write(parser: argparse.ArgumentParser) -> None:
    """Add the options of `write_first`."""
    parser.add_argument("--write", choices=["once", "pulses", "none"], help="write the cells first, or leave them")
    parser.add_argument("--band", type=quantity("S"), help="with --write pulses: largest distance from a target")
    offer_pulses(parser)


def offer_pulses(parser: argparse.ArgumentParser) -> None:
    """Add the options of pulses: their width, and the lines that they do not use."""
    modes = [mode.value for mode in Unselected]
    parser.add_argument("--width", type=quantity("s"), help="of a pulse [by the card]")
    parser.add_argument("--unselected", choices=modes, default="half", help="other lines during a pulse [half]")


def confirm(args: argparse.Namespace, bench: Bench, what: str, largest: float, compliance: float) -> None:
    """Ask before real cells are written, unless `--yes` is given; raises `InputError` where the answer is no."""
    if not bench.capabilities.hardware or args.yes:
        return
    note(f"this moves real cells: {what}, up to {show(largest, 'V')} and {show(compliance, 'A')}; go on? [y/N]")
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise InputError("not confirmed; nothing was written. --yes goes on without asking")


def largest_voltage(settings: WriteVerify) -> float:
    """Return the largest amplitude of a write [V]."""
    return max(abs(settings.set.stop), abs(settings.reset.stop))


def write_first(args: argparse.Namespace, bench: Bench, crossbar: Crossbar, targets: NDArray[np.float64]) -> None:
    """Write targets `(rows, cols)` [S] as `--write` says; real cells are left alone unless it is given."""
    if args.write is None and bench.capabilities.hardware:
        raise InputError("these are real cells: say --write pulses, --write once, or --write none")
    if args.write == "pulses":
        card = xbar.load_card(args.card)
        settings = WriteVerify.for_device(
            write_pulses(card),
            args.band or 0.05 * (card.g_max - card.g_min),
            read=xbar.ReadConfig(voltage=card.read_voltage, repeat=4),
            width=args.width or write_pulses(card).width,
            unselected=Unselected(args.unselected),
        )
        what = f"{targets.size} cells, at most {settings.max_pulses} pulses each"
        confirm(args, bench, what, largest_voltage(settings), settings.current_limit)
        note(str(write_verify(crossbar, targets, settings)))
    elif args.write != "none":
        confirm(args, bench, f"{targets.size} cells in one shot", bench.limits.cell_voltage, bench.limits.current)
        crossbar.program(targets)


def note(text: str) -> None:
    """Print a remark beside the results."""
    print(text, file=sys.stderr)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table."""
    widths = [max(len(line[k]) for line in [columns, *rows]) for k in range(len(columns))]
    for line in [columns, *rows]:
        print("  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True)))


def finish(args: argparse.Namespace, figure: Figure) -> None:
    """Save the figure where one is wanted, and say what was written."""
    if args.figure is not None:
        note(f"wrote {save(figure, args.figure, args.force)}")
    if args.trace is not None:
        note(f"wrote {args.trace}")


def start(main: Callable[[], None]) -> None:
    """Run a script; an error of xbar is one line and its exit code."""
    try:
        main()
    except XbarError as error:
        note(f"{Path(sys.argv[0]).stem}: {error}")
        raise SystemExit(int(error.exit_code)) from error


def share(part: int, whole: int) -> str:
    """Return "7 of 8 (87.5 %)"."""
    return f"{part} of {whole} ({100 * part / whole:.1f} %)" if whole else "none"
