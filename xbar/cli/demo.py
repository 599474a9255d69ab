"""`xbar demo`: the main job on what comes with xbar, from the network to the figure."""

import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xbar.cli.options import Json, Seed
from xbar.cli.output import note, print_json, progress

if TYPE_CHECKING:
    from xbar.execution.results import RunResult

BUDGET_SAMPLES = 200
"""Images of the error budget."""


def demo(
    folder: Annotated[
        Path | None,
        typer.Argument(help="Folder for map, trace and figure [xbar-demo, then xbar-demo-2, ...].", show_default=False),
    ] = None,
    sample: Annotated[str, typer.Option("--sample", help="fashion-mnist or digits.")] = "fashion-mnist",
    card: Annotated[str, typer.Option("--card", help="Device card.")] = "pcm",
    seed: Seed = None,
    budget: Annotated[
        bool, typer.Option("--budget/--no-budget", help="Also measure where the error comes from.")
    ] = True,
    json: Json = False,
) -> None:
    """Map a trained network, run it on the simulated array, show what that costs; write map, trace and figure."""
    from xbar.cli.budget import print_budget
    from xbar.cli.run import print_result
    from xbar.devices.card_file import load_card
    from xbar.execution.error_budget import error_budget
    from xbar.figures.draw import draw
    from xbar.figures.run_figure import run_figure
    from xbar.figures.saving import save
    from xbar.samples import sample as shipped

    # A name that is wrong is told before a folder is made.
    load_card(card)
    shipped(sample)
    where = _new_folder(folder)
    note("compiling the kernels (once), mapping and running; this takes a few seconds")
    started = time.perf_counter()
    mapped, data, result = _main_job(sample, card, seed, where)
    main_job = time.perf_counter() - started
    costs = None
    if budget:
        some = data.first(min(BUDGET_SAMPLES, len(data.labels)))
        with progress() as shown:
            costs = error_budget(mapped, some.inputs, some.labels, settings=_settings(seed), progress=shown)
    figure = run_figure(result, costs, title=f"{sample} on {card} arrays")
    save(figure, where / "demo.png")
    save(draw(where / "trace.h5"), where / "arrays.png")
    if json:
        values = result.to_dict() | {"main_job_s": main_job, "folder": str(where)}
        print_json(values if costs is None else values | {"budget": costs.to_dict()})
        return
    print_result(result)
    if costs is not None:
        print_budget(costs)
    print(f"main job (map, program, run, trace): {main_job:.1f} s\n")
    print(_what_next(where, sample, card))


def _main_job(sample: str, card: str, seed: int | None, where: Path) -> tuple[Any, Any, "RunResult"]:
    from xbar.devices.card_file import load_card
    from xbar.execution.data_file import load_data
    from xbar.execution.run_network import run_network
    from xbar.mapping.map_file import save_map
    from xbar.mapping.map_network import map_network
    from xbar.network.network import load_network
    from xbar.samples import sample as shipped

    files = shipped(sample)
    network = load_network(files.model)
    calibration = load_data(files.calibration).inputs
    mapped = map_network(network, load_card(card), calibration=calibration)
    save_map(mapped, where / "mapped.h5")
    data = load_data(files.data)
    with progress() as shown:
        result = run_network(
            mapped, data.inputs, data.labels, settings=_settings(seed, where / "trace.h5"), progress=shown
        )
    return mapped, data, result


def _settings(seed: int | None, trace: Path | None = None) -> Any:
    from xbar.cli.options import settings

    # Read back only where a trace keeps it: the figure of the arrays shows programmed against target.
    return settings(seed=seed, trace=trace, read_back=trace is not None)


def _new_folder(folder: Path | None) -> Path:
    """Return a folder that this demo may write to: a new one, unless one was named."""
    from xbar.errors import FileError

    number = 1
    chosen = folder or Path("xbar-demo")
    while folder is None and chosen.exists():
        number += 1
        chosen = Path(f"xbar-demo-{number}")
    try:
        chosen.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"folder {chosen} cannot be made: {error.strerror or error}; name another one") from error
    taken = [name for name in ("mapped.h5", "trace.h5", "demo.png", "arrays.png") if (chosen / name).exists()]
    if taken:
        raise FileError(f"folder {chosen} holds {', '.join(taken)} already; name another folder, or move them away")
    return chosen


def _what_next(where: Path, sample: str, card: str) -> str:
    # Started by scripts/demo.py the command is not on the path: then name the Python that has it.
    xbar = "xbar" if shutil.which("xbar") else f"{sys.executable} -m xbar"
    return f"""in {where}:
  mapped.h5  the network as conductances on tiles
  trace.h5   every operation on the array, which replays without the simulator
  demo.png   layer errors, outputs against the digital network, error budget
  arrays.png target, read and programmed conductances of one array, output codes

next:
  {xbar} replay {where / "trace.h5"}
  {xbar} run {where / "mapped.h5"} --data sample:{sample} --at "1 day" --compensate global
  {xbar} plot {where / "mapped.h5"} -o {where / "map.png"}
  {xbar} map YOUR.onnx --card {card} --calibrate DATA.npz -o yours.h5"""
