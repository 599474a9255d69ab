"""Show xbar at work: a trained network on a simulated crossbar array.

    python scripts/demo.py [OUTDIR] [OPTIONS of `xbar demo`]

The first run makes an environment of its own (`.venv` in the checkout, or the folder that XBAR_VENV names) and installs
xbar into it; later runs start at once. Everything after the script's name goes to `xbar demo`.
"""

import sys

if sys.version_info < (3, 11):  # before anything that an older Python cannot read
    sys.exit(
        "xbar needs Python 3.11 to 3.13, and this is %d.%d: call this script with one of these." % sys.version_info[:2]
    )

import os
import subprocess

from environment import SetupError, ensure


def main(arguments: list[str]) -> int:
    """Make the environment where it is missing, then become `xbar demo` in it."""
    try:
        python = str(ensure("run"))
    except SetupError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted; call the script again to go on.\n")
        return 130
    # -P: a folder named xbar where the user stands is not taken for the package.
    command = [python, "-P", "-m", "xbar", "demo", *arguments]
    if os.name == "posix":
        sys.stderr.flush()
        os.execv(python, command)  # signals reach the demo itself
    with subprocess.Popen(command) as running:
        while True:
            try:
                return running.wait()
            except KeyboardInterrupt:  # the demo has it too, and closes its files
                continue


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
