"""One account joined to its own twins, seen as the simulator's invariants see theirs.

What must hold at the end is said once, in `tests/simulation/invariants.py`, for both rings; here
the same questions are answered by the deployed tables, queues, logs and executions.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import random
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, Final, cast
from unittest.mock import patch

from instep.domain.account import Account, core_mappings
from instep.domain.record import Record
from instep.domain.rules import Option
from instep.use_cases import stored
from instep.use_cases.ports import Item
from instep.use_cases.stored import loaded
from local.run import Api
from local.twins.actionkit import ActionKitTwin
from local.twins.people import OPT_IN_USERFIELD, populate
from tests.e2e.deployment import Deployment, wait_for
from tests.e2e.twins import Twins
from tests.simulation import invariants
from tests.simulation import story as stories
from tests.simulation.story import Existing, Phone, Someone, Story, Told
from tests.simulation.world import PASSWORD, Simulation

HIGH_PACE: Final = 1_000_000
SIMULATED_ACCOUNT: Final = stories.ACCOUNT
SIMULATED_KEY: Final = b"simulated"
DONE_WITHIN_SECONDS: Final = 900
"""Nobody waits as long unless something hangs, however loaded the machine."""


class Joined:
    """An account, from before its connection on."""

    def __init__(
        self,
        deployment: Deployment,
        account_id: str,
        campaign_id: int,
        twins: Twins,
        story: Story,
        told: Told,
    ) -> None:
        self.deployment = deployment
        self.account_id, self.campaign_id = account_id, campaign_id
        self.twins, self.strive = twins, twins.strive
        self.actionkit = SinceThen(twins.actionkit)
        self.story, self.told = story, told
        self.api = Api(deployment.description, account_id)
        self.before = self.both_sides()
        self.seen: list[dict[str, Any]] = []
        self._asking = threading.Lock()
        self._snapshot: list[Item] | None = None
        self._users = deployment.store("UsersTable")
        self._settings = deployment.store("SettingsTable")

    # --- what staff do ---

    def connection(self, **changes: Any) -> dict[str, Any]:
        """The body that connects the account to its twins."""
        return {
            "hostname": self.twins.actionkit_url,
            "username": self.twins.username,
            "password": self.twins.password,
            "strive_api_key": self.told.api_key,
            "strive_campaign_id": self.campaign_id,
            **changes,
        }

    def set_up(self) -> None:
        """Connects, sets and maps, by the HTTP API."""
        self.api.must("PUT", "/connection", self.connection())
        settings = {"opt_in_userfield": stories.OPT_IN, **self.story.settings}
        self.api.must("PATCH", "/settings", settings)
        for column, option in self.story.options.items():
            self.api.must("PATCH", f"/fields/core-{column}", {"option": option.value})
        for name, option in self.story.custom.items():
            field = {"strive_field": name, "actionkit_field": name, "option": option.value}
            self.api.must("POST", "/fields", field)

    def switch_on(self) -> None:
        self.api.must("PUT", "/activation", {"confirm_no_new_member_automation": True})

    def progress(self) -> dict[str, Any]:
        """`GET /activation`, remembered."""
        with self._asking:
            activation: dict[str, Any] = self.api.must("GET", "/activation")
            self.seen.append(activation["progress"])
        return activation

    def went_astray(self) -> list[str]:
        """What was wrong with the progress seen: its parts add up to the total, and the users
        scanned never become fewer (A4)."""
        wrong = [
            f"parts of {one['total']}: {one['by_status']}"
            for one in self.seen
            if sum(one["by_status"].values()) != one["total"]
        ]
        scanned = [one["scanned"] for one in self.seen]
        if scanned != sorted(scanned):
            wrong.append(f"scanned went back: {scanned}")
        return wrong

    def until_scanned(self, users: int) -> None:
        """Until the initial sync has done so many, and not all."""

        def so_many() -> bool:
            shown = self.progress()["progress"]
            assert shown["scanned"] < len(self.told.people), "it was over too soon to be met midway"
            return bool(shown["scanned"] >= users)

        wait_for(f"{users} users scanned", so_many, 120, pause=0.1)

    def follow(self, send_back: bool = False) -> None:
        """Until everything is done and confirmed; `send_back`: dead letters too, once the trouble
        that made them is over."""

        def rests() -> bool:
            if send_back:
                self.deployment.send_back()
            return not self.unsettled()

        self.until_synced()
        wait_for(f"{self.account_id} comes to rest", rests, DONE_WITHIN_SECONDS, pause=2)

    def broken_at_last(self) -> list[str]:
        """Invariants that do not hold even when looks that were put off had their time; what is
        yet to be read back is left aside."""
        broken: list[str] = []

        def whole() -> bool:
            broken[:] = [line for line in self.broken() if not line.startswith("left: ")]
            return not [line for line in broken if line.startswith(("user ", "the ", "claims"))]

        try:
            wait_for("everything is right", whole, 90, pause=5)
        except AssertionError:
            return broken
        return broken

    def until_synced(self) -> None:
        """Until the initial sync has ended."""
        wait_for(
            f"the initial sync of {self.account_id} ends",
            lambda: self.progress()["phase"] == "syncing",
            DONE_WITHIN_SECONDS,
            pause=0.5,
        )

    # --- what is there, as the invariants ask for it ---

    def account(self) -> Account:
        item = self._settings.get(self.account_id, stored.ACCOUNT_KEY)
        assert item is not None
        return loaded(stored.ACCOUNT, item)

    def items(self, prefix: str) -> list[Item]:
        """Items of the users table whose key begins so. Consent records have the keys that they
        would have in the simulator, whose hashes are keyed with another key."""
        known = self._snapshot
        items = self._stored(prefix) if known is None else known
        items = [one for one in items if one["item"].startswith(prefix)]
        if prefix != "consent/":
            return items
        names = self._consent_names()
        return sorted(
            ({**one, "item": names[one["item"]]} for one in items), key=lambda one: one["item"]
        )

    def _stored(self, prefix: str) -> list[Item]:
        items: list[Item] = []
        after: str | None = None
        while True:
            page = self._users.query(self.account_id, prefix, after, 1000)
            items += page.items
            if page.next is None:
                return items
            after = page.next

    def records(self) -> dict[int, Record]:
        found = [loaded(stored.RECORD, item) for item in self.items("user/")]
        return {record.user_id: record for record in found}

    def both_sides(self) -> tuple[dict[int, dict[str, Any]], dict[str, dict[str, Any]]]:
        return self.twins.both_sides(self.campaign_id)

    def expected(self) -> dict[int, invariants.Expected]:
        """What the requirements make of each user."""
        return invariants.expected(self.story, self.told.people)

    def unsettled(self) -> list[str]:
        """What is still to be done."""
        left = [f"messages in {name}" for name, n in self.deployment.waiting().items() if n]
        if left:
            return left
        for user_id, record in self.records().items():
            if record.intent:
                left.append(f"{user_id} has an intent")
            if record.awaits:
                left.append(f"{user_id} awaits")
        return left

    @property
    def live(self) -> SimpleNamespace:
        """What the queues carried of this account, and what is dead in any of them."""
        letters = [SimpleNamespace(body=body) for body in self.deployment.dead_letters()]
        bodies = self.deployment.tap.sent([self.account_id])
        faults = self.deployment.faults()
        return SimpleNamespace(bodies=bodies, dead_letters=letters, faults=faults)

    @property
    def bulk(self) -> SimpleNamespace:
        return SimpleNamespace(bodies=[], dead_letters=[], faults=[])

    @property
    def watch(self) -> SimpleNamespace:
        """What operators were told: every line of every log, and the alarms of this account."""
        lines = self.deployment.log_lines()
        alarms = []
        for line in lines:
            if '"level":"ERROR"' not in line:
                continue
            entry = json.loads(line)
            if entry.get("details", {}).get("account_id", self.account_id) == self.account_id:
                alarms.append(entry["message"])
        return SimpleNamespace(lines=lines, alarms=alarms)

    @property
    def machines(self) -> SimpleNamespace:
        """The executions of this account."""
        found = {}
        for one in self.deployment.executions("InitialSyncStateMachineArn"):
            if not one["name"].startswith(f"{self.account_id}-"):
                continue
            events = self.deployment.execution_history(one["executionArn"])
            history = [
                one["input"],
                one.get("output", ""),
                *(json.dumps(e, default=str) for e in events),
            ]
            found[one["name"]] = SimpleNamespace(
                name=one["name"],
                status=one["status"],
                failure=f"{one.get('error', '')} {one.get('cause', '')}",
                history=history,
            )
        return SimpleNamespace(executions=found)

    def broken(self) -> list[str]:
        """Every invariant that does not hold."""
        with self._standing_still():
            return self.went_astray() + invariants.broken(cast(Simulation, self))

    def end_state(self) -> dict[str, Any]:
        """Everything that may not depend on what went wrong."""
        with self._standing_still():
            return invariants.end_state(cast(Simulation, self))

    @contextmanager
    def _standing_still(self) -> Iterator[None]:
        """The table as it is now, read once: the emulator is slow where questions are many."""
        with _as_campaign(self.campaign_id):
            self._snapshot = self._stored("")
            try:
                yield
            finally:
                self._snapshot = None

    def _consent_names(self) -> dict[str, str]:
        numbers = {p.number for one in self.told.people.values() for p in one.phones if p.number}
        numbers |= {one.number for one in self.story.members}
        key = self.deployment.consent_key()
        return {
            _consent_item(key, self.account_id, number): _consent_item(
                SIMULATED_KEY, SIMULATED_ACCOUNT, number
            )
            for number in numbers
        }


_ONE_AT_A_TIME = threading.Lock()


@contextmanager
def _as_campaign(campaign_id: int) -> Iterator[None]:
    """Stories and invariants speak of this campaign; here each account needs one of its own."""
    with (
        _ONE_AT_A_TIME,
        patch.object(invariants, "CAMPAIGN", campaign_id),
        patch.object(stories, "CAMPAIGN", campaign_id),
    ):
        yield


class SinceThen:
    """ActionKit with the actions that were taken since then."""

    def __init__(self, twin: ActionKitTwin) -> None:
        self._twin = twin
        self._before = {action["id"] for action in twin.actions()}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._twin, name)

    def actions(self) -> list[dict[str, Any]]:
        return [one for one in self._twin.actions() if one["id"] not in self._before]


def _consent_item(key: bytes, account_id: str, number: str) -> str:
    message = f"{account_id}\n{number}".encode()
    return stored.consent_key(hmac.new(key, message, hashlib.sha256).hexdigest()[:40])


def join_story(deployment: Deployment, story: Story) -> Joined:
    """An account with the people of a story."""
    account_id, campaign_id = deployment.new_account()
    twins = Twins(
        deployment.board,
        account_id,
        PASSWORD,
        story.derives,
        story.actionkit_unknowns,
        story.strive_unknowns,
    )
    deployment.on_close(twins.close)
    _skip_campaigns(twins, campaign_id)
    with _as_campaign(campaign_id):
        told = stories.tell(story, twins.actionkit, twins.strive, twins.clock.pass_time)
    twins.clock.arrive()
    return Joined(deployment, account_id, campaign_id, twins, story, told)


def join_sample(
    deployment: Deployment,
    people: int,
    seed: int,
    records_per_minute: int = HIGH_PACE,
    options: Mapping[str, Option] | None = None,
    custom: Mapping[str, Option] | None = None,
    canary_name: str = "",
) -> Joined:
    """An account with people as `make run` has them; a name to look for where none may be is
    given to every tenth user and member."""
    account_id, campaign_id = deployment.new_account()
    twins = Twins(deployment.board, account_id, PASSWORD)
    deployment.on_close(twins.close)
    _skip_campaigns(twins, campaign_id)
    twins.clock.arrive()
    sample = populate(twins.actionkit, twins.strive, people, random.Random(seed), twins.clock())
    assert sample.opt_in_userfield == OPT_IN_USERFIELD == stories.OPT_IN
    assert sample.demo.campaign_id == campaign_id
    someone = {}
    for person in sample.people:
        user = twins.actionkit.user(person.user_id)
        phones = tuple(
            Phone(row["type"], row["source"], row["phone"], None) for row in user["phones"]
        )
        if person.number is not None:
            phones = (Phone("mobile", "user", "", person.number),)
        someone[person.user_id] = Someone({}, phones, person.opt_in, {})
    members = twins.strive.members(campaign_id)
    if canary_name:
        for user_id in twins.actionkit.user_ids()[::10]:
            twins.actionkit.edit_user(user_id, last_name=f"{canary_name} U{user_id}")
        for member in members[::10]:
            twins.strive.edit_member(member["id"], last_name=f"{canary_name} M{member['id']}")
    chosen = {m.strive_field: m.option for m in core_mappings()} | dict(options or {})
    story = Story(
        seed=seed,
        people=tuple(someone.values()),
        members=tuple(Existing(m["phone_number"], {}, m["opt_in"], {}) for m in members),
        options=chosen,
        custom=dict(custom or {}),
        settings={
            "phone_types": (),
            "phone_fallback": False,
            "default_region": "US",
            "records_per_minute": records_per_minute,
        },
        derives=True,
        bulk_concurrency=0,
        batch=0,
        window=0,
        backlog=0,
        windows_per_execution=0,
    )
    told = Told(someone, sample.demo.api_key)
    return Joined(deployment, account_id, campaign_id, twins, story, told)


def _skip_campaigns(twins: Twins, upto: int) -> None:
    """The next campaign made has this id: an account's campaign is no other account's."""
    while (made := twins.strive.add_campaign("of others").campaign_id) < upto - 1:
        assert made < upto
