"""The API on memory ports and twins in process, called with events of API Gateway."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import urlencode

from instep.adapters.actionkit import ActionKitClient
from instep.adapters.memory import (
    ManualClock,
    MemoryEvents,
    MemoryMachines,
    MemoryQueue,
    MemorySecrets,
    MemoryStore,
    MemoryWatch,
    SeededIds,
)
from instep.adapters.strive import StriveClient
from instep.adapters.transport import check_hostname
from instep.api.app import build_api
from instep.api.errors import ErrorAnswer
from instep.domain.account import PRIMARY_GROUP_NAME, Account, Phase
from instep.domain.pace import Lane
from instep.domain.record import Record, Status
from instep.use_cases.accounts import change_account, find_account, load_account
from instep.use_cases.catalogue import read_catalogue
from instep.use_cases.errors import AccountStopped
from instep.use_cases.off_switch import follow_account
from instep.use_cases.ports import ActionKit, Item, Strive
from instep.use_cases.records import record_item
from instep.use_cases.stored import member_key, number_key
from instep.use_cases.streams import index_keys, marker_items
from instep.use_cases.work import work_of
from instep.use_cases.worker import work_on
from instep.use_cases.world import Limits, World
from local.twins.actionkit import ActionKitTwin
from local.twins.strive import StriveTwin
from local.twins.transport import TwinTransport

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
HOST = "https://act.example.org"
OTHER_HOST = "https://other.example.org"
STRIVE = "https://strive.example.org"
PASSWORD = "canary password"
API_URL = "https://api.example.org"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gateway would send."""

    status: int
    body: Any
    text: str
    headers: Mapping[str, str]

    @property
    def code(self) -> str:
        return str(self.body["error"]["code"])

    @property
    def fields(self) -> set[str]:
        """The fields that an error names."""
        return {detail["field"] for detail in self.body["error"]["details"]}


class Slots:
    """Permits without limit."""

    @contextmanager
    def slot(self) -> Iterator[None]:
        yield


class TwinProbe:
    """The live checks, against the twins."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def actionkit(self, hostname: str, username: str, password: str) -> Literal["sql", "rest"]:
        return self._desk.client(check_hostname(hostname), username, password).probe()

    def strive(self, api_key: str, campaign_id: int) -> None:
        StriveClient(self._desk.transport, STRIVE, api_key, campaign_id).check()

    def emails(
        self,
        hostname: str,
        username: str,
        password: str,
        reads: Literal["sql", "rest"],
        user_ids: Sequence[int],
    ) -> Mapping[int, str]:
        assert reads == "sql"
        return self._desk.client(check_hostname(hostname), username, password).emails(user_ids)


class Desk:
    """Everything that a test needs to make calls and to look behind them."""

    def __init__(self, users: MemoryStore | None = None) -> None:
        self.clock = ManualClock(NOW)
        self.ids = SeededIds(random.Random(3), self.clock)
        self.settings, self.groups = MemoryStore(), MemoryStore()
        self.users = users or MemoryStore()
        self.live, self.bulk = MemoryQueue(), MemoryQueue()
        self.events = MemoryEvents()
        self.secrets = MemorySecrets()
        self.machines = MemoryMachines(("initial-sync", "scheduled-sync", "account-sync"))
        self.watch = MemoryWatch()
        self.actionkit = self._actionkit_twin(1)
        self.other_actionkit = self._actionkit_twin(2)
        self.strive = StriveTwin(self.clock.now, random.Random(3))
        self.campaign, self.other_campaign = (
            self.strive.add_campaign(name) for name in ("Riverside", "Hillside")
        )
        for name, kind in (("colour", "text"), ("nickname", "text"), ("age", "number")):
            self.strive.add_custom_field(self.campaign.campaign_id, name, name.title(), kind)
        self.transport = TwinTransport(
            {HOST: self.actionkit, OTHER_HOST: self.other_actionkit, STRIVE: self.strive}
        )
        self.world = World(
            settings=self.settings,
            users=self.users,
            groups=self.groups,
            live=self.live,
            bulk=self.bulk,
            events=self.events,
            secrets=self.secrets,
            machines=self.machines,
            clock=self.clock,
            ids=self.ids,
            watch=self.watch,
            probe=TwinProbe(self),
            actionkit=self._open_actionkit,
            strive=self._open_strive,
            consent_key=lambda: b"a key",
            limits=Limits(records_per_minute_ceiling=2000),
            secrets_prefix="instep",
            api_url=API_URL,
        )
        self.api = build_api(self.world)
        self.pages: list[int] = []
        self.usergroups: list[int] = []
        self.answers: list[str] = []

    def close(self) -> None:
        self.actionkit.close()
        self.other_actionkit.close()

    def _actionkit_twin(self, seed: int) -> ActionKitTwin:
        twin = ActionKitTwin(
            self.clock.now, random.Random(seed), username="staff", password=PASSWORD
        )
        for name in ("sms_opt_in", "colour", "nickname"):
            twin.define_userfield(name)
        twin.define_userfield("skills", allow_multiple=True)
        return twin

    def client(self, base_url: str, username: str, password: str) -> ActionKitClient:
        return ActionKitClient(
            self.transport, base_url, username, password, Slots(), "sql", self.clock
        )

    def _open_actionkit(self, account: Account, _lane: Lane) -> ActionKit:
        if account.connection is None:
            raise AccountStopped
        secret = self.secrets.get(account.connection.secret)
        assert secret is not None
        return self.client(account.connection.hostname, secret["username"], secret["password"])

    def _open_strive(self, account: Account) -> Strive:
        if account.connection is None:
            raise AccountStopped
        secret = self.secrets.get(account.connection.secret)
        assert secret is not None
        key, campaign_id = secret["strive_api_key"], account.connection.campaign_id
        return StriveClient(self.transport, STRIVE, key, campaign_id)

    def work_live(self) -> None:
        """Has the work on the live lane done that is there now."""
        sent = list(self.live.sent)
        self.live.sent.clear()
        for one in sent:
            work_on(self.world, work_of(one.body), Lane.LIVE)

    def switch_off(self) -> Answer:
        """OFF, and what it leaves to be carried."""
        answer = self.call("DELETE /activation")
        self.work_live()
        return answer

    # --- calls ---

    def call(
        self,
        call: str,
        body: Any = None,
        account: str = "demo",
        accounts: object = "[demo:editor other:editor look:viewer]",
        **query: object,
    ) -> Answer:
        """A call of the API: `call("GET /users", limit=5)`."""
        method, _, path = call.partition(" ")
        text = None if body is None else json.dumps(body)
        return self.raw(method, f"/api/accounts/{account}{path}", text, accounts, **query)

    def raw(
        self,
        method: str,
        path: str,
        body: str | None = None,
        accounts: object = None,
        **query: object,
    ) -> Answer:
        """A call of any path; every refusal is checked for its form."""
        words = {name: str(value) for name, value in query.items() if value is not None}
        context: dict[str, Any] = {"http": {"method": method, "path": path}, "stage": "$default"}
        if accounts is not None:
            claims = {"sub": "staff-1", "email": "staff@example.org", "accounts": accounts}
            context["authorizer"] = {"jwt": {"claims": claims, "scopes": None}}
        event = {
            "version": "2.0",
            "rawPath": path,
            "rawQueryString": urlencode(words),
            "queryStringParameters": words,
            "headers": {"content-type": "application/json"} if body is not None else {},
            "requestContext": context,
            "isBase64Encoded": False,
            **({"body": body} if body is not None else {}),
        }
        sent = self.api.resolve(event, None)  # type: ignore[arg-type]
        self.clock.sleep(1)
        text = sent["body"]
        assert isinstance(text, str)  # the local gateway answers 500 to null
        self.answers.append(text)
        is_json = sent["headers"].get("Content-Type") == "application/json"
        answer = Answer(
            sent["statusCode"],
            json.loads(text) if is_json and text else None,
            text,
            sent["headers"],
        )
        if answer.status >= 400:
            shown = ErrorAnswer.model_validate(answer.body)
            assert answer.status != 422 or shown.error.details is not None
        assert answer.status != 500, self.watch.alarms
        return answer

    def all(self, path: str, limit: int = 500, **query: Any) -> list[Any]:
        """Every item of a list, page by page."""
        items: list[Any] = []
        cursor: str | None = None
        for _ in range(1000):
            answer = self.call(f"GET {path}", limit=limit, cursor=cursor, **query)
            assert answer.status == 200, answer.text
            assert len(answer.body["items"]) <= limit
            items += answer.body["items"]
            cursor = answer.body["next_cursor"]
            if cursor is None:
                return items
        raise AssertionError("the list never ends")

    # --- states ---

    def credentials(self, **changed: Any) -> dict[str, Any]:
        return {
            "hostname": "act.example.org",
            "username": "staff",
            "password": PASSWORD,
            "strive_api_key": self.campaign.api_key,
            "strive_campaign_id": self.campaign.campaign_id,
            **changed,
        }

    def others_credentials(self, **changed: Any) -> dict[str, Any]:
        """Those of another campaign on the same ActionKit."""
        campaign = self.other_campaign
        return self.credentials(
            strive_api_key=campaign.api_key, strive_campaign_id=campaign.campaign_id, **changed
        )

    def connect(self) -> None:
        assert self.call("PUT /connection", self.credentials()).status == 200

    def ready(self) -> None:
        """Connected, with an opt-in userfield."""
        self.connect()
        answer = self.call("PATCH /settings", {"opt_in_userfield": "sms_opt_in"})
        assert answer.status == 200, answer.text

    def switch_on(self) -> None:
        self.ready()
        answer = self.call("PUT /activation", {"confirm_no_new_member_automation": True})
        assert answer.status == 200, answer.text

    def running(self) -> None:
        """On, with its initial sync done, as an account is after a while."""
        if find_account(self.world, "demo") is None:
            self.ready()
            client = self.client(HOST, "staff", PASSWORD)
            page = client.ensure_import_page()
            self.group = self.strive.add_group(self.campaign.campaign_id, PRIMARY_GROUP_NAME)
            self.change(
                import_page=page.name,
                import_page_id=page.page_id,
                primary_group=self.group,
                first_activated_at=NOW,
                initial_sync_done=True,
            )
        self.change(phase=Phase.SYNCING, epoch=self.account().epoch + 1)
        follow_account(self.world, "demo")

    def listed(self, pages: int = 0, usergroups: int = 0) -> None:
        """Running, with so many more pages and usergroups in ActionKit, listed here."""
        self.running()
        for _ in range(pages):
            number = len(self.pages) + 1
            name, title = f"page-{number}", f"Page {number}"
            self.pages.append(self.actionkit.add_page(name, title=title))
        for _ in range(usergroups):
            name = f"Usergroup {len(self.usergroups) + 1}"
            self.usergroups.append(self.actionkit.add_usergroup(name))
        assert read_catalogue(self.world, "demo") == "ready"

    def off(self) -> None:
        """Off, and its connection still there."""
        self.change(phase=Phase.OFF, epoch=self.account().epoch + 1)
        follow_account(self.world, "demo")

    def audit(self) -> list[Item]:
        """The audit, oldest first."""
        items = self.settings.everything()
        return [one for one in items if one["item"].startswith("audit/")]

    def items(self, prefix: str) -> list[Item]:
        """Items of the users table whose keys begin so."""
        return [one for one in self.users.everything() if one["item"].startswith(prefix)]

    def account(self, account_id: str = "demo") -> Account:
        return load_account(self.world, account_id)

    def change(self, **changes: Any) -> None:
        """Changes the stored account, as a worker would."""
        change_account(self.world, "demo", lambda one: replace(one, **changes))

    def store(self, *records: Record, account_id: str = "demo") -> None:
        """Records as the worker leaves them, with their claims and markers."""
        for record in records:
            kept = {**record_item(account_id, record), **index_keys(record)}
            self.users.put_many([kept, *marker_items(account_id, record)])
            claims = []
            if record.number is not None:
                claims.append(number_key(record.number))
            if record.member_id is not None:
                claims.append(member_key(record.member_id))
            for key in claims:
                self.users.put({"account_id": account_id, "item": key, "user_id": record.user_id})

    def everything(self) -> str:
        """All that is stored, queued, started and told operators, but secrets."""
        stores = [self.settings.everything(), self.users.everything(), self.groups.everything()]
        queues = [self.live.sent, self.bulk.sent, list(self.machines.executions.values())]
        told = [self.watch.notes, self.watch.alarms]
        return repr([stores, queues, told])


def linked(user_id: int, member_id: int, email: str = "", **more: Any) -> Record:
    """A record of a linked user."""
    return Record(
        user_id,
        version=1,
        status=Status.SYNCED,
        reason="linked",
        reason_at=NOW,
        email=email or f"user{user_id}@example.org",
        member_id=member_id,
        number=more.pop("number", f"+1312555{user_id:04d}"),
        changed_at=more.pop("changed_at", NOW),
        **more,
    )


def unlinked(user_id: int, email: str = "", **more: Any) -> Record:
    """A record of a user without a link."""
    return Record(
        user_id,
        version=1,
        status=more.pop("status", Status.INELIGIBLE_NO_PHONE),
        reason=more.pop("reason", "no_phone"),
        reason_at=NOW,
        email=email or f"user{user_id}@example.org",
        changed_at=more.pop("changed_at", NOW),
        **more,
    )
