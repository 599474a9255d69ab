"""The served bench as a whole: rack files, TSP-Link, sweeps in bench time, the audit, the command."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xbar.errors import FileError, FormatError, InputError, UnknownNameError, Unsupported
from xbar_drivers.emulated.audit import FaultKind
from xbar_drivers.emulated.rack_file import load_rack_file, rack_file_of
from xbar_drivers.emulated.server import open_server

SCAN = """
loadscript scan
local rows, cols = 6, 8
local sw = node[2].channel
local function word(i, row) return string.format("1%d%02d", row, i + 1) end
local function bit(j, row) return string.format("1%d%02d", row, rows + j + 1) end
smua.source.func = 1 smub.source.func = 1
smua.source.limiti = 1e-3 smub.source.limiti = 1e-3 smub.source.rangev = 0.2
smua.measure.nplc = 0.01 smub.measure.nplc = 0.01
smub.nvbuffer1.clear() smub.nvbuffer1.appendmode = 1
sw.open("allslots")
local all = {}
for i = 0, rows - 1 do all[#all + 1] = word(i, 3) end
for j = 0, cols - 1 do all[#all + 1] = bit(j, 3) end
sw.close(table.concat(all, ","))
smua.source.output = 1 smub.source.output = 1
for i = 0, rows - 1 do
  sw.open(word(i, 3)) sw.close(word(i, 1))
  for j = 0, cols - 1 do
    sw.open(bit(j, 3)) sw.close(bit(j, 2))
    smua.source.levelv = 0.2
    smub.measure.i(smub.nvbuffer1)
    smua.source.levelv = 0
    sw.open(bit(j, 2)) sw.close(bit(j, 3))
  end
  sw.open(word(i, 1)) sw.close(word(i, 3))
end
smua.source.output = 0 smub.source.output = 0
sw.open("allslots")
endscript
"""


def test_array_read_by_one_script_on_the_tsp_link(serve: Any, connect: Any) -> None:
    """The master's script moves the matrix of node 2; one binary block brings all readings. No fault is noted."""
    server = serve()
    smu = connect(server, "smu")
    before = server.messages
    for line in SCAN.strip().splitlines():
        smu.write(line)
    smu.write("scan()")
    smu.write("format.data = format.REAL64")
    smu.write("printbuffer(1, 48, smub.nvbuffer1)")
    block = smu.read_exactly(2 + 48 * 8 + 1)
    found = -np.frombuffer(block[2:-1], "<f8").reshape(6, 8) / 0.2
    assert found == pytest.approx(np.asarray(server.arrays.conductances(0)), rel=1e-4)
    assert smu.ask("print(errorqueue.count)") == "0.00000e+00"
    # Every line of a raw socket is a message; the answers are two.
    assert server.messages - before == len(SCAN.strip().splitlines()) + 4
    assert server.audit.faults == ()


def test_node_numbers_lead_to_the_instruments(serve: Any, connect: Any) -> None:
    smu = connect(serve(), "smu")
    assert smu.ask("print(node[1].localnode.model, node[2].localnode.model)") == "2636B\t3706A"
    smu.write("node[1].smua.source.levelv = 0.5 b = node[1].smua.makebuffer(5)")
    assert smu.ask("print(smua.source.levelv, b.capacity)") == "5.00000e-01\t5.00000e+00"
    smu.write("node[2].channel.close('9999')")
    assert "invalid channel '9999'" in smu.ask("print(errorqueue.next())")


SWEEP = (
    "smua.trigger.source.listv({0, 0.1, 0.2}) smua.trigger.source.action = 1 smua.trigger.count = 3 "
    "smua.trigger.measure.action = 1 smua.trigger.measure.iv(smua.nvbuffer1, smua.nvbuffer2) "
    "smua.trigger.arm.stimulus = trigger.EVENT_ID smua.source.output = 1"
)


def test_sweep_runs_at_the_first_poll_and_ends_at_the_next(serve: Any, connect: Any) -> None:
    """A client that waits for the sweep to begin would wait for ever if it were over at once."""
    smu = connect(serve(), "smu")
    smu.write(SWEEP)
    smu.write("smua.trigger.initiate()")
    smu.write("*TRG")
    assert smu.ask("print(status.operation.sweeping.condition)") == "2.00000e+00"
    assert smu.ask("print(status.operation.sweeping.condition)") == "0.00000e+00"
    assert smu.numbers("printbuffer(1, 3, smua.nvbuffer2)") == pytest.approx([0, 0.1, 0.2], abs=1e-5)
    times = smu.numbers("printbuffer(1, 3, smua.nvbuffer1.timestamps)")
    assert np.diff(times) == pytest.approx(0.02 + 1.4e-4, rel=1e-2)


def test_sweep_takes_real_time_where_asked(serve: Any, connect: Any, rack_text: Any) -> None:
    """At ten times real time a sweep of 30 points of 20 ms takes 60 ms, and waitcomplete waits for it."""
    server = serve(rack_text["all"].replace('"fast"', "10"))
    smu = connect(server, "smu")
    smu.write(SWEEP.replace("trigger.EVENT_ID", "0") + " smua.trigger.count = 30")
    start = time.monotonic()
    smu.write("smua.trigger.initiate() waitcomplete()")
    assert smu.ask("print(smua.nvbuffer1.n)") == "3.00000e+01"
    assert 0.055 < time.monotonic() - start < 2


def test_both_channels_sweep_together(serve: Any, connect: Any) -> None:
    smu = connect(serve(), "smu")
    smu.write(SWEEP)
    smu.write(SWEEP.replace("smua", "smub").replace("trigger.EVENT_ID", "smua.trigger.ARMED_EVENT_ID"))
    smu.write("smub.trigger.initiate() smua.trigger.initiate()")
    smu.write("*TRG")
    assert smu.ask("print(status.operation.sweeping.condition)") == "6.00000e+00"
    assert smu.ask("*OPC?") == "1"
    assert smu.ask("print(smua.nvbuffer1.n, smub.nvbuffer1.n)") == "3.00000e+00\t3.00000e+00"


def test_aborted_sweep_goes_back_to_its_level(serve: Any, connect: Any) -> None:
    server = serve()
    smu = connect(server, "smu")
    smu.write(SWEEP.replace("trigger.EVENT_ID", "0") + " smua.measure.nplc = 25")
    smu.write("smua.trigger.initiate() smua.abort()")
    assert smu.ask("print(status.operation.sweeping.condition, smua.source.levelv)") == "0.00000e+00\t0.00000e+00"
    assert smu.ask("print(smua.nvbuffer1.n)") == "0.00000e+00"


def test_two_channel_matrix_with_letters(serve: Any, connect: Any, rack_text: Any) -> None:
    """A 707B: rows are letters, in channel names and in terminals."""
    text = (
        rack_text["array"]
        + """
[[instruments]]
name = "m"
model = "707B"
address = "TCPIP::127.0.0.1::0::SOCKET"
cards = ["7072", "7174A"]
[wires]
"m.1.rowA-H" = "bit0-7"
"m.1.col1-6" = "word0-5"
"gnd" = "m.2.rowA"
"""
    )
    matrix = connect(serve(text), "m")
    matrix.write("channel.exclusiveclose('1A01,1C02:1C04')")
    assert matrix.ask("print(channel.getclose('allslots'))") == "1A01;1C02;1C03;1C04"
    assert matrix.ask("print(channel.getstate('1A01,1A02'))") == "1;0"
    matrix.write("channel.exclusiveslotclose('2H12')")
    assert matrix.ask("print(channel.getclose('slot1'), channel.getclose('slot2'))") == "1A01;1C02;1C03;1C04\t2H12"
    matrix.write("channel.setforbidden('1B01') channel.close('1B01')")
    assert "1B01 is forbidden" in matrix.ask("print(errorqueue.next())")
    assert matrix.ask("*IDN?").startswith("KEITHLEY INSTRUMENTS INC.,MODEL 707B,XBAR")


# ---- the audit


def test_killed_client_leaves_its_outputs_in_the_audit(serve: Any, find_address: Any, tmp_path: Path) -> None:
    """Kill -9 in the middle of a measurement: the audit names the output and its level."""
    server = serve()
    address = find_address(server, "smu", "SOCKET").split("::")
    program = (
        "import socket, time\n"
        f"s = socket.create_connection(('127.0.0.1', {address[2]}))\n"
        "s.sendall(b'smua.source.levelv=0.3 smua.source.output=1\\nprint(1)\\n')\n"
        "s.recv(100)\nprint('on', flush=True)\ntime.sleep(60)\n"
    )
    client = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert client.stdout is not None
    assert client.stdout.readline().strip() == b"on"
    client.kill()
    client.wait()
    client.stdout.close()
    server.close()
    assert server.report() == ["smu/raw socket client 1: output left on: smu.smua ON at 0.3 V"]


def test_clean_client_leaves_nothing_in_the_audit(serve: Any, client_class: Any, find_address: Any) -> None:
    """Also one whose last words arrive together with its farewell."""
    server = serve()
    with client_class(find_address(server, "smu", "SOCKET")) as client:
        client.ask("smua.source.levelv=0.3 smua.source.output=1 print(1)")
        client.write("smua.source.levelv=0")
        client.write("smua.source.output=0")
    server.close()
    assert server.report() == []


def test_limits_and_bad_commands_are_in_the_audit(serve: Any, connect: Any, rack_text: Any) -> None:
    limits = '[limits]\ncell_voltage = "0.5 V"\ncurrent = "1 mA"\n'
    text = rack_text["all"].replace("[[instruments]]", limits + "[[instruments]]", 1)
    server = serve(text)
    smu, switch = connect(server, "smu"), connect(server, "switch")
    switch.ask("channel.close('1101,1307,1308') print(1)")
    smu.write("smua.source.limiti=1e-3 smua.source.levelv=0.4 smua.source.output=1")
    smu.write("smua.source.levelv=0.8")
    smu.write("smua.source.levelv=0.4 smua.source.limiti=0.1")
    smu.write("oh no")
    smu.ask("print(1)")
    found = {(fault.kind, fault.text) for fault in server.audit.faults}
    assert {kind for kind, _ in found} == {FaultKind.OVER_LIMIT, FaultKind.UNKNOWN}
    texts = " ".join(text for _, text in found)
    assert "0.8 V across cell (0, 0), limit 0.5 V" in texts
    assert "smu.a may give 0.1 A, limit 0.001 A" in texts
    assert "oh no" in texts


# ---- rack files


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (('"2636B"', '"2636Z"'), UnknownNameError, "model '2636Z' cannot be served; served are 2636B"),
        (('"3730"', '"7072"'), InputError, "card '7072' does not fit a 3706A"),
        (('"word0-5"', '"word0-6"'), FormatError, "names 6 terminals, 'word0-6' 7; they do not pair up"),
        (('"bit0-7"', '"bit1-8"'), InputError, "terminal 'bit8' does not exist; the array has word0 to word5"),
        (('"smu.b"', '"smu.c"'), InputError, "terminal 'smu.c' does not exist"),
        (("node = 2", "node = 1"), FormatError, "two instruments have one node number"),
        (('name = "switch"', 'name = "smu"'), FormatError, "two instruments have one name"),
        (("hislip1,0", "hislip0,0"), InputError, "hislip0 at HiSLIP port 0 is smu already"),
        (("::0::SOCKET", "::x::SOCKET"), FormatError, "address 'TCPIP::127.0.0.1::x::SOCKET' is not"),
        (("::0::SOCKET", "::99999::SOCKET"), FormatError, "port 99999 must be 0 to 65535"),
        (("127.0.0.1::0::SOCKET", "0.0.0.0::0::SOCKET"), InputError, "use 127.0.0.1, or say --allow-remote"),
        (('"fast"', '"slow"'), FormatError, "time_scale"),
        (("only = []", 'only = ["gravity"]'), UnknownNameError, "effect 'gravity' is not known"),
        (("seed = 3", 'sead = 3'), FormatError, "array.sead: is not a key of this file"),
        (("rows = 6", 'conductances = "missing.npy"\nrows = 6'), FileError, "missing.npy cannot be read"),
    ],
)  # fmt: skip
def test_wrong_rack_files_are_told(
    serve: Any, rack_text: Any, change: tuple[str, str], error: type[Exception], message: str
) -> None:
    assert change[0] in rack_text["all"]
    with pytest.raises(error) as caught:
        serve(rack_text["all"].replace(*change, 1))
    assert message in str(caught.value)


def test_port_in_use_is_told_and_everything_is_undone(serve: Any, rack_text: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError) as caught:
            serve(rack_text["all"].replace("127.0.0.1::0::", f"127.0.0.1::{port}::", 1))
    assert f"127.0.0.1:{port} is in use" in str(caught.value)


def test_conductances_come_from_a_file(serve: Any, rack_text: Any, tmp_path: Path) -> None:
    wanted = np.linspace(1e-6, 2e-5, 48).reshape(6, 8)
    np.save(tmp_path / "g.npy", wanted)
    server = serve(rack_text["all"].replace("rows = 6", 'conductances = "g.npy"\nrows = 6'))
    assert np.asarray(server.arrays.conductances(0)) == pytest.approx(wanted)


def test_cells_of_a_chip_stand_behind_the_lines(serve: Any, tmp_path: Path, rack_text: Any) -> None:
    """What a simulated bench programmed into a chip file is what the served bench measures."""
    import xbar
    from xbar.bench.chip import open_chip

    path, wanted = tmp_path / "chip.h5", np.linspace(1e-6, 2e-5, 48).reshape(6, 8)
    chip = open_chip(path)
    with xbar.open_bench("sim", card="generic", rows=6, cols=8, seed=3, only=[], chip=chip) as bench:
        bench.program(0, wanted)
    server = serve(chip=open_chip(path, new=False, lock=False))
    assert server.lines.cells.noiseless(0.0) == pytest.approx(wanted, rel=1e-6)
    with pytest.raises(InputError, match="the rack file has 'generic' and 4"):
        serve(rack_text["all"].replace("seed = 3", "seed = 4"), chip=open_chip(path, new=False, lock=False))


def test_announcing_without_zeroconf_says_what_to_install(
    serve: Any, rack_text: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "zeroconf", None)
    with pytest.raises(Unsupported, match="pip install zeroconf"):
        serve(rack_text["all"], announce=True)


def test_wire_log_holds_every_message(serve: Any, connect: Any, tmp_path: Path) -> None:
    log = tmp_path / "wire.log"
    server = serve(log=log)
    connect(server, "smu").ask("print(12)")
    server.close()
    lines = log.read_text(encoding="utf-8").splitlines()
    assert lines[0].endswith("[smu/raw socket client 1] C> b'print(12)'")
    assert lines[1].endswith("[smu/raw socket client 1] S< b'1.20000e+01\\n'")


def test_ranges_of_terminals_pair_up(tmp_path: Path, rack_text: Any) -> None:
    file = tmp_path / "rack.toml"
    file.write_text(rack_text["all"], encoding="utf-8")
    joints = load_rack_file(file).joints
    assert ("switch.1.col6", "word5") in joints
    assert ("switch.1.col14", "bit7") in joints
    assert len(joints) == 3 + 6 + 8


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_interpreters_end_with_a_killed_server(tmp_path: Path, rack_text: Any, client_class: Any) -> None:
    """Kill -9 of the server in the middle of an endless script leaves no process behind."""
    rack = tmp_path / "rack.toml"
    rack.write_text(rack_text["array"] + rack_text["smu"], encoding="utf-8")
    program = (
        "import sys\nfrom pathlib import Path\nfrom xbar_drivers.emulated.server import open_server\n"
        f"server = open_server(Path({str(rack)!r}), {{}})\nprint(server.address('smu'), flush=True)\nsys.stdin.read()\n"
    )
    server = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdin is not None
    assert server.stdout is not None
    with server.stdin, server.stdout, client_class(server.stdout.readline().strip()) as client:
        client.write("while true do end")
        children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
        assert len(children) == 1
        server.kill()
        server.wait(10)
    end = time.monotonic() + 10
    while (found := Path(f"/proc/{children[0]}")).exists() and time.monotonic() < end:
        time.sleep(0.05)
    assert not found.exists() or "Z" in (found / "stat").read_text().split()[2]


@pytest.mark.skipif(os.name == "nt", reason="Windows sends no SIGTERM to a process")
def test_command_serves_until_it_is_ended_and_audits(tmp_path: Path, rack_text: Any, client_class: Any) -> None:
    rack = tmp_path / "rack.toml"
    rack.write_text(rack_text["all"], encoding="utf-8")
    program = "import typer; from xbar.cli.serve import serve; typer.run(serve)"
    command = subprocess.Popen(
        [sys.executable, "-c", program, str(rack), "--speed", "fast"], stdout=subprocess.PIPE, text=True
    )
    assert command.stdout is not None
    with command.stdout:
        name, address = command.stdout.readline().strip().split(": ")
        assert name == "smu"
        with client_class(address) as client:
            client.ask("smub.source.levelv=0.1 smub.source.output=1 print(1)")
        command.send_signal(signal.SIGTERM)
        rest = command.stdout.read()
    assert command.wait(20) == 0
    assert "smu/raw socket client 1: output left on: smu.smub ON at 0.1 V" in rest


def test_a_bench_file_serves_the_rack_that_it_names(tmp_path: Path, rack_text: Any) -> None:
    """One rack among its drivers is found; without one the message says what to name."""
    (tmp_path / "rack.toml").write_text(rack_text["array"] + rack_text["smu"], encoding="utf-8")
    bench = tmp_path / "lab.toml"
    bench.write_text('schema = "xbar-bench/1"\ndriver = "rack"\naddress = "rack.toml"\n', encoding="utf-8")
    assert rack_file_of(bench) == tmp_path / "rack.toml"
    server = open_server(bench, {})
    assert [name for name, _ in server.addresses] == ["smu"] * 3
    server.close()
    bench.write_text(
        'schema = "xbar-bench/1"\n[[drivers]]\nname = "a"\ndriver = "sim"\n'
        '[[drivers]]\nname = "b"\ndriver = "rack"\naddress = "rack.toml"\n',
        encoding="utf-8",
    )
    assert rack_file_of(bench) == tmp_path / "rack.toml"
    bench.write_text('schema = "xbar-bench/1"\ndriver = "sim"\n', encoding="utf-8")
    with pytest.raises(FormatError, match="names 0 racks to be served"):
        open_server(bench, {})
