"""The instruments of a rack, connected: who they are, what they are wired as, how they are switched off."""

import hashlib
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from xbar.bench.driver import Unsafe
from xbar.bench.lock import ResourceLock
from xbar.errors import DriverError, FormatError
from xbar_drivers.instruments.roles import Instrument, Matrix, Source, SourceInstrument
from xbar_drivers.instruments.session import Session
from xbar_drivers.rack.instrument_models import MATRICES, SOURCES, make_matrix
from xbar_drivers.rack.rack_file import RackFile, RackInstrument

EMULATED = "XBAR"
"""Serial numbers of served instruments begin so."""

Connect = Callable[[RackInstrument], Session]
"""Connects to an instrument."""


@dataclass(frozen=True)
class InstrumentIdentity:
    """Who answered."""

    name: str
    model: str
    serial: str
    firmware: str
    address: str


def matrix_of(rack: RackFile) -> tuple[RackInstrument, type[Matrix]]:
    """Return the matrix of a rack and its class. Raises `FormatError` where there is not exactly one."""
    found = [part for part in rack.instruments if part.model in MATRICES]
    if len(found) != 1:
        raise FormatError(
            f"rack file {rack.path}: {len(found)} matrices; exactly one of {', '.join(MATRICES)} ties the sources to "
            "the lines"
        )
    return found[0], MATRICES[found[0].model]


def is_linked(rack: RackFile) -> bool:
    """Return whether all instruments of a rack's roles are on one TSP-Link, so that one script moves all of them."""
    roles = (rack.rack.drive, rack.rack.sense, *rack.rack.bias)
    parts = [matrix_of(rack)[0], *(rack.instrument(role.partition(".")[0]) for role in roles)]
    return all(part.node is not None for part in parts)


def lock_of(address: str) -> ResourceLock:
    """Return the lock of a resource: one process on this machine owns it."""
    digest = hashlib.sha256(address.encode()).hexdigest()[:16]
    return ResourceLock(Path(tempfile.gettempdir()) / f"xbar-{digest}.lock", f"instrument {address}")


class Connection:
    """A rack whose instruments answer. Sources are at 0 V, outputs off, relays open when it is made.

    Args:
        rack: what stands on it.
        connect: connects to an instrument.

    Raises:
        DriverError: an instrument does not answer, or is another than the file says.
        FileError: another process owns one of them.

    """

    def __init__(self, rack: RackFile, connect: Connect) -> None:
        self.rack, self._connect = rack, connect
        self._undo = ExitStack()
        self._sessions: dict[str, Session] = {}
        self._instruments: dict[str, Instrument] = {}
        self._meters: dict[str, SourceInstrument] = {}
        with ExitStack() as undo:
            undo.callback(self.close)
            part, _ = matrix_of(rack)
            roles = (rack.rack.drive, rack.rack.sense, *rack.rack.bias)
            self._linked = is_linked(rack)
            self._master = rack.instrument(rack.rack.drive.partition(".")[0])
            self.drive, self.sense, *bias = (self._channel(role) for role in roles)
            self.bias = tuple(bias)
            session, node = self._way_to(part)
            self.matrix = make_matrix(session, part, node)
            self._instruments[part.name] = self.matrix
            self.identities = tuple(self._identify(name) for name in self._instruments)
            for name in self._instruments:
                self._check_cards(name)
            left = self.safe_off()
            if left:
                raise DriverError(f"could not be brought to the safe state: {', '.join(left)}; switch it off by hand")
            self.found_errors = tuple(self.errors())
            """What stood in the error queues: of whoever used the rack before."""
            undo.pop_all()

    # ---- connecting

    def _way_to(self, part: RackInstrument) -> tuple[Session, int | None]:
        """Return the session of an instrument, and its node number where it is reached over the master's."""
        if self._linked and part.name != self._master.name:
            return self._session(self._master), part.node
        return self._session(part), None

    def _session(self, part: RackInstrument) -> Session:
        if part.name not in self._sessions:
            lock = lock_of(part.address)
            lock.acquire()
            self._undo.callback(lock.release)
            session = self._connect(part)
            self._undo.callback(session.close)
            self._sessions[part.name] = session
        return self._sessions[part.name]

    def _channel(self, role: str) -> Source:
        name, _, terminal = role.partition(".")
        part = self.rack.instrument(name)
        if part.model not in SOURCES:
            raise FormatError(
                f"rack file {self.rack.path}: {role}: model {part.model!r} is no source that the rack driver knows; "
                f"it knows {', '.join(SOURCES)}"
            )
        if name not in self._meters:
            session, node = self._way_to(part)
            self._meters[name] = self._instruments[name] = SOURCES[part.model](session, part, node)
        sources = self._meters[name].sources
        if terminal not in sources:
            raise FormatError(
                f"rack file {self.rack.path}: {role}: {name}, a {part.model}, has the sources "
                f"{', '.join(f'{name}.{known}' for known in sources) or 'none: name its cards'}"
            )
        return sources[terminal]

    def _identify(self, name: str) -> InstrumentIdentity:
        instrument, part = self._instruments[name], self.rack.instrument(name)
        model = instrument.model
        if not model.upper().startswith(part.model.upper()):
            raise DriverError(
                f"{name} at {instrument.session.address} says that it is a {model!r}, the rack file says "
                f"{part.model!r}; correct the file or the address"
            )
        return InstrumentIdentity(name, model, instrument.serial, instrument.firmware, part.address)

    def _check_cards(self, name: str) -> None:
        part, found = self.rack.instrument(name), self._instruments[name].cards()
        said = part.cards if found else ()
        padded = said + ("",) * (len(found) - len(said))
        for slot, (there, wanted) in enumerate(zip(found, padded, strict=True), 1):
            if wanted and there != wanted:
                raise DriverError(
                    f"{name}: slot {slot} holds {there or 'no card'!r}, the rack file says {wanted!r}; correct the "
                    "file or change the card"
                )

    # ---- what is on it

    @property
    def master(self) -> Instrument:
        """Get the instrument of the source that drives: scripts use its connection."""
        return self._instruments[self._master.name]

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        """Get all instruments, each once for each connection."""
        found = {id(instrument.session): instrument for instrument in reversed(self._instruments.values())}
        return tuple(found.values())

    @property
    def linked(self) -> bool:
        """Whether all instruments are on one TSP-Link, so that one script moves relays and sources."""
        return self._linked

    @property
    def sources(self) -> tuple[Source, ...]:
        """Get all sources, the driving one first."""
        return (self.drive, self.sense, *self.bias)

    @property
    def emulated(self) -> bool:
        """Whether served instruments answered. Raises `DriverError` where only some of them are."""
        served = {identity.serial.startswith(EMULATED) for identity in self.identities}
        if len(served) > 1:
            raise DriverError("some instruments of the rack are emulated and some are real; use one kind at a time")
        return served == {True}

    def errors(self) -> list[str]:
        """Drain all error queues."""
        return [text for instrument in self.instruments for text in instrument.errors()]

    # ---- the end

    def safe_off(self) -> Unsafe:
        """Set 0 V, switch outputs off, open relays, in that order; return what could not be. Never raises."""
        left: list[str] = []
        for instrument in self._instruments.values():
            # After a question that was broken off, its answer must not be taken for that of the next one.
            with suppress(Exception):
                instrument.get_in_step()
        zeroed = [(source.name, source.zero) for source in self.sources]
        off = [(f"output {source.name}", source.switch_off) for source in self.sources]
        relays = [(f"relays of {self.matrix.name}", self.matrix.open_all)]
        for name, act in (*zeroed, *off, *relays):
            try:
                act()
            except Exception:
                left.append(name)
        # An output that is off gives nothing, whatever its level is.
        return tuple(name for name in left if name.startswith(("output", "relays")))

    def close(self) -> None:
        """Disconnect and give the locks back; idempotent."""
        self._undo.close()
