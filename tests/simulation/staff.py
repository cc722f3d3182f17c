"""Staff's clicks while the sync runs: each is a call that may die and is then made again, one
after the other."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from instep.domain.account import Phase, allowed_options
from instep.domain.rules import Kind, Option, Resubscribe
from instep.use_cases.accounts import load_account
from instep.use_cases.activation import pause, resume, switch_off
from instep.use_cases.connect import connect
from instep.use_cases.erasure import erase_person
from instep.use_cases.errors import InstepError, NotAdmitted
from instep.use_cases.fields import add_field, change_option, remove_field
from instep.use_cases.holds import discard, list_holds, release
from instep.use_cases.settings import change_settings
from instep.use_cases.user_page import sync_now
from tests.simulation.acts import Span
from tests.simulation.ledger import Chosen
from tests.simulation.loop import SECOND, Killed, Task
from tests.simulation.ports import AwsError
from tests.simulation.story import ACCOUNT, CUSTOM

if TYPE_CHECKING:
    from tests.simulation.days_world import DaysSimulation

WHO = "ana"
PATIENCE_SECONDS = 1800


class Staff:
    """People who configure the integration."""

    def __init__(self, simulation: DaysSimulation, rng: random.Random) -> None:
        self._simulation = simulation
        self._loop = simulation.loop
        self._world = simulation.world
        self._ledger = simulation.ledger
        self._rng = rng
        self._waiting: list[tuple[str, Callable[[], None], Callable[[bool], None]]] = []
        self.busy = False
        self.gave_up = False
        """What is connected is taken for another system (C4): most of a short list has changed."""
        self._later = 0
        self._released: set[tuple[str, int]] = set()

    def do_something(self) -> None:
        """One click, or what leads to one later."""
        self._rng.choice(
            [
                *[self.option] * 4, *[self.mapping] * 3, *[self.setting] * 2, self.resubscribe,
                self.pause, self.off, self.sync_now, self.erase, *[self.hold] * 3,
            ]
        )()  # fmt: skip

    # --- clicks ---

    def option(self) -> None:
        """Another option for a mapped field."""
        account = self._simulation.account()
        mapping = self._rng.choice(account.mappings)
        option = self._rng.choice(allowed_options(mapping))
        self._choose(
            self._ledger.options, mapping.name, option,
            lambda: change_option(self._world, ACCOUNT, WHO, mapping.field_id, option),
        )  # fmt: skip

    def mapping(self) -> None:
        """A custom field mapped, or no more."""
        account = self._simulation.account()
        mapped = [one for one in account.mappings if one.kind is Kind.CUSTOM]
        free = [one for one in CUSTOM if one not in {two.strive_field for two in mapped}]
        if free and (not mapped or self._rng.random() < 0.6):
            name, option = self._rng.choice(free), self._rng.choice(tuple(Option))

            def add() -> None:
                now = load_account(self._world, ACCOUNT).mappings
                if all(one.strive_field != name for one in now):
                    add_field(self._world, ACCOUNT, WHO, name, name, option)

            self._choose(self._ledger.options, f"custom:{name}", option, add)
        elif mapped:
            one = self._rng.choice(mapped)

            def remove() -> None:
                now = load_account(self._world, ACCOUNT).mappings
                if one.field_id in {two.field_id for two in now}:
                    remove_field(self._world, ACCOUNT, WHO, one.field_id)

            self._choose(self._ledger.options, one.name, None, remove)

    def setting(self) -> None:
        name, value = self._rng.choice(
            (
                ("phone_types", self._rng.choice(((), ("mobile",), ("home", "mobile")))),
                ("phone_fallback", self._rng.random() < 0.5),
                ("records_per_minute", self._rng.choice((1000, 120, 60))),
                ("create_users", self._rng.random() < 0.6),
            )
        )
        self._set(name, value)

    def resubscribe(self) -> None:
        self._set("resubscribe_from_actionkit", self._rng.choice(tuple(Resubscribe)))

    def pause(self) -> None:
        self._click("pauses", lambda: pause(self._world, ACCOUNT, WHO), self._stopped)
        seconds = self._rng.choice((60, 700, 2000))
        self._click_in(seconds, "resumes", self._resume)

    def off(self) -> None:
        self._click("switches off", lambda: switch_off(self._world, ACCOUNT, WHO), self._stopped)
        seconds = self._rng.choice((30, 900, 4000))
        self._click_in(seconds, "switches on", self._on)

    def _click_in(self, seconds: int, what: str, call: Callable[[], object]) -> None:
        def click() -> None:
            self._later -= 1
            self._click(what, call)

        self._later += 1
        self._loop.at(seconds * SECOND, click)

    def _stopped(self, done: bool) -> None:
        if done:
            self._simulation.acts.off.append(Span(self._loop.now_us))

    def _goes_on(self) -> None:
        for span in self._simulation.acts.off:
            span.to_us = min(span.to_us, self._loop.now_us)

    def _resume(self) -> None:
        self._goes_on()
        resume(self._world, ACCOUNT, WHO)

    def _on(self) -> None:
        self._goes_on()
        account = load_account(self._world, ACCOUNT)
        if account.connection is None:
            connect(self._world, ACCOUNT, WHO, self._simulation.credentials())
        self._simulation.switch_on()

    def sync_now(self) -> None:
        ids = self._simulation.actionkit.user_ids()
        user_id = self._rng.choice(ids)
        recreate = self._rng.random() < 0.3
        self._click(
            f"syncs user {user_id} now", lambda: sync_now(self._world, ACCOUNT, user_id, recreate)
        )

    def erase(self) -> None:
        """Somebody is erased here (E1)."""
        ids = [one for one in self._ledger.linked if one not in self._ledger.erased]
        known = [one for one in ids if one in self._simulation.actionkit.user_ids()]
        if not known:
            return
        self.erase_user(self._rng.choice(known))

    def erase_user(self, user_id: int) -> None:
        """One in particular."""

        def erase() -> None:
            if user_id not in self._ledger.erased:
                self._ledger.erase(user_id, self._simulation.people.canaries(user_id))
            erase_person(self._world, ACCOUNT, user_id, WHO)

        self._click(f"erases user {user_id}", erase)

    def hold(self) -> None:
        """Somebody looks at what is held: lets it happen, or not."""
        held = self._simulation.open_holds()
        if held:
            hold_id = self._rng.choice(held)["item"].removeprefix("hold/")
            if self._rng.random() < 0.6:
                self.release_hold(hold_id)
            else:
                self._click(f"discard {hold_id}", lambda: self._discard(hold_id))

    def release_all(self) -> None:
        """Nothing is left to be decided. What is discarded then is what `calm_acts` wants so."""
        if self.busy:
            return
        for one in self._simulation.open_holds():
            hold_id = one["item"].removeprefix("hold/")
            declined = self._simulation.acts.declined.get(one.get("group_id", 0))
            if declined is not None:
                # One that everybody left again, since it was decided meanwhile, ends by itself.
                if self._simulation.items(f"held/{hold_id}/"):
                    declined.append(hold_id)
                call = partial(discard, self._world, ACCOUNT, WHO, hold_id)
                self._click(f"discard {hold_id}", call)
            else:
                self.release_hold(hold_id)

    def release_hold(self, hold_id: str) -> None:
        """Lets happen what is held."""
        self._click(f"release {hold_id}", partial(self._release, hold_id))

    def _release(self, hold_id: str) -> None:
        self._note_released(hold_id)
        shown, _ = list_holds(self._world, ACCOUNT, None, 50)
        for one in shown:
            if one.hold.hold_id == hold_id:
                release(self._world, ACCOUNT, WHO, hold_id, one.people)

    def _note_released(self, hold_id: str) -> None:
        """Who is put into a group that texts because staff say so: each once."""
        item = self._simulation.users.inner.get(ACCOUNT, f"hold/{hold_id}")
        if item is None or not item.get("group_id"):
            return
        for one in self._simulation.items(f"held/{hold_id}/"):
            user_id = int(one["item"].rsplit("/", 1)[1])
            if (hold_id, user_id) not in self._released:
                self._released.add((hold_id, user_id))
                released = self._simulation.acts.released
                released[item["group_id"], user_id].append(self._loop.now_us)

    def _discard(self, hold_id: str) -> None:
        # Who is in it now, and whoever joins while the call is made again.
        for one in self._simulation.items(f"held/{hold_id}/"):
            self._ledger.discarded.add(int(one["item"].rsplit("/", 1)[1]))
        discard(self._world, ACCOUNT, WHO, hold_id)

    # --- one call after the other ---

    def click(self, what: str, call: Callable[[], object], on_end: Callable[[bool], None]) -> None:
        """Another call of theirs."""
        self._click(what, call, on_end)

    def _choose(
        self, table: dict[str, list[Chosen]], name: str, value: object, call: Callable[[], object]
    ) -> None:
        tried: list[bool] = []

        def begin() -> None:
            if not tried:
                tried.append(True)
                self._ledger.choosing(table, name, value)
            call()

        self._click(f"{name} = {value}", begin, lambda done: self._ledger.chose(table, name, done))

    def _set(self, name: str, value: object) -> None:
        self._choose(
            self._ledger.settings, name, value,
            lambda: change_settings(self._world, ACCOUNT, WHO, {name: value}),
        )  # fmt: skip

    def _click(
        self,
        what: str,
        call: Callable[[], object],
        on_end: Callable[[bool], None] = lambda _: None,
    ) -> None:
        def do() -> None:
            call()

        self._waiting.append((what, do, on_end))
        if not self.busy:
            self._next()

    def _next(self) -> None:
        self.busy = bool(self._waiting)
        if self.busy:
            what, call, on_end = self._waiting.pop(0)
            self._loop.note("STAFF", what)
            self._try(what, call, on_end, self._loop.now_us)

    def _try(
        self, what: str, call: Callable[[], None], on_end: Callable[[bool], None], began: int
    ) -> None:
        def ended(task: Task) -> None:
            error = task.error
            away = isinstance(error, InstepError) and error.code.endswith(
                ("_unreachable", "_busy", "_unavailable")
            )
            if away or isinstance(error, Killed | AwsError | NotAdmitted):
                self._loop.at(5 * SECOND, lambda: self._try(what, call, on_end, began))
                return
            if error is not None and not isinstance(error, InstepError):
                self._loop.broken(f"staff met {error!r} when: {what}")
            self._loop.note("STAFF", what, "done" if error is None else repr(error))
            if isinstance(error, InstepError) and error.code == "different_system":
                self.gave_up = True
            on_end(error is None)
            self._next()

        self._loop.spawn("staff", call, ended)

    @property
    def idle(self) -> bool:
        """Nothing is left to be clicked: what was paused goes on, what was off is on."""
        running = self._simulation.account().phase in (Phase.INITIAL_SYNC, Phase.SYNCING)
        return not self.busy and not self._later and running
