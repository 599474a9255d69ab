"""Raw sockets, HiSLIP and VXI-11: PyVISA as the client, concurrent clients, and clients that misbehave."""

import contextlib
import re
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import pyvisa
from pyvisa.constants import StatusCode
from pyvisa.errors import VisaIOError

from xbar_drivers.emulated.audit import FaultKind
from xbar_drivers.emulated.server import BenchServer

IDENTITY = "Keithley Instruments Inc., Model 2636B, XBAR0001, 3.2.2"


@pytest.fixture(scope="module")
def manager() -> Iterator[pyvisa.ResourceManager]:
    found = pyvisa.ResourceManager("@py")
    yield found
    found.close()


@pytest.fixture
def visa(bench: BenchServer, manager: pyvisa.ResourceManager, find_address: Any) -> Iterator[Callable[..., Any]]:
    opened: list[Any] = []

    def start(part: str, name: str = "smu", **options: Any) -> Any:
        kind = {"read_termination": "\n", "write_termination": "\n"} if part == "SOCKET" else {}
        opened.append(manager.open_resource(find_address(bench, name, part), **(kind | options)))
        return opened[-1]

    yield start
    for resource in opened:
        resource.close()


def port_of(address: str) -> int:
    found = re.search(r",(\d+)::|::(\d+)::SOCKET", address)
    assert found is not None
    return int(found[1] or found[2])


@pytest.mark.parametrize("part", ["SOCKET", "hislip", "inst0"])
def test_all_that_a_message_prints_arrives(visa: Any, part: str) -> None:
    """Line by line; on HiSLIP at once, as PyVISA-py finds nothing behind the end of an answer."""
    client = visa(part)
    client.write("for k = 1, 3 do print(k) end")
    lines = client.read().split()
    while len(lines) < 3:
        lines += client.read().split()
    assert [float(line) for line in lines] == [1, 2, 3]
    assert client.query("print(4)").strip() == "4.00000e+00"


@pytest.mark.parametrize("part", ["SOCKET", "hislip", "inst0"])
def test_questions_and_long_answers(visa: Any, part: str) -> None:
    """No terminators need to be set except on a raw socket; an answer of 200 kB arrives whole."""
    client = visa(part)
    assert client.query("*IDN?").strip() == IDENTITY
    assert len(client.query("print(string.rep('x', 200000))").strip()) == 200_000
    client.write("smua.source.levelv = 0.125")
    assert client.query("print(smua.source.levelv)").strip() == "1.25000e-01"
    assert client.query("reset() print(1)").strip() == "1.00000e+00"


@pytest.mark.parametrize("part", ["SOCKET", "hislip", "inst0"])
def test_binary_block_may_hold_any_byte(visa: Any, part: str) -> None:
    """A line end inside the block is data: sources of 3.2e-44 A have the byte 0x0a in their first place."""
    client = visa(part)
    client.write("buf = smua.makebuffer(10) smua.measure.count = 4 smua.measure.v(buf)")
    client.write("format.data = format.REAL32 printbuffer(1, 4, buf)")
    block = client.read_bytes(2 + 16 + 1)
    assert block[:2] == b"#0"
    assert block[-1:] == b"\n"
    assert client.query("reset() print(2)").strip() == "2.00000e+00"


@pytest.mark.parametrize("part", ["hislip", "inst0"])
def test_status_byte_and_device_clear(visa: Any, part: str) -> None:
    client = visa(part)
    client.write("*CLS")
    client.query("print(1)")
    assert client.read_stb() == 0
    client.write("garbage(")
    client.query("print(1)")
    assert client.read_stb() & 4
    client.clear()
    assert client.query("print(errorqueue.count)").strip() == "1.00000e+00"
    client.write("errorqueue.clear()")


def test_device_clear_stops_a_script(visa: Any) -> None:
    """HiSLIP: the clear arrives on the second channel while the first one's script runs."""
    client = visa("hislip")
    client.write("while true do pcall(function() x = smua.source.levelv end) end")
    start = time.monotonic()
    client.clear()
    assert client.query("print(3)").strip() == "3.00000e+00"
    assert time.monotonic() - start < 5
    client.write("errorqueue.clear()")


def test_unknown_device_is_refused(bench: BenchServer, find_address: Any) -> None:
    """At once, so that no client waits: HiSLIP by a fatal error, VXI-11 by error 3, device not accessible."""
    with socket.create_connection(("127.0.0.1", port_of(find_address(bench, "smu", "hislip"))), timeout=5) as hislip:
        hislip.sendall(struct.pack("!2sBBIQ", b"HS", 0, 0, 0x01007878, 7) + b"hislip9")
        assert hislip.recv(16)[2] == 2
    with socket.create_connection(("127.0.0.1", port_of(find_address(bench, "smu", "inst0"))), timeout=5) as vxi11:
        call = (
            struct.pack("!10I", 9, 0, 2, 0x0607AF, 1, 10, 0, 0, 0, 0) + struct.pack("!4I", 1, 0, 0, 5) + b"inst9\0\0\0"
        )
        vxi11.sendall(struct.pack("!I", 0x80000000 | len(call)) + call)
        reply = vxi11.recv(4096)
        assert struct.unpack("!I", reply[4 + 24 : 4 + 28]) == (3,)


def test_answer_that_was_not_read_is_discarded_on_vxi_11(visa: Any) -> None:
    client = visa("inst0")
    client.write("print(1)")
    assert client.query("print(2)").strip() == "2.00000e+00"


def test_query_without_answer_times_out(visa: Any) -> None:
    for part in ("SOCKET", "inst0", "hislip"):
        client = visa(part, timeout=150)
        with pytest.raises(VisaIOError) as caught:
            client.query("garbage(")
        assert caught.value.error_code == StatusCode.error_timeout
        client.timeout = 5000
        assert client.query("errorqueue.clear() print(4)").strip() == "4.00000e+00"


def test_exclusive_lock_keeps_the_other_client_out(visa: Any) -> None:
    first, second = visa("inst0"), visa("inst0", timeout=200)
    first.lock_excl()
    with pytest.raises(VisaIOError):
        second.query("*IDN?")
    first.unlock()
    assert second.query("*IDN?").strip() == IDENTITY


def test_every_client_gets_its_own_answers(bench: BenchServer, client_class: Any, find_address: Any) -> None:
    """Five clients of one instrument at once, 60 questions each."""
    wrong: list[str] = []

    def ask(number: int) -> None:
        with client_class(find_address(bench, "smu", "SOCKET")) as client:
            for k in range(60):
                answer = client.ask(f"print({number * 1000 + k})")
                if float(answer) != number * 1000 + k:
                    wrong.append(answer)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(1, 6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert wrong == []


def test_two_hundred_connections(bench: BenchServer, client_class: Any, find_address: Any) -> None:
    clients = [client_class(find_address(bench, "smu", "SOCKET")) for _ in range(200)]
    try:
        clients[0].write("print(5)")
        assert clients[0].read() == "5.00000e+00"
        assert clients[199].ask("*OPC?") == "1"
    finally:
        for client in clients:
            client.close()


RUBBISH = [b"\x00" * 100, b"GET / HTTP/1.1\r\n\r\n", bytes(range(256)) * 20, b"HS" + b"\xff" * 14, b"\xff" * 64]


@pytest.mark.parametrize("part", ["hislip", "inst0", "SOCKET"])
@pytest.mark.parametrize("data", RUBBISH)
def test_rubbish_ends_one_connection_only(
    bench: BenchServer, find_address: Any, smu: Any, part: str, data: bytes
) -> None:
    connection = socket.create_connection(("127.0.0.1", port_of(find_address(bench, "smu", part))), timeout=5)
    # The server may end the connection before it has taken everything.
    with connection, contextlib.suppress(OSError):
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass
    smu.write("errorqueue.clear()")
    assert smu.ask("print(6)") == "6.00000e+00"


def test_half_open_handshake_does_not_block_others(bench: BenchServer, find_address: Any, visa: Any) -> None:
    port = port_of(find_address(bench, "smu", "hislip"))
    header = struct.Struct("!2sBBIQ")
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(header.pack(b"HS", 0, 0, 0x01007878, 7) + b"hislip0")
        assert connection.recv(16)[:3] == b"HS\x01"
        assert visa("hislip").query("*IDN?").strip() == IDENTITY
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(header.pack(b"HS", 17, 0, 60000, 0))
        assert connection.recv(16)[2] == 2


def test_service_request_reaches_a_client_that_takes_it(bench: BenchServer, find_address: Any) -> None:
    """A HiSLIP client that is not PyVISA-py: the asynchronous channel brings the status byte unasked."""
    header = struct.Struct("!2sBBIQ")
    port = port_of(find_address(bench, "smu", "hislip"))

    def take(connection: socket.socket) -> tuple[int, int, bytes]:
        _, kind, control, _, size = header.unpack(exactly(connection, 16))
        return kind, control, exactly(connection, size)

    def exactly(connection: socket.socket, size: int) -> bytes:
        data = b""
        while len(data) < size:
            data += connection.recv(size - len(data))
        return data

    sync = socket.create_connection(("127.0.0.1", port), timeout=5)
    channel = socket.create_connection(("127.0.0.1", port), timeout=5)
    with sync, channel:
        sync.sendall(header.pack(b"HS", 0, 0, 0x01004E49, 7) + b"hislip0")
        _, _, _, parameter, _ = header.unpack(exactly(sync, 16))
        channel.sendall(header.pack(b"HS", 17, 0, parameter & 0xFFFF, 0))
        assert take(channel)[0] == 18
        for number, text in enumerate((b"*CLS", b"*SRE 4", b"garbage(")):
            sync.sendall(header.pack(b"HS", 7, 0, 0xFFFFFF00 + 2 * number, len(text)) + text)
        kind, status, _ = take(channel)
        assert kind == 20
        assert status & 0x44 == 0x44
        # Asked again before the answer was read: both channels tell that it is lost.
        for number in (4, 5):
            text = b"errorqueue.clear()" if number == 5 else b"print(1)"
            sync.sendall(header.pack(b"HS", 7, 0, 0xFFFFFF00 + 2 * number, len(text)) + text)
        assert [take(sync)[0] for _ in range(2)] == [7, 13]
        assert take(channel)[0] == 14
    bench.instruments["smu"].errors.clear()
    bench.instruments["smu"].status.service_enable = 0


@pytest.mark.parametrize("part", ["SOCKET", "hislip", "inst0"])
def test_overlong_messages_are_refused(bench: BenchServer, visa: Any, part: str) -> None:
    """Two megabytes without an end: nothing is executed, the error is told, the next message works."""
    client = visa(part, timeout=20000)
    client.write("errorqueue.clear()")
    client.write("x = '" + "y" * 2_100_000 + "'")
    client.write("")
    if part == "inst0":
        return  # PyVISA-py sends no more than the server takes at once
    assert client.query("print(errorqueue.next())").startswith("-3.63000e+02\tInput buffer overrun")
    assert any(fault.kind == FaultKind.HOSTILE for fault in bench.audit.faults)


def test_write_then_ask_does_not_wait_for_acknowledgement(bench: BenchServer, visa: Any) -> None:
    """PyVISA-py never sets TCP_NODELAY: without the server's quick acknowledgement each pair costs 40 ms."""
    if not hasattr(socket, "TCP_QUICKACK"):
        pytest.skip("this system has no TCP_QUICKACK")
    client = visa("SOCKET")
    client.query("print(1)")
    times = []
    for _ in range(15):
        start = time.perf_counter()
        client.write("*CLS")
        client.query("*OPC?")
        times.append(time.perf_counter() - start)
    assert sorted(times)[7] < 0.03


def test_service_request_by_the_interrupt_channel(bench: BenchServer, find_address: Any) -> None:
    """VXI-11: the server calls back to where the client listens, with the handle that it gave."""

    def text(value: bytes) -> bytes:
        return struct.pack("!I", len(value)) + value + bytes(-len(value) % 4)

    def record(connection: socket.socket) -> bytes:
        size = struct.unpack("!I", exactly(connection, 4))[0] & 0x7FFFFFFF
        return exactly(connection, size)

    def exactly(connection: socket.socket, size: int) -> bytes:
        data = b""
        while len(data) < size:
            data += connection.recv(size - len(data))
        return data

    def call(connection: socket.socket, procedure: int, parameters: bytes) -> bytes:
        data = struct.pack("!10I", 7, 0, 2, 0x0607AF, 1, procedure, 0, 0, 0, 0) + parameters
        connection.sendall(struct.pack("!I", 0x80000000 | len(data)) + data)
        return record(connection)[24:]

    port = port_of(find_address(bench, "smu", "inst0"))
    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        socket.create_connection(("127.0.0.1", port), timeout=5) as client,
    ):
        listening.settimeout(5)
        error, link, _, _ = struct.unpack("!4I", call(client, 10, struct.pack("!3I", 1, 0, 0) + text(b"inst0")))
        assert error == 0
        here = struct.unpack("!I", socket.inet_aton("127.0.0.1"))[0]
        elsewhere = struct.unpack("!I", socket.inet_aton("192.0.2.1"))[0]
        where = struct.pack("!4I", listening.getsockname()[1], 0x0607B1, 1, 0)
        assert call(client, 25, struct.pack("!I", elsewhere) + where) == struct.pack("!I", 8)
        assert call(client, 25, struct.pack("!I", here) + where) == struct.pack("!I", 0)
        back, _ = listening.accept()
        with back:
            call(client, 20, struct.pack("!2I", link, 1) + text(b"my handle"))
            for message in (b"*CLS", b"*SRE 4", b"garbage("):
                call(client, 11, struct.pack("!4I", link, 1000, 0, 8) + text(message))
            request = record(back)
            assert struct.unpack("!6I", request[:24])[3:] == (0x0607B1, 1, 30)
            assert text(b"my handle") in request
        call(client, 23, struct.pack("!I", link))
    bench.instruments["smu"].errors.clear()
    bench.instruments["smu"].status.service_enable = 0


def test_a_channel_measures_and_steps_and_its_buffer_has_numbers(visa: Any) -> None:
    """rb[2] is rb.readings[2]; measureivandstep reads at the present level and then goes to the next."""
    client = visa("hislip")
    assert client.query("reset() print(smua.source.limiti, smua.source.limitv)").split() == [
        "1.00000e-01",
        "2.00000e+01",
    ]
    client.write("smua.source.levelv = 0.1 smua.source.output = 1")
    client.write("smua.nvbuffer1.clear() smua.measure.count = 2 smua.measure.v(smua.nvbuffer1) smua.measure.count = 1")
    found = client.query("print(smua.nvbuffer1[2], smua.nvbuffer1.readings[2], smua.nvbuffer1[3])")
    assert found.split() == ["1.00000e-01", "1.00000e-01", "nil"]
    stepped = client.query("_, v = smua.measureivandstep(0.3) print(v, smua.measurevandstep(0), smua.source.levelv)")
    assert [float(x) for x in stepped.split()] == pytest.approx([0.1, 0.3, 0.0], abs=1e-5)
    client.write("smua.source.output = 0")
