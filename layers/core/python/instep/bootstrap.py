"""The one place that makes the real ports, from the environment of a function."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import cache, wraps
from typing import Any

import boto3
import requests
from botocore.config import Config
from pydantic import BaseModel, ConfigDict

from instep.adapters.clients import Clients, LiveProbe
from instep.adapters.dynamo import DynamoStore
from instep.adapters.events import EventBridgeEvents
from instep.adapters.machines import StepFunctionsMachines
from instep.adapters.secrets import SecretsManagerSecrets
from instep.adapters.sqs import SqsQueue
from instep.adapters.system import LoggedWatch, SystemClock, SystemIds
from instep.adapters.transport import RequestsTransport
from instep.use_cases.world import Limits, World

Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


class Environment(BaseModel):
    """What the template tells a function. A function that has no use for a part is not given it;
    template.yaml and this list are compared by a test."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    settings_table: str
    users_table: str
    groups_table: str
    live_queue_url: str = ""
    bulk_queue_url: str = ""
    initial_sync_machine_arn: str = ""
    account_sync_machine_arn: str = ""
    consent_key_secret: str = ""
    secrets_prefix: str = ""
    strive_api_url: str = ""
    records_per_minute_ceiling: int = 1000
    admit_local_hosts: bool = False
    worker_seconds: int = 60
    history_days: int = 400
    consent_years: int = 5
    api_url: str = ""
    event_bus_name: str = ""


def environment(variables: Mapping[str, str]) -> Environment:
    """The environment, checked. Raises pydantic's ValidationError naming what is missing."""
    return Environment.model_validate({name.lower(): value for name, value in variables.items()})


def observed(handle: Handler) -> Handler:
    """The handler, with what it counted written to the log at the end, whatever its end."""

    @wraps(handle)
    def handled(event: dict[str, Any], context: Any) -> dict[str, Any]:
        try:
            return handle(event, context)
        finally:
            watch().flush()

    return handled


@cache
def watch() -> LoggedWatch:
    """The one watch of this function: it knows whether anything was counted."""
    return LoggedWatch()


@cache
def world() -> World:
    """The world of this function, made once."""
    return build_world(environment(os.environ))


def build_world(env: Environment) -> World:
    """The real ports. Clients of AWS try again by themselves, with standard waits; but not that of
    the event bus, on which nothing may come twice."""
    session = boto3.session.Session()
    config = Config(retries={"mode": "standard", "max_attempts": 5}, read_timeout=15)
    once = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=10)
    dynamodb = session.client("dynamodb", config=config)
    sqs = session.client("sqs", config=config)
    secrets = SecretsManagerSecrets(session.client("secretsmanager", config=config))
    clock, ids = SystemClock(), SystemIds()
    users = DynamoStore(dynamodb, env.users_table)
    transport = RequestsTransport(requests.Session(), env.admit_local_hosts)
    clients = Clients(
        transport, secrets, users, clock, ids, env.strive_api_url, env.admit_local_hosts
    )

    @cache
    def consent_key() -> bytes:
        key = secrets.get(env.consent_key_secret)
        if key is None:
            raise LookupError(env.consent_key_secret)
        return key["key"].encode()

    return World(
        settings=DynamoStore(dynamodb, env.settings_table),
        users=users,
        groups=DynamoStore(dynamodb, env.groups_table),
        live=SqsQueue(sqs, env.live_queue_url),
        bulk=SqsQueue(sqs, env.bulk_queue_url),
        events=EventBridgeEvents(session.client("events", config=once), env.event_bus_name),
        secrets=secrets,
        machines=StepFunctionsMachines(
            session.client("stepfunctions", config=config),
            {
                "initial-sync": env.initial_sync_machine_arn,
                "account-sync": env.account_sync_machine_arn,
            },
        ),
        clock=clock,
        ids=ids,
        watch=watch(),
        probe=LiveProbe(transport, clock, env.strive_api_url, env.admit_local_hosts),
        actionkit=clients.actionkit,
        strive=clients.strive,
        consent_key=consent_key,
        limits=Limits(
            records_per_minute_ceiling=env.records_per_minute_ceiling,
            worker_seconds=env.worker_seconds,
            history_days=env.history_days,
            consent_years=env.consent_years,
        ),
        secrets_prefix=env.secrets_prefix,
        api_url=env.api_url,
    )
