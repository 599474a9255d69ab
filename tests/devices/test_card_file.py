"""Card files: found by name, path and entry point; everything wrong with one is told at once."""

import hashlib
import os
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from xbar.devices import card_file
from xbar.devices.card import LAWS
from xbar.devices.card_file import KINDS, card_names, load_card, parse_card
from xbar.devices.drift import LogFit
from xbar.devices.programming_error import ProgrammingError
from xbar.devices.read_noise import ReadNoise
from xbar.devices.stuck_cells import StuckCells
from xbar.errors import FileError, FormatError, UnknownNameError

SHIPPED = card_names()
PCM = load_card("pcm").text
GENERIC = load_card("generic").text


def errors(text: str) -> list[str]:
    """Return the lines of the message that a faulty card gives."""
    with pytest.raises(FormatError) as caught:
        parse_card(text, "my.toml")
    return str(caught.value).split("\n")


def changed(old: str, new: str, text: str = PCM) -> str:
    assert old in text
    return text.replace(old, new, 1)


def test_shipped_cards_load() -> None:
    """Every shipped card has the name of its file, a source for each law, and the hash of its text."""
    assert set(card_names()) >= {"generic", "ideal", "pcm"}
    for name in SHIPPED:
        card = load_card(name)
        assert card.name == name
        assert card.sha256 == hashlib.sha256(card.text.encode()).hexdigest()
        assert parse_card(card.text, "again") == card


def test_generic_card_has_the_documented_numbers() -> None:
    """The generic card is 1 to 100 uS with 1 % write error, 0.5 % read noise and 0.1 % cells stuck each way."""
    card = load_card("generic")
    assert (card.g_min, card.g_max, card.read_voltage) == (1e-6, 1e-4, 0.2)
    assert "No measured device" in card.source
    written = "Round number, not measured"
    assert card.programming_error == ProgrammingError((0.01 * 1e-4,), 1e-4, 1e-4, written)
    assert card.read_noise == ReadNoise("proportional", 0.005, 1e-4, written)
    assert card.stuck_cells == StuckCells(0.001, 0.001, 1e-6, 1e-4, written)


def test_path_or_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path works as text and as Path, with a byte order mark and Windows line ends, and hashes the same."""
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xef\xbb\xbf" + PCM.replace("\n", "\r\n").encode())
    assert load_card(path) == load_card(str(path)) == load_card("pcm")
    monkeypatch.chdir(tmp_path)
    assert load_card("mine.toml") == load_card("./mine.toml") == load_card("pcm")
    Path("pcm").write_text("not a card", encoding="utf-8")
    assert load_card("pcm").g_max == 25e-6
    with pytest.raises(FormatError):
        load_card(Path("pcm"))


def test_unknown_name_lists_the_known() -> None:
    """A name that nobody offers lists those that exist and says how a file is given."""
    with pytest.raises(UnknownNameError, match=r"unknown card 'pmc'; known are capacitor, .*generic, .*pcm, .*toml"):
        load_card("pmc")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """A missing file, a folder and a file of another kind say so with their path."""
    with pytest.raises(FileError, match=r"none\.toml does not exist; shipped cards are capacitor"):
        load_card(tmp_path / "none.toml")
    with pytest.raises(FileError, match="is not a file"):
        load_card(tmp_path)
    with pytest.raises(FileError, match="does not exist"):
        load_card("a\0b.toml")
    binary = tmp_path / "model.toml"
    binary.write_bytes(b"\x08\x07\x12\xff\xfe")
    with pytest.raises(FormatError, match=r"model\.toml: not a TOML file: byte 3"):
        load_card(binary)
    large = tmp_path / "large.toml"
    large.write_bytes(b"#" * 1_000_001)
    with pytest.raises(FormatError, match="more than 1000 kB"):
        load_card(large)


@pytest.mark.skipif(sys.platform == "win32" or (hasattr(os, "geteuid") and os.geteuid() == 0), reason="root reads all")
def test_file_without_permission(tmp_path: Path) -> None:
    """A file that may not be read is told as such."""
    path = tmp_path / "secret.toml"
    path.write_text(PCM, encoding="utf-8")
    path.chmod(0)
    with pytest.raises(FileError, match="cannot be read"):
        load_card(path)


def test_every_error_in_one_message() -> None:
    """All mistakes of a file come at once, each with its place in the file and, for units, how to write it."""
    text = PCM
    for old, new in (
        ('name = "pcm"', 'name = "My Card"'),
        ('g_max = "25 uS"', "g_max = 25"),
        ('read_voltage = "0.2 V"', 'read_voltage = "0.2 A"\ncolour = "red"'),
        ('"1.9650 uS"', '"1.9650"'),
        ('t0 = "20 s"', 't0 = "20 uS"'),
        ("slope = -0.0155", 'slope = "steep"'),
        ("ceiling = 0.2", "cieling = 0.2"),
        ('kind = "sqrt"', 'kind = "os.system"'),
    ):
        text = changed(old, new, text)
    lines = errors(text)
    assert lines[0] == "my.toml: 10 errors"
    found = dict(line.strip().split(": ", 1) for line in lines[1:])
    assert found == {
        "name": "String should match pattern '^[a-z][a-z0-9_-]{0,63}$'",
        "g_max": "a number without unit; write text with a number and its unit, for example '25 uS'",
        "read_voltage": "unit 'A' is not a unit of V; write for example '1 V', '1 mV' or '1 uV'",
        "colour": "is not a key of this file; check its spelling",
        "programming_error.coefficients[1]": "'1.9650' has no unit; write it behind the number, for example '25 uS'",
        "drift.t0": "unit 'uS' is not a unit of s; write for example '1 s', '1 ms' or '1 us'",
        "drift.exponent_mean.slope": "Input should be a valid number",
        "flicker_noise.ceiling": "is missing",
        "flicker_noise.cieling": "is not a key of this file; check its spelling",
        "read_noise": "Input tag 'os.system' found using 'kind' does not match any of the expected tags: "
        "'sqrt', 'proportional', 'constant', 'density', 'saturating'",
    }


@pytest.mark.parametrize("block", ["programming_error", "drift", "flicker_noise", "read_noise", "stuck_cells"])
@pytest.mark.parametrize("source", ["", 'source = ""', 'source = "  "'])
def test_source_is_required(block: str, source: str) -> None:
    """A law without a source, or with an empty one, is no law of a card."""
    text = PCM + "\n[stuck_cells]\nkind = 'independent'\noff = 0\non = 0.5\nsource = 'x'\n"
    head, name, rest = text.partition(f"[{block}]")
    lines = rest.split("\n")
    index = next(i for i, line in enumerate(lines) if line.startswith("source"))
    lines[index] = source
    assert errors(head + name + "\n".join(lines))[1].startswith(f"  {block}.source: ")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'g_max = "25 uS"',
            'g_max = "30 uS"',
            "drift: the law is valid from 0 S to 25 uS, the card's range is 0 S to 30 uS",
        ),
        ('g_min = "0 uS"', 'g_min = "26 uS"', "g_max: g_max, 25 uS, must be above g_min, 26 uS"),
        ('"1.9650 uS"', '"-3 uS"', "programming_error: the standard deviation is negative"),
        ('["0 uS", "25 uS"]', '["25 uS", "0 uS"]', "programming_error.valid: write the smaller conductance first"),
        ('["0 uS", "25 uS"]', '["0 uS"]', "programming_error.valid: List should have at least 2"),
        ("low = 0.049", "low = 0.3", "drift.exponent_mean.high: high is 0.1, below low, 0.3"),
        ('t_read = "250 ns"', 't_read = "1 min"', "flicker_noise: t_read, 1 min, is longer than t0, 20 s"),
        ('t0 = "20 s"', 't0 = "0 s"', "drift.t0: Input should be greater than 0"),
        ('t0 = "20 s"', "t0 = true", "drift.t0: not a quantity"),
        ('t0 = "20 s"', "t0 = nan", "drift.t0: a number without unit"),
        ('t0 = "20 s"', "t0 = ['20 s']", "drift.t0: not a quantity"),
        ("coefficient = 0.0088", "coefficient = inf", "flicker_noise.coefficient: Input should be a finite number"),
        ("relative = 0.0175", 'relative = "175 %"', "read_noise.relative: not a share"),
        ("relative = 0.0175", 'relative = "x %"', "read_noise.relative: not a share"),
        ("relative = 0.0175", "relative = true", "read_noise.relative: not a share"),
        ("relative = 0.0175", "relative = 1.5", "read_noise.relative: not a share"),
        ('schema = "xbar-card/1"\n', "", "schema: is missing"),
    ],
)
def test_one_wrong_value(old: str, new: str, message: str) -> None:
    """A value that no device can have is refused with its place, its value and what would do."""
    assert any(line.startswith(f"  {message}") for line in errors(changed(old, new))), errors(changed(old, new))


def test_other_kinds_of_laws() -> None:
    """Constant laws are given absolutely or as a share of g_max, but not both, and stuck rates end at 100 %."""
    absolute = parse_card(changed('share_of_g_max = "1 %"', 'sigma = "2 uS"', GENERIC), "x")
    assert isinstance(absolute.programming_error, ProgrammingError)
    assert absolute.programming_error.coefficients == (2e-6,)
    noise = changed('kind = "proportional"\nrelative = "0.5 %"', 'kind = "constant"\nsigma = "0.5 uS"', GENERIC)
    assert parse_card(noise, "x").read_noise == ReadNoise("constant", 0.5e-6 / 1e-4, 1e-4, "Round number, not measured")
    density = changed(
        'kind = "proportional"\nrelative = "0.5 %"',
        'kind = "density"\nrelative_density = 1e-5\nt_read = "2 us"',
        GENERIC,
    )
    assert parse_card(density, "x").read_noise == ReadNoise(
        "proportional", 1e-5 * 500, 1e-4, "Round number, not measured"
    )
    both = changed('share_of_g_max = "1 %"', 'share_of_g_max = "1 %"\nsigma = "2 uS"', GENERIC)
    for text in (both, changed('share_of_g_max = "1 %"\n', "", GENERIC)):
        assert errors(text)[1].startswith("  programming_error: give either sigma")
    assert errors(changed('on = "0.1 %"', 'on = "99.95 %"', GENERIC))[1] == (
        "  stuck_cells.on: off and on are more than 100 % together"
    )


def test_laws_take_the_range_of_their_card() -> None:
    """A card of a smaller g_max has laws of that g_max, the reference of the fit unchanged."""
    card = parse_card(changed('g_max = "25 uS"', 'g_max = "10 uS"'), "x")
    assert isinstance(card.programming_error, ProgrammingError)
    assert card.drift is not None
    assert (card.programming_error.g_max, card.programming_error.g_ref) == (10e-6, 25e-6)
    assert (card.drift.g_max, card.drift.mean) == (10e-6, LogFit(-0.0155, 0.0244, 0.049, 0.1))


@pytest.mark.parametrize(
    "text",
    [
        "x = " + "[" * 300_000,
        "x = " + "{a=" * 200_000,
        "x = " + "9" * 500_000,
        "x = 0x" + "F" * 500_000,
        "a." * 400_000 + "b = 1",
        "[" + "a." * 400_000 + "b]",
        "\n".join(f"[[{'a.' * 100}b]]" for _ in range(4000)),
        "\n".join(f"k{i} = 1" for i in range(50_000)),
        "[drift]\nt0 = '" + "9" * 900_000 + "'",
        "schema = 0x" + "F" * 5000,
        'schema = "' + "F" * 5000 + '"',
        "\0",
        "[drift\n",
    ],
    ids=lambda text: text[:12].encode("unicode_escape").decode(),
)
def test_hostile_text(text: str) -> None:
    """Deep, long and endless structures are refused within a moment, by a message of bounded length."""
    assert len("\n".join(errors(text))) < 20_000


def test_other_schema_is_refused_first() -> None:
    """A card of another version says so instead of listing what that version changed."""
    message = "\n".join(errors(changed("xbar-card/1", "xbar-card/2") + "\n[new_law]\nx = 1\n"))
    assert message == (
        "my.toml: schema is 'xbar-card/2', this version of xbar reads 'xbar-card/1'; "
        "use the version that the file was written for"
    )


def test_cards_of_other_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry point names a card file; it is loaded for its own name only, and never hides a shipped card."""
    (tmp_path / "lab.toml").write_text(changed('name = "pcm"', 'name = "lab"'), encoding="utf-8")
    (tmp_path / "lab_cards.py").write_text(
        "from pathlib import Path\nLAB = Path(__file__).with_name('lab.toml')\nNUMBER = 3\n", encoding="utf-8"
    )
    group = card_file.ENTRY_POINTS
    points = [EntryPoint(n, f"lab_cards:{v}", group) for n, v in (("lab", "LAB"), ("pcm", "NUMBER"), ("odd", "NUMBER"))]
    points.append(EntryPoint("broken", "no_such_lab_cards:LAB", group))
    monkeypatch.setattr(card_file, "entry_points", lambda group: points)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert card_names() == (*SHIPPED, "broken", "lab", "odd")
    assert load_card("pcm").g_max == 25e-6
    assert "lab_cards" not in sys.modules
    assert load_card("lab").name == "lab"
    with pytest.raises(FormatError, match=r"card 'odd' of package .* is int, not the path of a file"):
        load_card("odd")
    with pytest.raises(FormatError, match=r"card 'broken' .* cannot be loaded"):
        load_card("broken")
    with pytest.raises(UnknownNameError, match=r"known are capacitor, .*yflash, broken, lab, odd"):
        load_card("other")


def test_example_of_the_reference_page() -> None:
    """The card that `docs/reference/cards.md` shows is a card, and the page names every block and every kind."""
    page = (Path(__file__).parents[2] / "docs" / "reference" / "cards.md").read_text(encoding="utf-8")
    example = page.split("```toml\n")[1].split("```")[0]
    assert parse_card(example, "cards.md").g_max == 60e-6
    for block in LAWS:
        assert f"## `[{block}]`" in page, block
    for kind in (*KINDS, "independent", "open", "list", "lognormal", "two_state", "pulses", "threshold"):
        assert f"`{kind}`" in page or f'`kind = "{kind}"`' in page, kind
    for name in SHIPPED:
        assert f"`{name}`" in page, name
