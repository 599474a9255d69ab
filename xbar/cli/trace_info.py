"""`xbar trace info`: what a trace holds."""

from typing import Any

from xbar.cli.options import Json
from xbar.cli.output import print_json, print_table
from xbar.cli.trace_options import Timeout, TraceFile

SHOWN_ARRAYS = 8


def info(file: TraceFile, timeout: Timeout = None, json: Json = False) -> None:
    """Show what a trace holds: operations, times, who answered, where it comes from, what it carries."""
    from xbar.trace.summary import summarise

    values = summarise(file, timeout)
    if json:
        print_json(values)
    else:
        _print(values)


def _print(values: dict[str, Any]) -> None:
    from xbar.units import show

    rows = [[kind, str(count)] for kind, count in values["operations"].items()]
    print_table(f"{values['file']}, {values['size_bytes'] / 1e6:.1f} MB", ["operation", "count"], rows)
    print(_state(values))
    print(f"bench {values['bench']} ({values['address']}), card {values['card']}, seed {values['seed']}")
    print(f"arrays of {values['rows']} x {values['cols']}; {_arrays(values['arrays'])}")
    span = f"{values['first_operation']} to {values['last_operation']}" if values["first_operation"] else "none"
    print(f"started {values['started']}; operations {span}")
    print(f"bench time {show(values['bench_s'], 's')}, recorded at level {values['level']}, {values['errors']} errors")
    if isinstance(values.get("resumed"), dict):
        said = values["resumed"]
        print(f"resumed: the first {said.get('operations')} operations are those of {said.get('file')}")
    filled = {name: size for name, size in values["tables"].items() if size["values"]}
    largest = sorted(filled, key=lambda name: -filled[name]["bytes"])[:4]
    sizes = [f"{name} {filled[name]['values']} values, {filled[name]['bytes'] / 1e6:.2f} MB" for name in largest]
    print(f"tables {'; '.join(sizes) or 'are empty'}")
    carried = [f"{name} ({size / 1e6:.2f} MB)" for name, size in values["embedded"].items()]
    result = ", and a result" if values["result"] else ""
    print(f"carries {', '.join(carried) or 'no files'}{result}; command: {_command(values['command'])}")


def _state(values: dict[str, Any]) -> str:
    """Return in one line whether the trace is whole, and where and why it stops."""
    count = sum(values["operations"].values())
    if values["complete"]:
        return f"status {values['status']}, complete"
    stops = f"stops after {count} operations" + (f": {values['stops']}" if values["stops"] else "")
    if values["damaged"]:
        return f"damaged, {stops}; xbar trace recover keeps those before it"
    writer = {"running": "its writer runs", "gone": "its writer was killed"}.get(values["writer"], "it did not end")
    return f"status open, {writer}; {stops}"


def _arrays(arrays: dict[str, int]) -> str:
    """Return the arrays that were used and in how many operations, the first few of them."""
    shown = [f"{array} ({count})" for array, count in list(arrays.items())[:SHOWN_ARRAYS]]
    more = f" and {len(arrays) - SHOWN_ARRAYS} more" if len(arrays) > SHOWN_ARRAYS else ""
    return f"used, with operations: {', '.join(shown)}{more}" if shown else "none was used"


def _command(command: Any) -> str:
    return " ".join(map(str, command)) if isinstance(command, list) else str(command)
