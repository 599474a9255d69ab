"""The Python environment that `demo.py` and `test.py` share, and that of `interop.py`: made once, found by a stamp.

Everything is installed into a virtual environment of the checkout (`.venv`, or the folder that `XBAR_VENV` names; for
other people's drivers another beside it, as their bounds are not ours), never into the system's Python. pip is called
without any option about where packages come from, so that its own configuration (mirror, proxy, certificates, offline
folder) rules.

A file in the environment, `xbar-environment.json`, says who made it, for which Python and folder, what these scripts
are doing to it and what they installed last. It is written before anything is done: an environment whose making was cut
short is known by it and made anew. One that somebody else made is used if it fits, and never deleted.
"""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
REQUIREMENTS = {name: CHECKOUT / "requirements" / f"{name}.txt" for name in ("run", "test", "interop")}
"""The locked versions; those of `test` contain those of `run`."""
MARKER = "xbar-environment.json"
US = "xbar"
NEWEST = (3, 13)
LEAST_FREE = 50_000_000
"""Bytes that an empty environment with its pip needs."""


class SetupError(Exception):
    """The environment cannot be made; the message says why and what to do."""


class IndexOutOfReachError(SetupError):
    """pip did not get the packages, and so has changed nothing yet."""


def say(text: str) -> None:
    """Print to standard error: standard output belongs to what the command reports."""
    print(text, file=sys.stderr, flush=True)


def folder(kind: str = "run") -> Path:
    """Return the folder of the environment: `XBAR_VENV`, else `.venv` in the checkout; that of `interop` beside it."""
    named = os.environ.get("XBAR_VENV")
    found = Path(named).expanduser().absolute() if named else CHECKOUT / ".venv"
    return found.with_name(f"{found.name}-interop") if kind == "interop" else found


def tool(environment: Path, name: str) -> Path:
    """Return the path of a program of the environment; `python` is its interpreter."""
    if os.name == "nt":
        return environment / "Scripts" / f"{name}.exe"
    return environment / "bin" / name


def ensure(kind: str) -> Path:
    """Make the environment, or find it as it should be, and return its interpreter.

    `kind` is a key of `REQUIREMENTS`. Where everything is there already, nothing is started and nothing is installed.
    Raises `SetupError`.
    """
    environment = folder(kind)
    if _installed(environment, kind):
        return tool(environment, "python")
    _warn_of_new_python()
    try:
        with _alone(environment):
            if not _installed(environment, kind):  # another run may have done it while this one waited
                _make(environment)
                _install(environment, kind)
    except OSError as error:
        raise SetupError(_explain(error, environment)) from error
    return tool(environment, "python")


def fingerprint(kind: str) -> str:
    """Return a hash of everything that the content of the environment follows from."""
    digest = hashlib.sha256()
    # The checkout's path, because the project is installed as a link to it.
    digest.update(repr((sys.version, CHECKOUT.as_posix())).encode())
    for path in (REQUIREMENTS[kind], CHECKOUT / "pyproject.toml", CHECKOUT / "xbar" / "version.py"):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _installed(environment: Path, kind: str) -> bool:
    """Tell whether the environment holds what `kind` needs, at once and without starting anything."""
    return _read_marker(environment).get(kind) == fingerprint(kind) and tool(environment, "python").exists()


def _read_marker(environment: Path) -> dict[str, str]:
    try:
        marker = json.loads((environment / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return marker if isinstance(marker, dict) else {}


def _write_marker(environment: Path, maker: str, **content: str) -> None:
    marker = {"maker": maker, "python": sys.version, "folder": environment.as_posix(), **content}
    new = environment / f"{MARKER}.new"  # on a full disk the old one stays whole
    new.write_text(json.dumps(marker, indent=1) + "\n", encoding="utf-8")
    new.replace(environment / MARKER)


def _warn_of_new_python() -> None:
    if sys.version_info[:2] > NEWEST:
        say(f"Warning: xbar is tested on Python 3.11 to 3.13; on this one ({_short(sys.version)}) a package may fail.")
        say("If one does, call this script with an older Python.")


def _short(version: str) -> str:
    return version.split()[0]


def _make(environment: Path) -> None:
    """Make the virtual environment, unless a usable one is there."""
    if environment.is_dir() and any(environment.iterdir()):
        marker = _read_marker(environment)
        if marker.get("maker") != US:
            _check_foreign(environment)
            return
        fault = _fault(environment, marker)
        if fault is None:
            return
        if Path(sys.prefix) == environment:
            raise SetupError(f"{environment} {fault}: call this script with a Python outside of it to make it anew.")
        say(f"{environment} {fault}: making it anew ...")
        shutil.rmtree(environment)
    else:
        say(f"Making a Python environment in {environment} ...")
    environment.mkdir(parents=True, exist_ok=True)
    _write_marker(environment, US, doing="making")
    _run_venv(environment)
    _write_marker(environment, US)


def _fault(environment: Path, marker: dict[str, str]) -> str | None:
    """Say why an environment that these scripts made cannot be used any more."""
    if "doing" in marker:
        return "is half made"
    if marker.get("python") != sys.version:
        return f"is of another Python ({_short(marker.get('python', 'unknown'))}, not {_short(sys.version)})"
    if marker.get("folder") != environment.as_posix():
        return "was moved"
    return None if _asked_version(environment) is not None else "does not run"


def _check_foreign(environment: Path) -> None:
    """Refuse what somebody else put into the folder, unless it is an environment of this Python."""
    remedy = "remove it, or let XBAR_VENV name another folder."
    if not (environment / "pyvenv.cfg").is_file():
        raise SetupError(f"{environment} is not empty and no Python environment: {remedy}")
    version = _asked_version(environment)
    if version is None:
        raise SetupError(f"The Python environment in {environment} does not run or has no pip: {remedy}")
    if version != sys.version:
        raise SetupError(
            f"The Python environment in {environment} is of another Python ({_short(version)}; this one is "
            f"{_short(sys.version)}): {remedy}"
        )


def _asked_version(environment: Path) -> str | None:
    """Ask the environment's Python for its version; None where it does not run or has no pip."""
    question = "import pip, sys; sys.stdout.write(sys.version)"
    try:
        answer = subprocess.run([tool(environment, "python"), "-I", "-c", question], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return answer.stdout.decode("utf-8", "replace").replace("\r\n", "\n")


def _run_venv(environment: Path) -> None:
    """Let the module venv make the environment with its own pip."""
    made = subprocess.run(
        [sys.executable, "-m", "venv", str(environment)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    if made.returncode == 0:
        return
    # venv does not pass on what its pip says about the disk.
    full = _disk_full(made.stdout) or shutil.disk_usage(environment).free < LEAST_FREE
    shutil.rmtree(environment, ignore_errors=True)
    if full:
        raise SetupError(_full(environment))
    minor = f"{sys.version_info[0]}.{sys.version_info[1]}"
    raise SetupError(
        f"{made.stdout.strip()}\n\nThis Python ({sys.executable}) cannot make a virtual environment: its modules venv "
        "and ensurepip are needed.\n"
        f"  Debian, Ubuntu: apt install python3-venv   (or python{minor}-venv)\n"
        "  elsewhere: install a Python from its own installer, which brings them\n"
        "Nothing was installed."
    )


def _install(environment: Path, kind: str) -> None:
    """Install the locked versions, then the project as a link to the checkout, then write the stamp."""
    maker = _read_marker(environment).get("maker", "somebody else")
    _write_marker(environment, maker, doing="installing")
    say(f"Installing requirements/{REQUIREMENTS[kind].name} into {environment} (some minutes the first time) ...")
    try:
        _pip(environment, ["-r", str(REQUIREMENTS[kind])])
        # The build tools are in the lock, so that nothing is fetched here.
        _pip(environment, ["--no-deps", "--no-build-isolation", "--editable", str(CHECKOUT)])
    except IndexOutOfReachError:
        _write_marker(environment, maker)  # no package is half installed
        raise
    kinds = ["run", "test"] if kind == "test" else [kind]
    _write_marker(environment, maker, **{name: fingerprint(name) for name in kinds})


def _pip(environment: Path, arguments: Sequence[str]) -> None:
    """Run `pip install`, show what it says, and explain its failure."""
    # -I and PIP_USER: packages of the user's own folders are not taken for the environment's.
    command = [
        str(tool(environment, "python")),
        "-I",
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        *arguments,
    ]
    said: list[str] = []
    with subprocess.Popen(
        command,
        env=os.environ | {"PIP_USER": "0"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            said.append(line)
            if not line.startswith("Requirement already satisfied"):
                say("  " + line.rstrip())
    if running.returncode != 0:
        raise _explain_pip("".join(said), environment)


def _explain_pip(said: str, environment: Path) -> SetupError:
    again = "Then call this script again."
    if _disk_full(said):
        return SetupError(f"{_full(environment)} {again}")
    if any(sign in said for sign in OUT_OF_REACH):
        return IndexOutOfReachError(
            "\npip did not get the packages: it does not reach the package index, or the index lacks them for this "
            "Python.\n"
            "Check the network. A proxy or a mirror of your own is told to pip, not to this script:\n"
            "  pip config set global.proxy URL        pip config set global.index-url URL\n"
            "Without a network, on a machine of the same kind that has one:\n"
            "  pip download -r requirements/test.txt -d wheels\n"
            f"and here, set the variables PIP_NO_INDEX=1 and PIP_FIND_LINKS=(that folder). {again}"
        )
    return SetupError(f"\npip failed: what it said stands above. {again}")


OUT_OF_REACH = (
    "connection broken",
    "ConnectionError",
    "Could not find a version",
    "Max retries",
    "NewConnectionError",
    "No matching distribution",
    "ProxyError",
    "SSLError",
    "timed out",
)
"""What pip says when it cannot get a package."""


def _disk_full(said: str) -> bool:
    return any(sign in said for sign in (os.strerror(errno.ENOSPC), "Errno 28", "WinError 112"))


def _full(environment: Path) -> str:
    return f"The disk is full: {environment} needs about 1.5 GB. Free some, or let XBAR_VENV name a folder elsewhere."


def _explain(error: OSError, environment: Path) -> str:
    if error.errno == errno.ENOSPC:
        return _full(environment)
    return f"{environment} cannot be made: {error}. Let XBAR_VENV name a folder that can be written."


@contextlib.contextmanager
def _alone(environment: Path) -> Iterator[None]:
    """Keep a second run out while one makes the environment; the lock ends with its process, however that ends."""
    environment.parent.mkdir(parents=True, exist_ok=True)
    with environment.with_name(environment.name + ".lock").open("a+b") as lock:
        if sys.platform == "win32":
            import msvcrt

            lock.seek(0)
            while True:
                with contextlib.suppress(OSError):  # LK_LOCK gives up after ten seconds
                    msvcrt.locking(lock.fileno(), msvcrt.LK_LOCK, 1)
                    break
        else:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
