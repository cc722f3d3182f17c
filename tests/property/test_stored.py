"""Ring 1: what is stored of a user comes back as it was, and a typical record stays in one unit."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from instep.adapters.memory import MemoryStore, attributes_bytes
from instep.domain.people import Side
from instep.domain.record import (
    Base,
    ConsentState,
    Draft,
    FieldState,
    FieldWrite,
    Intent,
    Record,
    Sent,
    Status,
)
from instep.domain.rules import Option
from instep.use_cases.records import record_item
from instep.use_cases.stored import RECORD, loaded

AT = datetime(2026, 3, 1, 12, 0, 0, 123, UTC)
TEXTS = st.sampled_from(["", " ", "Ana", "ana", "José", "both", "populate_no_overwrite"])
TIMES = st.datetimes(min_value=datetime(2000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
MAYBE_TIMES = st.none() | TIMES
SIDES = st.sampled_from(Side)
NAMES = st.sampled_from(["core-email", "core-city", "f1"])
FIELDS = st.builds(
    FieldState,
    actionkit=TEXTS,
    strive=TEXTS,
    base=st.none() | st.builds(Base, TEXTS, TEXTS, st.sampled_from(Option)),
    sent=st.none() | st.builds(Sent, SIDES, TEXTS, TEXTS, TEXTS, TIMES),
    rule=TEXTS,
    changed_after=MAYBE_TIMES,
    changed_before=MAYBE_TIMES,
)
CONSENTS = st.builds(
    ConsentState,
    set_at=MAYBE_TIMES,
    false_seen_at=MAYBE_TIMES,
    sent_actionkit_at=MAYBE_TIMES,
    sent_strive_at=MAYBE_TIMES,
)
INTENTS = st.builds(
    Intent,
    intent_id=TEXTS,
    at=TIMES,
    expires_at=TIMES,
    create=st.none()
    | st.builds(Draft, TEXTS, st.booleans(), st.dictionaries(NAMES, TEXTS), st.just({})),
    field_writes=st.tuples() | st.tuples(st.from_type(FieldWrite)),
    created_fields=st.dictionaries(NAMES, TEXTS),
    consent=st.none() | CONSENTS,
)
RECORDS = st.builds(
    Record,
    user_id=st.integers(1, 10**12 - 1),
    version=st.integers(0, 99),
    status=st.sampled_from(Status),
    reason_at=MAYBE_TIMES,
    email=TEXTS,
    first_name=TEXTS,
    number=st.none() | TEXTS,
    member_id=st.none() | st.integers(1, 10**9),
    fields=st.dictionaries(NAMES, FIELDS),
    consent=CONSENTS,
    groups=st.frozensets(st.integers(1, 9)),
    changed_at=MAYBE_TIMES,
    intent=st.none() | INTENTS,
)


@given(RECORDS)
def test_a_stored_record_is_read_as_it_was(record: Record) -> None:
    store = MemoryStore()
    item = record_item("acct", record)
    store.put(item)
    read = store.get("acct", item["item"])
    assert read is not None
    assert loaded(RECORD, read) == record


def test_values_are_said_once() -> None:
    def field(actionkit: str, strive: str, rule: str) -> FieldState:
        return FieldState(actionkit, strive, Base(actionkit, strive, Option.TWO_WAY), rule=rule)

    fields = {
        "a": field("Ana", "Ana", "created"),
        "b": field("Diaz", "Díaz", "created"),
        "c": field("", "", "no_value"),
        "d": FieldState(),
    }
    record = Record(user_id=5, fields=fields)
    item = record_item("acct", record)
    assert item["most_fields"] == {"base": "two_way", "rule": "created"}
    assert item["fields"] == {
        "a": {"both": "Ana"},
        "b": {"actionkit": "Diaz", "strive": "Díaz"},
        "c": {"rule": "no_value"},
        "d": {"base": None, "rule": None},
    }
    assert loaded(RECORD, item) == record


def test_the_record_of_a_typical_person_is_one_unit() -> None:
    """1 KB is one unit of writing: a longer record costs two each time."""
    values = {
        "core-first_name": "Alejandra",
        "core-last_name": "González Rodríguez",
        "core-email": "alejandra.gonzalez.rodriguez@example.org",
        "core-city": "San Francisco",
        "core-state": "CA",
        "core-postal_code": "94110-1234",
    }
    option = Option.POPULATE_NO_OVERWRITE
    record = Record(
        user_id=123_456,
        version=2,
        status=Status.SYNCED,
        reason="created",
        reason_at=AT,
        email=values["core-email"],
        first_name=values["core-first_name"],
        last_name=values["core-last_name"],
        phone="+14155550123",
        number="+14155550123",
        member_id=1_234_567,
        created_member=True,
        linked_at=AT,
        default_region="US",
        fields={
            key: FieldState(value, value, Base(value, value, option), rule="created")
            for key, value in values.items()
        },
        consent=ConsentState("true", "true", AT, "sms_opt_in", True, sent_strive_at=AT),
        groups=frozenset({7004}),
        changed_at=AT,
    )
    assert attributes_bytes(record_item("riverside", record)) <= 1024
