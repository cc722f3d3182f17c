"""The whole application and both twins in one process, on one thread."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any, Final

from instep.adapters.clients import Clients, LiveProbe
from instep.adapters.memory import MemoryEvents, MemorySecrets, MemoryStore
from instep.domain.account import Account, Phase
from instep.domain.record import Record
from instep.use_cases import stored
from instep.use_cases.accounts import find_account
from instep.use_cases.activation import Confirmation, switch_on
from instep.use_cases.connect import Credentials, connect
from instep.use_cases.errors import InstepError, NotAdmitted
from instep.use_cases.fields import add_field, change_option
from instep.use_cases.ports import Item
from instep.use_cases.settings import change_settings
from instep.use_cases.stored import loaded
from instep.use_cases.world import Limits, World
from local.twins.actionkit import ActionKitTwin
from local.twins.strive import StriveTwin
from local.twins.zips import ZIPS
from tests.simulation.faults import NONE, Dice, Profile
from tests.simulation.lanes import Functions, Lane, load_handler
from tests.simulation.loop import SECOND, Killed, Loop, Task
from tests.simulation.machine import SimulatedMachines
from tests.simulation.ports import (
    AwsError,
    RememberingWatch,
    SeededIds,
    SimulatedClock,
    SimulatedEvents,
    SimulatedSecrets,
    SimulatedStore,
    SimulatedTransport,
    Wire,
)
from tests.simulation.story import ACCOUNT, CAMPAIGN, OPT_IN, Story, tell

START: Final = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ACTIONKIT: Final = "act.riverside.example"
STRIVE: Final = "api.strive.example"
PASSWORD: Final = "canary-password-7Qx"
TICK_SECONDS: Final = 600
MOST_CALLS: Final = 30_000
"""Port calls of the longest run there should be, several times over."""
WORKER_SECONDS: Final = 60
STEP_SECONDS: Final = 120
VISIBILITY_SECONDS: Final = 360
"""As in template.yaml."""


class Simulation:
    """One account's story, from its connection on."""

    def __init__(self, story: Story, profile: Profile = NONE) -> None:
        self.story = story
        self.loop = loop = Loop(START)
        self.dice = Dice(f"{story.seed}/{profile}", profile)
        quiet = self.dice.quiet
        self.dice.quiet = True
        self.wire = wire = Wire(loop, self.dice)
        self.actionkit = ActionKitTwin(
            loop.now,
            random.Random(f"{story.seed}/actionkit"),
            unknowns=story.actionkit_unknowns,
            password=PASSWORD,
            zips=ZIPS if story.derives else None,
        )
        self.strive = self._strive()
        self.told = tell(story, self.actionkit, self.strive, self._pass)
        self.before = self.both_sides()
        self.transport = SimulatedTransport(wire, {ACTIONKIT: self.actionkit, STRIVE: self.strive})
        self.users = SimulatedStore(wire, "users", MemoryStore(), MemoryStore())
        self.users.watchers.append(self._watch_progress)
        self.settings = SimulatedStore(wire, "settings", MemoryStore(), MemoryStore())
        self.groups = SimulatedStore(wire, "groups", MemoryStore(), MemoryStore())
        self.secrets = SimulatedSecrets(wire, MemorySecrets())
        self.events = SimulatedEvents(wire, MemoryEvents())
        self.watch = RememberingWatch(loop)
        self.functions = Functions(wire)
        self.machines = SimulatedMachines(wire, self.functions, self._function)
        self.live = self._lane("live", 10)
        self.bulk = self._lane("bulk", story.bulk_concurrency)
        self.world = self._world()
        for lane in ("live", "bulk"):
            handler = load_handler("worker", self.world, {"LANE": lane})
            self.functions.add(f"worker-{lane}", handler, WORKER_SECONDS)
        for name in ("feed", "catalogue", "sweep"):
            seconds = WORKER_SECONDS if name == "catalogue" else STEP_SECONDS
            self.functions.add(name, load_handler(name, self.world, {}), seconds)
        self.scanned = 0
        self.staff_done = False
        self.ticks = 0
        self.most_calls = MOST_CALLS
        self.dice.quiet = quiet
        if not quiet:
            loop.at(self.dice.quiet_after_us, self._become_quiet)

    # --- what it is made of ---

    def _strive(self, kind: type[StriveTwin] = StriveTwin) -> StriveTwin:
        return kind(
            self.loop.now,
            random.Random(f"{self.story.seed}/strive"),
            unknowns=self.story.strive_unknowns,
            **({} if self.story.derives else {"state_of": lambda _: None}),
        )

    def _world(self) -> World:
        clock = SimulatedClock(self.wire)
        ids = SeededIds(self.loop, self.story.seed)
        strive_url = f"https://{STRIVE}"
        clients = Clients(self.transport, self.secrets, self.users, clock, ids, strive_url, False)
        return World(
            settings=self.settings,
            users=self.users,
            groups=self.groups,
            live=self.live,
            bulk=self.bulk,
            events=self.events,
            secrets=self.secrets,
            machines=self.machines,
            clock=clock,
            ids=ids,
            watch=self.watch,
            probe=LiveProbe(self.transport, clock, strive_url, False),
            actionkit=clients.actionkit,
            strive=clients.strive,
            consent_key=lambda: b"simulated",
            limits=Limits(worker_seconds=WORKER_SECONDS),
            secrets_prefix="instep",
            api_url="https://instep.example",
        )

    def _lane(self, name: str, concurrency: int) -> Lane:
        def begin(event: dict[str, Any], on_end: Callable[[Task], None]) -> None:
            self.functions.invoke(f"worker-{name}", event, on_end)

        return Lane(self.wire, name, begin, concurrency, VISIBILITY_SECONDS)

    @staticmethod
    def _function(name: str) -> str:
        names = {"${FeedFunctionArn}": "feed", "${CatalogueFunctionArn}": "catalogue"}
        return names.get(name) or {"${SweepFunctionArn}": "sweep"}[name]

    def _pass(self, seconds: float) -> None:
        """Time before the beginning."""
        self.loop.now_us += int(seconds * SECOND)

    def _become_quiet(self) -> None:
        self.loop.note("faults end")
        self.dice.quiet = True

    # --- what happens ---

    def run(self) -> None:
        """From the connection until everything is done and confirmed. Raises BrokenError."""
        with self.story.sizes():
            self._call()
            self.loop.at(TICK_SECONDS * SECOND, self._tick)
            if not self.loop.run_until(self.settled, 3 * 86_400):
                raise AssertionError(f"it never came to an end: {self.unsettled()}")

    def look_at_everybody(self) -> None:
        """Puts every user on the queue once more, and runs until that is done."""
        with self.story.sizes():
            account = self.account()
            for user_id in self.actionkit.user_ids():
                body = {
                    "account_id": ACCOUNT,
                    "epoch": account.epoch,
                    "user_ids": [user_id],
                    "cause": "check",
                    "run_id": "",
                    "tries": 0,
                    "apart": False,
                    "bucket": "",
                }
                self.bulk.put(json.dumps(body), ACCOUNT, 0)
            if not self.loop.run_until(self.settled, 86_400):
                raise AssertionError(f"a second look never ended: {self.unsettled()}")

    def _tick(self) -> None:
        self.ticks += 1
        name = f"tick-{self.ticks}"
        for _ in range(2 if self.dice.chance(self.dice.profile.message_doubled) else 1):
            self.machines.begin("scheduled-sync", name, {})
        self.loop.at(self._next_gap(), self._tick)
        if self.dice.quiet:
            for lane in (self.live, self.bulk):
                lane.send_back()

    def _next_gap(self) -> int:
        return TICK_SECONDS * SECOND

    def _call(self) -> None:
        self.loop.spawn("staff", self._staff, self._staff_gone)

    def _staff_gone(self, task: Task) -> None:
        """Whoever saw a call die makes it again."""
        error = task.error
        away = isinstance(error, InstepError) and error.code.endswith(("_unreachable", "_busy"))
        if away or isinstance(error, Killed | AwsError | NotAdmitted):
            self.loop.at(5 * SECOND, self._call)
        elif error is not None:
            self.loop.broken(f"staff met {error!r}")

    def _staff(self) -> None:
        """Staff connect, set up and switch on; what was done already is not done again."""
        world, story = self.world, self.story
        account = find_account(world, ACCOUNT)
        if account is None or account.connection is None:
            connect(world, ACCOUNT, "ana", self.credentials())
        change_settings(world, ACCOUNT, "ana", {"opt_in_userfield": OPT_IN, **story.settings})
        for column, option in story.options.items():
            change_option(world, ACCOUNT, "ana", f"core-{column}", option)
        mapped = {one.strive_field for one in self.account().mappings}
        for name, option in story.custom.items():
            if name not in mapped:
                add_field(world, ACCOUNT, "ana", name, name, option)
        self.switch_on()
        self.staff_done = True

    def switch_on(self) -> None:
        given = Confirmation(no_new_member_automation=True, adopt_primary_group=False)
        try:
            switch_on(self.world, ACCOUNT, "ana", given)
        except InstepError as error:
            if error.code != "group_name_taken":
                raise
            switch_on(self.world, ACCOUNT, "ana", Confirmation(True, True))

    def credentials(self) -> Credentials:
        return Credentials(ACTIONKIT, "staff", PASSWORD, self.told.api_key, CAMPAIGN)

    # --- what is there ---

    def account(self) -> Account:
        item = self.settings.inner.get(ACCOUNT, "account")
        assert item is not None
        return loaded(stored.ACCOUNT, item)

    def records(self) -> dict[int, Record]:
        found = [loaded(stored.RECORD, item) for item in self.items("user/")]
        return {record.user_id: record for record in found}

    def items(self, prefix: str) -> list[Item]:
        """Items of the users table whose key begins so."""
        return self.users.inner.query(ACCOUNT, prefix, None, 1_000_000).items

    def both_sides(self) -> tuple[dict[int, dict[str, Any]], dict[str, dict[str, Any]]]:
        """Users by id and members by number, as the twins show them."""
        members = {one["phone_number"]: one for one in self.strive.members(CAMPAIGN)}
        return self.actionkit.users(), members

    def unsettled(self) -> list[str]:
        """What is still to be done."""
        left = []
        if not self.staff_done:
            left.append("staff")
        for lane in (self.live, self.bulk):
            left += [] if lane.empty else ["messages"]
            left += [f"dead letter {letter.body}" for letter in lane.dead_letters]
        running = [e.name for e in self.machines.executions.values() if e.status == "RUNNING"]
        left += [name for name in running if not name.startswith("tick-")]
        if left:
            return left
        account = self.account()
        if account.phase is not Phase.SYNCING:
            left.append(str(account.phase))
        records = self.records().values()
        left += [f"{one.user_id} has an intent" for one in records if one.intent]
        left += [f"{one.user_id} awaits" for one in records if one.awaits]
        return left

    def settled(self) -> bool:
        if self.wire.calls > self.most_calls:
            self.loop.broken(f"it goes round and round: {self.unsettled()}")
            return False
        if not self.staff_done or not self.bulk.empty or not self.live.empty:
            return False
        if self.bulk.dead_letters or self.live.dead_letters:
            return False
        return not self.unsettled()

    def _watch_progress(self, account_id: str, key: str, item: Item | None) -> None:
        if key.startswith("run/") and "-initial-" in key and item is not None:
            scanned = item.get("scanned", 0)
            if scanned < self.scanned:
                self.loop.broken(f"scanned went from {self.scanned} to {scanned}")
            self.scanned = scanned

    def close(self) -> None:
        self.loop.close()
        self.actionkit.close()


@contextmanager
def simulated(story: Story, profile: Profile = NONE) -> Iterator[Simulation]:
    """A simulation that is cleaned up afterwards."""
    with ExitStack() as stack:
        simulation = Simulation(story, profile)
        stack.callback(simulation.close)
        yield simulation
