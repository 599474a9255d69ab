"""Let other people's instrument drivers, as they are, drive the instruments of `xbar serve`.

    python scripts/interop.py [OPTIONS and PATHS of pytest]

PyMeasure, QCoDeS and the package keithley2600 measure cells behind served instruments; what they read is compared with
the simulated array. Python 3.11 or 3.12: QCoDeS 0.58 and keithley2600 run on no later one. The first run makes an
environment of its own beside that of `test.py` (`.venv-interop`) with the versions of requirements/interop.txt.
"""

import os
import subprocess
import sys

import environment

PYTHONS = ((3, 11), (3, 12))
"""Versions that all of these drivers run on."""


def main(arguments: list[str]) -> int:
    """Make the environment where it is missing, run the tests, return their exit code."""
    if sys.version_info[:2] not in PYTHONS:
        environment.say(
            "The other drivers need Python 3.11 or 3.12, and this is "
            f"{sys.version_info[0]}.{sys.version_info[1]}: call this script with one of these."
        )
        return 1
    try:
        python = environment.ensure("interop")
    except environment.SetupError as error:
        environment.say(str(error))
        return 1
    variables = os.environ | {"PYTHONUTF8": "1", "XBAR_INTEROP": "1"}
    try:
        return subprocess.run(command(str(python), arguments), cwd=environment.CHECKOUT, env=variables).returncode
    except KeyboardInterrupt:
        environment.say("Interrupted.")
        return 130


def command(python: str, arguments: list[str]) -> list[str]:
    """Return what runs the tests; options without a path are those of the whole folder."""
    paths = [] if any(not word.startswith("-") and "tests" in word for word in arguments) else ["tests/interop"]
    return [python, "-P", "-m", "pytest", *arguments, *paths]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
