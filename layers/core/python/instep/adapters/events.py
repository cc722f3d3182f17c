"""The application's event bus on EventBridge."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from botocore.exceptions import ClientError

from instep.use_cases.ports import NotPublishedError

SOURCE: Final = "instep"
"""The source of every event, by which rules of the bus find them."""


def put_events_request(bus_name: str, kind: str, detail: Mapping[str, Any]) -> dict[str, Any]:
    """PutEvents of one event."""
    entry = {
        "EventBusName": bus_name,
        "Source": SOURCE,
        "DetailType": kind,
        "Detail": json.dumps(detail, separators=(",", ":")),
    }
    return {"Entries": [entry]}


class EventBridgeEvents:
    """Events on a bus of EventBridge. `client` is boto3's, and must not try again by itself: an
    event is published at most once."""

    def __init__(self, client: Any, bus_name: str) -> None:
        self._client = client
        self._bus_name = bus_name

    def publish(self, kind: str, detail: Mapping[str, Any]) -> None:
        """Publishes an event. Raises NotPublishedError, with the code alone, for one that the bus
        refuses; an answer of 500 or more, or none at all, leaves it open and is raised as it is."""
        request = put_events_request(self._bus_name, kind, detail)
        try:
            answer = self._client.put_events(**request)
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400) >= 500:
                raise
            raise NotPublishedError(error.response["Error"]["Code"]) from None
        if answer.get("FailedEntryCount"):
            raise NotPublishedError(answer["Entries"][0].get("ErrorCode", "InternalFailure"))
