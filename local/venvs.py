"""Makes the virtual environments of the checkout. Needs nothing but Python itself.

Four of them, since the emulator and the deployment tool each insist on their own versions of the
same libraries: `dev` (tests, this package, the twins), `aws` (the emulator, whose interpreter also
runs the functions), `sam`, and `console`, which has Node and what describes the API. Each is made
once, and completed when its list changes.
"""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENVS = ROOT / ".local" / "venvs"
LISTS = {
    "dev": ("requirements-dev.txt", "layers/dependencies/requirements.txt"),
    "aws": ("local/requirements-aws.txt",),
    "sam": ("local/requirements-sam.txt",),
    "console": ("local/requirements-console.txt", "layers/dependencies/requirements.txt"),
}
"""The list that is installed, and those that it takes in."""


def ready(name: str) -> Path:
    """The folder of the programs of an environment, made or completed where needed."""
    if sys.version_info < (3, 11):  # noqa: UP036
        sys.exit("Python 3.11 or newer is needed; set PYTHON, as in: make run PYTHON=python3.12")
    folder = VENVS / name
    stamp = folder / "installed"
    wanted = _wanted(name)
    VENVS.mkdir(parents=True, exist_ok=True)
    with (VENVS / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            print(f"Installing into .local/venvs/{name} …", flush=True)
            base = getattr(sys, "_base_executable", sys.executable)
            if not _same_python(folder):
                _run(base, "-m", "venv", "--clear", str(folder))
            pip = (str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet")
            _run(*pip, "--disable-pip-version-check", "-r", str(ROOT / LISTS[name][0]))
            stamp.write_text(wanted)
    return folder / "bin"


def _wanted(name: str) -> str:
    parts = [sys.version, *(ROOT.joinpath(path).read_text() for path in LISTS[name])]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _same_python(folder: Path) -> bool:
    """Whether the folder has an environment of this very version of Python."""
    settings = folder / "pyvenv.cfg"
    version = ".".join(map(str, sys.version_info[:3]))
    return settings.exists() and f"version = {version}" in settings.read_text()


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    for each in sys.argv[1:]:
        ready(each)
