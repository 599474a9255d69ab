"""Announcing served instruments by zeroconf (mDNS, DNS-SD), so that clients find them without being told."""

import socket
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

from xbar.errors import Unsupported
from xbar_drivers.emulated.visa_address import Transport, VisaAddress

SERVICES = {
    Transport.HISLIP: "_hislip._tcp.local.",
    Transport.VXI11: "_vxi-11._tcp.local.",
    Transport.SOCKET: "_scpi-raw._tcp.local.",
}
"""Service types (LXI device specification, 10.4.3)."""


class Announcement:
    """What is announced, until `close`.

    Args:
        served: (instrument, model, serial number, address) of everything that is served, with the real ports.

    Raises `Unsupported` where the package zeroconf is missing.

    """

    def __init__(self, served: Sequence[tuple[str, str, str, VisaAddress]]) -> None:
        try:
            import zeroconf
        except ImportError as error:
            raise Unsupported("announcing needs the package zeroconf: pip install zeroconf") from error
        hosts = sorted({socket.gethostbyname(address.host) for *_, address in served})
        self._zeroconf: Any = zeroconf.Zeroconf(interfaces=hosts)
        for name, model, serial, address in served:
            kind = SERVICES[address.transport]
            host = socket.gethostbyname(address.host)
            info = zeroconf.ServiceInfo(
                kind,
                f"xbar emulated {model} {serial} {name}.{kind}",
                addresses=[socket.inet_aton(host)],
                port=address.port,
                properties={
                    "txtvers": "1",
                    "Manufacturer": "xbar (emulated)",
                    "Model": model,
                    "SerialNumber": serial,
                    "Device": address.device,
                },
            )
            self._zeroconf.register_service(info, allow_name_change=True)

    def close(self) -> None:
        """Take everything back."""
        self._zeroconf.unregister_all_services()
        self._zeroconf.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
