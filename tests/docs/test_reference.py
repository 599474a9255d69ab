"""The reference pages say what the code does."""

import dataclasses
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import xbar
from markdown_pages import DOCS, blocks, read_page
from xbar.bench.bench_file import load_bench_file
from xbar.bench.operation import OperationKind
from xbar.bench.status import Status
from xbar.trace.schema import COLUMNS, END, OPERATION, SLOTS

API, BENCH, TRACE = (DOCS / "reference" / f"{name}.md" for name in ("python-api", "bench-file", "trace-file"))
ENTRY = re.compile(r"^\* `(\w+)(?:\(([^`]*)\))?`:\s", re.MULTILINE)


def test_every_public_name_has_an_entry() -> None:
    assert {m[1] for m in re.finditer(ENTRY, read_page(API))} == set(xbar.__all__)


def test_signatures_are_those_of_the_code() -> None:
    """Names, order and defaults of the parameters; RunSettings has a table of its own."""
    said = {m[1]: " ".join(m[2].split()) for m in re.finditer(ENTRY, read_page(API)) if m[2] is not None}
    assert said.keys() >= {"run_network", "open_bench", "map_network", "ReadConfig", "Pulse"}
    for name, text in said.items():
        if name != "RunSettings":
            assert text.replace('"', "'") == _signature(getattr(xbar, name)), name


def _signature(thing: Any) -> str:
    parts: list[str] = []
    starred = False
    for p in inspect.signature(thing).parameters.values():
        if p.kind is p.KEYWORD_ONLY and not starred:
            parts, starred = [*parts, "*"], True
        prefix = "**" if p.kind is p.VAR_KEYWORD else ""
        parts.append(prefix + p.name + ("" if p.default is p.empty else f"={_shown(p.default)}"))
    return ", ".join(parts)


def _shown(value: Any) -> str:
    return str(getattr(value, "__name__", value)) if callable(value) or not isinstance(value, str) else repr(value)


def test_run_settings_have_their_fields_and_defaults() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(.*?)` \| ", read_page(API).partition("## Benches")[0], re.MULTILINE)
    fields = dataclasses.fields(xbar.RunSettings)
    defaults = {f.name: f.default_factory() if callable(f.default_factory) else f.default for f in fields}
    assert [name for name, _ in rows] == list(defaults)
    assert {name: text.replace('"', "'") for name, text in rows} == {n: repr(d) for n, d in defaults.items()}


def test_example_of_a_bench_file_opens(tmp_path: Path) -> None:
    path = tmp_path / "lab.toml"
    path.write_text(next(block.text for block in blocks(BENCH) if block.language == "toml"), encoding="utf-8")
    limits = load_bench_file(path).drivers[0].limits
    assert limits is not None
    assert (limits.cell_voltage, limits.pulse_energy) == pytest.approx((0.5, 1e-8))
    with xbar.open_bench(path, record=tmp_path / "trace.h5") as bench:
        has = bench.capabilities
        assert (has.arrays, has.rows, has.cols, has.dac_bits, has.adc_bits) == (2, 64, 128, 8, 10)
        assert (bench.settings["card"], bench.settings["seed"]) == ("pcm", 3)
    with xbar.open_trace(tmp_path / "trace.h5") as trace:
        assert trace.provenance["sample"]["wafer"] == "W3"


def test_every_key_of_the_bench_file_is_documented() -> None:
    from xbar.bench import bench_file, converter_section

    page = read_page(BENCH)
    sections = {name: getattr(bench_file, f"_{name.title()}") for name in ("geometry", "wires", "limits", "sample")}
    sections["converters"] = converter_section.ConverterSection
    for name in ("dac", "sense", "adc"):
        sections[f"converters.{name}"] = getattr(converter_section, f"_{name.title()}")
    for section, model in sections.items():
        for key in model.model_fields:
            assert re.search(rf"^\| `\[{re.escape(section)}\]`[^|]*`{key}`", page, re.MULTILINE), f"[{section}] {key}"
    models = [
        vars(bench_file)[name].model_fields for name in ("_OneDriver", "_SeveralDrivers", "_NamedDriver", "_Placement")
    ]
    for name, field in (item for fields in models for item in fields.items()):
        assert any(text in page for text in (f"`{field.alias or name}`", f"`[{name}]`", f"`[[{name}]]`")), name


def test_trace_page_has_every_field_slot_and_column() -> None:
    page = read_page(TRACE)
    for kind in OperationKind:
        assert f"{int(kind)} {kind.name.lower()}" in page
    assert f"{END} end" in page
    names = [name for name in OPERATION.names or () if not name.endswith(("_start", "_count"))]
    for name in [*names, *SLOTS, *(column.path.rpartition("/")[2] for column in COLUMNS)]:
        assert re.search(rf"[`/]{name}`", page), name
    for status in Status:
        assert re.search(rf"\b{int(status)} \w", page)
