"""The Lua of a TSP instrument: what scripts can do, and everything that they must not."""

from typing import Any

import pytest

from xbar_drivers.emulated.audit import FaultKind
from xbar_drivers.emulated.server import BenchServer


@pytest.mark.parametrize(
    "name",
    ["os", "io", "debug", "package", "require", "module", "python", "dofile", "loadfile", "newproxy", "getfenv",
     "setfenv", "string.dump", "lupa"],
)  # fmt: skip
def test_dangerous_names_do_not_exist(smu: Any, name: str) -> None:
    assert smu.ask(f"print({name})") == "nil"


@pytest.mark.parametrize(
    "code",
    [
        r'print(loadstring("\27Lua"))',
        r'local n = 0 print(load(function() n = n + 1 return n == 1 and "\27Lua" or nil end))',
        r'print(pcall(script.new, "\27Lua", "x"))',
    ],
)
def test_binary_code_is_not_loaded(smu: Any, code: str) -> None:
    answer = smu.ask(code)
    assert answer.startswith(("nil", "false"))
    assert "source text" in answer


def test_no_object_of_the_host_can_be_reached(smu: Any) -> None:
    """Every value in the globals, metatables and upvalues of errors included, is a plain Lua value."""
    smu.write("loadscript walk")
    for line in """
    local seen, found = {}, "none"
    local function walk(value, path, depth)
      if type(value) == "userdata" or type(value) == "thread" then found = path end
      if type(value) ~= "table" or seen[value] or depth > 6 then return end
      seen[value] = true
      for k, v in next, value do walk(k, path .. ".key", depth + 1) walk(v, path .. "." .. tostring(k), depth + 1) end
      local mt = getmetatable(value)
      if type(mt) == "table" then walk(mt, path .. ".mt", depth + 1) end
    end
    walk(_G, "_G", 0)
    walk(getmetatable(""), "string", 0)
    local ok, message = pcall(function() smua.source.levelv = print end)
    walk({message}, "error", 0)
    print(found, type(message))
    """.splitlines():
        smu.write(line)
    smu.write("endscript")
    assert smu.ask("walk()") == "none\tstring"


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("while true do end", "computed too long"),
        ("while true do pcall(function() while true do end end) end", "computed too long"),
        ("coroutine.wrap(function() while true do end end)()", "computed too long"),
        ('string.find(string.rep("a", 40), string.rep("a?", 40) .. string.rep("a", 40) .. "b")', "computed too long"),
        ('local t = {} for i = 1, 1e9 do t[i] = string.rep("x", 4000000) .. i end', "memory"),
        ('print(string.rep("x", 1e9))', "not enough memory"),
        ("while true do print(string.rep('x', 100000)) end", "printed too much"),
    ],
)
def test_runaway_scripts_are_stopped_and_the_instrument_goes_on(smu: Any, code: str, why: str) -> None:
    """The process is killed; the next script runs in a new one, settings of the instrument stay."""
    smu.ask("smua.source.levelv=0.125 print(1)")
    smu.write(code)
    answer = smu.ask("print(errorqueue.next())")
    while answer.startswith("x"):
        answer = smu.read()
    assert answer.startswith("-2.86000e+02\tTSP Runtime error at line 1: ")
    assert why in answer
    assert smu.ask("print(smua.source.levelv)") == "1.25000e-01"


def test_other_instruments_go_on_while_one_computes(bench: BenchServer, smu: Any, switch: Any) -> None:
    smu.write("while true do end")
    assert switch.ask("print(1)") == "1.00000e+00"
    assert "stopped" in smu.ask("print(errorqueue.next())")
    assert any(fault.kind == FaultKind.LUA and fault.client.startswith("smu/") for fault in bench.audit.faults)


def test_deep_recursion_is_an_error_of_the_script(smu: Any) -> None:
    smu.write("function f() return 1 + f() end f()")
    assert "stack overflow" in smu.ask("print(errorqueue.next())")


def test_error_of_an_attribute_can_be_caught(smu: Any) -> None:
    """A script that catches the error leaves the queue empty; one that does not enters it with its number."""
    assert smu.ask("print(pcall(function() smua.source.levelv = 1e6 end))") == "false\tParameter too big"
    assert smu.ask("print(errorqueue.count)") == "0.00000e+00"
    smu.write("smua.source.levelv = 1e6 print('not reached')")
    assert smu.ask("print(errorqueue.next())") == "1.10200e+03\tParameter too big\t2.00000e+01\t1.00000e+00"


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("garbage(", "-2.85000e+02\tTSP Syntax error at line 1: unexpected symbol near '<eof>'"),
        ("nothing.here = 1", "-2.86000e+02\tTSP Runtime error at line 1: attempt to index global 'nothing'"),
        ("smua.source.levl = 1", "-2.86000e+02\tTSP Runtime error at line 1: attribute levl does not exist"),
        ("smua.nvbuffer1.n = 1", "-2.86000e+02\tTSP Runtime error at line 1: attribute n is read only"),
        ("smua.measure.i(7)", "-2.86000e+02\tTSP Runtime error at line 1: expected a reading buffer"),
        ("smua.source.func = 7", "1.11000e+03\tParameter is not one of those allowed"),
        ("smua.source.levelv = print", "-2.86000e+02\tTSP Runtime error at line 1: a function is not a value"),
        ("*FOO?", "-2.85000e+02\tTSP Syntax error"),
        ("node[7].reset()", "-2.86000e+02\tTSP Runtime error at line 1: node 7 is not on the TSP-Link"),
    ],
)
def test_errors_enter_the_queue_once(smu: Any, code: str, message: str) -> None:
    smu.write(code)
    assert smu.ask("print(errorqueue.next())").startswith(message)
    assert smu.ask("print(errorqueue.next())") == "0.00000e+00\tQueue Is Empty\t0.00000e+00\t1.00000e+00"


def test_values_print_as_the_instrument_prints_them(smu: Any) -> None:
    assert smu.ask("print(1, 'a', true, nil, -0.5)") == "1.00000e+00\ta\ttrue\tnil\t-5.00000e-01"
    assert smu.ask("format.asciiprecision=9 print(1/3)") == "3.33333333e-01"
    assert smu.ask("print(smua)").startswith("table: ")
    assert smu.ask("print(smua.reset)").startswith("function: ")


def test_introspection_finds_every_attribute(smu: Any) -> None:
    """As the package keithley2600 does it: through the metatable of each object."""
    assert smu.ask("print(next(smua, nil))") == "nil"
    smu.write("mt = getmetatable(smua.source)")
    names = set()
    name = smu.ask("print(next(mt.Getters, nil))").split("\t")[0]
    while name != "nil":
        names.add(name)
        name = smu.ask(f"print(next(mt.Getters, '{name}'))").split("\t")[0]
    assert {"levelv", "leveli", "limiti", "rangev", "output", "func", "compliance"} <= names
    assert smu.ask("print(mt.Setters['compliance'])") == "nil"
    assert smu.ask("print(mt.Setters['levelv'])").startswith("function: ")
    assert smu.ask("print(getmetatable(smua).luatype)") == "smu"


def test_named_scripts_stay_and_can_be_called(smu: Any) -> None:
    for line in ("loadscript twice", "local n = ...", "total = (total or 0) + 2", "endscript"):
        smu.write(line)
    smu.write("total = nil")
    smu.write("twice() twice.run()")
    assert smu.ask("print(total, twice.name)") == "4.00000e+00\ttwice"
    smu.write("script.delete('twice')")
    assert smu.ask("print(twice)") == "nil"


def test_globals_live_and_locals_do_not(smu: Any) -> None:
    smu.write("kept = 3")
    smu.write("local lost = 4")
    assert smu.ask("print(kept, lost)") == "3.00000e+00\tnil"


def test_client_that_leaves_ends_its_endless_script(serve: Any, client_class: Any, find_address: Any) -> None:
    """A loop that asks the instrument all the time is no computation; it ends when its client has gone."""
    import xbar_drivers.emulated.link as link

    server = serve()
    address = find_address(server, "smu", "SOCKET")
    grace, link.GRACE = link.GRACE, 0.2
    try:
        with client_class(address) as first:
            first.write("while true do pcall(function() x = smua.source.levelv end) end")
        with client_class(address) as second:
            assert second.ask("print(7)") == "7.00000e+00"
    finally:
        link.GRACE = grace


def test_script_too_long_is_refused(smu: Any) -> None:
    smu.write("loadscript big")
    smu.write("x = '" + "y" * 900_000 + "'")
    smu.write("x = '" + "y" * 900_000 + "'")
    assert smu.ask("print(errorqueue.next())").startswith("-3.63000e+02\tInput buffer overrun")


def test_reset_keeps_variables_and_clears_settings(smu: Any) -> None:
    smu.write("mine = 5 smua.source.levelv=0.5 smua.measure.nplc=10")
    smu.write("reset()")
    assert smu.ask("print(mine, smua.source.levelv, smua.measure.nplc)") == "5.00000e+00\t0.00000e+00\t1.00000e+00"


def test_buffers_have_an_end(smu: Any) -> None:
    """Scripts that make buffers without end get an error; a killed interpreter gives back what it had."""
    smu.write("keep = {} for k = 1, 9 do keep[k] = smua.makebuffer(500000) end")
    assert smu.ask("print(errorqueue.next())").startswith("-2.25000e+02\tOut of memory")
    assert smu.ask("print(#keep)") == "8.00000e+00"
    assert smu.ask("print(pcall(smua.makebuffer, 10))").startswith("false")
    smu.write("while true do end")
    assert smu.ask("print(errorqueue.next())").startswith("-2.86000e+02")
    assert smu.ask("b = smua.makebuffer(10) smua.measure.v(b) print(b.n)") == "1.00000e+00"
    assert smu.ask("print(pcall(function() smua.measure.count = 60001 end))") == "false\tParameter too big"
