"""Simulated time, and everything that happens at once, on one thread.

Whatever would be a process of its own (an invocation, an execution) is a task in its own greenlet.
A task hands over to the loop wherever it would wait; the loop goes on with whoever is due next.
Times are whole microseconds, and equal times go by the order in which they were asked for: so a
run is a function of its seeds alone.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from greenlet import getcurrent, greenlet

SECOND = 1_000_000


class Killed(BaseException):
    """The process of a task is gone. Nothing in the application may catch it for good: whoever
    tries to go on meets it again at the next port."""


class BrokenError(AssertionError):
    """An invariant was broken while the simulation ran."""


@dataclass(eq=False, slots=True)
class Task:
    """A process. `dead`: it was killed and does nothing more, whatever its code still tries."""

    name: str
    on_end: Callable[[Task], None] | None = None
    dead: bool = False
    ended: bool = False
    result: Any = None
    error: BaseException | None = None
    turn: int = 0
    glet: greenlet = field(init=False)


class Loop:
    """The event loop. Methods that wait must be called from within a task."""

    def __init__(self, start: datetime) -> None:
        self.now_us = 0
        self._start = start
        self._due: list[tuple[int, int, Callable[[], None]]] = []
        self._sequence = 0
        self._hub = getcurrent()
        self._tasks: dict[greenlet, Task] = {}
        self._broken: str | None = None
        self.trace: list[str] = []

    # --- time ---

    def now(self) -> datetime:
        return self._start + timedelta(microseconds=self.now_us)

    def at(self, after_us: int, do: Callable[[], None]) -> None:
        """Does something later, outside every task."""
        self._sequence += 1
        heapq.heappush(self._due, (self.now_us + max(0, after_us), self._sequence, do))

    def note(self, *words: object) -> None:
        """A line of the trace."""
        self.trace.append(" ".join(map(str, (self.now_us, *words))))

    def broken(self, what: str) -> None:
        """An invariant does not hold: the run ends here."""
        self._broken = self._broken or what

    def run_until(self, done: Callable[[], bool], limit_seconds: float) -> bool:
        """Runs until it is done (looked at after each event), nothing is due, or the time is over;
        says whether it is done. Raises BrokenError."""
        until = self.now_us + int(limit_seconds * SECOND)
        while not done():
            if not self._due or self._due[0][0] > until:
                return False
            self.now_us, _, do = heapq.heappop(self._due)
            do()
            if self._broken is not None:
                raise BrokenError(self._broken)
        return True

    def close(self) -> None:
        """Ends every task that is still under way, without another effect."""
        for task in list(self._tasks.values()):
            self.kill(task)
        self._due.clear()

    # --- tasks ---

    def current(self) -> Task | None:
        """The task that runs now; None outside of all."""
        return self._tasks.get(getcurrent())

    def spawn(
        self, name: str, body: Callable[[], Any], on_end: Callable[[Task], None] | None = None
    ) -> Task:
        """A new task, which begins at once (after what is due already)."""
        task = Task(name, on_end)

        def run() -> None:
            try:
                task.result = body()
            except Killed as killed:
                task.error = killed
            except Exception as error:  # noqa: BLE001 - what a handler raises is its outcome
                task.error = error
            task.ended = True
            del self._tasks[task.glet]
            if task.on_end is not None:
                task.on_end(task)

        task.glet = greenlet(run, parent=self._hub)
        self._tasks[task.glet] = task
        self.at(0, lambda: self._resume(task, task.turn))
        return task

    def sleep(self, after_us: int) -> None:
        """Waits. Raises Killed if the process is killed meanwhile."""
        task = self._tasks[getcurrent()]
        if task.dead:
            raise Killed
        task.turn += 1
        turn = task.turn
        self.at(after_us, lambda: self._resume(task, turn))
        self._hub.switch()

    def park(self) -> None:
        """Waits until woken. Raises Killed if the process is killed meanwhile."""
        task = self._tasks[getcurrent()]
        if task.dead:
            raise Killed
        task.turn += 1
        self._hub.switch()

    def wake(self, task: Task) -> None:
        """Lets a parked task go on."""
        turn = task.turn
        self.at(0, lambda: self._resume(task, turn))

    def kill(self, task: Task) -> None:
        """Kills a process from outside of every task, wherever it waits."""
        if task.ended or task.dead:
            return
        task.dead = True
        task.turn += 1
        if task.glet:
            task.glet.throw(Killed())
        else:  # it had not begun
            task.ended, task.error = True, Killed()
            del self._tasks[task.glet]
            if task.on_end is not None:
                task.on_end(task)

    def die(self) -> None:
        """The process that runs now is gone."""
        self._tasks[getcurrent()].dead = True
        raise Killed

    def _resume(self, task: Task, turn: int) -> None:
        if not task.ended and not task.dead and task.turn == turn:
            task.glet.switch()
