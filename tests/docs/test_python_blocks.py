"""The Python of each page runs, in order, in one namespace."""

from pathlib import Path

import pytest

from markdown_pages import DOCS, ROOT, blocks, read_page

PAGES = sorted(
    page
    for page in [ROOT / "README.md", *DOCS.rglob("*.md")]
    if any(block.language == "python" and block.mark != "torch" for block in blocks(page))
)


def test_pages_with_code_are_found() -> None:
    found = {page.relative_to(ROOT).as_posix() for page in PAGES}
    assert {"README.md", "docs/tutorial/first-steps.md", "docs/how-to/write-a-driver.md"} <= found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_python_of_the_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "page"}
    for block in blocks(page):
        if block.language == "python" and block.mark != "torch":
            # Empty lines in front: a traceback then names the line of the page.
            exec(compile("\n" * (block.line - 1) + block.text, str(page), "exec"), names)


def test_figures_that_the_page_says_are_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = DOCS / "how-to" / "bring-a-network.md"
    test_python_of_the_page_runs(page, tmp_path, monkeypatch)
    printed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("first layer, converters")]
    assert len(printed) == 1
    assert printed[0].partition(": ")[2] in read_page(page).replace("\n", " ")


def test_torch_blocks_are_marked() -> None:
    """Code that needs PyTorch is not run here, and says so."""
    for page in DOCS.rglob("*.md"):
        for block in blocks(page):
            assert block.language != "python" or ("torch." in block.text) == (block.mark == "torch")
