"""Users made of members (U5): whom somebody added to the primary group, and what became of them.

A newcomer is kept until the member is linked, leaves the group or is gone. What is decided about
them can be decided again at any time: whatever is lost on the way, the sweep has those who wait
tried again. The actions that make a user bear marks, so that one whose answer was lost is found
instead of repeated; before the first of them the newcomer is taken by one worker for as long as it
can live. The link itself is made by the look at the user, as for everybody.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from pydantic import TypeAdapter

from instep.domain.account import Account, Phase
from instep.domain.newcomers import (
    MOBILE,
    NEWCOMER_REASONS,
    NewcomerReason,
    NewcomerStatus,
    Written,
    actions_for,
    may_link,
    why_not,
)
from instep.domain.pace import Lane
from instep.domain.people import Member, Side
from instep.domain.plan import Change
from instep.domain.record import Evidence
from instep.use_cases.accounts import load_account
from instep.use_cases.errors import (
    AccountStopped,
    Busy,
    NotAdmitted,
    Rejected,
    SideError,
    Unauthorised,
)
from instep.use_cases.off_switch import stop_for_credentials
from instep.use_cases.ports import NEW, Act, Changed, EmailOwner, Item, Strive
from instep.use_cases.records import People
from instep.use_cases.stored import (
    dumped,
    loaded,
    newcomer_key,
    once_email_key,
    once_key,
    stamp,
    walk,
)
from instep.use_cases.streams import BY_CHANGED, BY_NAME, Positions, Streams, text_key
from instep.use_cases.work import Work
from instep.use_cases.world import World

NEWCOMER_CAUSE: Final = "newcomer"
"""The cause of making users, of their history, and of the looks at them."""
BATCH: Final = 20
"""Members of one message: each may take five requests. So few go to the live lane."""
TURN_SECONDS: Final = 6
SPARE_SECONDS: Final = 12
LATER_SECONDS: Final = 60
MOST_TRIES: Final = 3
"""After so many failures of a side the members wait for the sweep."""
LOOK_SECONDS: Final = 5
"""A user who was just made may not be seen at once."""
AGAIN_SECONDS: Final = 600
"""Who waits is tried again after so long, then after twice that, and so on for a day."""
DAY_SECONDS: Final = 86_400
RETRIED_AT_ONCE: Final = 200
MOST_EXAMINED: Final = 2000
WAS_LINKED: Final = "was_linked"
WAS_ERASED: Final = "erased"


@dataclass(frozen=True, slots=True)
class Newcomer:
    """A member of the primary group who has no user. `joined_at` is Strive's time; the values are
    the member's as last seen. `user_id`: who is to be linked. Once a user is being made, `mark` is
    the stem of the actions' sync_ids, `email_sent` the email they address; `busy_until` is when
    the worker that writes cannot be alive any more."""

    member_id: int
    joined_at: datetime
    version: int = 0
    reason: NewcomerReason = NewcomerReason.WAITING
    changed_at: datetime | None = None
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    phone: str = ""
    tries: int = 0
    user_id: int | None = None
    mark: str = ""
    begun_at: datetime | None = None
    email_sent: str = ""
    busy_until: datetime | None = None

    @property
    def status(self) -> NewcomerStatus:
        """As the contract names it."""
        return NEWCOMER_REASONS[self.reason].status

    def sync_ids(self) -> tuple[str, str, str]:
        """The marks of the three actions."""
        return f"{self.mark}-1", f"{self.mark}-2", f"{self.mark}-3"


NEWCOMER: TypeAdapter[Newcomer] = TypeAdapter(Newcomer)


# --- what the feeds tell ---


def see_joined(world: World, account: Account, joined: Sequence[Changed]) -> None:
    """Takes up members whom a feed names as joined to the primary group and who have no user, and
    has users made of them. A membership that is known is passed over."""
    account_id = account.account_id
    latest: dict[int, datetime] = {}
    for one in joined:
        latest[one.id] = max(one.at, latest.get(one.id, one.at))
    linked = People(world, account_id).member_holders(latest)
    known = _newcomers(world, account_id, latest)
    taken_up = []
    for member_id, at in sorted(latest.items()):
        before = known.get(member_id)
        if member_id in linked or (before is not None and before.joined_at >= at):
            continue
        # Of one for whom a user is being made, the marks stay.
        made = replace(before or Newcomer(member_id, at), joined_at=at, tries=0)
        made = replace(made, reason=NewcomerReason.WAITING)
        if _store(world, account_id, made, before) is not None:
            taken_up.append(member_id)
    _queue(world, account, taken_up)


def see_changed(world: World, account: Account, member_ids: Sequence[int]) -> None:
    """Looks again at those of these members who are newcomers: they changed, left a group or were
    deleted."""
    _queue(world, account, sorted(_newcomers(world, account.account_id, member_ids)))


def note_adoption(world: World, account: Account, strive: Strive, group_id: int) -> None:
    """Remembers up to when the members of a group that is adopted had joined it (A2): they do not
    count as added by somebody. Once for each group."""
    if not account.adopt_primary_group:
        return
    newest = strive.newest("joins", group_id)
    if newest is not None:
        item = {"account_id": account.account_id, "item": _adoption_key(group_id)}
        world.users.put({**item, "at": stamp(newest)}, expect=NEW)


def note_linked(world: World, account_id: str, member_id: int) -> None:
    """Remembers that a member was linked, when the link ends: no user is ever made of them."""
    _mark_once(world, account_id, once_key(member_id), WAS_LINKED)
    world.users.delete(account_id, newcomer_key(member_id))


def forget_newcomers(
    world: World, account_id: str, user_id: int, member_ids: Iterable[int], email: str
) -> None:
    """An erased person's members and email are never the source of a user again (E1); what is kept
    of newcomers who are that person goes."""
    erased = set(member_ids)
    digest = _email_digest(world, account_id, email) if email.strip() else None
    if digest is not None:
        _mark_once(world, account_id, once_email_key(digest), WAS_ERASED)
    for one in (loaded(NEWCOMER, item) for item in walk(world.users, account_id, "newcomer/")):
        theirs = digest is not None and _email_digest(world, account_id, one.email) == digest
        if one.user_id == user_id or one.member_id in erased or theirs:
            erased.add(one.member_id)
            world.users.delete(account_id, newcomer_key(one.member_id))
    for member_id in sorted(erased):
        item = {"account_id": account_id, "item": once_key(member_id), "why": WAS_ERASED}
        world.users.put(item)


# --- trying again ---


def retry_all(world: World, account: Account) -> None:
    """Tries everybody again who waits, and who waits for the setting: it was switched on."""
    for reason in (NewcomerReason.WAITING, NewcomerReason.SETTING_OFF):
        for entries in _chunks(_entries(world, account.account_id, [reason])):
            _queue(world, account, [_member_of(entry) for entry in entries])


def retry_due(world: World, account: Account) -> None:
    """At every tick: tries some of those again who have waited for a while, each time longer."""
    if account.phase is not Phase.SYNCING:
        return
    now = world.clock.now()
    reasons = [NewcomerReason.WAITING]
    if account.settings.create_users:
        reasons.append(NewcomerReason.SETTING_OFF)
    for reason in reasons:
        entries = list(islice(_entries(world, account.account_id, [reason]), RETRIED_AT_ONCE))
        found = _newcomers(world, account.account_id, map(_member_of, entries))
        due = [one for _, one in sorted(found.items()) if _is_due(one, now)]
        # Counted here, so that the next try is later also where this one's message waits.
        taken = [
            _store(world, account.account_id, replace(one, tries=one.tries + 1), one) for one in due
        ]
        _queue(world, account, [one.member_id for one in taken if one is not None])


def _is_due(one: Newcomer, now: datetime) -> bool:
    seconds = min(DAY_SECONDS, AGAIN_SECONDS * 2 ** min(one.tries, 10))
    return one.changed_at is None or now - one.changed_at >= timedelta(seconds=seconds)


def _queue(world: World, account: Account, member_ids: Sequence[int]) -> None:
    queue = world.lane(Lane.LIVE if len(member_ids) <= BATCH else Lane.BULK)
    bodies = [
        Work(
            account.account_id,
            account.epoch,
            (),
            NEWCOMER_CAUSE,
            member_ids=tuple(member_ids[start : start + BATCH]),
        ).body()
        for start in range(0, len(member_ids), BATCH)
    ]
    if bodies:
        queue.send(bodies, account.account_id)


# --- making users ---


def make_users(world: World, account: Account, work: Work, lane: Lane) -> str:
    """Makes users of the members of a message, where nothing is in the way. Says what became of
    the message, as `sync_users` does. During an initial sync nobody is made: their users may yet
    be come to."""
    if account.phase is Phase.INITIAL_SYNC:
        return "done"
    return _Making(world, account, work, lane).run()


class _Making:
    """One message's members, one after the other."""

    def __init__(self, world: World, account: Account, work: Work, lane: Lane) -> None:
        self._world = world
        self._account = account
        self._account_id = account.account_id
        self._rules = account.rules()
        self._work = work
        self._lane = lane
        self._people = People(world, account.account_id)
        self._pacer = world.pacer(account, lane)
        lifetime = timedelta(seconds=world.limits.worker_seconds)
        self._lifetime = lifetime
        self._deadline = world.clock.now() + lifetime - timedelta(seconds=SPARE_SECONDS)
        self._left = list(work.member_ids)

    def run(self) -> str:
        try:
            self._actionkit = self._world.actionkit(self._account, self._lane)
            self._make_all(self._world.strive(self._account))
        except AccountStopped:
            return "dropped"
        except NotAdmitted as turn:
            self._put_back(self._left, turn.retry_after_seconds, self._work.tries)
            return "waiting"
        except Unauthorised as refusal:
            stop_for_credentials(self._world, self._account, refusal.side)
            return "stopped"
        except SideError as failure:
            wait = failure.retry_after_seconds if isinstance(failure, Busy) else 0.0
            if isinstance(failure, Busy) and failure.side is Side.ACTIONKIT:
                self._pacer.block(wait)
            self._world.watch.count(f"{failure.side.value}_failures")
            if self._work.tries < MOST_TRIES:
                later = max(wait, LATER_SECONDS * 2**self._work.tries)
                self._put_back(self._left, later, self._work.tries + 1)
            return "later"
        self._put_back(self._left, 1, self._work.tries)
        return "done"

    def _put_back(self, member_ids: Sequence[int], seconds: float, tries: int) -> None:
        if member_ids:
            work = replace(self._work, member_ids=tuple(member_ids), tries=tries)
            delay = min(900, max(0, round(seconds)))
            self._world.lane(self._lane).send([work.body()], self._account_id, delay)

    def _make_all(self, strive: Strive) -> None:
        newcomers = _newcomers(self._world, self._account_id, self._left)
        linked = self._people.member_holders(newcomers)
        members = strive.members_by_id(sorted(newcomers))
        once = self._once(newcomers, members)
        adopted_at = self._adopted_at()
        while self._left and self._world.clock.now() < self._deadline:
            newcomer = newcomers.get(self._left[0])
            if newcomer is not None:
                member = members.get(newcomer.member_id)
                if newcomer.member_id in linked or not self._is_newcomer(newcomer, member):
                    self._world.users.delete(self._account_id, newcomer_key(newcomer.member_id))
                elif member is not None:
                    self._one(newcomer, member, once, adopted_at)
            self._left.pop(0)

    def _is_newcomer(self, newcomer: Newcomer, member: Member | None) -> bool:
        """Whether the member is there, and in the group unless a user is being made already."""
        if member is None:
            return False
        begun = newcomer.mark and newcomer.user_id is None
        return bool(begun) or self._account.primary_group in {None, *member.groups}

    def _once(
        self, newcomers: Mapping[int, Newcomer], members: Mapping[int, Member]
    ) -> dict[int, str]:
        """Which of the members were linked once, or are an erased person."""
        emails = {
            one.member_id: once_email_key(_email_digest(self._world, self._account_id, one.email))
            for one in members.values()
            if one.email.strip()
        }
        keys = [*map(once_key, newcomers), *emails.values()]
        found = self._world.users.get_many(self._account_id, keys)
        once = {
            one: str(found[once_key(one)]["why"]) for one in newcomers if once_key(one) in found
        }
        return once | {one: WAS_ERASED for one, key in emails.items() if key in found}

    def _adopted_at(self) -> datetime | None:
        key = _adoption_key(self._account.primary_group or 0)
        item = self._world.users.get(self._account_id, key)
        return None if item is None else datetime.fromisoformat(item["at"])

    def _one(
        self,
        newcomer: Newcomer,
        member: Member,
        once: Mapping[int, str],
        adopted_at: datetime | None,
    ) -> None:
        """Raises as ActionKit does; the member is then tried again."""
        now = self._world.clock.now()
        if newcomer.busy_until is not None and newcomer.busy_until > now:
            self._put_back(
                [newcomer.member_id],
                (newcomer.busy_until - now).total_seconds() + 1,
                self._work.tries,
            )
            return
        why = once.get(newcomer.member_id)
        reason = why_not(
            member,
            newcomer.joined_at,
            adopted_at,
            was_linked=why == WAS_LINKED,
            was_erased=why == WAS_ERASED,
            creates=self._account.settings.create_users,
        )
        # What was begun is finished, but for an erased person.
        if reason is not None and (not newcomer.mark or reason is NewcomerReason.ERASED):
            self._settle(newcomer, member, reason)
            return
        grant = self._pacer.take(1, TURN_SECONDS, self._world.limits.worker_seconds)
        try:
            self._make(newcomer, member)
        finally:
            self._pacer.settle(grant)

    def _make(self, newcomer: Newcomer, member: Member) -> None:
        email = newcomer.email_sent or member.email.strip()
        marks = newcomer.sync_ids() if newcomer.mark else ()
        owner = self._actionkit.user_by_email(email, marks)
        if marks and newcomer.user_id not in (None, owner and owner.user_id):
            # The user whom we made has another email by now. Nobody is made twice.
            self._settle(newcomer, member, NewcomerReason.WAITING)
            self._look_at(newcomer.user_id)
            return
        if owner is not None and not _made_by_us(newcomer, owner):
            self._link_or_report(newcomer, member, owner.user_id)
            return
        taken = self._take(newcomer, member, email)
        if taken is None:
            self._put_back([newcomer.member_id], LATER_SECONDS, self._work.tries)
            return
        written = actions_for(member, email, self._rules)
        if owner is None:
            try:
                owner = self._create(taken, written[0])
            except Rejected:
                self._settle(_not_begun(taken), member, NewcomerReason.ACTIONKIT_REFUSED)
                return
        if _made_by_us(taken, owner):
            self._complete(taken, member, owner, written)
        else:
            self._link_or_report(taken, member, owner.user_id)

    def _take(self, newcomer: Newcomer, member: Member, email: str) -> Newcomer | None:
        """The newcomer as it is while this worker writes; None if another one was faster."""
        now = self._world.clock.now()
        taken = replace(
            _as_seen(newcomer, member),
            mark=newcomer.mark or self._world.ids.new(),
            begun_at=newcomer.begun_at or now,
            email_sent=email,
            busy_until=now + self._lifetime,
        )
        return _store(self._world, self._account_id, taken, newcomer)

    def _create(self, newcomer: Newcomer, written: Written) -> EmailOwner:
        """The first action: whose email it then is, and whether that user is our making."""
        acted = self._actionkit.act(self._act(newcomer, written, 0))
        if acted.created_user:
            return EmailOwner(acted.user_id, {newcomer.sync_ids()[0]: True})
        # Perhaps an earlier try of ours arrived late and was the one that created the user.
        found = self._actionkit.user_by_email(newcomer.email_sent, newcomer.sync_ids())
        return found or EmailOwner(acted.user_id)

    def _complete(
        self,
        newcomer: Newcomer,
        member: Member,
        owner: EmailOwner,
        written: tuple[Written, Written, Written],
    ) -> None:
        """What is missing of a user whom we made; then the look that links them."""
        marks = newcomer.sync_ids()
        refused: set[str] = set()
        reason = NewcomerReason.WAITING
        for place in (1, 2):
            if marks[place] in owner.acted or reason is not NewcomerReason.WAITING:
                continue
            reason = self._write(newcomer, owner.user_id, written[place], place, refused)
        self._tell(newcomer, member, owner.user_id, written, refused)
        self._settle(replace(newcomer, user_id=owner.user_id), member, reason)
        self._look_at(owner.user_id)

    def _write(
        self, newcomer: Newcomer, user_id: int, written: Written, place: int, refused: set[str]
    ) -> NewcomerReason:
        """One action for the user who was made. A name that ActionKit refuses is left out; without
        number or opt-in it has failed."""
        try:
            acted = self._actionkit.act(self._act(newcomer, written, place))
        except Rejected as refusal:
            named = set(refusal.fields) & written.columns.keys() - {MOBILE}
            if not named:
                refused |= written.history.keys()
                return NewcomerReason.ACTIONKIT_REFUSED
            refused |= named
            rest = {name: value for name, value in written.columns.items() if name not in named}
            return self._write(newcomer, user_id, replace(written, columns=rest), place, refused)
        if acted.user_id == user_id:
            return NewcomerReason.WAITING
        self._world.watch.alarm(
            "an action reached another user", account_id=self._account_id, user_id=user_id
        )
        return NewcomerReason.WRONG_USER

    def _act(self, newcomer: Newcomer, written: Written, place: int) -> Act:
        marks = {
            "strive_member": str(newcomer.member_id),
            "sync_id": newcomer.sync_ids()[place],
        }
        if place:
            former = {name: {"from": "", "to": new} for name, new in written.history.items()}
            marks["former_data"] = json.dumps(former, sort_keys=True)
        return Act(
            self._account.import_page,
            newcomer.email_sent,
            written.columns,
            written.userfields,
            marks,
        )

    def _tell(
        self,
        newcomer: Newcomer,
        member: Member,
        user_id: int,
        written: Sequence[Written],
        refused: set[str],
    ) -> None:
        """History and evidence of the new user; told once."""
        at = newcomer.begun_at or self._world.clock.now()
        changes = [
            Change(Side.ACTIONKIT, name, "", new, "created")
            for one in written
            for name, new in one.history.items()
            if name not in refused
        ]
        opted_in = "true" if member.opt_in else "false"
        evidence = Evidence(
            at,
            Side.ACTIONKIT,
            opted_in,
            member.opt_in,
            f"member {member.member_id}, of whom the user was made",
            "written to ActionKit",
        )
        items = [
            self._people.history_item(user_id, at, newcomer.mark, changes, NEWCOMER_CAUSE),
            self._people.evidence_item(user_id, at, newcomer.mark, [evidence]),
        ]
        for item in items if "opt_in" not in refused else items[:1]:
            self._world.users.put(item, expect=NEW)

    def _link_or_report(self, newcomer: Newcomer, member: Member, user_id: int) -> None:
        """The email is another's: linked by the normal look, if that is the same person."""
        look = self._actionkit.look([user_id], [self._rules.opt_in_userfield], (), 0)
        user = look.users.get(user_id)
        newcomer = _not_begun(newcomer)
        if user is not None and not may_link(user, member, self._rules):
            self._settle(newcomer, member, NewcomerReason.EMAIL_TAKEN)
            return
        # A user who is not shown is known to a later look: that one may be behind.
        expected = replace(newcomer, user_id=user_id)
        self._settle(expected, member, NewcomerReason.WAITING)
        self._look_at(user_id)

    def _look_at(self, user_id: int) -> None:
        work = Work(self._account_id, self._account.epoch, (user_id,), NEWCOMER_CAUSE)
        self._world.lane(self._lane).send([work.body()], self._account_id, LOOK_SECONDS)

    def _settle(self, newcomer: Newcomer, member: Member, reason: NewcomerReason) -> None:
        """Stores what became of the newcomer. Where somebody came between, it is tried again."""
        seen = _as_seen(newcomer, member)
        if reason is NewcomerReason.ERASED:
            seen = Newcomer(newcomer.member_id, newcomer.joined_at, newcomer.version)
        settled = replace(seen, reason=reason, busy_until=None)
        if _store(self._world, self._account_id, settled, newcomer) is None:
            self._put_back([newcomer.member_id], LATER_SECONDS, self._work.tries)


def _made_by_us(newcomer: Newcomer, owner: EmailOwner) -> bool:
    return bool(newcomer.mark) and owner.acted.get(newcomer.sync_ids()[0], False)


def _not_begun(newcomer: Newcomer) -> Newcomer:
    """Nothing of ours is to be found: the next try may address another email."""
    return replace(newcomer, mark="", begun_at=None, email_sent="")


def _as_seen(newcomer: Newcomer, member: Member) -> Newcomer:
    return replace(
        newcomer,
        first_name=member.first_name.strip(),
        last_name=member.last_name.strip(),
        email=member.email.strip(),
        phone=member.phone_number,
    )


# --- the list ---


def list_newcomers(
    world: World,
    account_id: str,
    status: NewcomerStatus | None,
    q: str,
    place: Positions | None,
    limit: int,
) -> tuple[list[Newcomer], Positions | None]:
    """Members of the primary group who have no user, by name, and where to go on. `q` is the
    beginning of an id, email, number, full name or last name. A page may end early, with a place
    that goes on."""
    load_account(world, account_id)
    reasons = [
        one for one in NewcomerReason if status is None or NEWCOMER_REASONS[one].status is status
    ]
    streams = _streams(world, account_id, BY_NAME, reasons)
    positions: Positions = dict(place or {})
    entries = streams.entries(positions)
    found: list[Newcomer] = []
    examined = 0
    while len(found) < limit and examined < MOST_EXAMINED:
        batch = list(islice(entries, min(100, limit - len(found))))
        if not batch:
            return found, None
        examined += len(batch)
        newcomers = _newcomers(world, account_id, map(_member_of, batch))
        linked = People(world, account_id).member_holders(newcomers)
        for entry in batch:
            positions[streams.name(entry)] = streams.position(entry)
            one = newcomers.get(_member_of(entry))
            # An index may lag: who has left the stream stands in another one by now.
            if one is None or one.member_id in linked or _stream(one.reason) != streams.name(entry):
                continue
            if _matches(one, q):
                found.append(one)
    return found, positions if next(entries, None) is not None else None


def _matches(one: Newcomer, q: str) -> bool:
    text = text_key(q)
    digits = q.strip().removeprefix("+")
    beginnings = (
        text_key(one.email),
        text_key(one.first_name, one.last_name),
        text_key(one.last_name),
    )
    if any(value.startswith(text) for value in beginnings):
        return True
    if not digits.isascii() or not digits.isdigit():
        return False
    by_id = not q.strip().startswith("+") and str(one.member_id).startswith(digits)
    return by_id or one.phone.removeprefix("+").startswith(digits)


# --- items ---


def _newcomers(world: World, account_id: str, member_ids: Iterable[int]) -> dict[int, Newcomer]:
    items = world.users.get_many(account_id, [newcomer_key(one) for one in member_ids])
    found = [loaded(NEWCOMER, item) for item in items.values()]
    return {one.member_id: one for one in found}


def _store(
    world: World, account_id: str, newcomer: Newcomer, over: Newcomer | None
) -> Newcomer | None:
    """As stored; None if somebody else changed it meanwhile."""
    version = 1 if over is None else over.version + 1
    stored = replace(newcomer, version=version, changed_at=world.clock.now())
    item = dumped(NEWCOMER, stored) | {
        "account_id": account_id,
        "item": newcomer_key(stored.member_id),
        "status": _stream(stored.reason),
        "name_key": text_key(stored.first_name, stored.last_name)[:200] or "-",
        "changed_at": stamp(world.clock.now()),
    }
    expect = NEW if over is None else {"version": over.version}
    return stored if world.users.put(item, expect=expect) else None


def _streams(
    world: World, account_id: str, index: str, reasons: Sequence[NewcomerReason]
) -> Streams:
    return Streams(world, account_id, index, tuple(_stream(one) for one in reasons))


def _entries(world: World, account_id: str, reasons: Sequence[NewcomerReason]) -> Iterator[Item]:
    """Of these reasons, those first who were not looked at for longest."""
    return _streams(world, account_id, BY_CHANGED, reasons).entries({})


def _chunks(entries: Iterator[Item]) -> Iterator[list[Item]]:
    while chunk := list(islice(entries, 10 * BATCH)):
        yield chunk


def _stream(reason: NewcomerReason) -> str:
    """A newcomer's stream in the indexes; no user has such a status."""
    return f"newcomer:{reason.value}"


def _member_of(entry: Item) -> int:
    return int(entry["item"].rsplit("/", 1)[1])


def _mark_once(world: World, account_id: str, key: str, why: str) -> None:
    """An earlier mark stays: an erased person was perhaps linked, too."""
    world.users.put({"account_id": account_id, "item": key, "why": why}, expect=NEW)


def _adoption_key(group_id: int) -> str:
    return f"adoption/{group_id:012d}"


def _email_digest(world: World, account_id: str, email: str) -> str:
    return world.digest(account_id, email.strip().casefold())
