"""Check everything: linters, types, layers, tests.

    python scripts/test.py [OPTIONS and PATHS of pytest]

The first run makes an environment of its own (`.venv` in the checkout, or the folder that XBAR_VENV names) with the
locked versions of requirements/test.txt; later runs start at once. The exit code is 0 only if every check passed.
"""

import sys

if sys.version_info < (3, 11):  # before anything that an older Python cannot read
    sys.exit(
        "xbar needs Python 3.11 to 3.13, and this is %d.%d: call this script with one of these." % sys.version_info[:2]
    )

import os
import subprocess
import time
from pathlib import Path

import environment

SOURCE_ROOTS = ("xbar", "drivers", "calibration", "tests", "benchmarks", "scripts")


def main(arguments: list[str]) -> int:
    """Make the environment where it is missing, run every check, and say which failed."""
    try:
        python = environment.ensure("test")
        clear_numba_cache(environment.CHECKOUT)
        return run(commands(python, environment.tool(environment.folder(), "lint-imports"), arguments))
    except environment.SetupError as error:
        environment.say(str(error))
        return 1
    except KeyboardInterrupt:
        environment.say("Interrupted.")
        return 130


def commands(python: Path, lint_imports: Path, arguments: list[str]) -> dict[str, list[str]]:
    """Return the checks by name; `arguments` go to pytest."""
    module = [str(python), "-P", "-m"]
    return {
        "lint": [*module, "ruff", "check"],
        "format": [*module, "ruff", "format", "--check"],
        "types": [*module, "mypy"],
        "layers": [str(lint_imports), "--no-logo"],
        "tests": [*module, "pytest", "--cov", "--cov-report=term", *arguments],
    }


def clear_numba_cache(checkout: Path) -> int:
    """Remove numba's compiled kernels and return their number.

    numba looks only at the file of a kernel: after an edit of a function that the kernel calls from another file, it
    would go on with the old one.
    """
    found = [path for root in SOURCE_ROOTS for path in (checkout / root).glob("**/__pycache__/*.nb[ic]")]
    for path in found:
        path.unlink(missing_ok=True)
    return len(found)


def run(checks: dict[str, list[str]]) -> int:
    """Run each check from the checkout, whether the one before passed or not; return the exit code."""
    failed = []
    for name, command in checks.items():
        environment.say(f"\n== {name}: {' '.join([Path(command[0]).name, *command[1:]])}")
        begin = time.monotonic()
        code = subprocess.run(command, cwd=environment.CHECKOUT, env=os.environ | {"PYTHONUTF8": "1"}).returncode
        environment.say(
            f"-- {name}: {'passed' if code == 0 else f'FAILED (exit code {code})'}, {time.monotonic() - begin:.1f} s"
        )
        if code != 0:
            failed.append(name)
    environment.say(f"\nFAILED: {', '.join(failed)}" if failed else f"\nAll passed: {', '.join(checks)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
