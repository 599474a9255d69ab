"""What files of arc2control do not say."""

from collections import Counter
from collections.abc import Sequence

from xbar.trace.foreign.source import Missing
from xbar.units import show

NOT = "not in the file"


def missing_quantities(
    compliance: float, *, cells: int, left_out: int, from_raster: int, square: bool, experiments: Sequence[str]
) -> list[Missing]:
    """Return what was missing in a file; `experiments` are the names of the modules' own tables."""
    found = [
        Missing("time of readings", NOT, "NaN; the bench clock of operations stands at 0 s"),
        Missing("time of day of operations", NOT, "time of the import"),
        Missing("order of cells", "each cell's own order only", f"{cells} cells one after another, by word, then bit"),
        Missing("units", NOT, "A, V and s, as arc2control's source has them"),
        Missing("status flags", NOT, "0"),
        Missing("measured voltage", NOT, "NaN"),
        Missing("current range", NOT, "NaN"),
        Missing("compliance", NOT, f"pulses: {show(compliance, 'A')}, the largest current of the file; reads: none"),
        Missing("edges of pulses", NOT, "0 s"),
        Missing("lines not selected", NOT, "ground"),
        Missing("direction of the voltage", NOT, "signs as in the file; word line as row, bit line as column"),
        Missing("instrument, limits", NOT, "limits are the largest voltage and current of the file"),
    ]
    if left_out:
        found.append(
            Missing(
                "readings or pulses", f"{left_out} rows of unknown type, without voltage or pulse width", "left out"
            )
        )
    if from_raster:
        found.append(
            Missing(
                "history", f"{from_raster} cells: last reading in the raster alone", "reads at the end of the trace"
            )
        )
    if not square:
        found.append(Missing("raster", "not square: arc2control 0.2 does not fill it right", "left out"))
    if experiments:
        kinds = Counter(name.partition("_")[0] for name in experiments)
        named = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(8))
        found.append(
            Missing(
                "tables of modules",
                f"{named}",
                "left out; the history holds their readings, except what a module "
                "did not send there. Their names and times are in the provenance",
            )
        )
    if any(name.startswith("CT_") for name in experiments):
        found.append(
            Missing(
                "pulse width of the curve tracer",
                "the time between pulses stands in its place",
                "staircases (0) are sweeps; others have that time as width",
            )
        )
    return found
