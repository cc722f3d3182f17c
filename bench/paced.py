"""An undisturbed initial sync of the sample people at ActionKit's real pace, in simulated time: the
handlers themselves, the state machine's own definition, both twins (tests/simulation)."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from unittest.mock import patch

from bench.counted import CountedFunctions, CountedStore, Use
from instep.adapters.clients import Clients, LiveProbe
from instep.adapters.memory import MemoryEvents, MemorySecrets
from instep.domain.account import Phase
from instep.domain.decide import decide
from instep.domain.plan import Plan, Seen
from instep.domain.record import Record
from instep.domain.rules import Rules
from instep.use_cases.accounts import load_account
from instep.use_cases.activation import Confirmation, switch_on
from instep.use_cases.connect import Credentials, connect
from instep.use_cases.ports import Item
from instep.use_cases.settings import change_settings
from instep.use_cases.stored import RECORD, loaded
from instep.use_cases.work import BATCH
from instep.use_cases.world import Limits, World
from local.twins.actionkit import ActionKitTwin
from local.twins.people import populate
from local.twins.strive import StriveTwin
from local.twins.zips import ZIPS
from tests.simulation.faults import NONE, Dice
from tests.simulation.lanes import Lane, load_handler
from tests.simulation.loop import Loop, Task
from tests.simulation.machine import SimulatedMachines
from tests.simulation.ports import (
    RememberingWatch,
    SeededIds,
    SimulatedClock,
    SimulatedSecrets,
    SimulatedStore,
    SimulatedTransport,
    Wire,
)

ACCOUNT: Final = "bench"
ACTIONKIT: Final = "act.example.org"
STRIVE: Final = "api.strive.example"
USERNAME: Final = "staff"
PASSWORD: Final = "made-up"  # noqa: S105 - of the twin
START: Final = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
RECORDS_PER_MINUTE: Final = 1000
WORKER_SECONDS: Final = 60
SECONDS: Final = {"feed": 120, "catalogue": WORKER_SECONDS, "sweep": 300}
VISIBILITY_SECONDS: Final = 360
BULK_WORKERS: Final = 20
LIVE_WORKERS: Final = 10
"""As in template.yaml."""
UNCHANGED: Final = 1000
"""So many users are looked at again when nothing has changed."""

Decision = tuple[Seen, Record | None, Rules, datetime]


@dataclass(slots=True)
class Ran:
    """What was counted. `first` and `again` are uses of the tables during the first sync of
    everybody and during a look at `looked_again` users of whom nothing has changed. `items`: the
    users table as it is in the end; `own`: whose a number's or a consent's key is."""

    users: int
    looked_again: int = 0
    decisions: list[Decision] = field(default_factory=list)
    first: list[Use] = field(default_factory=list)
    again: list[Use] = field(default_factory=list)
    again_wrote: int = 0
    items: list[Item] = field(default_factory=list)
    owners: dict[str, int] = field(default_factory=dict)
    records: dict[int, Record] = field(default_factory=dict)
    actionkit: dict[str, int] = field(default_factory=dict)
    actions: int = 0
    strive: Mapping[str, int] = field(default_factory=dict)
    transitions: int = 0
    most_in_60_seconds: int = 0
    minutes: list[int] = field(default_factory=list)
    texts: int = 0
    mails: int = 0


class Sync:
    """One account on the simulator's ports."""

    def __init__(self, people: int, seed: int) -> None:
        self.loop = Loop(START)
        self.dice = Dice(seed, NONE)
        self.wire = wire = Wire(self.loop, self.dice)
        self.ran = Ran(people)
        chance = random.Random(seed)  # noqa: S311 - sample data
        now = self.loop.now
        self.actionkit = ActionKitTwin(now, chance, password=PASSWORD, zips=ZIPS)
        self.strive = StriveTwin(now, chance)
        self.sample = populate(self.actionkit, self.strive, people, chance, now())
        self.tables, self.indexes = (
            {
                name: CountedStore(lambda: self.loop.current() is not None)
                for name in ("settings", "users", "groups")
            }
            for _ in range(2)
        )
        self.functions = CountedFunctions(wire)
        self.machines = SimulatedMachines(wire, self.functions, _function)
        self.lanes = {
            "live": self._lane("live", LIVE_WORKERS),
            "bulk": self._lane("bulk", BULK_WORKERS),
        }
        self.world = self._world(seed)
        for lane in self.lanes:
            handler = load_handler("worker", self.world, {"LANE": lane})
            self.functions.add(f"worker-{lane}", handler, WORKER_SECONDS)
        for name, seconds in SECONDS.items():
            self.functions.add(name, load_handler(name, self.world, {}), seconds)

    def _world(self, seed: int) -> World:
        wire, url = self.wire, f"https://{STRIVE}"
        transport = SimulatedTransport(wire, {ACTIONKIT: self.actionkit, STRIVE: self.strive})
        tables = {
            name: SimulatedStore(wire, name, table, self.indexes[name])
            for name, table in self.tables.items()
        }
        secrets = SimulatedSecrets(wire, MemorySecrets())
        clock, ids = SimulatedClock(wire), SeededIds(self.loop, seed)
        clients = Clients(transport, secrets, tables["users"], clock, ids, url, False)
        return World(
            settings=tables["settings"],
            users=tables["users"],
            groups=tables["groups"],
            live=self.lanes["live"],
            bulk=self.lanes["bulk"],
            events=MemoryEvents(),
            secrets=secrets,
            machines=self.machines,
            clock=clock,
            ids=ids,
            watch=RememberingWatch(self.loop),
            probe=LiveProbe(transport, clock, url, False),
            actionkit=clients.actionkit,
            strive=clients.strive,
            consent_key=lambda: b"bench",
            limits=Limits(RECORDS_PER_MINUTE, WORKER_SECONDS),
            secrets_prefix="bench",
            api_url="https://bench.example",
        )

    def _lane(self, name: str, concurrency: int) -> Lane:
        def begin(event: dict[str, Any], on_end: Callable[[Task], None]) -> None:
            self.functions.invoke(f"worker-{name}", event, on_end)

        return Lane(self.wire, name, begin, concurrency, VISIBILITY_SECONDS)

    # --- what happens ---

    def run(self) -> Ran:
        """The initial sync, and looks at some who have not changed."""
        world, ran = self.world, self.ran
        demo = self.sample.demo
        given = Credentials(ACTIONKIT, USERNAME, PASSWORD, demo.api_key, demo.campaign_id)
        connect(world, ACCOUNT, "ana", given)
        opt_in = {"opt_in_userfield": self.sample.opt_in_userfield}
        change_settings(world, ACCOUNT, "ana", opt_in)
        self.actionkit.reset_counts()
        self.strive.reset_counts()
        with patch("instep.use_cases.sync.decide", self._decide):
            switch_on(world, ACCOUNT, "ana", Confirmation(no_new_member_automation=True))
            self._until_settled()
        ran.first = self.uses()
        self._count_requests()
        ran.transitions = sum(" enters " in line for line in self.loop.trace)
        self._look_again()  # what a side derived by itself is news to the first look
        self.uses()
        actions = len(self.actionkit.actions())
        self._look_again()
        ran.again = self.uses()
        ran.again_wrote = len(self.actionkit.actions()) - actions
        ran.items = self.tables["users"].store.everything()
        ran.records = self.records()
        ran.owners = self._owners()
        return ran

    def close(self) -> None:
        """Ends what is under way."""
        self.loop.close()
        self.actionkit.close()

    def _decide(self, seen: Seen, record: Record | None, rules: Rules, now: datetime) -> Plan:
        self.ran.decisions.append((seen, record, rules, now))
        return decide(seen, record, rules, now)

    def _until_settled(self) -> None:
        if not self.loop.run_until(self.settled, 3 * 86_400):
            raise AssertionError("the sync never came to an end")

    def settled(self) -> bool:
        """Whether nothing is under way and nobody awaits an answer."""
        if not all(lane.empty for lane in self.lanes.values()):
            return False
        if load_account(self.world, ACCOUNT).phase is not Phase.SYNCING:
            return False
        return not any(one.intent or one.awaits for one in self.records().values())

    def _look_again(self) -> None:
        """Looks at the first users once more."""
        epoch = load_account(self.world, ACCOUNT).epoch
        user_ids = self.actionkit.user_ids()[:UNCHANGED]
        self.ran.looked_again = len(user_ids)
        for start in range(0, len(user_ids), BATCH):
            body = {
                "account_id": ACCOUNT,
                "epoch": epoch,
                "user_ids": user_ids[start : start + BATCH],
                "cause": "check",
                "run_id": "",
                "tries": 0,
                "bucket": "",
            }
            self.lanes["bulk"].put(json.dumps(body), ACCOUNT, 0)
        self._until_settled()

    # --- what was counted ---

    def uses(self) -> list[Use]:
        """The uses since the last call."""
        stores = [*self.tables.values(), *self.indexes.values()]
        uses = [use for store in stores for use in store.uses]
        for store in stores:
            store.uses.clear()
        return uses

    def _count_requests(self) -> None:
        ran, counts, strive = self.ran, self.actionkit.counts(), self.strive.counts()
        ran.actionkit, ran.strive = counts["requests"], strive.requests
        ran.texts, ran.mails = strive.texts, counts["mails_sent"]
        ran.most_in_60_seconds = self.actionkit.most_users_in_any_60_seconds()
        ran.minutes = [users for _, users in self.actionkit.users_per_minute_series()]

    def requests(self) -> tuple[Counter[str], Counter[str]]:
        """Requests to ActionKit and to Strive since the beginning, by name."""
        counts = self.actionkit.counts()["requests"], self.strive.counts().requests
        return Counter(counts[0]), Counter(counts[1])

    def records(self) -> dict[int, Record]:
        """Every record, by user."""
        page = self.tables["users"].store.query(ACCOUNT, "user/", None, 1_000_000)
        records = [loaded(RECORD, item) for item in page.items]
        return {record.user_id: record for record in records}

    def _owners(self) -> dict[str, int]:
        """Whose a claim and a number's consent record are, by the item's key."""
        owners: dict[str, int] = {}
        for person in self.sample.people:
            if person.number is not None:
                digest = self.world.digest(ACCOUNT, person.number)
                owners.setdefault(f"consent/{digest}", person.user_id)
                owners.setdefault(f"number/{person.number}", person.user_id)
        for record in self.ran.records.values():
            if record.number is not None:
                owners[f"consent/{self.world.digest(ACCOUNT, record.number)}"] = record.user_id
                owners[f"number/{record.number}"] = record.user_id
            if record.member_id is not None:
                owners[f"member/{record.member_id:012d}"] = record.user_id
        return owners


def _function(name: str) -> str:
    return {
        "${FeedFunctionArn}": "feed",
        "${CatalogueFunctionArn}": "catalogue",
        "${SweepFunctionArn}": "sweep",
    }[name]
