"""Erasing a person (E1), and all data of an account (E3).

A person's values go at once. What is left is the record's skeleton (the status `erased`, and the
member's id until the member is seen to be opted out, which is the worker's), the refusal of the
number under its keyed hash, and a receipt. `erasing/{user}` stands until nothing is left to be
done, so an erasure goes on after a pause, OFF, or a crash.

An account's data may be more than one call can delete. `-erasing` says so: until the rest is gone,
by further calls or by messages that follow each other, the account cannot be connected. It stays
for as long as a worker of the account can still be alive, since that one may write once more.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from instep.domain.account import Account, Phase
from instep.domain.consent import refused
from instep.domain.people import Side
from instep.domain.record import (
    Evidence,
    Record,
    Status,
    Warning,  # noqa: A004
)
from instep.use_cases.accounts import audit, find_account, load_account
from instep.use_cases.actions import forget_actions
from instep.use_cases.errors import ConfigurationError, StateError
from instep.use_cases.exclusive import held_campaign, release_campaign, release_opt_in_field
from instep.use_cases.holds import forget_held
from instep.use_cases.newcomers import forget_newcomers
from instep.use_cases.ports import Item, Store
from instep.use_cases.records import People
from instep.use_cases.runs import add_tallies
from instep.use_cases.stored import (
    ACCOUNT_KEY,
    DIRECTORY,
    conflicts_prefix,
    erasing_key,
    evidence_prefix,
    history_prefix,
    receipt_key,
    stamp,
    walk,
)
from instep.use_cases.streams import marker_key
from instep.use_cases.work import ERASE, Work
from instep.use_cases.world import World

ERASED: Final = "erased"
"""Reason code of the status, and the evidence of the refusal."""
PURGE: Final = "purge"
"""The cause of the message that goes on with the removal of an account's data."""
ERASING: Final = "-erasing"
"""The partition of the settings table that names accounts whose data is being removed."""
CALL_SECONDS: Final = 18
"""How long a call of the API goes on deleting."""
MESSAGE_SECONDS: Final = 40
AGAIN_SECONDS: Final = 10
PAGE: Final = 200
CONSENT: Final = "consent/"
BEHIND_CONSENT: Final = f"{CONSENT}~"
"""Behind the keys of all consent records, which end with a hash."""


# --- a person ---


def erase_person(world: World, account_id: str, user_id: int, who: str) -> None:
    """Forgets a person at once; of an account that is running, a look then opts the member out.
    Somebody who was never scanned is never made either."""
    account = load_account(world, account_id)
    note_erasure(world, account_id, user_id, who)
    audit(world, account_id, who, "person_erased", None, {"user_id": user_id})
    # The record comes last: it names what else there is, if this is cut off and done again.
    before = People(world, account_id).records([user_id]).get(user_id)
    forget(world, account_id, user_id, before)
    _take_values(world, account, user_id)
    _queue(world, account, user_id)


def note_erasure(
    world: World, account_id: str, user_id: int, who: str, before: Record | None = None
) -> None:
    """Notes that a person is to be erased, before anything of it is done: whatever is cut off goes
    on at the next tick. `before`: the record, which from then on does not name them any more: of
    its members and email no user is ever made."""
    now = world.clock.now()
    world.users.put(
        {"account_id": account_id, "item": erasing_key(user_id), "at": stamp(now), "who": who}
    )
    if before is not None:
        forget_newcomers(world, account_id, user_id, _members(before), before.email)


def resume_erasures(world: World, account: Account) -> None:
    """At every tick, of accounts that are off too: goes on with erasures that are not known to be
    carried out. A worker that was at it in the meantime may have written once more, so the last
    word is a deletion after its life."""
    lifetime = timedelta(seconds=world.limits.worker_seconds + AGAIN_SECONDS)
    for item in walk(world.users, account.account_id, "erasing/"):
        user_id = int(item["item"].rsplit("/", 1)[1])
        record = _take_values(world, account, user_id)
        if not _is_done(record):
            _queue(world, account, user_id)
        elif world.clock.now() - datetime.fromisoformat(item["at"]) > lifetime:
            forget(world, account.account_id, user_id, record)
            world.users.delete(account.account_id, item["item"], expect={"at": item["at"]})


def _queue(world: World, account: Account, user_id: int) -> None:
    if account.carries_refusals:
        work = Work(account.account_id, account.epoch, (user_id,), ERASE)
        world.live.send([work.body()], account.account_id)


def _take_values(world: World, account: Account, user_id: int) -> Record:
    """Refuses the record's numbers, gives up its claims and takes the values out of it: the record
    as it then is. One with a plan under way is left to the worker, who finds out what came of it.
    """
    people = People(world, account.account_id)
    while True:
        record = people.records([user_id]).get(user_id)
        now = world.clock.now()
        if record is not None:
            if record.intent and (account.active or record.intent.expires_at > now):
                return record
            if record.status is Status.ERASED and record.intent is None:
                return record
            _refuse_numbers(people, record, now)
            _give_up_claims(people, record)
        erased = people.store(_erased(record or Record(user_id), now), record)
        if erased is not None:
            if account.initial_sync_done:
                was = record.status.value if record is not None else Status.PENDING.value
                add_tallies(world, account.account_id, {Status.ERASED.value: 1, was: -1})
            return erased


def _is_done(record: Record) -> bool:
    return record.status is Status.ERASED and record.member_id is None and record.intent is None


def _erased(record: Record, now: datetime) -> Record:
    intent = record.intent
    return Record(
        record.user_id,
        version=record.version,
        status=Status.ERASED,
        reason=ERASED,
        reason_at=now,
        member_id=record.member_id or (intent.member_id if intent else None),
        watermark=record.watermark,
        changed_at=now,
    )


def _refuse_numbers(people: People, record: Record, now: datetime) -> None:
    refusal = Evidence(now, Side.ACTIONKIT, "", False, ERASED, "refusal")
    for number in sorted(record.numbers):
        while True:
            consent, version = people.consents([number])[number]
            if people.store_consent(number, refused(consent, refusal, None), version):
                break


def _give_up_claims(people: People, record: Record) -> None:
    for number in sorted(record.numbers):
        people.release_number(number, record.user_id)
    for member_id in _members(record):
        people.release_member(member_id, record.user_id)


def _members(record: Record) -> list[int]:
    intended = record.intent.member_id if record.intent else None
    return [one for one in (record.member_id, intended) if one is not None]


def forget(world: World, account_id: str, user_id: int, before: Record | None = None) -> None:
    """Deletes everything but the record that is kept of a person, and leaves a receipt. To be
    called whenever a plan that erases was settled, with the record as it was before."""
    for prefix in (history_prefix, evidence_prefix, conflicts_prefix):
        for item in walk(world.users, account_id, prefix(user_id)):
            world.users.delete(account_id, item["item"])
    for warning in Warning:
        world.users.delete(account_id, marker_key(warning, user_id))
    forget_held(world, account_id, user_id)
    forget_actions(world, account_id, user_id)
    members = _members(before) if before is not None else []
    email = before.email if before is not None else ""
    forget_newcomers(world, account_id, user_id, members, email)
    receipt = {"account_id": account_id, "item": receipt_key(user_id)}
    world.users.put({**receipt, "at": stamp(world.clock.now())})


def is_forgotten(world: World, account_id: str, user_id: int) -> bool:
    """Whether everything of a person was deleted, and nothing is to be deleted once more."""
    keys = [receipt_key(user_id), erasing_key(user_id)]
    return list(world.users.get_many(account_id, keys)) == keys[:1]


# --- an account ---


def erase_account(world: World, account_id: str, who: str) -> None:
    """Removes all data of an account that is off but the consent records, and frees its campaign.
    What a call has no time for goes on by itself, or by calling again. Raises StateError
    `turn_off_first`."""
    if _marker(world, account_id) is None:
        account = load_account(world, account_id)
        if account.phase is not Phase.OFF:
            raise StateError("turn_off_first", "Switch the account off before its data is erased.")
        world.settings.put(
            {
                "account_id": ERASING,
                "item": account_id,
                "token": world.ids.new(),
                "who": who,
                "until": stamp(_nobody_writes_from(world, account)),
            }
        )
    _go_on(world, account_id, CALL_SECONDS)


def purge(world: World, work: Work) -> str:
    """Goes on with the removal that a message is about."""
    marker = _marker(world, work.account_id)
    if marker is None or marker["token"] != work.bucket:
        return "dropped"  # Of a removal that has ended: the account may be connected again.
    _go_on(world, work.account_id, MESSAGE_SECONDS)
    return "done"


def refuse_erasing(world: World, account_id: str) -> None:
    """Raises ConfigurationError `erasing` (503) while data of the account is being removed."""
    if _marker(world, account_id) is not None:
        raise ConfigurationError(
            "erasing",
            "The account's data is still being removed. Connect it again in some minutes.",
            status=503,
        )


def _marker(world: World, account_id: str) -> Item | None:
    return world.settings.get(ERASING, account_id)


def _nobody_writes_from(world: World, account: Account) -> datetime:
    """When the last worker is gone: some time after OFF, longer where last refusals are still being
    carried."""
    lifetime = timedelta(seconds=world.limits.worker_seconds + AGAIN_SECONDS)
    if account.leaving and account.off_at is not None:
        return account.off_at + 2 * lifetime
    page = world.settings.query(account.account_id, "audit/", limit=PAGE, descending=True)
    switched = [one["at"] for one in page.items if one["what"] == "activation"]
    return datetime.fromisoformat(switched[0]) + lifetime if switched else world.clock.now()


def _go_on(world: World, account_id: str, seconds: int) -> None:
    """Deletes for a while, and has the rest deleted later."""
    marker = _marker(world, account_id)
    if marker is None:
        return
    until = world.clock.now() + timedelta(seconds=seconds)
    account = find_account(world, account_id)
    # The last refusals of an account that was just switched off are carried first (A5).
    empty = not (account is not None and account.leaving)
    if empty and account is not None:
        _give_up(world, account)
    empty = empty and _delete_all(world, account_id, until)
    if empty and world.clock.now() >= datetime.fromisoformat(marker["until"]):
        audit(world, account_id, marker["who"], "account_erased", None, None)
        world.settings.delete(ERASING, account_id)
        return
    work = Work(account_id, 0, (), PURGE, bucket=marker["token"])
    world.bulk.send([work.body()], account_id, AGAIN_SECONDS if empty or account else 0)


def _give_up(world: World, account: Account) -> None:
    """What only one account can have, the credentials, and the account itself: from then on nobody
    does anything for it."""
    account_id = account.account_id
    release_opt_in_field(world, account)
    campaign_id = held_campaign(world, account)
    if campaign_id is not None:
        release_campaign(world, account_id, campaign_id)
    if account.connection is not None:
        world.secrets.delete(account.connection.secret)
    world.settings.delete(DIRECTORY, account_id)
    world.settings.delete(account_id, ACCOUNT_KEY)


def _delete_all(world: World, account_id: str, until: datetime) -> bool:
    """Whether nothing is left but consent records."""
    for store in (world.settings, world.groups, world.users):
        for key in _deletable(store, account_id):
            if world.clock.now() >= until:
                return False
            store.delete(account_id, key)
    return True


def _deletable(store: Store, account_id: str) -> Iterator[str]:
    """The keys of all items, without reading all consent records."""
    after: str | None = None
    while True:
        page = store.query(account_id, after=after, limit=PAGE)
        keys = [item["item"] for item in page.items]
        yield from (key for key in keys if not key.startswith(CONSENT))
        after = page.next
        if after is None:
            return
        if after.startswith(CONSENT):
            after = BEHIND_CONSENT
