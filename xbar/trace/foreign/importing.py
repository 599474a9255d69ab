"""Bring a file of another program into a trace."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xbar.bench.capabilities import Capabilities, Identity
from xbar.bench.limits import Limits
from xbar.bench.operation import DriverHeader, Header, Operation
from xbar.bench.settings import Pulse, Unselected
from xbar.errors import FileError, FormatError, InputError, TraceWriteError, XbarError
from xbar.hdf5 import atomic_file, check_new_path, new_path, open_file, read_attribute
from xbar.trace.foreign.arc2control import Arc2ControlFile, is_arc2control
from xbar.trace.foreign.operations import Extent
from xbar.trace.foreign.qcodes_parameters import Roles
from xbar.trace.foreign.qcodes_run import QcodesRun, is_qcodes
from xbar.trace.foreign.source import Missing, Source
from xbar.trace.global_heap import check_global_heaps
from xbar.trace.recorder import TraceRecorder

EMBED_BYTES = 64 * 2**20
"""Texts of the foreign file travel with the trace up to this size, together [bytes]."""
EXPECTED = "expected is a file of arc2control (HDF5, form H5DS 0.2) or a run that QCoDeS exported as netCDF-4"
CLASSIC = b"CDF"
"""How files of netCDF-3 begin."""


@dataclass(frozen=True)
class Imported:
    """What an import brought."""

    format: str
    operations: int
    readings: int
    shape: tuple[int, int]
    """Word lines and bit lines."""
    missing: tuple[Missing, ...]
    """What the foreign file lacks, and what stands in the trace instead."""


def import_file(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    roles: Roles | None = None,
    force: bool = False,
) -> Imported:
    """Write the measurements of a foreign file into the new trace `target`, as operations on array 0.

    The provenance of the trace holds what the file says of its origin ("import", with name and SHA-256 of the file),
    and what was missing ("missing"). The identity of the bench begins with "imported:".

    Args:
        source: a file of arc2control, or a run that QCoDeS exported as netCDF.
        target: the trace to make.
        roles: which parameters of a QCoDeS run are voltage, current, cell and time.
        force: rename a file at `target` instead of refusing.

    Raises:
        FileError: `source` cannot be read, `target` exists or cannot be written; nothing stands there then.
        FormatError: `source` is of another kind or damaged.
        InputError: roles that do not fit, or are given for a file that has none.

    """
    path = check_new_path(target, force)
    if path.exists() and Path(source).exists() and path.samefile(source):
        raise InputError(f"{path} is the file to import; give the trace another name")
    with _opened(Path(source), roles) as found:
        # The head of a trace tells the ranges of its bench: the file is gone through twice.
        extent = Extent.of(found.operations(Pulse.current_limit))
        if not extent.operations:
            raise FormatError(f"{source} holds no reading with a voltage; there is nothing to import")
        compliance = extent.current or Pulse.current_limit
        missing = found.missing(compliance)
        embedded, missing = _bounded(dict(found.embedded), missing)
        provenance = {
            "import": {**_identity(Path(source)), "format": found.format, **found.provenance},
            "missing": [item.values() for item in missing],
            "sample": {"name": found.sample},
        }
        header = _header(found, extent, compliance)
        with atomic_file(path) as partial:
            partial.unlink(missing_ok=True)  # left by an import that was killed
            recorder = TraceRecorder(partial, provenance=provenance, embedded=embedded)
            try:
                _record(recorder, header, found.operations(compliance))
            except TraceWriteError as error:
                raise FileError(
                    f"trace {path} cannot be written ({error.__cause__ or error}); free space or choose another disk"
                ) from error
            new_path(path, force)
    return Imported(found.format, extent.operations, extent.readings, found.shape, tuple(missing))


def _record(recorder: TraceRecorder, header: Header, operations: Iterable[Operation]) -> None:
    """Write a whole trace; whatever happens, its file is closed."""
    recorder.start(header)
    try:
        for operation in operations:
            recorder.record(operation)
    except BaseException:
        with suppress(TraceWriteError):
            recorder.close("failed")
        raise
    recorder.close("ok")


@contextmanager
def _opened(path: Path, roles: Roles | None) -> Iterator[Source]:
    """Open a foreign file and give its source; what h5py makes of damage becomes a `FormatError`."""
    _refuse_classic(path)
    file, _ = open_file(path)
    try:
        check_global_heaps(path)
        yield _source(path, file, roles)
    except XbarError:
        raise
    except (OSError, RuntimeError, LookupError, ValueError, TypeError) as error:
        raise FormatError(f"{path} is damaged and cannot be read ({error}); take another copy of it") from error
    finally:
        file.close()


def _source(path: Path, file: Any, roles: Roles | None) -> Source:
    if is_arc2control(file):
        if roles is not None and roles != Roles():
            raise InputError(f"{path} is a file of arc2control: it says itself what is what; leave the roles out")
        return Arc2ControlFile(file)
    if is_qcodes(file):
        return QcodesRun(file, roles or Roles())
    if read_attribute(file, "xbar_schema") is not None:
        raise FormatError(f"{path} is a file of xbar already; {EXPECTED}")
    raise FormatError(f"{path} is an HDF5 file of another kind; {EXPECTED}")


def _refuse_classic(path: Path) -> None:
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except OSError:
        return  # `open_file` says what is wrong
    if head[:3] == CLASSIC and head[3:] in (b"\x01", b"\x02", b"\x05"):
        raise FormatError(f"{path} is netCDF-3; {EXPECTED} (nccopy -k netCDF-4 OLD.nc NEW.nc converts a copy)")


def _identity(path: Path) -> dict[str, Any]:
    """Return name, size and hash of the foreign file."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FileError(f"{path} cannot be read ({error.strerror}); check its permissions") from None
    return {"file": path.name, "bytes": path.stat().st_size, "sha256": digest}


def _bounded(embedded: dict[str, bytes], missing: list[Missing]) -> tuple[dict[str, bytes], list[Missing]]:
    """Return the texts that travel with the trace, and what is said of the others."""
    size = sum(len(text) for text in embedded.values())
    if size <= EMBED_BYTES:
        return embedded, missing
    told = Missing(", ".join(embedded), f"{size / 1e6:.0f} MB", "left out: more than 64 MiB are not embedded")
    return {}, [*missing, told]


def _header(source: Source, extent: Extent, compliance: float) -> Header:
    """Return the head of the trace: a bench that can do what the file shows, and nothing more."""
    rows, cols = source.shape
    capabilities = Capabilities(
        arrays=1,
        rows=rows,
        cols=cols,
        voltage_max=extent.voltage,
        current_max=compliance,
        native=extent.kinds,
        unselected=frozenset({Unselected.GROUND}),
    )
    name = source.format.split()[0].lower()
    identity = Identity("import", f"imported:{name}", firmware=source.format)
    driver = DriverHeader("", identity, capabilities, {"imported": source.format}, Limits.of(capabilities))
    return Header(f"imported:{name}", (driver,))
