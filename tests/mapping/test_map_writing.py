"""A map file is written whole or not at all, and an old one is never lost."""

import os
from pathlib import Path

import pytest

import xbar
from xbar.errors import FileError
from xbar.mapping.map_file import load_map, map_hash, save_map
from xbar.mapping.mapped_network import MappedNetwork


def names(folder: Path) -> list[str]:
    """Return what a folder holds."""
    return sorted(path.name for path in folder.iterdir())


def test_an_old_map_is_renamed_when_forced(digits_map: MappedNetwork, tmp_path: Path) -> None:
    for _ in range(3):
        save_map(digits_map, tmp_path / "m.h5", force=True)
    assert names(tmp_path) == ["m.1.h5", "m.2.h5", "m.h5"]
    with pytest.raises(FileError, match="--force"):
        save_map(digits_map, tmp_path / "m.h5")
    assert map_hash(load_map(tmp_path / "m.2.h5")) == map_hash(digits_map)


def test_the_same_map_has_the_same_hash_from_any_file(digits_map: MappedNetwork, tmp_path: Path) -> None:
    """What was read is written again and read again, with the same hash."""
    save_map(digits_map, tmp_path / "a.h5")
    save_map(load_map(tmp_path / "a.h5"), tmp_path / "b.h5")
    assert map_hash(load_map(tmp_path / "b.h5")) == map_hash(digits_map)


def test_a_folder_that_cannot_be_written(
    digits_map: MappedNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(FileError, match="not writable"):
        save_map(digits_map, tmp_path / "m.h5")
    assert names(tmp_path) == []


def test_a_write_that_fails_leaves_the_old_file_under_its_name(
    digits_map: MappedNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk fills up: no part of the new map stays, and the old one is not renamed."""
    (tmp_path / "m.h5").write_text("mine", encoding="utf-8")

    def fill(path: Path, content: bytes) -> int:
        with path.open("wb") as file:
            file.write(content[:1000])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fill)
    with pytest.raises(FileError, match="No space left"):
        save_map(digits_map, tmp_path / "m.h5", force=True)
    assert names(tmp_path) == ["m.h5"]
    assert (tmp_path / "m.h5").read_text(encoding="utf-8") == "mine"


def test_a_card_of_ones_own_travels_with_the_map(digits_map: MappedNetwork, tmp_path: Path) -> None:
    """The map holds the card's text, not its name: it loads where the card's file is not."""
    text = digits_map.card.text.replace('g_max = "25 uS"', 'g_max = "20 uS"')
    card_file = tmp_path / "mine.toml"
    card_file.write_text(text, encoding="utf-8")
    mapped = xbar.map_network(digits_map.network, xbar.load_card(str(card_file)))
    save_map(mapped, tmp_path / "m.h5")
    card_file.unlink()
    back = load_map(tmp_path / "m.h5")
    assert back.card == mapped.card
    assert back.card.g_max == pytest.approx(20e-6)
    assert max(float(m.targets.max()) for m in back.matrices) == pytest.approx(20e-6)
