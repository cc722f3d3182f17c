"""A twin with a clock that tests turn by hand, and a caller with the staff account's login."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from local.twins.actionkit import ActionKitTwin, Unknowns
from local.twins.http import Request, Response

ROOT = "/rest/v1/"
LOGIN = "Basic " + base64.b64encode(b"sync:right horse").decode()
ZIPS = {"60601": ("Chicago", "IL"), "97201": ("Portland", "OR")}
BOUNDARY = "a-boundary"


class Caller:
    """Calls a fresh twin in process."""

    def __init__(self, **unknowns: Any) -> None:
        self.now = datetime(2026, 5, 4, 12, 0, 0, 250_000, tzinfo=UTC)
        self.twin = ActionKitTwin(
            lambda: self.now,
            random.Random(7),
            Unknowns(**unknowns),
            username="sync",
            password="right horse",
            zips=ZIPS,
        )

    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        login: str | None = LOGIN,
    ) -> Response:
        sent = {"host": "act.example.org", **(headers or {})}
        if login is not None:
            sent["authorization"] = login
        data = (
            body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        )
        url = path if path.startswith("/") else ROOT + path
        return self.twin.handle(Request.to(method, url, sent, data))

    def get(self, path: str) -> Any:
        response = self.call("GET", path)
        assert response.status == 200, (response.status, response.body)
        return response.json()

    def sql(self, query: str, **parameters: Any) -> Any:
        response = self.call(
            "POST", "report/run/sql/", {"query": query, "refresh": True, **parameters}
        )
        assert response.status == 200, (response.status, response.body)
        return response.json()

    def act(self, page: str, **parameters: Any) -> Response:
        return self.call("POST", "action/", {"page": page, **parameters})

    def upload(self, page: str, table: str, **options: str) -> Response:
        parts = {"page": page, "upload": table, **options}
        body = "".join(
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"'
            f"{'; filename=table.csv' if name == 'upload' else ''}\r\n\r\n{value}\r\n"
            for name, value in parts.items()
        )
        return self.call(
            "POST",
            "upload/",
            (body + f"--{BOUNDARY}--\r\n").encode(),
            {"content-type": f"multipart/form-data; boundary={BOUNDARY}"},
        )
