"""What must hold when everything has come to rest, whatever went wrong on the way.

The expectations are written from the requirements, in few lines, and know nothing of how the
application decides.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from instep.domain.account import PRIMARY_GROUP_NAME
from instep.domain.record import Status
from instep.domain.rules import Option
from tests.simulation.story import CAMPAIGN, OPT_IN, UK, Someone, Story
from tests.simulation.world import PASSWORD, Simulation

# --- what the requirements say ----------------------------------------------------------------

OVER, FILL, NEVER = "overwrites", "fills empty", "never"
TO_ACTIONKIT = {
    Option.ONE_WAY_OVERWRITE_ACTIONKIT: OVER,
    Option.ONE_WAY_OVERWRITE_STRIVE: NEVER,
    Option.POPULATE_NO_OVERWRITE: FILL,
    Option.POPULATE_OVERWRITE_ACTIONKIT: OVER,
    Option.POPULATE_OVERWRITE_STRIVE: FILL,
    Option.TWO_WAY: OVER,  # at first link Strive wins (F5)
}
TO_STRIVE = {
    Option.ONE_WAY_OVERWRITE_ACTIONKIT: NEVER,
    Option.ONE_WAY_OVERWRITE_STRIVE: OVER,
    Option.POPULATE_NO_OVERWRITE: FILL,
    Option.POPULATE_OVERWRITE_ACTIONKIT: FILL,
    Option.POPULATE_OVERWRITE_STRIVE: OVER,
    Option.TWO_WAY: FILL,
}


def at_first_link(option: Option, actionkit: str, strive: str, valid: bool) -> tuple[str, str]:
    """F3 to F5, F9: both values after a first link; `valid`: Strive's could be ActionKit's."""
    if actionkit.strip() == strive.strip():
        return actionkit, strive
    fills = {OVER: True, FILL: True, NEVER: False}
    if not actionkit.strip():
        return (strive if fills[TO_ACTIONKIT[option]] and valid else actionkit), strive
    if not strive.strip():
        return actionkit, (actionkit if fills[TO_STRIVE[option]] else strive)
    if TO_ACTIONKIT[option] == OVER:
        return (strive if valid else actionkit), strive
    return actionkit, (actionkit if TO_STRIVE[option] == OVER else strive)


def reading(values: tuple[str, ...]) -> bool | str | None:
    """F10: True, False, "unrecognised", or None for no value."""
    words = [value.strip().lower() for value in values if value.strip()]
    if not words:
        return None
    if any(word in ("f", "false", "0", "opt out", "opt-out", "n", "no") for word in words):
        return False
    true = ("t", "true", "1", "opt in", "opt-in", "y", "yes")
    return True if all(word in true for word in words) else "unrecognised"


def chosen(story: Story, one: Someone) -> tuple[str, str | None]:
    """F8: the reason code of a user without a number (or ""), and the number."""
    usual = ("mobile", "work", "home")
    types = tuple(story.settings["phone_types"]) or usual
    types += usual if story.settings["phone_fallback"] else ()
    rows = {(phone.type, phone.source): phone for phone in one.phones}
    latest = [phone for phone in reversed(one.phones) if rows[phone.type, phone.source] is phone]
    for wanted in types:
        for phone in latest:
            if phone.type == wanted and phone.number:
                return "", phone.number
    if not latest:
        return "no_phone", None
    return ("invalid_phone" if any(p.type in types for p in latest) else
            "no_phone_of_chosen_type"), None  # fmt: skip


@dataclass
class Expected:
    """What becomes of one user: status, reason code, and of those synced the number."""

    status: Status
    reason: str
    detail: str = ""
    number: str | None = None


_STATUS_OF = {
    "no_phone": Status.INELIGIBLE_NO_PHONE,
    "no_phone_of_chosen_type": Status.INELIGIBLE_NO_PHONE,
    "invalid_phone": Status.INELIGIBLE_INVALID_PHONE,
}


def expected(story: Story, people: dict[int, Someone]) -> dict[int, Expected]:
    """U1, U2, U8: of several eligible users with one number the lowest id is the one."""
    winners: dict[str, int] = {}
    for user_id, one in sorted(people.items()):
        _, number = chosen(story, one)
        if number and reading(one.opt_in) is not None:
            winners.setdefault(number, user_id)
    members = {one.number for one in story.members}
    found = {}
    for user_id, one in people.items():
        reason, number = chosen(story, one)
        if number is None:
            found[user_id] = Expected(_STATUS_OF[reason], reason)
        elif reading(one.opt_in) is None:
            found[user_id] = Expected(Status.INELIGIBLE_NO_OPT_IN, "no_opt_in_value")
        elif winners[number] != user_id:
            other = str(winners[number])
            found[user_id] = Expected(Status.DUPLICATE_PHONE, "number_taken", other)
        else:
            reason = "linked" if number in members else "created"
            found[user_id] = Expected(Status.SYNCED, reason, number=number)
    return found


# --- checks -----------------------------------------------------------------------------------


def broken(simulation: Simulation) -> list[str]:
    """Every invariant that does not hold, in words."""
    return [
        *_statuses(simulation),
        *_values(simulation),
        *_others_untouched(simulation),
        *_groups(simulation),
        *_claims(simulation),
        *_history(simulation),
        *_written_once(simulation),
        *_nobody_bothered(simulation),
        *_progress(simulation),
        *_at_rest(simulation),
        *_pace(simulation),
        *_canaries(simulation),
    ]


def _synced(s: Simulation) -> dict[int, str]:
    every = expected(s.story, s.told.people)
    return {user_id: one.number for user_id, one in every.items() if one.number}


def _statuses(s: Simulation) -> Iterator[str]:
    records = s.records()
    for user_id, wanted in expected(s.story, s.told.people).items():
        record = records.get(user_id)
        if record is None:
            yield f"user {user_id} has no record"
        elif (record.status, record.reason, record.reason_detail) != (
            wanted.status, wanted.reason, wanted.detail,
        ):  # fmt: skip
            yield (
                f"user {user_id} is {record.status} {record.reason} {record.reason_detail!r},"
                f" not {wanted.status} {wanted.reason} {wanted.detail!r}"
            )
    yield from (f"a record of nobody: {one}" for one in records.keys() - s.told.people.keys())


_ABROAD = {"zip": "postal", "state": "region"}
_COLUMNS = {"first_name": "first_name", "last_name": "last_name", "email": "email",
            "city": "city", "state": "state", "postal_code": "zip"}  # fmt: skip


def _column(strive_field: str, user: dict[str, Any]) -> str:
    column = _COLUMNS[strive_field]
    return _ABROAD.get(column, column) if user["country"] == UK else column


def _valid(strive_field: str, user: dict[str, Any], value: str) -> bool:
    if user["country"] == UK:
        return True
    if strive_field == "postal_code":
        return re.fullmatch(r"\d{5}(-?\d{4})?", value) is not None
    return strive_field != "state" or re.fullmatch(r"[A-Z]{2}", value) is not None


def _values(s: Simulation) -> Iterator[str]:
    """Every value is what the option gives (F3 to F7, F9, F11)."""
    (users, members), (users_then, members_then) = s.both_sides(), s.before
    for user_id, number in _synced(s).items():
        user, was = users[user_id], users_then[user_id]
        member, before = members.get(number), members_then.get(number)
        if member is None:
            yield f"user {user_id} has no member"
            continue
        yield from _consent(s, user_id, user, was, member, before)
        for name, option in s.story.options.items():
            column = _column(name, was)
            if s.story.derives and name in ("city", "state", "postal_code"):
                continue
            shown = (user[column], member[name] or "")
            yield from _differs(user_id, name, option, was[column], before, shown, _valid(
                name, was, (before or {}).get(name) or ""))  # fmt: skip
        for name, option in s.story.custom.items():
            old = (was["fields"].get(name) or [""])[-1]
            shown = ((user["fields"].get(name) or [""])[-1], member["custom"].get(name) or "")
            yield from _differs(user_id, f"custom:{name}", option, old, before, shown, True)


def _differs(
    user_id: int,
    name: str,
    option: Option,
    actionkit: str,
    before: dict[str, Any] | None,
    shown: tuple[str, str],
    valid: bool,
) -> Iterator[str]:
    if before is None:
        wanted = actionkit, (actionkit if TO_STRIVE[option] != NEVER else "")
    else:
        custom = name.removeprefix("custom:")
        strive = (before["custom"].get(custom) if custom != name else before[name]) or ""
        if name == "email":
            # Never written to ActionKit, and letter case makes no difference (F7).
            same = actionkit.lower() == strive.lower()
            wanted = actionkit, (strive if same else
                                 at_first_link(option, actionkit, strive, False)[1])  # fmt: skip
        else:
            wanted = at_first_link(option, actionkit, strive, valid)
    if tuple(map(str.strip, shown)) != tuple(map(str.strip, wanted)):
        yield (
            f"user {user_id} {name} {option}: {shown}, not {wanted};"
            f" it was {actionkit!r} and {before and before.get(name)!r}"
        )


def _consent(
    s: Simulation,
    user_id: int,
    user: dict[str, Any],
    was: dict[str, Any],
    member: dict[str, Any],
    before: dict[str, Any] | None,
) -> Iterator[str]:
    """F11.1 and F11.2."""
    values = tuple(was["fields"].get(OPT_IN, ()))
    now = tuple(user["fields"].get(OPT_IN, ()))
    if before is None:
        wanted, raw = reading(values) is True, values
    else:
        wanted = before["opt_in"]
        raw = values if reading(values) is wanted else ("true" if wanted else "false",)
    if member["opt_in"] is not wanted:
        yield f"user {user_id}: the member's opt_in is {member['opt_in']}"
    if now != raw:
        yield f"user {user_id}: the opt-in userfield is {now}, not {raw}"
    if member["opt_in"] and before is not None and not before["opt_in"]:
        yield f"user {user_id} was opted in over a refusal"


def _others_untouched(s: Simulation) -> Iterator[str]:
    """Who is not synced is as before, on both sides."""
    (users, members), (users_then, members_then) = s.both_sides(), s.before
    synced = _synced(s)
    for user_id in users.keys() - synced.keys():
        if users[user_id] != users_then[user_id]:
            yield f"user {user_id} is not synced and was changed"
    for number in sorted(members.keys() - set(synced.values())):
        if members[number] != members_then.get(number):
            yield f"the member {number} is nobody's and was made or changed"


def _groups(s: Simulation) -> Iterator[str]:
    """G1: the primary group holds every member synced to a user, and nobody else."""
    group = s.strive.group_named(CAMPAIGN, PRIMARY_GROUP_NAME)
    if group is None:
        yield "there is no primary group"
        return
    members = s.both_sides()[1]
    wanted = {members[number]["id"] for number in _synced(s).values() if number in members}
    inside = s.strive.group_members(group["id"])
    if sorted(wanted) != sorted(inside):
        yield f"the primary group holds {sorted(inside)}, not {sorted(wanted)}"


def _claims(s: Simulation) -> Iterator[str]:
    """U2: one user for each number and member."""
    members = s.both_sides()[1]
    synced = _synced(s)
    numbers = {one["item"].removeprefix("number/"): one["user_id"] for one in s.items("number/")}
    if numbers != {number: user_id for user_id, number in synced.items()}:
        yield f"claims on numbers are {numbers}"
    claimed = {int(one["item"].removeprefix("member/")): one["user_id"]
               for one in s.items("member/")}  # fmt: skip
    if claimed != {members[n]["id"]: u for u, n in synced.items() if n in members}:
        yield f"claims on members are {claimed}"
    for user_id, record in s.records().items():
        number = synced.get(user_id)
        member_id = members[number]["id"] if number and number in members else None
        if record.member_id != member_id:
            yield f"user {user_id} is linked to {record.member_id}, not {member_id}"


def _history(s: Simulation) -> Iterator[str]:
    """U9: each difference from before has an entry that explains it."""
    (users, members), (users_then, members_then) = s.both_sides(), s.before
    derived = {"city", "state", "zip", "postal", "region"} if s.story.derives else set()
    for user_id, number in _synced(s).items():
        entries = {
            (entry["side"], entry["field"])
            for item in s.items(f"history/{user_id:012d}/")
            for entry in item["entries"]
        }
        user, was = users[user_id], users_then[user_id]
        for name in _COLUMNS:
            column = _column(name, was)
            told = ("actionkit", name) in entries or column in derived
            if user[column] != was[column] and not told:
                yield f"user {user_id}: {column} changed without an entry"
        for name in sorted({*user["fields"], *was["fields"]}):
            field = "opt_in" if name == OPT_IN else f"custom:{name}"
            changed = user["fields"].get(name) != was["fields"].get(name)
            if changed and ("actionkit", field) not in entries:
                yield f"user {user_id}: {field} changed without an entry"
        member, before = members.get(number), members_then.get(number)
        if member is None:
            continue
        for name in (*_COLUMNS, "opt_in"):
            old = (before or {}).get(name) or ""
            told = ("strive", name) in entries or (s.story.derives and name == "state")
            if (member[name] or "") != old and not told:
                yield f"user {user_id}: the member's {name} changed without an entry"
        for name, value in member["custom"].items():
            old = (before or {"custom": {}})["custom"].get(name)
            if value != old and ("strive", f"custom:{name}") not in entries:
                yield f"user {user_id}: the member's {name} changed without an entry"


def _written_once(s: Simulation) -> Iterator[str]:
    """U6: each action once, on our own page, by its mark."""
    marks = Counter(
        mark for action in s.actionkit.actions() for mark in action["fields"].get("sync_id", ["-"])
    )
    yield from (f"{mark} was written {times} times" for mark, times in marks.items() if times > 1)
    pages = {action["page"] for action in s.actionkit.actions()}
    if len(pages) > 1:
        yield f"actions on several pages: {sorted(pages)}"
    for action in s.actionkit.actions():
        former = json.loads(action["fields"].get("former_data", ["{}"])[0])
        if action["created_user"]:
            yield f"action {action['id']} created a user"
        if not former:
            yield f"action {action['id']} says nothing of what it changes"


def _nobody_bothered(s: Simulation) -> Iterator[str]:
    if s.strive.counts().texts:
        yield f"{s.strive.counts().texts} texts were sent"
    if s.actionkit.mails_sent:
        yield "mails were sent"
    if s.actionkit.subscription_changes():
        yield "email subscriptions changed"
    made = s.strive.counts().members_created
    wanted = sum(1 for number in _synced(s).values() if number not in s.before[1])
    if made != wanted:
        yield f"{made} members were made, not {wanted}"


def _progress(s: Simulation) -> Iterator[str]:
    """A4: the tallies add up."""
    account = s.account()
    [run] = [one for one in s.items("run/") if one["item"] == f"run/{account.initial_sync_run}"]
    people = len(s.told.people)
    counts = Counter(one.status.value for one in expected(s.story, s.told.people).values())
    if (run["total"], run["scanned"], run["by_status"]) != (people, people, dict(counts)):
        yield f"the run says {run['total']}, {run['scanned']}, {run['by_status']}; not {counts}"
    if run["state"] != "succeeded" or not account.initial_sync_done:
        yield f"the run is {run['state']}"


def _at_rest(s: Simulation) -> Iterator[str]:
    for lane in (s.live, s.bulk):
        yield from (f"a dead letter: {one.body}" for one in lane.dead_letters)
        yield from (f"a handler raised {one}" for one in lane.faults)
    yield from (f"left: {one}" for one in s.unsettled())
    for name in s.watch.alarms:
        if "failed" not in name:
            yield name


def _pace(s: Simulation) -> Iterator[str]:
    limit, most = s.story.settings["records_per_minute"], s.actionkit.most_users_in_any_60_seconds()
    if most > limit:
        yield f"{most} users in 60 seconds, over {limit}"


def _canaries(s: Simulation) -> Iterator[str]:
    """C3, O1: no credential, phone or email where operators and queues look."""
    texts = [*s.live.bodies, *s.bulk.bodies, *s.watch.lines]
    for execution in s.machines.executions.values():
        texts += [execution.name, execution.failure, *execution.history]
    numbers = {p.number for one in s.told.people.values() for p in one.phones if p.number}
    secrets = {PASSWORD, s.told.api_key, *(number[1:] for number in numbers)}
    secrets |= {one.number[1:] for one in s.story.members}
    everything = "\n".join(texts).lower()
    found = [secret for secret in sorted(secrets) if secret.lower() in everything]
    if found or "canary" in everything or "@" in everything:
        yield f"personal data or credentials where none may be: {found}"


# --- the end state ----------------------------------------------------------------------------


def _rule(s: Simulation, name: str, rule: str) -> str:
    """The rule that decided last. Where a zip derives the state on both sides, they may agree by
    themselves before a disturbed run looks again: then there was nothing to decide."""
    return "" if s.story.derives and name in ("city", "state", "postal_code") else rule


def end_state(s: Simulation) -> dict[str, Any]:
    """Everything that may not depend on what went wrong, without ids and times that may."""
    users, members = s.both_sides()
    group = s.strive.group_named(CAMPAIGN, PRIMARY_GROUP_NAME)
    inside = set(s.strive.group_members(group["id"])) if group else set()
    numbers = {member["id"]: number for number, member in members.items()}
    names = {mapping.field_id: mapping.name for mapping in s.account().mappings}
    records = {}
    for user_id, record in s.records().items():
        consent = record.consent
        records[user_id] = {
            "status": record.status.value,
            "reason": [record.reason, record.reason_detail],
            "warnings": sorted(warning.value for warning in record.warnings),
            "person": [record.email, record.first_name, record.last_name, record.phone],
            "number": record.number,
            "link": numbers.get(record.member_id or 0),
            "created": record.created_member,
            "groups": len(record.groups),
            "fields": {
                names[field_id]: [
                    state.actionkit, state.strive,
                    state.base and [state.base.actionkit, state.base.strive],
                    _rule(s, names[field_id], state.rule),
                ]
                for field_id, state in sorted(record.fields.items())
            },
            "consent": [
                consent.actionkit, consent.raw, consent.opted_in, consent.not_asked,
                consent.false_seen_at is not None, consent.predates_phone, consent.overruled,
                str(consent.uncarried), str(consent.not_accepted),
            ],
        }  # fmt: skip
    standing = {}
    for item in s.items("consent/"):
        standing[item["item"]] = [
            (item.get("opt_in") or {}).get("effect"),
            (item.get("refusal") or {}).get("effect"),
            item.get("not_asked_at") is not None,
        ]
    run = s.items(f"run/{s.account().initial_sync_run}")[0]
    return {
        "users": {
            user_id: {
                **{c: user[c] for c in ("email", "country", *sorted({*_COLUMNS.values(), "postal",
                                                                     "region"}))},
                "fields": user["fields"],
            }
            for user_id, user in users.items()
        },
        "members": {
            number: {
                **{name: member[name] for name in (*_COLUMNS, "opt_in", "custom")},
                "primary": member["id"] in inside,
            }
            for number, member in members.items()
        },
        "records": records,
        "standing": standing,
        "run": [run["total"], run["scanned"], run["by_status"], run["state"]],
        "account": s.account().phase.value,
    }  # fmt: skip


def differences(one: Any, other: Any, path: str = "") -> Iterator[str]:
    """Where two end states differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in {**one, **other}:
            yield from differences(one.get(key), other.get(key), f"{path}/{key}")
    elif one != other:
        yield f"{path}: {one!r}, disturbed {other!r}"
