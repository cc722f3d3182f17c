"""Processes that outlive the command that started them, found again by their id."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path


class Processes:
    """The processes of one stack: ids in `pids/`, output in `logs/` of its folder."""

    def __init__(self, folder: Path, root: Path) -> None:
        self._pids = folder / "pids"
        self._logs = folder / "logs"
        self._root = root

    def start(self, name: str, command: Sequence[str], env: Mapping[str, str]) -> None:
        """Starts a process of its own group, in the checkout."""
        self._pids.mkdir(parents=True, exist_ok=True)
        self._logs.mkdir(parents=True, exist_ok=True)
        with self.log(name).open("w") as log:
            process = subprocess.Popen(
                command,
                cwd=self._root,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        mark = _mark(process.pid)
        self._pids.joinpath(name).write_text(f"{process.pid} {mark}")

    def alive(self, name: str) -> bool:
        return self._pid(name) is not None

    def log(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def tail(self, name: str, lines: int = 30) -> str:
        """The end of what a process wrote."""
        text = self.log(name).read_text(errors="replace")
        return "\n".join(text.splitlines()[-lines:])

    def stop(self, *names: str) -> list[str]:
        """Ends processes, all of them if none is named: those that were running."""
        names = names or tuple(path.name for path in self._pids.glob("*"))
        running = {name: pid for name in names if (pid := self._pid(name)) is not None}
        for pid in running.values():
            os.kill(pid, signal.SIGTERM)
        for name, pid in running.items():
            _wait(pid, seconds=5)
            _kill_group(pid)
            self._pids.joinpath(name).unlink(missing_ok=True)
        return sorted(running)

    def _pid(self, name: str) -> int | None:
        path = self._pids / name
        if not path.exists():
            return None
        number, _, mark = path.read_text().partition(" ")
        pid = int(number)
        if _running(pid) and _mark(pid) == mark:
            return pid
        path.unlink(missing_ok=True)
        return None


def _running(pid: int) -> bool:
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _mark(pid: int) -> str:
    """What tells a process from a later one of the same id: when it was started."""
    done = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


def _wait(pid: int, seconds: float) -> None:
    until = time.monotonic() + seconds
    while _running(pid) and time.monotonic() < until:
        time.sleep(0.05)


def _kill_group(pid: int) -> None:
    """Whatever the process left behind in its group, and itself if it did not end."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
