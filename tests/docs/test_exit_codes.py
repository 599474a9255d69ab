"""docs/reference/exit-codes.md says what xbar/errors.py does."""

import re
from pathlib import Path

from xbar import errors
from xbar.errors import ExitCode, XbarError

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "exit-codes.md"


def test_table_of_codes_matches_the_enumeration() -> None:
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert rows == [(str(code.value), code.name) for code in ExitCode]


def test_table_of_exceptions_matches_the_classes() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| (\d+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    classes = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, XbarError)]
    assert rows == [(each.__name__, each.__bases__[-1].__name__, str(each.exit_code.value)) for each in classes]
