"""A Strive twin with a campaign, and a client of it, for the tests of its feeds."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, get_args

from instep.adapters.strive import StriveClient
from instep.use_cases.ports import Changed, Feed, HttpAnswer, HttpRequest, Place
from local.twins.http import Request
from local.twins.strive import Campaign, StriveTwin, Unknowns
from local.twins.transport import TwinTransport
from tests.unit.adapters.script import FakeClock

URL = "https://api.strive.example"
FEEDS: Final[tuple[Feed, ...]] = get_args(Feed)
EPOCH: Final = Place(datetime(2000, 1, 1, tzinfo=UTC))


def number(n: int) -> str:
    return f"+1202555{n:04d}"


class Heard:
    """A transport that remembers what it passes on."""

    def __init__(self, transport: TwinTransport) -> None:
        self._transport = transport
        self.requests: list[HttpRequest] = []

    def send(self, request: HttpRequest) -> HttpAnswer:
        self.requests.append(request)
        return self._transport.send(request)


class Town:
    """A campaign with a custom field, a primary group and a client."""

    def __init__(self, **unknowns: Any) -> None:
        self.clock = FakeClock()
        self.twin = StriveTwin(self.clock.now, random.Random(1), Unknowns(**unknowns))
        self.campaign: Campaign = self.twin.add_campaign("Riverside")
        self.id = self.campaign.campaign_id
        self.twin.add_custom_field(self.id, "plan")
        self.group = self.twin.add_group(self.id, "Primary")
        self.heard = Heard(TwinTransport({URL: self.twin}))
        self.client = self.new_client()

    def new_client(self) -> StriveClient:
        return StriveClient(self.heard, URL, self.campaign.api_key, self.id)

    def add(self, n: int, **values: Any) -> int:
        return self.twin.add_member(self.id, number(n), **values)

    def api(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> None:
        """Another program that has the campaign's key."""
        key = {"authorization": f"Bearer {self.campaign.api_key}"}
        content = b"" if body is None else json.dumps(body).encode()
        answer = self.twin.handle(Request.to(method, path, key, content))
        assert answer.status < 300, answer.body

    def pages(self, feed: Feed, after: Place, limit: int) -> Iterator[list[Changed]]:
        """A whole walk, page by page."""
        while True:
            found, after = self.client.changed_since(feed, after, limit, self.group)
            assert len(found) <= limit
            yield found
            if len(found) < limit:
                return

    def walk(self, feed: Feed, after: Place = EPOCH, limit: int = 7) -> list[Changed]:
        return [one for page in self.pages(feed, after, limit) for one in page]

    def named(self, feed: Feed, after: Place = EPOCH) -> set[int]:
        return {one.id for one in self.walk(feed, after)}


def changed_by(town: Town, feed: Feed, member_id: int) -> None:
    """Something happens to a member that the feed tells of."""
    twin = town.twin
    if feed == "members":
        twin.edit_member(member_id, city=f"Troy {town.clock.now():%H%M%S}")
    elif feed == "custom_values":
        twin.edit_member(member_id, custom={"plan": f"{town.clock.now():%H%M%S}"})
    elif feed == "change_log":
        twin.edit_member(member_id, first_name=f"{town.clock.now():%H%M%S}", last_name="Ruiz")
    elif feed == "events":
        twin.text_in(member_id, "STOP")
    elif feed == "joins":
        twin.join_group(town.group, member_id)
    else:
        twin.join_group(town.group, member_id)
        twin.leave_group(town.group, member_id)
