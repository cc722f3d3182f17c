"""What every Secrets does."""

from __future__ import annotations

import uuid

import pytest

from instep.adapters.memory import MemorySecrets
from instep.adapters.secrets import SecretsManagerSecrets
from instep.use_cases.ports import Secrets
from tests.contract.places import Client


@pytest.fixture
def secrets(place: Client | None) -> Secrets:
    return MemorySecrets() if place is None else SecretsManagerSecrets(place("secretsmanager"))


@pytest.fixture
def name() -> str:
    return f"stack/acme/{uuid.uuid4().hex}"


def test_a_secret_comes_back(secrets: Secrets, name: str) -> None:
    value = {"username": "robot", "password": 'p"ä\\ss'}
    secrets.put(name, value)
    assert secrets.get(name) == value


def test_a_secret_can_be_changed(secrets: Secrets, name: str) -> None:
    secrets.put(name, {"key": "one", "old": "x"})
    secrets.put(name, {"key": "two"})
    assert secrets.get(name) == {"key": "two"}


def test_what_is_not_there_is_none(secrets: Secrets, name: str) -> None:
    assert secrets.get(name) is None


def test_a_deleted_secret_is_gone(secrets: Secrets, name: str) -> None:
    secrets.put(name, {"key": "one"})
    secrets.delete(name)
    assert secrets.get(name) is None
    secrets.delete(name)
    secrets.delete(f"{name}-never")


def test_a_secret_is_no_one_elses(secrets: Secrets, name: str) -> None:
    value = {"key": "one"}
    secrets.put(name, value)
    value["key"] = "two"
    assert secrets.get(name) == {"key": "one"}
