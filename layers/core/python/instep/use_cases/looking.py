"""The look at a message's users: our records first, then ActionKit in one statement, then Strive,
and whatever else decides (docs/adr/0005-safe-looks.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeVar

from instep.domain.account import Account
from instep.domain.decide import eligible
from instep.domain.groups import actions_digest
from instep.domain.intent import sync_ids
from instep.domain.pace import Lane
from instep.domain.people import Member, Rival, Side
from instep.domain.phone import choose_number, numbers_of
from instep.domain.plan import Seen
from instep.domain.record import NumberConsent, Record, Status
from instep.domain.rules import Kind, Option
from instep.use_cases.accounts import change_account
from instep.use_cases.actions import undecided
from instep.use_cases.choices import rules_of
from instep.use_cases.errors import Rejected
from instep.use_cases.pacing import HTTP_LEASE_SECONDS, Grant, Pacer
from instep.use_cases.ports import ActionKit, ActionKitLook, Gone, Strive
from instep.use_cases.records import People
from instep.use_cases.work import ERASE, RECREATE, Work, later_seconds
from instep.use_cases.world import World

T = TypeVar("T")

TURN_SECONDS = 6
"""How long a worker waits for its turn before it puts its work back on the lane."""
FEW_SHARERS = 5
MANY_SHARERS = 50
"""Of those who share a number with a user looked at alone, the lowest fifty ids are read."""
BUSY_SECONDS = 5
"""A plan under way is mostly carried out by then; its worker may live longer."""
LAG = timedelta(minutes=6)
"""How far behind reports may be."""
MANY_TRIES = 3
"""A look that is stale more often than this may be so for ever."""


class Looking:
    """One message's users, as both sides show them in one look.

    After `look`: `seen` by user id, the `records` before, the actions that bear marks of ours
    (`actions_found`), the `rules` with the groups that are closed now, and the `grant`, which still
    holds those who may be written to where it `keeps` any. `again`: who is to be looked at again,
    in so many seconds. `alone`: who is to be looked at with nobody else. `begun`: whom the grant
    was for; the others wait.
    """

    def __init__(self, world: World, account: Account, work: Work, lane: Lane) -> None:
        self._world = world
        self._account = account
        self._work = work
        self._people = People(world, account.account_id)
        self.pacer: Pacer = world.pacer(account, lane)
        self.actionkit: ActionKit = world.actionkit(account, lane)
        self.strive: Strive = world.strive(account)
        self.rules = rules_of(world, account)
        self._at = world.clock.now()
        self.grant = Grant("", 0)
        self.seen: dict[int, Seen] = {}
        self.records: Mapping[int, Record] = {}
        self.actions_found: Mapping[str, int] = {}
        self.keeps = False
        self.again: dict[int, float] = {}
        self.alone: list[int] = []
        self.begun: frozenset[int] = frozenset()
        self.consents: dict[str, tuple[NumberConsent, int]] = {}
        self.member_holders: Mapping[int, int] = {}
        self.lost_members: frozenset[int] = frozenset()

    def look_again(self, user_id: int, delay_seconds: float) -> None:
        """Has a user looked at again; of several delays the longest."""
        self.again[user_id] = max(delay_seconds, self.again.get(user_id, 0))

    def consent_version(self, number: str) -> int:
        """The version of a number's consent record that was read."""
        return self.consents[number][1] if number in self.consents else 0

    def look(self) -> bool:
        """Reads our records, then ActionKit, then Strive. Those who share a number with the users
        are records too (A3): room for some is part of the grant. False: there were more than that.
        Raises NotAdmitted, AccountStopped, Unauthorised, Busy or Unavailable."""
        alone = len(self._work.user_ids) == 1
        last = alone and self._work.tries > 0
        room = MANY_SHARERS if last else max(FEW_SHARERS, len(self._work.user_ids) // 10)
        grant, turn = self._take_turn(room)
        self.begun = frozenset(turn)
        self.grant = grant
        try:
            records = self._people.records(turn)
            user_ids = self._without_busy(turn, records)
            spare = grant.records - len(turn)
            look = self._look_at_actionkit(user_ids, records, spare)
        except BaseException:
            self.pacer.settle(grant)
            raise
        if look is None or (look.sharers and len(look.sharers) >= spare and not last):
            self.pacer.settle(grant)
            return False
        self.records, self.actions_found = records, look.actions_found
        user_ids = self._without_stale(user_ids, records, look)
        self.seen = self._look_at_strive(user_ids, records, look, grant)
        return True

    def _take_turn(self, sharers: int) -> tuple[Grant, list[int]]:
        """A grant, and whom it is for; the others have to wait for the next one."""
        user_ids = list(self._work.user_ids)
        sql = self._reads_by_sql()
        lease = HTTP_LEASE_SECONDS if sql else self._world.limits.worker_seconds
        grant = self.pacer.take(len(user_ids) + sharers, TURN_SECONDS, lease)
        least = max(1, min(FEW_SHARERS, grant.records // 4))
        spare = min(sharers, max(least, grant.records - len(user_ids)))
        return grant, user_ids[: max(1, grant.records - spare)]

    def _reads_by_sql(self) -> bool:
        connection = self._account.connection
        return connection is None or connection.actionkit_reads == "sql"

    def _without_busy(self, user_ids: list[int], records: Mapping[int, Record]) -> list[int]:
        """Leaves out users with a plan under way: two plans never meet (U10)."""
        now = self._world.clock.now()
        free = []
        for user_id in user_ids:
            record = records.get(user_id)
            until = self._under_way_until(record) if record is not None else None
            if until is not None and until > now:
                expiry_seconds = (until - now).total_seconds() + 1
                soon_seconds = BUSY_SECONDS * 3 ** min(self._work.tries, 5)
                self.look_again(user_id, min(expiry_seconds, soon_seconds))
            else:
                free.append(user_id)
        return free

    def _under_way_until(self, record: Record) -> datetime | None:
        """How long a plan may be under way, or its actions not be shown yet: this may be the first
        time that reports are seen to lag."""
        intent = record.intent
        if intent is None:
            return None
        acts = intent.opt_in_actionkit is not None or any(
            write.side is Side.ACTIONKIT for write in intent.field_writes
        )
        lag = LAG if acts and self._reads_by_sql() else timedelta()
        return max(intent.expires_at, intent.at + lag)

    def _look_at_actionkit(
        self, user_ids: list[int], records: Mapping[int, Record], max_sharers: int
    ) -> ActionKitLook | None:
        """None where ActionKit refuses the statement, as it does with an answer too long."""
        self._at = self._world.clock.now()
        names = [self.rules.opt_in_userfield]
        names += [m.actionkit_field for m in self.rules.mappings if m.kind is Kind.CUSTOM]
        marks = [
            mark
            for user_id in user_ids
            if (record := records.get(user_id)) and record.intent
            for mark in sync_ids(record.intent.intent_id)
        ]
        if not user_ids:
            return ActionKitLook(0, {})
        # Who has no claim can lose a number to a lower id alone (U2). Who is erased gave it up just
        # now, for whoever comes next.
        unclaimed = [
            user_id
            for user_id in user_ids
            if self._work.cause != ERASE
            and (
                (record := records.get(user_id)) is None
                or (record.number is None and record.member_id is None and record.intent is None)
            )
        ]
        try:
            return self.actionkit.look(
                user_ids, names, marks, max_sharers, unclaimed, self.rules.pages
            )
        except Rejected:
            if len(self._work.user_ids) == 1:
                raise
            return None

    def _without_stale(
        self, user_ids: list[int], records: Mapping[int, Record], look: ActionKitLook
    ) -> list[int]:
        """Leaves out users whose record knows of a later action than the look: it is stale. Who is
        not shown at all is asked about by id, which is never stale."""
        fresh = []
        for user_id in user_ids:
            record = records.get(user_id)
            shown = user_id in look.users
            if shown and record is not None and self._is_behind(record.watermark, look):
                self.look_again(user_id, later_seconds(self._work.tries))
            else:
                fresh.append(user_id)
        if len(fresh) < len(user_ids) and not self._account.sql_lags:
            change_account(
                self._world, self._account.account_id, lambda one: replace(one, sql_lags=True)
            )
        return fresh

    def _is_behind(self, watermark: int, look: ActionKitLook) -> bool:
        """Whether the look is older than an action of ours: if it is so again and again, perhaps
        that action was deleted, and with it the highest id."""
        if watermark <= look.watermark:
            return False
        return self._work.tries < MANY_TRIES or self.actionkit.has_action(watermark)

    def _look_at_strive(
        self,
        user_ids: list[int],
        records: Mapping[int, Record],
        look: ActionKitLook,
        grant: Grant,
    ) -> dict[int, Seen]:
        """The members, and what else decides. As soon as it is known whom ActionKit may have to be
        told about, the grant for all others is settled."""
        gone = self._gone(user_ids, records, look)
        merged = {one: how.merged_into for one, how in gone.items() if how.merged_into is not None}
        merged = {**look.merged, **merged}
        numbers, shown, crowded = self._numbers(records, look)
        self.keeps = False
        try:
            concerned_numbers = {*numbers.values(), *_drafted(records.values())}
            matched = self.strive.members_by_number(sorted(concerned_numbers))
            members = {member.member_id: member for member in matched.values()}
            links = {
                user_id: member_id
                for user_id in user_ids
                if (member_id := _link(records.get(user_id), matched)) is not None
            }
            bequests = self._bequests(user_ids, merged)
            for one, left in bequests.items():
                mine = records.get(one)
                if left.member_id and (mine is None or not (mine.member_id or mine.intent)):
                    links[one] = left.member_id
            missing = sorted(set(links.values()) - members.keys())
            members |= self.strive.members_by_id(missing) if missing else {}
            concerned = [one for one in user_ids if one in links or numbers.get(one) in matched]
            self.keeps = bool(concerned)
        finally:
            keep = len(concerned) if self.keeps else 0
            read = len(look.users) + len(look.sharers)
            self.pacer.settle(grant, keep, self._world.limits.worker_seconds, read)
        member_ids = sorted(members)
        events = self.strive.events(member_ids) if member_ids else {}
        timed = any(one.option is Option.TWO_WAY for one in self.rules.mappings)
        changes = self.strive.changes(member_ids) if member_ids and timed else {}
        closed = frozenset(one.group_id for one in self.strive.groups() if one.flow_id is not None)
        self.rules = replace(self.rules, closed_groups=closed)
        further = {
            one: numbers_of(user, self.rules, records.get(one)) for one, user in look.users.items()
        }
        for one in user_ids:
            kept = records.get(one)
            further[one] = further.get(one, frozenset()) | (kept.numbers if kept else frozenset())
        by_member = {one.phone_number for one in members.values()}
        claimed = sorted({*numbers.values(), *by_member})
        every = sorted({*claimed, *(one for some in further.values() for one in some)})
        # In this order: a number is claimed before its member, so a held member with a free number
        # is never seen of a claim under way.
        member_holders = self._people.member_holders(member_ids)
        holders = self._people.number_holders(claimed)
        self.member_holders = member_holders
        self.lost_members = self._lost_members(member_holders, records)
        lost = self._lost_holders(holders, records, shown)
        self.consents = self._people.consents(every)
        seen = {}
        for user_id in user_ids:
            number = numbers.get(user_id)
            free = holders.get(number or "") is None or number in lost
            if user_id in crowded and user_id not in links and free:
                self.alone.append(user_id)
                continue
            linked = members.get(links[user_id]) if user_id in links else None
            at_number = matched.get(number) if number else None
            concerning = {*further.get(user_id, ()), *([linked.phone_number] if linked else ())}
            rivals = [one for other in sorted(concerning) for one in shown.get(other, ())]
            seen[user_id] = Seen(
                at=self._at,
                user=look.users.get(user_id),
                linked=linked,
                matched=at_number,
                rivals=tuple(one for one in rivals if one.user_id != user_id),
                holder=holders.get(number) if number else None,
                holder_lost=number in lost,
                linked_holder=holders.get(linked.phone_number) if linked else None,
                member_holder=self._holder_of(at_number) if at_number else None,
                consent=self._consent(number),
                linked_consent=self._consent(linked.phone_number if linked else None),
                other_consents={one: self._consent(one) for one in further.get(user_id, ())},
                events=_of_both(events, linked, at_number),
                changes=_of_both(changes, linked, at_number),
                recreate=self._work.cause == RECREATE,
                erase=self._work.cause == ERASE,
                bequest=bequests.get(user_id),
            )
        return self._with_endings(self._with_fresh(seen, records), gone)

    def _with_fresh(self, seen: dict[int, Seen], records: Mapping[int, Record]) -> dict[int, Seen]:
        """With the actions that were not looked at with their users before; asked only of users of
        whose actions anything changed (P7)."""
        changed = {
            user_id: one.user.actions
            for user_id, one in seen.items()
            if one.user is not None
            and actions_digest(one.user) != (records[user_id].actions if user_id in records else "")
        }
        actions = [action for some in changed.values() for action in some]
        fresh = undecided(self._world, self._account.account_id, actions)
        for user_id, some in changed.items():
            mine = fresh & {action.action_id for action in some}
            seen[user_id] = replace(seen[user_id], fresh=mine)
        return seen

    def _numbers(
        self, records: Mapping[int, Record], look: ActionKitLook
    ) -> tuple[dict[int, str], dict[str, list[Rival]], frozenset[int]]:
        """The chosen number of each user of the batch, of each number all who chose it, and the
        users whose number so many have that those are not known."""
        numbers: dict[int, str] = {}
        crowded: set[int] = set()
        shown: dict[str, list[Rival]] = {}
        others = {one.user_id: one for one in look.sharers}
        kept = {**self._people.records(others), **records} if others else records
        for user_id, user in sorted({**others, **look.users}.items()):
            record = kept.get(user_id)
            choice = choose_number(user, self.rules, record)
            number = choice.number
            if number is None:
                continue
            if user_id in look.users:
                numbers[user_id] = number
                if choice.phone is not None and choice.phone.phone_id in look.crowded:
                    crowded.add(user_id)
            # Who is never linked again does not win a number either.
            ended = user_id in look.merged or (record and record.status is Status.ERASED)
            rival = Rival(user_id, number, not ended and eligible(user, self.rules))
            shown.setdefault(number, []).append(rival)
        return numbers, shown, frozenset(crowded)

    def _gone(
        self, user_ids: Sequence[int], records: Mapping[int, Record], look: ActionKitLook
    ) -> dict[int, Gone]:
        """Who is gone of those whom the look did not show: a merge names them, or a read by id
        says that there is nobody (U3)."""
        gone = {one: Gone(look.merged[one]) for one in user_ids if one in look.merged}
        heirs = set(look.merged.values())
        for user_id in user_ids:
            known = user_id in records or user_id in heirs or self._work.cause == ERASE
            if user_id not in look.users and user_id not in gone and known:
                found = self.actionkit.find_gone(user_id)
                if found is not None:
                    gone[user_id] = found
        return gone

    def _with_endings(self, seen: dict[int, Seen], gone: Mapping[int, Gone]) -> dict[int, Seen]:
        """With who was merged into whom, and who was deleted; without those of whom nobody knows
        anything, and those who are there by a read by id: that look was stale."""
        for user_id in [one for one, each in seen.items() if each.user is None]:
            if user_id in gone or seen[user_id].erase:
                continue
            if user_id in self.records:
                self.look_again(user_id, later_seconds(self._work.tries))
            del seen[user_id]
        heirs = self._people.records(
            {one.merged_into for one in gone.values() if one.merged_into is not None}
        )
        for user_id, how in gone.items():
            if user_id not in seen:
                continue
            if how.merged_into is None:
                seen[user_id] = replace(seen[user_id], deleted=True)
            else:
                heir = heirs.get(how.merged_into)
                seen[user_id] = replace(seen[user_id], merged_into=how.merged_into, heir=heir)
        return seen

    def _bequests(self, user_ids: Iterable[int], merged: Mapping[int, int]) -> dict[int, Record]:
        """For users into whom others were merged the record of one of these that still has a link:
        of several the lowest id."""
        wanted = set(user_ids)
        losers = {one: into for one, into in merged.items() if into in wanted}
        found: dict[int, Record] = {}
        for loser, record in sorted(self._people.records(losers).items() if losers else ()):
            if record.member_id is not None:
                found.setdefault(losers[loser], record)
        return found

    def _consent(self, number: str | None) -> NumberConsent:
        return self.consents[number][0] if number in self.consents else NumberConsent()

    def _holder_of(self, member: Member) -> int | None:
        """Who rightly holds the claim on a member."""
        lost = member.member_id in self.lost_members
        return None if lost else self.member_holders.get(member.member_id)

    def _with_those_of(
        self, user_ids: Iterable[int], records: Mapping[int, Record]
    ) -> Mapping[int, Record]:
        """The records, and those of these users besides."""
        others = sorted({one for one in user_ids if one not in records})
        return {**records, **self._people.records(others)} if others else records

    def _lost_members(
        self, holders: Mapping[int, int], records: Mapping[int, Record]
    ) -> frozenset[int]:
        """Members whose holder is linked to another or to nobody, and has no plan under way: its
        worker died before it gave the claim up (U2)."""
        known = self._with_those_of(holders.values(), records)
        return frozenset(
            member_id
            for member_id, holder in holders.items()
            if (record := known.get(holder)) is not None
            and record.member_id != member_id
            and record.intent is None
        )

    def _is_left(self, number: str) -> bool:
        """Whether the claim of somebody who is linked by another number was left by a worker that
        died before it gave it up: not one that is being made just now."""
        lifetime = timedelta(seconds=self._world.limits.worker_seconds)
        return self._people.is_old_claim(number, self._world.clock.now() - lifetime)

    def _lost_holders(
        self,
        holders: Mapping[str, int],
        records: Mapping[int, Record],
        shown: Mapping[str, list[Rival]],
    ) -> set[str]:
        """Numbers whose holder is not linked by them, has no plan under way, and was seen
        ineligible or no longer with the number: such a claim may be taken over (U2)."""
        known = self._with_those_of(holders.values(), records)
        now = self._world.clock.now()
        lost = set()
        for number, holder in holders.items():
            record = known.get(holder)
            linked = (
                record is not None
                and record.member_id is not None
                and (record.number == number or not self._is_left(number))
            )
            planned = record is not None and record.intent and record.intent.expires_at > now
            entitled = any(
                rival.user_id == holder and rival.eligible for rival in shown.get(number, ())
            )
            # Whose member was deleted keeps the claim (U1), also where the look left them out.
            waits = (
                record is not None
                and record.status is Status.MEMBER_DELETED
                and record.number == number
            )
            if not (linked or planned or entitled or waits):
                lost.add(number)
        return lost


def _drafted(records: Iterable[Record]) -> list[str]:
    """Numbers of members whose creation is under way."""
    return [one.intent.create.number for one in records if one.intent and one.intent.create]


def _link(record: Record | None, matched: Mapping[str, Member]) -> int | None:
    """The member a record is linked to, or that a plan under way links it to or creates."""
    if record is None or record.member_id is not None or record.intent is None:
        return None if record is None else record.member_id
    if record.intent.create is None:
        return record.intent.member_id
    member = matched.get(record.intent.create.number)
    return None if member is None else member.member_id


def _of_both(rows: Mapping[int, tuple[T, ...]], *members: Member | None) -> tuple[T, ...]:
    """The rows of the linked and of the matched member."""
    member_ids = dict.fromkeys(one.member_id for one in members if one is not None)
    return tuple(row for member_id in member_ids for row in rows.get(member_id, ()))
