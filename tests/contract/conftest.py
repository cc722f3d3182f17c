"""Each contract test runs three times: in memory, on AWS in this process, on an emulator (that of
STACK_ENDPOINT, else one of its own if `make` has installed it)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import boto3
import pytest
from botocore.config import Config
from moto import mock_aws

from tests.contract.places import EMULATOR, Client, emulator


@pytest.fixture(scope="session")
def stack_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The emulator's endpoint. Skips, with the reason, where there is none."""
    given = os.environ.get("STACK_ENDPOINT")
    if given:
        yield given
    elif not EMULATOR.exists():
        pytest.skip(f"no STACK_ENDPOINT, and no emulator at {EMULATOR}")
    else:
        with emulator(tmp_path_factory.mktemp("emulator")) as endpoint:
            yield endpoint


@pytest.fixture(scope="session")
def session() -> boto3.session.Session:
    """One for all tests: it keeps the descriptions of the services, which are slow to read."""
    return boto3.session.Session("testing", "testing", region_name="us-east-1")


@pytest.fixture(params=["memory", "moto", "stack"])
def place(
    request: pytest.FixtureRequest, session: boto3.session.Session
) -> Iterator[Client | None]:
    """None in memory, else what makes AWS's clients."""
    with ExitStack() as stack:
        settings: dict[str, Any] = {"config": Config(retries={"mode": "standard"})}
        if request.param == "memory":
            yield None
            return
        if request.param == "moto":
            stack.enter_context(mock_aws())
        else:
            settings["endpoint_url"] = request.getfixturevalue("stack_endpoint")

        def client(service: str) -> Any:
            made = session.client(service, **settings)  # type: ignore[call-overload]
            stack.callback(made.close)
            return made

        yield client
