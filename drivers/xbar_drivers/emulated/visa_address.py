"""VISA resource strings of LAN instruments: which transport, which host, which port, which device."""

import re
from dataclasses import dataclass
from enum import StrEnum

from xbar.errors import FormatError

LOOPBACK = re.compile(r"127\.\d{1,3}\.\d{1,3}\.\d{1,3}|localhost")


class Transport(StrEnum):
    """How messages travel."""

    SOCKET = "raw socket"
    HISLIP = "HiSLIP"
    VXI11 = "VXI-11"


DEFAULT_PORT = {Transport.HISLIP: 4880, Transport.VXI11: 111}


@dataclass(frozen=True)
class VisaAddress:
    """One address."""

    transport: Transport
    host: str
    port: int
    """0: chosen by the system, where a server listens."""
    device: str
    """Sub-address, such as "hislip0", "inst0" or "gpib0,17"; empty for sockets."""

    @property
    def is_loopback(self) -> bool:
        """Whether only programs on this machine can reach it."""
        return LOOPBACK.fullmatch(self.host) is not None


_SOCKET = re.compile(r"TCPIP\d?::([\w.-]+)::(\d{1,5})::SOCKET", re.IGNORECASE)
_HISLIP = re.compile(r"TCPIP\d?::([\w.-]+)::(hislip\w*)(?:,(\d{1,5}))?(?:::INSTR)?", re.IGNORECASE)
_VXI11 = re.compile(r"TCPIP\d?::([\w.-]+)(?:,(\d{1,5}))?(?:::(inst\d+|gpib\d+,\d+))?::INSTR", re.IGNORECASE)


def parse_address(text: str) -> VisaAddress:
    """Return what a resource string says.

    Raises `FormatError` for anything but `TCPIP::host::port::SOCKET`, `TCPIP::host::hislip0[,port]::INSTR` and
    `TCPIP::host[,port][::inst0|::gpib0,17]::INSTR`.
    """
    if found := _SOCKET.fullmatch(text):
        return _checked(text, VisaAddress(Transport.SOCKET, found[1], int(found[2]), ""))
    if found := _HISLIP.fullmatch(text):
        port = int(found[3] or DEFAULT_PORT[Transport.HISLIP])
        return _checked(text, VisaAddress(Transport.HISLIP, found[1], port, found[2].lower()))
    if found := _VXI11.fullmatch(text):
        port = int(found[2] or DEFAULT_PORT[Transport.VXI11])
        return _checked(text, VisaAddress(Transport.VXI11, found[1], port, (found[3] or "inst0").lower()))
    raise FormatError(
        f"address {text[:60]!r} is not TCPIP::host::port::SOCKET, TCPIP::host::hislip0,port::INSTR or "
        "TCPIP::host,port::inst0::INSTR"
    )


def _checked(text: str, address: VisaAddress) -> VisaAddress:
    if address.port > 65535:
        raise FormatError(f"address {text!r}: port {address.port} must be 0 to 65535")
    return address
