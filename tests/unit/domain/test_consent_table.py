"""F10 to F14: docs/decisions.md says what becomes of consent, and decide does it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from instep.domain.decide import decide
from instep.domain.people import FieldRow, Member, Phone, Side, SubscriptionEvent, User
from instep.domain.plan import Plan, Seen
from instep.domain.record import ConsentState, Evidence, NumberConsent, Record, Status
from instep.domain.rules import Resubscribe, Rules
from tests.property.small_world import IMPORT_PAGE, NUMBERS, OPT_IN, START, rules_with
from tests.unit.domain.decision_tables import Row, assert_complete, expand, read_table

Case = tuple[Row, Row]

N = NUMBERS[0]
ACTIVATED = START - timedelta(days=10)
# In this order it happened, as far as it is in a case at all:
MADE = START  # the sync created the member
OPTED_IN = START + timedelta(days=10)
REFUSED = START + timedelta(days=20)
FALSE_SEEN = START + timedelta(days=21)
SETTING_CHANGED = START + timedelta(days=30)
LAST_LOOK = START + timedelta(days=40)
SINCE = START + timedelta(days=41)
NOW = START + timedelta(days=42)

KNOWN = ["nothing", "refusal from Strive", "refusal from ActionKit", "opted in", "not asked"]
SETTINGS = ["never", "own_action", "any"]
RAW = {"true": " Yes", "false": "NO", "unrecognised": "TBD", "none": ""}
READING = {"true": "true", "false": "false", "unrecognised": "unrecognised", "none": ""}

CREATED = read_table("Consent", "The sync creates the member")
CREATED_BY = {
    "known of the number": KNOWN,
    "ActionKit's value": ["true", "false", "false over true", "unrecognised", "none"],
    "setting": SETTINGS,
}
FIRST = read_table("Consent", "First link with a member")
FIRST_BY = {
    "known of the number": KNOWN,
    "ActionKit's value": [
        "true",
        "refusing false",
        "old false",
        "unrecognised",
        "none",
        "none (linked)",
    ],
    "member": ["opted in", "opted in since", "opted out", "opted out since"],
    "setting": SETTINGS,
}
AFTERWARDS = read_table("Consent", "A linked pair, afterwards")
AFTERWARDS_BY = {
    "known of the number": KNOWN,
    "ActionKit's value": ["true", "false", "unrecognised", "none"],
    "set since": ["no", "over true", "over another"],
    "member": ["opted in", "opted in since", "opted out", "opted out since", "deleted"],
    "setting": SETTINGS,
}
LIFTED = read_table("Consent", "A true in ActionKit for a member who is opted out")
LIFTED_BY = {
    "known of the number": ["not asked", "refusal from ActionKit", "refusal from Strive"],
    "set by": ["own action", "upload", "by hand"],
    "false seen": ["yes", "no"],
    "setting": SETTINGS,
    "after the setting": ["yes", "no"],
}


def cases(rows: list[Row], dimensions: dict[str, list[str]]) -> list[Case]:
    return list(expand(rows, dimensions))


def name_of(case: Case) -> str:
    return " | ".join(case[0].values())


@pytest.mark.parametrize(
    ("rows", "dimensions"),
    [(CREATED, CREATED_BY), (FIRST, FIRST_BY), (AFTERWARDS, AFTERWARDS_BY), (LIFTED, LIFTED_BY)],
    ids=["created", "first link", "afterwards", "lifted"],
)
def test_a_table_holds_every_combination_once(
    rows: list[Row], dimensions: dict[str, list[str]]
) -> None:
    assert_complete(rows, dimensions)


# --- what is known, and what is seen ---


def entry(side: Side, opted_in: bool, at: datetime) -> Evidence:
    return Evidence(at, side, str(opted_in).lower(), opted_in, "", "")


def numbers(known: str) -> Iterator[NumberConsent]:
    """The number's record, in every shape in which it says so."""
    before = entry(Side.STRIVE, True, OPTED_IN)
    for opt_in in (None, before):
        if known == "refusal from Strive":
            yield NumberConsent(opt_in, entry(Side.STRIVE, False, REFUSED))
        if known == "refusal from ActionKit":
            refusal = entry(Side.ACTIONKIT, False, REFUSED)
            yield NumberConsent(opt_in, refusal, refusal_user_id=1)
            yield NumberConsent(opt_in, refusal, refusal_user_id=2)
    if known == "nothing":
        yield NumberConsent()
    if known == "not asked":
        yield NumberConsent(not_asked_at=MADE)
    if known == "opted in":
        yield NumberConsent(before)
        for side in Side:
            earlier = entry(side, False, OPTED_IN - timedelta(days=1))
            yield NumberConsent(entry(Side.ACTIONKIT, True, OPTED_IN), earlier)


def known_of(number: NumberConsent) -> str:
    """What a number's record says, in the words of the tables."""
    if number.refused:
        assert number.refusal is not None
        return {
            Side.STRIVE: "refusal from Strive",
            Side.ACTIONKIT: "refusal from ActionKit",
        }[number.refusal.side]
    if number.not_asked_at is not None:
        return "not asked"
    return "opted in" if number.opt_in is not None else "nothing"


def row(value: str, at: datetime | None, page_id: int | None = 5, kind: str = "signup") -> FieldRow:
    return FieldRow(OPT_IN, RAW[value], at, None if page_id is None else 700, page_id, kind)


def user(*rows: FieldRow) -> User:
    phone = Phone(1, "mobile", N, ACTIVATED - timedelta(days=100))
    filled = tuple(one for one in rows if one.value)
    return User(1, "one@example.org", phones=(phone,), fields=filled)


def rules(setting: str, changed_at: datetime | None = None) -> Rules:
    return rules_with(
        primary_group=None,
        first_activated_at=ACTIVATED,
        resubscribe=Resubscribe(setting),
        resubscribe_changed_at=changed_at,
    )


def event(event_id: int, unsubscribe: bool, kind: str, at: datetime) -> SubscriptionEvent:
    return SubscriptionEvent(event_id, 50, unsubscribe, kind, at)


def assert_as_written(plan: Plan, number: NumberConsent, expected: Row) -> None:
    """The plan does to consent what a row says."""
    words = {None: "–", True: "opted in", False: "opted out"}
    values = {None: "–", True: "true", False: "false"}
    if "the member is created as" in expected:
        made = words[plan.create.opt_in] if plan.create else "not created"
        assert made == expected["the member is created as"]
        assert plan.opt_in_strive is None
        assert plan.opt_in_actionkit is None
    else:
        assert plan.create is None
        assert words[plan.opt_in_strive] == expected["written to Strive"]
        assert values[plan.opt_in_actionkit] == expected["written to ActionKit"]
    then = expected["known of the number then"]
    if then == "as before":
        then = known_of(number)
    assert known_of(plan.consent.get(N, number)) == then
    warnings = ", ".join(sorted(plan.record.warnings))
    assert (warnings or "–") == expected["warning"]


# --- the sync creates the member ---


@pytest.mark.parametrize("case", cases(CREATED, CREATED_BY), ids=name_of)
def test_f11_2_the_sync_creates_the_member(case: Case) -> None:
    given, expected = case
    value = given["ActionKit's value"]
    records: list[Record | None] = [None]
    if value == "false over true":
        watched = ConsentState("true", "yes", OPTED_IN, OPT_IN)
        records = [Record(1, status=Status.DUPLICATE_PHONE, consent=watched)]
        value = "false"
    for number in numbers(given["known of the number"]):
        for record in records:
            seen = Seen(NOW, user(row(value, SINCE)), consent=number)
            plan = decide(seen, record, rules(given["setting"]), NOW)
            assert_as_written(plan, number, expected)


# --- first link ---


def members_at_first(known: str, state: str) -> Iterator[tuple[Member, list[SubscriptionEvent]]]:
    """The member, in every shape in which they are in that state."""
    made = Member(
        50, N, opt_in=state.startswith("opted in"), created_at=MADE + timedelta(minutes=1)
    )
    other = replace(made, created_at=MADE - timedelta(days=300))
    create = event(1, True, "api", MADE + timedelta(minutes=1))
    if state == "opted in":
        yield other, []
        yield other, [event(1, False, "keyword", OPTED_IN)]
    elif state == "opted in since":
        yield other, [event(9, False, "keyword", SINCE)]
    elif state == "opted out since":
        yield made, [create, event(9, True, "keyword", SINCE)]
        yield other, [event(9, True, "keyword", SINCE)]
    elif known == "not asked":
        yield made, []
        yield made, [create]
    elif known == "refusal from ActionKit":
        yield other, [event(4, True, "api", REFUSED + timedelta(minutes=1))]
        yield made, [create, event(4, True, "api", REFUSED + timedelta(minutes=1))]
    else:
        yield other, []


def rows_at_first(value: str) -> Iterator[tuple[FieldRow, ConsentState | None]]:
    """The userfield's row and what was known of it, in every shape in which it is so read."""
    if value == "refusing false":
        yield row("false", ACTIVATED + timedelta(days=1)), None
        yield row("false", SINCE, 12, "import"), None
        was_true = ConsentState("true", "yes", OPTED_IN, OPT_IN)
        yield row("false", SINCE), was_true
        yield row("false", None), was_true
    elif value == "old false":
        yield row("false", ACTIVATED - timedelta(days=1)), None
        yield row("false", None), None
        yield row("false", SINCE, IMPORT_PAGE, "import"), None
    else:
        yield row(value, SINCE), None


@pytest.mark.parametrize("case", cases(FIRST, FIRST_BY), ids=name_of)
def test_f11_1_first_link(case: Case) -> None:
    """A new pair; and, where no more is known of the userfield, a linked one whose opt-in
    userfield was changed (F12)."""
    given, expected = case
    known, value = given["known of the number"], given["ActionKit's value"]
    setting = rules(given["setting"])
    only_linked = value == "none (linked)"
    for number in numbers(known):
        for member, events in members_at_first(known, given["member"]):
            for one, watched in rows_at_first("none" if only_linked else value):
                seen = Seen(
                    NOW, user(one), matched=member, consent=number, linked_consent=number,
                    events=tuple(events),
                )  # fmt: skip
                if not only_linked:
                    record = None if watched is None else Record(1, consent=watched)
                    plan = decide(seen, record, setting, NOW)
                    assert_as_written(plan, number, expected)
                if watched is None and value != "none":
                    not_asked = known == "not asked" and not member.opt_in
                    state = ConsentState(
                        "true", "yes", OPTED_IN, "before", member.opt_in, not_asked, event_id=5
                    )
                    record = Record(1, status=Status.SYNCED, number=N, member_id=50, consent=state)
                    plan = decide(replace(seen, linked=member), record, setting, NOW)
                    assert_as_written(plan, number, expected)


# --- afterwards ---


def linked(state: ConsentState) -> Record:
    return Record(
        1, status=Status.SYNCED, number=N, member_id=50, consent=state, changed_at=LAST_LOOK
    )


def members_since(state: str) -> Iterator[tuple[Member | None, bool, list[SubscriptionEvent]]]:
    """The member, whether they were opted in at the last look, and the events since."""
    member = Member(50, N, opt_in=state.startswith("opted in"), created_at=MADE)
    joined, stopped = event(9, False, "keyword", SINCE), event(9, True, "keyword", SINCE)
    if state == "deleted":
        yield None, True, []
        yield None, False, []
    elif state == "opted in":
        yield member, True, []
    elif state == "opted out":
        yield member, False, []
    elif state == "opted in since":
        yield member, False, [joined]
        yield member, False, []
    else:
        yield member, True, [stopped]
        yield member, True, []
        yield member, False, [stopped]


def values_before(value: str, since: str) -> list[str]:
    if since == "no":
        return [value]
    if since == "over true":
        return ["true"]
    return [one for one in ("false", "unrecognised", "none") if (one, value) != ("none", "none")]


@pytest.mark.parametrize("case", cases(AFTERWARDS, AFTERWARDS_BY), ids=name_of)
def test_f11_3_f11_4_f13_f14_afterwards(case: Case) -> None:
    given, expected = case
    known, value, since = (
        given["known of the number"], given["ActionKit's value"], given["set since"],
    )  # fmt: skip
    for number in numbers(known):
        for member, was_in, events in members_since(given["member"]):
            for before in values_before(value, since):
                state = ConsentState(
                    READING[before],
                    RAW[before],
                    OPTED_IN if before != "none" else None,
                    OPT_IN,
                    opted_in=was_in,
                    not_asked=known == "not asked" and not was_in,
                    false_seen_at=None if was_in else FALSE_SEEN,
                    event_id=5,
                )
                one = row(value, OPTED_IN if since == "no" else SINCE)
                earlier = event(5, not was_in, "keyword", OPTED_IN)
                seen = Seen(
                    NOW, user(one), linked=member, matched=member, consent=number,
                    linked_consent=number, events=(earlier, *events) if member else (),
                )  # fmt: skip
                for changed_at in (None, SETTING_CHANGED):
                    plan = decide(seen, linked(state), rules(given["setting"], changed_at), NOW)
                    assert_as_written(plan, number, expected)


# --- a true for a member who is opted out ---


@pytest.mark.parametrize("case", cases(LIFTED, LIFTED_BY), ids=name_of)
def test_f11_3_f11_5_a_true_for_a_member_who_is_opted_out(case: Case) -> None:
    given, expected = case
    known = given["known of the number"]
    page: tuple[int | None, str] = {
        "own action": (5, "signup"), "upload": (12, "import"), "by hand": (None, ""),
    }[given["set by"]]  # fmt: skip
    false_seen = given["false seen"] == "yes"
    before = "false" if false_seen else "true"
    state = ConsentState(
        before, RAW[before], OPTED_IN, OPT_IN, opted_in=False, not_asked=known == "not asked",
        false_seen_at=FALSE_SEEN if false_seen else None,
    )  # fmt: skip
    after = given["after the setting"] == "yes"
    setting = rules(given["setting"], SETTING_CHANGED if after else SINCE + timedelta(hours=1))
    member = Member(50, N, opt_in=False, created_at=MADE)
    for number in numbers(known):
        seen = Seen(
            NOW, user(row("true", SINCE, *page)), linked=member, matched=member, consent=number,
            linked_consent=number,
        )  # fmt: skip
        plan = decide(seen, linked(state), setting, NOW)
        lifted = expected["the member"] == "opted in"
        assert plan.opt_in_strive is (True if lifted else None)
        assert plan.opt_in_actionkit is None
        assert sorted(plan.record.warnings) == ([] if lifted else ["resubscribe_needs_consent"])
        then = known_of(plan.consent.get(N, number))
        assert then == ("opted in" if lifted else known)
