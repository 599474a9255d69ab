"""Conformance suites that the authors of drivers inherit. Needs pytest; nothing in xbar imports it."""

import pytest

# Before the import: a failed check then shows the values, as one in the author's own file does.
pytest.register_assert_rewrite("xbar.testing.checks", "xbar.testing.suite", "xbar.testing.operations")
pytest.register_assert_rewrite("xbar.testing.driver")

from xbar.testing.driver import DriverTests  # noqa: E402  # see above

__all__ = ["DriverTests"]
