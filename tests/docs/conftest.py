"""Let the tests import the scripts, which are no package."""

import sys
from pathlib import Path

# At the end: the standard library has a package `test` of its own.
sys.path.append(str(Path(__file__).resolve().parents[2] / "scripts"))
