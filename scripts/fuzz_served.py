"""Send broken messages to a served bench, as many as wanted, and see that it keeps serving.

    python scripts/fuzz_served.py [--messages 100000] [--seed 0] [--memory 600]

`xbar serve` runs in a process of its own, in an empty folder. One thread for each instrument sends lines made of pieces
of its language, cut, joined and filled with rubbish, in TSP also scripts that loop, allocate, and look for files and
processes; others open HiSLIP and VXI-11 connections and send frames that are none. Then a client that knows nothing of
all this measures a cell through every instrument.

Exit code 1 where an instrument does not answer, a message was lost, the audit tells a mistake of the emulation, a file
was made, or the server with its interpreters takes more than `--memory` MB.
"""

import argparse
import contextlib
import random
import re
import signal
import socket
import string
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

RACK = """schema = "xbar-rack/1"
time_scale = "fast"
array = { card = "yakopcic_nbsto", rows = 6, cols = 8, cells = "low", only = [] }
limits = { cell_voltage = "1 V", current = "1 mA" }
"""
MODELS = {
    "smu": "2636B",
    "switch": "3706A",
    "meter": "2450",
    "old": "2450",
    "analyzer": "B1500A",
    "b2902": "B2902A",
    "matrix": "B2201A",
}
MORE = {"switch": 'cards = ["3730"]\n', "old": 'language = "SCPI2400"\n'}
WIRES = """[wires]
"smu.a" = "switch.1.row1"
"smu.b" = "switch.1.row2"
"gnd" = ["switch.1.row3", "matrix.in12"]
"switch.1.col1-6" = "word0-5"
"switch.1.col7-14" = "bit0-7"
"meter.hi" = "matrix.in1"
"old.hi" = "matrix.in2"
"analyzer.1" = "matrix.in3"
"b2902.1" = "matrix.in4"
"matrix.out1-6" = "word0-5"
"matrix.out7-14" = "bit0-7"
"""

TSP = [
    "smua.source.levelv", "=", "0.3", "smub.measure.i()", "print(", ")", "smua.source.output=1",
    "for i=1,3 do", "end", "channel.close('1101')", "channel.exclusiveclose(", "node[2].", "smua.nvbuffer1",
    "printbuffer(1,9,", "x()", "delay(0.01)",
    "smua.trigger.source.listv({0,0.2})", "smua.trigger.initiate()", "reset()", "nil", "{", "}",
    "errorqueue.clear()", "string.rep('x',1e5)", "1e400", "-", "..", "'", '"', "[[", "--", "format.data=3",
    "setmetatable(_G,nil)", "coroutine.wrap(", "pcall(", "error({})", "smua.abort()", "*IDN?", "*TRG", "goto",
]  # fmt: skip
HOSTILE = [
    "os.execute('touch pwned')", "io.open('pwned','w')", "require('os').execute('touch pwned')",
    'load(\'os.execute("touch pwned")\')()', "dofile('/etc/passwd')", 'python.eval(\'open("pwned","w")\')',
    "while true do end", "local t={} while true do t[#t+1]=string.rep('y',1e6) end",
    "print(string.rep('x',1e9))", "string.rep('a',1e8):find(string.rep('a?',1e4)..'b')",
]  # fmt: skip
SCPI = [
    ":SOUR:VOLT", ":SENS:CURR:RANG", ":TRAC:DATA? 1,9", ":CLOS", "*STB?", ":SYST:ERR?", "INIT", ":OUTP ON",
    "*RST", "(@00101:01448)", "(@1,2)", "'x'", "1e999", "-0", ";", ",", " ", "?", ":", '"', "MAX", "#0",
    "#9999999999", "NaN", ":READ?", ":SOUR:SWE:VOLT:LIN 0,1,5", "*OPC?", ":FETC:ARR?", ":SOUR2:LIST:VOLT 0,1",
    ":TRIG:COUN", "*ESE 255",
]  # fmt: skip
FLEX = [
    "CN", "CL", "DV 1,0,", "TI", "TIV 1", "XE", "WV 1,1,0,0,", "0.5,5", "MM 2,1", "MT 0,0.001,3", "FMT",
    "*LRN? 33", "WSV", "1", "0.2", "-5", ",", ";", " ", "1e400", "ERRX?", "AV", "WT", "RI 1,", "*RST", "nan",
    "UNT?", "AB",
]  # fmt: skip
WORDS = {"smu": TSP, "switch": TSP, "meter": SCPI, "old": SCPI, "analyzer": FLEX, "b2902": SCPI, "matrix": SCPI}
BATCH = 40
PATIENCE = 60.0
"""How long an answer may take at the end, when everything before it is worked through [s]."""


def rack_text() -> str:
    """Return the rack file: every instrument by socket, HiSLIP and VXI-11."""
    parts = [RACK]
    for k, (name, model) in enumerate(MODELS.items()):
        addresses = (
            "TCPIP::127.0.0.1::0::SOCKET",
            f"TCPIP::127.0.0.1::hislip{k},0::INSTR",
            f"TCPIP::127.0.0.1,0::inst{k}::INSTR",
        )
        listed = ", ".join(f'"{address}"' for address in addresses)
        parts.append(f'[[instruments]]\nname = "{name}"\nmodel = "{model}"\naddress = [{listed}]\n{MORE.get(name, "")}')
    return "\n".join([*parts, WIRES])


def line(rng: random.Random, words: Sequence[str]) -> bytes:
    """Return one broken message."""
    if words is TSP and rng.random() < 0.002:
        return rng.choice(HOSTILE).encode()
    if words is TSP and rng.random() < 0.02:
        # What stands between the two is collected, not executed.
        return rng.choice([b"loadscript x", b"endscript", b"endscript"])
    parts = rng.choices(words, k=rng.randint(1, 8)) + rng.choices(string.printable, k=rng.randint(0, 5))
    rng.shuffle(parts)
    text = "".join(parts).encode("latin-1", "replace").replace(b"\n", b" ")
    if rng.random() < 0.05:
        text = bytes(rng.randrange(256) for _ in range(rng.randint(1, 300))).replace(b"\n", b"")
    return text[: rng.randint(1, 400)] if rng.random() < 0.1 else text


def drain(connection: socket.socket, seconds: float) -> bool:
    """Read what comes within a while; return False where the connection has ended."""
    connection.settimeout(seconds)
    try:
        while True:
            if not connection.recv(1 << 16):
                return False
    except TimeoutError:
        return True


def send_lines(port: int, words: Sequence[str], count: int, seed: int) -> None:
    """Send `count` broken lines over connections that are opened anew now and then; all of them are read."""
    rng = random.Random(seed)
    while count > 0:
        part = min(count, rng.choice([BATCH, 10 * BATCH, 50 * BATCH]))
        count -= part
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
            while part > 0:
                now = min(part, BATCH)
                part -= now
                connection.settimeout(PATIENCE)
                connection.sendall(b"".join(line(rng, words) + b"\n" for _ in range(now)))
                drain(connection, 0.002)
            # What it has read it works through; then it ends the connection, too.
            connection.shutdown(socket.SHUT_WR)
            connection.settimeout(PATIENCE)
            while connection.recv(1 << 16):
                pass


def send_frames(ports: Sequence[int], count: int, seed: int) -> None:
    """Open connections to HiSLIP and VXI-11 ports and send frames that are none, or half of one."""
    rng = random.Random(seed)
    for _ in range(count):
        header = struct.pack("!2sBBIQ", b"HS", rng.randrange(256), rng.randrange(256), rng.getrandbits(32), rng.choice(
            [0, 7, 100, 2**31, 2**63]))  # fmt: skip
        call = struct.pack(
            "!11I", 0x80000000 | rng.choice([40, 0, 2**30]), 1, 0, 2, 0x0607AF, 1, rng.randrange(30), 0, 0, 0, 0
        )
        data = rng.choice([header, call, header[: rng.randrange(16)], rng.randbytes(rng.randrange(1, 200))])
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", rng.choice(ports)), 5) as connection:
            connection.sendall(data + rng.randbytes(rng.randrange(40)))
            drain(connection, 0.001)


def resident(pid: int) -> float:
    """Return the memory of a process and its children [MB]; NaN where the system does not tell."""
    try:
        pids = [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]
        return sum(
            int(re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{each}/status").read_text())[0]) for each in pids
        ) / 1024  # fmt: skip
    except (OSError, IndexError):
        return float("nan")


def ask(port: int, *messages: str) -> str:
    """Send messages over a new connection; return the answer to the last."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection,
        connection.makefile("rwb") as file,
    ):
        for message in messages:
            file.write(message.encode() + b"\n")
        file.flush()
        return file.readline().decode("latin-1").strip()


def measured(ports: dict[str, int]) -> list[str]:
    """Return the instruments that do not answer a client as they should."""
    questions = {
        "smu": ("endscript", "reset() print(7)", "7.00000e+00"),
        "switch": ("endscript", "reset() print(7)", "7.00000e+00"),
        "meter": ("*LANG SCPI", "*RST;*ESE 5;*ESE?", "5"),
        "old": ("*LANG SCPI2400", "*RST;*ESE 5;*ESE?", "5"),
        "analyzer": ("*RST", "ERRX?", '+0,"No Error."'),
        "b2902": ("*RST;*CLS", "*ESE 5;*ESE?", "5"),
        "matrix": ("*RST;*CLS", "*ESE 5;*ESE?", "5"),
    }
    wrong = []
    for name, (first, second, answer) in questions.items():
        found = ask(ports[name], first, second)
        if found != answer:
            wrong.append(f"{name} answers {found[:60]!r}, not {answer!r}")
    closed = ",".join(["1101", "1207", *(f"13{c:02d}" for c in range(2, 15) if c != 7)])
    ask(ports["switch"], f"channel.close('{closed}') print(1)")
    on = "smua.source.levelv=0.1 smua.source.output=1 smub.source.output=1"
    current = ask(ports["smu"], on, "print(smub.measure.i())")
    ask(ports["smu"], "reset() print(1)")
    if not 1e-6 < abs(float(current)) < 1e-3:
        wrong.append(f"smu reads {current} A through a cell at 0.1 V")
    return wrong


def main() -> int:
    """Serve, send, look."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--messages", type=int, default=100_000, help="broken lines, shared by the instruments [100000]"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--memory", type=float, default=600.0, help="most memory of the server [MB]")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        return fuzz(Path(name), options.messages, options.seed, options.memory)


def fuzz(folder: Path, messages: int, seed: int, memory: float) -> int:
    """Fuzz a server that runs in an empty folder; return the exit code."""
    here = folder / "here"
    here.mkdir()
    (folder / "rack.toml").write_text(rack_text(), encoding="utf-8")
    command = [sys.executable, "-m", "xbar", "serve", str(folder / "rack.toml")]
    with (folder / "told").open("w+", encoding="utf-8") as told:
        server = subprocess.Popen(command, cwd=here, stdout=subprocess.PIPE, stderr=told, text=True)
        assert server.stdout is not None
        addresses = [server.stdout.readline().strip().partition(": ")[::2] for _ in range(3 * len(MODELS))]
        ports = {n: int(re.findall(r"::(\d+)::SOCKET", a)[0]) for n, a in addresses if a.endswith("SOCKET")}
        frames = sorted({int(re.findall(r",(\d+)::", a)[0]) for _, a in addresses if "," in a})
        start, largest, each = time.monotonic(), resident(server.pid), messages // len(MODELS)
        before = largest
        senders = [
            threading.Thread(target=send_lines, args=(ports[name], WORDS[name], each, seed * 100 + k))
            for k, name in enumerate(MODELS)
        ]
        senders.append(threading.Thread(target=send_frames, args=(frames, max(messages // 100, 10), seed)))
        for sender in senders:
            sender.start()
        while any(sender.is_alive() for sender in senders):
            time.sleep(0.2)
            largest = max(largest, resident(server.pid))
        seconds, wrong = time.monotonic() - start, measured(ports)
        server.send_signal(signal.SIGINT) if sys.platform != "win32" else server.terminate()
        report, _ = server.communicate(timeout=PATIENCE)
        told.seek(0)
        counted = re.findall(r"(\d+) messages", told.read())
    wrong += [text for text in report.splitlines() if "mistake of the emulation" in text]
    wrong += [f"{path.name} was made" for path in here.iterdir()]
    if sys.platform != "win32" and (not counted or int(counted[0]) < each * len(MODELS) * 0.9):
        wrong.append(f"{counted} of {each * len(MODELS)} messages were taken")
    if largest > memory:
        wrong.append(f"the server took {largest:.0f} MB, more than {memory:.0f} MB")
    print(f"{each * len(MODELS)} messages in {seconds:.0f} s; {before:.0f} MB at the start, at most {largest:.0f} MB")
    print("\n".join(wrong) if wrong else "all instruments answer; nothing was executed outside the sandbox")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
