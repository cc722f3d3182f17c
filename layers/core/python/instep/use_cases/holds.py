"""The stop for accidents: who is held, what staff decide, and how that is carried out (A6).

For each *stake* (a kind of write and the side that is written) there is a counter of the present
cycle's people. Every worker counts the people of its look before it writes to them; the count that
passes the threshold opens a hold. What is kept of a hold:

| item | what |
|---|---|
| `stake/{stake}` | the counter; the serial of the stake's next hold |
| `hold/{hold}` | the hold, `{stake}-{serial}`: open, released or discarded |
| `held/{hold}/{user}` | one person of it |

While a hold is open, a plan is carried out without what is held, and its user joins the hold
(`join`); a user whose plan no longer has that stake leaves it (`leave`).

Staff's word changes one item: the hold is then released or discarded, no longer open, and the
counter begins anew. From then on everybody who is in it is treated as decided (`decided_for`),
whatever cause has them looked at; once that is carried out, the worker says so (`settled`), which
deletes the person's entry, and with the last one the hold. That all are looked at is seen to by
`queue_held`, page by page, and again by the sweep (`apply_overdue`) while entries are left: so
nobody is lost, wherever a worker dies and whatever is dropped meanwhile.

A worker that met an open hold may join somebody just after it was decided. So `join` looks at the
hold once more after it has written: if it is not open any more, its people are not held but named
to the worker, to be looked at again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Final, Literal

from pydantic import TypeAdapter

from instep.domain.account import Account
from instep.domain.holds import HoldKind, Stake, threshold
from instep.domain.people import Side
from instep.domain.record import Status
from instep.use_cases.accounts import audit, find_account, load_account
from instep.use_cases.errors import NotFoundError, StateError
from instep.use_cases.ports import NEW, Item
from instep.use_cases.stored import dumped, held_key, held_prefix, hold_key, loaded, stamp, walk
from instep.use_cases.work import BACKFILL, BATCH, DISCARDED, RELEASED, Work, batches_of
from instep.use_cases.world import World

CYCLE_SECONDS: Final = 600
LEAST: Final = threshold(0)
"""Whatever the size of a list, fewer people than this are no accident."""
MOST_NAMED: Final = 2000
"""So many people of a cycle are counted by name, and nobody of them twice; more by number."""
LINKED: Final = (Status.SYNCED, Status.FAILED)
LINKED_HOURS: Final = 1
"""How long the number of linked users is taken for right."""
OPT_OUTS_HOURS: Final = 24
"""Held opt-outs are applied after so long, if nobody decides."""
EMPTY_MINUTES: Final = 30
"""A hold that everybody has left ends after so long."""
BATCHES_AT_ONCE: Final = 50
BACKLOG_USERS: Final = 4 * BATCH
LOST_MINUTES: Final = 30
"""People of a decided hold who are still there so long after their turn are queued again."""
SAMPLE: Final = 10
PAGE: Final = 1000
EVERY_KIND: Final = frozenset(HoldKind)
BY_ITSELF: Final = "InStep"
"""Whom the audit names where nobody decided in time."""

Decision = Literal["released", "discarded"]


@dataclass(frozen=True, slots=True)
class Counter:
    """The people of the present cycle at one stake. `more` were counted without their names;
    `linked` is how many users were linked at `linked_at`; `serial` that of the next hold."""

    version: int = 0
    cycle: datetime | None = None
    user_ids: tuple[int, ...] = ()
    more: int = 0
    linked: int = 0
    linked_at: datetime | None = None
    serial: int = 1


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold. `cause` is that of the look that opened it. Of one that was decided, `people` is how
    many there were, `queued_upto` the last user put on the queue, `pushed_at` when that was, and
    `epoch` the account's then."""

    hold_id: str
    kind: HoldKind
    to: Side
    serial: int
    cause: str
    since: datetime
    state: Literal["open", "released", "discarded"] = "open"
    people: int = 0
    queued_upto: int = 0
    pushed_at: datetime | None = None
    epoch: int = 0
    group_id: int = 0

    @property
    def stake(self) -> Stake:
        """What is held."""
        return Stake(self.kind, self.to, self.group_id)

    @property
    def direction(self) -> str:
        """The side that is not written, in the contract's words."""
        return direction(self.to)


COUNTER: TypeAdapter[Counter] = TypeAdapter(Counter)
HOLD: TypeAdapter[Hold] = TypeAdapter(Hold)


@dataclass(frozen=True, slots=True)
class Held:
    """A person whose writes were withheld. `opted_in`: would be texted; `stakes`: what was."""

    member_id: int | None
    opted_in: bool
    stakes: frozenset[Stake]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What staff decided about a person, until it is carried out: these stakes are not withheld,
    or count as settled. `entries` are the keys of what is then forgotten; `group_holds`: of groups
    whose backfill was released the hold."""

    released: frozenset[Stake] = frozenset()
    discarded: frozenset[Stake] = frozenset()
    entries: tuple[str, ...] = ()
    group_holds: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ShownHold:
    """An open hold as staff see it: how many people, how many of them opted in, and some."""

    hold: Hold
    people: int
    opted_in: int
    sample: tuple[tuple[int, int | None], ...]


def direction(to: Side) -> str:
    """`to_actionkit` or `to_strive`."""
    return f"to_{to.value}"


# --- the worker: counting ---


def open_stakes(world: World, account_id: str) -> frozenset[Stake]:
    """What is held now."""
    return frozenset(open_holds(world, account_id))


def count(
    world: World, account_id: str, people: Mapping[int, frozenset[Stake]], cause: str
) -> frozenset[Stake]:
    """Adds people to the counts of the present cycle, before anything is written to them: every
    stake that is held by then. `cause` is that of the look. To be called for work whose cause
    counts, where anybody has a stake."""
    held = set(open_holds(world, account_id))
    at_stake: dict[Stake, set[int]] = {}
    for user_id, stakes in people.items():
        for stake in stakes - held:
            at_stake.setdefault(stake, set()).add(user_id)
    for stake, user_ids in sorted(at_stake.items()):
        if _passes(world, account_id, stake, user_ids, cause):
            held.add(stake)
    return frozenset(held)


def open_backfills(world: World, account_id: str, stakes: Collection[Stake], cause: str) -> None:
    """Opens the holds of backfills into groups that text, where they are not open yet (P8)."""
    for stake in sorted(set(stakes) - open_holds(world, account_id).keys() if stakes else ()):
        while not _opened(
            world, account_id, stake, _counter(world, account_id, stake).serial, cause
        ):
            pass


def _passes(world: World, account_id: str, stake: Stake, user_ids: set[int], cause: str) -> bool:
    """Whether this stake's hold is open once these people are counted."""
    while True:
        before = _counter(world, account_id, stake)
        counter = _counted(before, user_ids, _cycle(world.clock.now()))
        people = len(counter.user_ids) + counter.more
        if people > LEAST:
            counter = _with_linked(world, account_id, counter)
        if counter != before and not _store_counter(world, account_id, stake, counter, before):
            continue
        if people <= LEAST or people <= threshold(counter.linked):
            return False
        if _opened(world, account_id, stake, counter.serial, cause):
            return True


def _counted(counter: Counter, user_ids: set[int], cycle: datetime) -> Counter:
    if counter.cycle != cycle:
        counter = replace(counter, cycle=cycle, user_ids=(), more=0)
    fresh = user_ids - set(counter.user_ids)
    if len(counter.user_ids) + len(fresh) > MOST_NAMED:
        return replace(counter, more=counter.more + len(fresh))
    return replace(counter, user_ids=tuple(sorted({*counter.user_ids, *fresh})))


def _with_linked(world: World, account_id: str, counter: Counter) -> Counter:
    now = world.clock.now()
    if counter.linked_at and now - counter.linked_at < timedelta(hours=LINKED_HOURS):
        return counter
    linked = sum(world.users.count_index("by_changed", account_id, one.value) for one in LINKED)
    return replace(counter, linked=linked, linked_at=now)


def _opened(world: World, account_id: str, stake: Stake, serial: int, cause: str) -> bool:
    """Opens the stake's hold. False: that one was decided already, and the count begins anew."""
    now = world.clock.now()
    made = Hold(
        _hold_id(stake, serial),
        stake.kind,
        stake.to,
        serial,
        cause,
        now,
        group_id=stake.group_id,
    )
    if world.users.put(_hold_item(account_id, made), expect=NEW):
        if not stake.group_id:
            world.watch.alarm("an accident was stopped", account_id=account_id, hold=made.hold_id)
        return True
    found = _find(world, account_id, made.hold_id)
    if found is not None and found.state == "open":
        return True
    _begin_anew(world, account_id, stake, serial)
    return False


def _begin_anew(world: World, account_id: str, stake: Stake, serial: int) -> None:
    """After a hold was decided: the count begins anew, and the next hold is another."""
    while True:
        before = _counter(world, account_id, stake)
        if before.serial > serial:
            return
        anew = replace(before, serial=serial + 1, user_ids=(), more=0)
        if _store_counter(world, account_id, stake, anew, before):
            return


def _cycle(now: datetime) -> datetime:
    seconds = int(now.timestamp()) // CYCLE_SECONDS * CYCLE_SECONDS
    return datetime.fromtimestamp(seconds, now.tzinfo)


# --- the worker: who is held ---


def join(world: World, account_id: str, people: Mapping[int, Held]) -> frozenset[int]:
    """Puts people whose writes were withheld into the holds of their stakes; the same again changes
    nothing. Those named in the answer are not held, since a hold was decided meanwhile: they are to
    be looked at again."""
    found = open_holds(world, account_id)
    entries = [
        _entry(account_id, found[stake].hold_id, user_id, held)
        for user_id, held in people.items()
        for stake in held.stakes
        if stake in found
    ]
    if entries:
        world.users.put_many(entries)
    now_open = {hold.hold_id for hold in open_holds(world, account_id).values()}
    return frozenset(
        user_id
        for user_id, held in people.items()
        if any(stake not in found or found[stake].hold_id not in now_open for stake in held.stakes)
    )


def leave(
    world: World,
    account_id: str,
    people: Mapping[int, frozenset[Stake]],
    kinds: Collection[HoldKind] = EVERY_KIND,
) -> None:
    """Takes people out of open holds of which their plans no longer have the stake; `people` maps
    everybody who was looked at to the stakes of their plan, `kinds` are those that the look bears
    on. To be called while a hold is open."""
    for stake, hold in open_holds(world, account_id).items():
        if stake.kind not in kinds:
            continue
        gone = [user_id for user_id, stakes in people.items() if stake not in stakes]
        keys = [held_key(hold.hold_id, user_id) for user_id in gone]
        for key in world.users.get_many(account_id, keys):
            world.users.delete(account_id, key)


def decided_for(
    world: World,
    account_id: str,
    user_ids: Collection[int],
    kinds: Collection[HoldKind] = EVERY_KIND,
) -> dict[int, Verdict]:
    """What staff decided about some of these users and is yet to be carried out, of these kinds."""
    decided: dict[int, Verdict] = {}
    for hold in _holds(world, account_id):
        if hold.state == "open" or hold.kind not in kinds:
            continue
        keys = {held_key(hold.hold_id, user_id): user_id for user_id in user_ids}
        for key in world.users.get_many(account_id, keys):
            one = decided.get(keys[key], Verdict())
            one = replace(one, entries=(*one.entries, key))
            if hold.state == "released":
                one = replace(one, released=one.released | {hold.stake})
                if hold.group_id:
                    by_group = {**one.group_holds, hold.group_id: hold.hold_id}
                    one = replace(one, group_holds=by_group)
            else:
                one = replace(one, discarded=one.discarded | {hold.stake})
            decided[keys[key]] = one
    return decided


def settled(world: World, account_id: str, verdicts: Iterable[Verdict]) -> None:
    """What was decided about these people is carried out; with the last of its people a hold is
    gone."""
    concerned = set()
    for one in verdicts:
        for key in one.entries:
            world.users.delete(account_id, key)
            concerned.add(key.split("/")[1])
    for hold_id in sorted(concerned):
        hold = _find(world, account_id, hold_id)
        if hold is not None:
            _close_if_empty(world, account_id, hold)


def _is_empty(world: World, account_id: str, hold: Hold) -> bool:
    return not world.users.query(account_id, held_prefix(hold.hold_id), limit=1).items


def _close_if_empty(world: World, account_id: str, hold: Hold) -> bool:
    if not _is_empty(world, account_id, hold):
        return False
    _begin_anew(world, account_id, hold.stake, hold.serial)
    world.users.delete(account_id, hold_key(hold.hold_id), expect={"state": hold.state})
    return True


def forget_held(world: World, account_id: str, user_id: int) -> None:
    """Takes a person out of every hold (E1)."""
    for hold in _holds(world, account_id):
        world.users.delete(account_id, held_key(hold.hold_id, user_id))


# --- staff ---


def list_holds(
    world: World, account_id: str, after: str | None, limit: int
) -> tuple[list[ShownHold], str | None]:
    """Open holds, by id, and where to go on."""
    load_account(world, account_id)
    holds = sorted(open_holds(world, account_id).values(), key=lambda one: one.hold_id)
    rest = [one for one in holds if after is None or one.hold_id > after]
    shown = [_shown(world, account_id, one) for one in rest[:limit]]
    return shown, shown[-1].hold.hold_id if len(rest) > limit else None


def release(world: World, account_id: str, who: str, hold_id: str, people: int) -> None:
    """Has everything carried out that a hold holds. Raises NotFoundError; StateError
    `number_changed` where there are not so many people in it as staff saw."""
    _decide_by_staff(world, account_id, who, hold_id, "released", people)


def discard(world: World, account_id: str, who: str, hold_id: str) -> None:
    """Has nothing of it carried out: the differences count as settled (F6). Raises
    NotFoundError."""
    _decide_by_staff(world, account_id, who, hold_id, "discarded", None)


def _decide_by_staff(
    world: World, account_id: str, who: str, hold_id: str, decision: Decision, people: int | None
) -> None:
    account = load_account(world, account_id)
    hold = _find(world, account_id, hold_id)
    if hold is None or hold.state not in ("open", decision):
        raise NotFoundError("no_hold", "There is no such hold (any more).")
    if hold.state == decision:
        return  # Decided, though the answer was lost.
    there = _shown(world, account_id, hold).people
    if people is not None and people != there:
        raise StateError(
            "number_changed",
            f"There are {there} people in it by now. Look at them, and confirm that number.",
        )
    if not _decide(world, account, who, hold, decision, there):
        raise NotFoundError("no_hold", "There is no such hold any more.")


def _shown(world: World, account_id: str, hold: Hold) -> ShownHold:
    people = opted_in = 0
    sample: list[tuple[int, int | None]] = []
    for entry in _entries(world, account_id, hold.hold_id):
        people += 1
        opted_in += bool(entry["opted_in"])
        if len(sample) < SAMPLE:
            sample.append((_user_of(entry), entry["member_id"]))
    return ShownHold(hold, people, opted_in, tuple(sample))


def _decide(
    world: World, account: Account, who: str, hold: Hold, decision: Decision, people: int
) -> bool:
    """Stores what was decided and has it carried out. False if somebody else decided."""
    account_id, now = account.account_id, world.clock.now()
    decided = replace(hold, state=decision, people=people, pushed_at=now, epoch=account.epoch)
    if not world.users.put(_hold_item(account_id, decided), expect={"state": "open"}):
        return False
    _begin_anew(world, account_id, hold.stake, hold.serial)
    audit(
        world,
        account_id,
        who,
        f"hold_{decision}",
        {"hold_id": hold.hold_id, "people": people},
        None,
    )
    _push(world, account, decided, 0)
    return True


# --- carrying out ---


def queue_held(world: World, work: Work) -> str:
    """Puts the people of a decided hold on the queue, a page of them, and asks for the next page.
    Those who are there already come twice, which does no harm."""
    account = find_account(world, work.account_id)
    hold = _find(world, work.account_id, work.bucket)
    if account is None or hold is None or hold.state == "open":
        return "dropped"
    ids: list[int] = []
    for entry in _entries(world, work.account_id, hold.hold_id, hold.queued_upto):
        ids.append(_user_of(entry))
        if len(ids) > BATCHES_AT_ONCE * BATCH:
            break
    more = len(ids) > BATCHES_AT_ONCE * BATCH
    ids = ids[: BATCHES_AT_ONCE * BATCH]
    pace = account.settings.records_per_minute
    for number, some in enumerate(batches_of(ids)):
        batch = replace(work, user_ids=some, bucket="", tries=0)
        delay = (number * BATCH - BACKLOG_USERS) * 60 // pace
        world.bulk.send([batch.body()], work.account_id, max(0, min(900, delay)))
    if ids:
        world.users.update(
            work.account_id,
            hold_key(hold.hold_id),
            set_to={"queued_upto": ids[-1], "pushed_at": stamp(world.clock.now())},
            expect={"state": hold.state},
        )
    if more:
        _push(world, account, hold, min(900, len(ids) * 60 // pace))
    return "done"


def queue_waiting(world: World, account: Account, hold: Hold) -> None:
    """Has people of an open hold looked at for whom there is nothing to wait for any more: those
    who are still there at the next tick come again."""
    entries = islice(_entries(world, account.account_id, hold.hold_id), BATCHES_AT_ONCE * BATCH)
    for ids in batches_of([_user_of(one) for one in entries]):
        work = Work(account.account_id, account.epoch, ids, BACKFILL)
        world.bulk.send([work.body()], account.account_id)


def _push(world: World, account: Account, hold: Hold, delay_seconds: int) -> None:
    prefix = RELEASED if hold.state == "released" else DISCARDED
    cause = f"{prefix}/{hold.kind.value}/{hold.direction}"
    work = Work(account.account_id, account.epoch, (), cause, bucket=hold.hold_id)
    world.bulk.send([work.body()], account.account_id, delay_seconds)


def apply_overdue(world: World, account: Account) -> None:
    """At every tick: releases opt-outs that nobody decided about for a day, and holds that nobody
    is in any more; queues those again whose messages were lost or dropped. In a pause opt-outs
    alone, which are then carried (A5)."""
    now = world.clock.now()
    for hold in _holds(world, account.account_id):
        if not account.active and hold.kind is not HoldKind.OPT_OUTS:
            continue
        if hold.state == "open":
            _decide_overdue(world, account, hold, now - hold.since)
        elif not _close_if_empty(world, account.account_id, hold) and _is_late(hold, account, now):
            again = replace(hold, queued_upto=0, pushed_at=now, epoch=account.epoch)
            expect = {"state": hold.state}
            if world.users.put(_hold_item(account.account_id, again), expect=expect):
                _push(world, account, again, 0)


def _decide_overdue(world: World, account: Account, hold: Hold, age: timedelta) -> None:
    """Releases a hold that nobody is in any more, and after a day one of opt-outs."""
    account_id = account.account_id
    if hold.kind is HoldKind.OPT_OUTS and age >= timedelta(hours=OPT_OUTS_HOURS):
        people = _shown(world, account_id, hold).people
        _decide(world, account, BY_ITSELF, hold, "released", people)
    elif age >= timedelta(minutes=EMPTY_MINUTES) and _is_empty(world, account_id, hold):
        _decide(world, account, BY_ITSELF, hold, "released", 0)


def _is_late(hold: Hold, account: Account, now: datetime) -> bool:
    if hold.pushed_at is None or hold.epoch != account.epoch:
        return True
    minutes = LOST_MINUTES + 2 * hold.people / account.settings.records_per_minute
    return now - hold.pushed_at > timedelta(minutes=minutes)


# --- items ---


def _holds(world: World, account_id: str) -> list[Hold]:
    items = world.users.query(account_id, "hold/").items
    return [loaded(HOLD, item) for item in items]


def open_holds(world: World, account_id: str) -> dict[Stake, Hold]:
    """The holds that wait for staff, by what they hold."""
    return {one.stake: one for one in _holds(world, account_id) if one.state == "open"}


def _find(world: World, account_id: str, hold_id: str) -> Hold | None:
    item = world.users.get(account_id, hold_key(hold_id)) if hold_id else None
    return None if item is None else loaded(HOLD, item)


def _hold_id(stake: Stake, serial: int) -> str:
    return f"{_stake_text(stake)}-{serial:04d}"


def _stake_text(stake: Stake) -> str:
    group = f"-{stake.group_id}" if stake.group_id else ""
    return f"{stake.kind.value}-{direction(stake.to)}{group}"


def _hold_item(account_id: str, hold: Hold) -> Item:
    item = dumped(HOLD, hold) | {"account_id": account_id, "item": hold_key(hold.hold_id)}
    return item | {"state": hold.state}


def _entry(account_id: str, hold_id: str, user_id: int, held: Held) -> Item:
    return {
        "account_id": account_id,
        "item": held_key(hold_id, user_id),
        "member_id": held.member_id,
        "opted_in": held.opted_in,
    }


def _user_of(entry: Item) -> int:
    return int(entry["item"].rsplit("/", 1)[1])


def _entries(world: World, account_id: str, hold_id: str, after_user: int = 0) -> Iterator[Item]:
    after = held_key(hold_id, after_user) if after_user else None
    return walk(world.users, account_id, held_prefix(hold_id), after, PAGE)


def _counter(world: World, account_id: str, stake: Stake) -> Counter:
    item = world.users.get(account_id, f"stake/{_stake_text(stake)}")
    return Counter() if item is None else loaded(COUNTER, item)


def _store_counter(
    world: World, account_id: str, stake: Stake, counter: Counter, over: Counter
) -> bool:
    item = dumped(COUNTER, replace(counter, version=over.version + 1))
    item |= {"account_id": account_id, "item": f"stake/{_stake_text(stake)}"}
    return world.users.put(item, expect={"version": over.version} if over.version else NEW)
