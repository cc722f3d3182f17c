"""A small client for tests of the Strive twin, and a clock that tests move."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from local.twins.http import Request, Response
from local.twins.strive import Campaign, StriveTwin, Unknowns

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def forward(self, seconds: float) -> datetime:
        self.now += timedelta(seconds=seconds)
        return self.now


class Strive:
    """A twin with one campaign and requests with its key."""

    def __init__(self, **unknowns: Any) -> None:
        self.clock = Clock()
        self.twin = StriveTwin(self.clock, random.Random(7), Unknowns(**unknowns))
        self.campaign: Campaign = self.twin.add_campaign("Riverside")
        self.id = self.campaign.campaign_id
        self.key = self.campaign.api_key

    def ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        prefer: str = "",
        key: str | None = None,
        **headers: str,
    ) -> Response:
        sent = {"authorization": f"Bearer {key or self.key}", **headers}
        if prefer:
            sent["prefer"] = prefer
        string = "&".join(f"{k}={quote(v)}" for k, v in (query or {}).items())
        data = b"" if body is None else json.dumps(body).encode()
        return self.twin.handle(Request.to(method, f"{path}?{string}", sent, data))

    def get(self, path: str, **query: str) -> Any:
        answer = self.ask("GET", path, query)
        assert answer.status == 200, answer.body
        return answer.json()

    def post_member(self, number: str, **values: Any) -> Response:
        body = {"phone_number": number, "campaign_id": self.id, **values}
        return self.ask("POST", "/members", body=body)

    def patch(self, member_id: int, values: Mapping[str, Any], **query: str) -> Response:
        return self.ask(
            "PATCH",
            "/members",
            {"id": f"eq.{member_id}", **query},
            values,
            prefer="return=representation",
        )
