"""The one worker: look, decide, apply. The only code that changes anybody in either system.

A batch of users is looked at together, each is decided by itself, and what is decided is carried
out behind an intent: a plan stored before any effect and settled after all of them. Whoever loses
a condition on the way is looked at again; an intent whose worker died is never replayed: what came
of it is found out and the user is decided afresh (docs/guarantees.md).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from instep.domain.account import Account
from instep.domain.consent import overridden_refusal
from instep.domain.decide import decide
from instep.domain.intent import (
    Done,
    intent_of,
    recover,
    recovered_changes,
    settle,
    sync_ids,
    under_way,
)
from instep.domain.pace import Lane
from instep.domain.people import Member, Side, User
from instep.domain.plan import Change, Plan, Seen
from instep.domain.record import Intent, Record, Status
from instep.domain.rules import Kind
from instep.use_cases import erasure, newcomers
from instep.use_cases.accounts import find_account
from instep.use_cases.actions import note_actions
from instep.use_cases.brake import Brake, Decided
from instep.use_cases.broken import check_mappings
from instep.use_cases.checksums import note_unknown
from instep.use_cases.confirming import CONFIRM, await_answers
from instep.use_cases.conflicts import conflict_items
from instep.use_cases.errors import (
    AccountStopped,
    Busy,
    NotAdmitted,
    Rejected,
    Unauthorised,
    Unavailable,
)
from instep.use_cases.firing import Firing, Happened, PendingError
from instep.use_cases.looking import TURN_SECONDS, Looking
from instep.use_cases.off_switch import stop_for_credentials
from instep.use_cases.pacing import Grant, Pacer
from instep.use_cases.ports import Act, Item
from instep.use_cases.records import People
from instep.use_cases.runs import add_tallies, change_run, find_or_none, still_open, ticked_off
from instep.use_cases.work import INITIAL_SYNC, Work, for_others, later_seconds, put_work
from instep.use_cases.world import World

CATALOGUE_SECONDS = 30
LAG_SECONDS = 60
"""How long to wait for a report that lags."""
RELEASE_SECONDS = 30
"""How long a plan that gives up a claim may take, before others are looked at because of it."""
SPARE_SECONDS = 12
"""A worker begins nothing new for a user when it has less time than this left."""


def sync_users(world: World, work: Work, lane: Lane) -> str:
    """Looks at the users of a message, decides and applies. Says what became of the message:
    "done", "waiting" (put back for its turn), "later" (put back after a failure of a side),
    "dropped" (the account is off, paused, or of another epoch) or "stopped" (credentials)."""
    account = find_account(world, work.account_id)
    if account is None or account.epoch != work.epoch or not account.carries_refusals:
        return "dropped"
    if not account.import_page:  # The catalogue is yet to make it.
        put_work(world, lane, replace(work, tries=work.tries - 1), work.user_ids, CATALOGUE_SECONDS)
        return "waiting"
    work = _still_open(world, work)
    if not work.user_ids:
        return "done"
    batch = Batch(world, account, work, lane)
    try:
        batch.run()
    except AccountStopped:
        return "dropped"
    except NotAdmitted as turn:
        put_work(
            world,
            lane,
            replace(work, tries=work.tries - 1),
            work.user_ids,
            turn.retry_after_seconds,
        )
        return "waiting"
    except Unauthorised as refusal:
        stop_for_credentials(world, account, refusal.side)
        return "stopped"
    except (Busy, Unavailable, Rejected) as failure:
        if isinstance(failure, Busy) and failure.side is Side.ACTIONKIT:
            batch.pacer.block(failure.retry_after_seconds)
        wait = failure.retry_after_seconds if isinstance(failure, Busy) else 0.0
        put_work(world, lane, work, work.user_ids, max(wait, later_seconds(work.tries)))
        world.watch.count(f"{failure.side.value}_failures")
        return "later"
    return "done"


def _still_open(world: World, work: Work) -> Work:
    """Work that was put back, without whom its run has ticked off: of two messages for the same
    users that are put back again and again, one ends."""
    if not work.run_id or not work.tries:
        return work
    run = find_or_none(world, work.account_id, work.run_id)
    return work if run is None else replace(work, user_ids=still_open(run, work))


@dataclass(slots=True)
class Applying:
    """One user whose plan is being carried out.

    `known` is what was known before (a dead worker's intent found out and taken off), `over` the
    record that lies in the table now: with this plan's intent, if it writes to either side.
    """

    user_id: int
    plan: Plan
    seen: Seen
    intent: Intent
    known: Record | None
    over: Record | None
    done: Done = field(default_factory=Done)

    @property
    def member(self) -> Member | None:
        """The member as it now is, as far as this plan knows."""
        return self.done.member or self.seen.linked or self.seen.matched


class Batch:
    """One message's users, from the look to the last settled record."""

    def __init__(self, world: World, account: Account, work: Work, lane: Lane) -> None:
        self._world = world
        self._account = account
        self._work = work
        self._lane = lane
        self._people = People(world, account.account_id)
        self.pacer: Pacer = world.pacer(account, lane)
        self._deadline = world.clock.now() + timedelta(
            seconds=world.limits.worker_seconds - SPARE_SECONDS
        )
        self._statuses: dict[int, Status] = {}
        self._entries: list[Item] = []
        self._acted: list[int] = []
        self._confirm: list[int] = []
        self._brake = Brake(world, account, work)
        self._changes: Counter[str] = Counter()
        self._pending: set[int] = set()
        """Users of whose actions it is not known yet what they set off."""

    def run(self) -> None:
        """Raises NotAdmitted, AccountStopped, Unauthorised, Busy or Unavailable if nothing was
        done; what was done for some users by then is settled or behind an intent."""
        self._looking = Looking(self._world, self._account, self._work, self._lane)
        if not self._looking.look():
            self._halve()
            return
        self._rules, self._again = self._looking.rules, self._looking.again
        self._actionkit, self._strive = self._looking.actionkit, self._looking.strive
        account_id = self._account.account_id
        self._firing = Firing(self._world, account_id, self._rules, self._strive)
        grant = self._looking.grant
        try:
            applying = self._decide_all()
            self._write_actionkit(applying, grant)
        finally:
            if self._looking.keeps:
                self.pacer.settle(grant)
        self._write_strive(applying)
        self._settle_all(applying)
        self._finish()

    def _halve(self) -> None:
        """More people share a number than there was room for: each half is looked at by itself,
        at last each user, with room for many."""
        user_ids = self._work.user_ids
        half = len(user_ids) // 2
        for some in (user_ids[:half], user_ids[half:]):
            put_work(self._world, self._lane, self._work, some)

    # --- decide ---

    def _decide_all(self) -> list[Applying]:
        """Decides each user, holds what may be an accident (A6), and stores an intent for each
        whose plan writes to either side."""
        records = self._looking.records
        decided = [
            one
            for user_id, seen in self._looking.seen.items()
            if (one := self._decide(user_id, records.get(user_id), seen)) is not None
        ]
        decided = self._without_broken(decided)
        decided = self._brake.checked(decided, self._rules)
        for user_id in self._brake.again:
            self._looking.look_again(user_id, 1)
        self._note_unknown([one.user_id for one in decided if one.before is None])
        begun = [self._begin(one) for one in decided]
        return [one for one in begun if one is not None]

    @property
    def _by_sums(self) -> bool:
        return self._actionkit.finds_changes_by() == "checksums"

    def _note_unknown(self, user_ids: list[int]) -> None:
        """Who is recorded before any comparison came to them is found all the same, should they be
        gone by then (U3). The initial sync notes what users come to before it looks at them."""
        if user_ids and self._by_sums and self._work.cause != INITIAL_SYNC:
            note_unknown(self._world, self._account.account_id, user_ids)

    def _without_broken(self, decided: list[Decided]) -> list[Decided]:
        """Leaves out users whose custom field seems to be cleared because it is no longer there:
        they are looked at again without it (F3)."""
        clearing = {
            write.field_id
            for one in decided
            for write in one.plan.field_writes
            if write.kind is Kind.CUSTOM and not write.new
        }
        if not clearing:
            return decided
        account = check_mappings(self._world, self._account, self._actionkit, self._strive)
        broken = {one.field_id for one in account.mappings if one.broken} & clearing
        left = []
        for one in decided:
            if broken & {write.field_id for write in one.plan.field_writes}:
                self._looking.look_again(one.user_id, 1)
            else:
                left.append(one)
        return left

    def _decide(self, user_id: int, before: Record | None, seen: Seen) -> Decided | None:
        now = self._world.clock.now()
        known = before
        if before is not None and before.intent is not None:
            known = self._recovered(before, before.intent, seen, now)
        if known is None and seen.user is None:
            known = Record(user_id)  # Gone or erased before anybody looked.
        plan = decide(seen, known, self._rules, now)
        if plan.nothing:
            self._queue_others(user_id, plan)
            return None
        return Decided(user_id, before, known, seen, plan)

    def _recovered(self, record: Record, intent: Intent, seen: Seen, now: datetime) -> Record:
        """The record without the intent of a worker that is dead; what that worker wrote is put
        into the history, under the intent's own key."""
        shown = self._looking.actions_found
        found = {mark: shown[mark] for mark in sync_ids(intent.intent_id) if mark in shown}
        recovered = recover(record, seen, found, now)
        changes = recovered_changes(record, seen, found)
        if changes:
            # At once: the intent that tells of them is gone with the next write of the record.
            entry = self._people.history_item(
                record.user_id, intent.at, intent.intent_id, changes, self._work.cause
            )
            self._world.users.put(entry)
            if intent.evidence and any(one.field == "opt_in" for one in changes):
                self._world.users.put(
                    self._people.evidence_item(
                        record.user_id, intent.at, intent.intent_id, intent.evidence
                    )
                )
        return recovered

    def _begin(self, decided: Decided) -> Applying | None:
        """Tells others who are concerned, stores what was learned of the numbers, takes the claims
        and stores the intent. None: there is nothing to be done, or a condition was lost."""
        user_id, before, known = decided.user_id, decided.before, decided.known
        seen, plan, now = decided.seen, decided.plan, self._world.clock.now()
        self._queue_others(user_id, plan)
        said = plan.writes or plan.consent or plan.evidence or self._forgets(user_id, plan)
        if plan.record == before and not said:
            self._settled(plan.record, plan)
            return None
        if plan.erase:
            account_id = self._account.account_id
            erasure.note_erasure(self._world, account_id, user_id, "ActionKit", known)
        expires_at = now + timedelta(seconds=self._world.limits.worker_seconds)
        intent = intent_of(plan, self._world.ids.new(), now, expires_at)
        one = Applying(user_id, plan, seen, intent, known, before)
        if plan.consent and plan.evidence:
            # Before what it rests on: a plan that is dropped later may find nothing new to tell.
            self._world.users.put(
                self._people.evidence_item(user_id, intent.at, intent.intent_id, plan.evidence)
            )
        if not (self._store_consents(plan) and self._claim(one)):
            self._lost(user_id)
            return None
        if plan.writes:
            planned = under_way(known or Record(user_id), plan, intent)
            one.over = self._people.store(planned, before)
            if one.over is None:
                self._lost(user_id)
                return None
        return one

    def _forgets(self, user_id: int, plan: Plan) -> bool:
        """Whether there may be anything left to be deleted of somebody who is erased."""
        account_id = self._account.account_id
        return plan.erase and not erasure.is_forgotten(self._world, account_id, user_id)

    def _store_consents(self, plan: Plan) -> bool:
        return all(
            self._people.store_consent(number, consent, self._looking.consent_version(number))
            for number, consent in plan.consent.items()
        )

    def _claim(self, one: Applying) -> bool:
        """Takes the number, and the member if the plan links to one that exists (U2)."""
        plan = one.plan
        if plan.claim is not None and not self._people.claim_number(
            plan.claim, one.user_id, plan.claim_over
        ):
            return False
        member_id = plan.record.member_id
        if member_id is None or (one.over is not None and one.over.member_id == member_id):
            return True
        holder = self._looking.member_holders.get(member_id)
        free = holder in (None, one.user_id, plan.take_over)
        free = free or member_id in self._looking.lost_members
        return free and self._people.claim_member(member_id, one.user_id, holder)

    def _lost(self, user_id: int) -> None:
        """A condition was lost: somebody else came between. Looked at again, never dropped."""
        self._world.watch.count("conditions_lost")
        self._looking.look_again(user_id, 1)

    # --- apply: Strive ---

    def _write_strive(self, applying: list[Applying]) -> None:
        creating = [one for one in applying if one.plan.create is not None]
        for one in creating:
            self._guarded(one, applying, self._create)
        self._read_created([one for one in creating if one in applying], applying)
        for one in list(applying):
            self._guarded(one, applying, self._change_member)
        for one in list(applying):
            self._guarded(one, applying, self._change_groups)
        for one in list(applying):
            self._guarded(one, applying, self._fire)

    def _guarded(
        self,
        one: Applying,
        applying: list[Applying],
        step: Callable[[Applying, list[Applying]], None],
    ) -> None:
        """Takes a step for one user; a failure ends that user's plan, not the batch.

        A side that cannot be reached leaves the intent where a write may have happened; it is
        found out later. Otherwise the intent is dropped and the user looked at again."""
        if one not in applying or not one.plan.writes:
            return
        if self._world.clock.now() > self._deadline:
            self._drop(one, applying, 1)
            return
        try:
            step(one, applying)
        except Unavailable as failure:
            self._failed(failure)
            if failure.may_have_happened:
                self._leave(one, applying)
            else:
                self._drop(one, applying, later_seconds(self._work.tries))
        except Busy as failure:
            self._failed(failure)
            self._drop(one, applying, failure.retry_after_seconds)

    def _create(self, one: Applying, applying: list[Applying]) -> None:
        """Creates the member, if the number still has none."""
        draft = one.plan.create
        if draft is None:
            return
        if self._strive.members_by_number([draft.number]):
            self._drop(one, applying, 1)
            return
        try:
            self._strive.create_member(draft)
        except Rejected:
            one.done = replace(one.done, create_refused=True)

    def _read_created(self, creating: list[Applying], applying: list[Applying]) -> None:
        """Reads back the members just made: their ids, what Strive made of their values, and
        whether the call overrode a refusal, which is then restored at once (U1)."""
        made = [one for one in creating if not one.done.create_refused]
        if not made:
            return
        drafts = {one.user_id: one.plan.create for one in made if one.plan.create is not None}
        members = self._strive.members_by_number([draft.number for draft in drafts.values()])
        events = self._strive.events([member.member_id for member in members.values()])
        for one in made:
            draft = drafts[one.user_id]
            member = members.get(draft.number)
            if member is None:
                self._leave(one, applying)
                continue
            if not self._people.claim_member(member.member_id, one.user_id, None):
                self._leave(one, applying)  # The member was made all the same.
                continue
            overridden = draft.opt_in and overridden_refusal(events.get(member.member_id, ()))
            if overridden:
                restored = self._strive.patch_member(member, {}, {}, opt_in=False)
                member = restored or replace(member, opt_in=False)
                self._world.watch.alarm(
                    "an opt-in overrode a refusal and was taken back",
                    account_id=self._account.account_id,
                    user_id=one.user_id,
                )
            one.done = replace(one.done, member=member, refusal_restored=overridden)

    def _change_member(self, one: Applying, applying: list[Applying]) -> None:
        """Writes values and consent to the linked member, if it is still as it was seen."""
        plan = one.plan
        if not (plan.strive or plan.strive_custom or plan.opt_in_strive is not None):
            return
        member = one.seen.linked or one.seen.matched
        if member is None:
            return
        if not self._patch(one, member, plan.strive, plan.strive_custom, plan.opt_in_strive):
            self._drop(one, applying, 1)

    def _patch(
        self,
        one: Applying,
        member: Member,
        values: Mapping[str, str],
        custom: Mapping[str, str],
        opt_in: bool | None,
    ) -> bool:
        """Writes to the member. False: it changed since it was seen. What Strive refuses is left
        out and the rest written; where it does not say what, values and consent are tried apart."""
        try:
            written = self._strive.patch_member(member, values, custom, opt_in)
        except Rejected as refusal:
            sent = {*values, *custom, *(("opt_in",) if opt_in is not None else ())}
            refused = set(refusal.fields) & sent
            apart = opt_in is not None and bool(values or custom)
            if apart and not refused:
                done = self._patch(one, member, values, custom, None)
                return done and self._patch(one, one.done.member or member, {}, {}, opt_in)
            refused = refused or sent
            one.done = replace(one.done, strive_refused=one.done.strive_refused | refused)
            if refused == sent:
                return True
            return self._patch(
                one,
                member,
                {name: value for name, value in values.items() if name not in refused},
                {name: value for name, value in custom.items() if name not in refused},
                None if "opt_in" in refused else opt_in,
            )
        if written is None:
            return False
        one.done = replace(one.done, member=written)
        return True

    def _change_groups(self, one: Applying, _: list[Applying]) -> None:
        """Joins and leaves; a membership that Strive refuses is tried again at the next look."""
        if one.member is None:
            return
        for group_id in sorted(one.plan.join):
            if self._join(group_id, one):
                one.done = replace(one.done, joined=one.done.joined | {group_id})
        for group_id in sorted(one.plan.leave):
            if self._regroup(self._strive.leave, group_id, one):
                one.done = replace(one.done, left=one.done.left | {group_id})

    def _join(self, group_id: int, one: Applying) -> bool:
        """A live action takes its user into a group that texts, or staff who release a hold do: at
        most once for each (P8). What somebody else did, who is gone, this look may be too old to
        show the end of: so there is another one. This one is over all the same."""
        member_id = one.member.member_id if one.member else 0
        action_id = one.plan.texting.get(group_id)
        hold_id = self._brake.released_by(one.user_id, group_id)
        try:
            if action_id is not None:
                joined = self._firing.join_once(group_id, action_id, member_id)
            elif hold_id is not None:
                joined = self._firing.join_released(group_id, hold_id, one.user_id, member_id)
            else:
                return self._regroup(self._strive.join, group_id, one)
        except PendingError as pending:
            self._pend(one, pending)
            return False
        if joined == "before":
            put_work(self._world, self._lane, for_others(self._work), [one.user_id], 1)
        return joined != "not"

    def _fire(self, one: Applying, _: list[Applying]) -> None:
        """What the user's actions set off by rules (P7)."""
        plan, user = one.plan, one.seen.user
        if not plan.due or user is None:
            return
        record, member = plan.record, one.member
        if plan.create is not None:
            made = None if one.done.create_refused else one.done.member
            record = replace(record, member_id=made.member_id if made else None)
        who = Happened(
            one.user_id, record, member if record.member_id is not None else None, plan.quiet
        )
        try:
            self._firing.fire(who, [each for each in user.actions if each.action_id in plan.due])
        except PendingError as pending:
            self._pend(one, pending)

    def _pend(self, one: Applying, pending: PendingError) -> None:
        """The user is looked at again, when it can be known what somebody else did."""
        self._pending.add(one.user_id)
        wait_seconds = (pending.at - self._world.clock.now()).total_seconds()
        self._looking.look_again(one.user_id, max(1, wait_seconds + 1))

    def _regroup(self, change: Callable[[int, int], None], group_id: int, one: Applying) -> bool:
        member_id = one.member.member_id if one.member else 0
        try:
            change(group_id, member_id)
        except Rejected:
            self._world.watch.alarm("Strive refused a membership", user_id=one.user_id)
            return False
        return True

    # --- apply: ActionKit ---

    def _write_actionkit(self, applying: list[Applying], grant: Grant) -> None:
        writing = [one for one in applying if self._acts(one)]
        if not writing:
            return
        lease = self._world.limits.worker_seconds
        try:
            if not self.pacer.reopen(grant, lease, TURN_SECONDS):
                raise NotAdmitted(1)
        except NotAdmitted as turn:
            for one in writing:
                self._drop(one, applying, turn.retry_after_seconds)
            return
        for one in self._as_seen(writing, applying):
            self._guarded(one, applying, self._act)

    def _as_seen(self, writing: list[Applying], applying: list[Applying]) -> list[Applying]:
        """Where reports were ever seen to lag, those who are still as the look showed them what is
        to be written; the others are looked at again (docs/adr/0005-safe-looks.md)."""
        if not self._account.sql_lags:
            return writing
        names = [self._rules.opt_in_userfield]
        names += [one.actionkit_field for one in self._rules.mappings if one.kind is Kind.CUSTOM]
        try:
            users = self._actionkit.read_again([one.user_id for one in writing], names)
        except (Busy, Unavailable) as failure:
            self._failed(failure)
            users = {}
        left = []
        for one in writing:
            now, then = users.get(one.user_id), one.seen.user
            if now is None or then is None or _differs(one.plan, now, then, names[0]):
                self._drop(one, applying, LAG_SECONDS)
            else:
                left.append(one)
        return left

    def _act(self, one: Applying, _: list[Applying]) -> None:
        """Writes the plan's actions: values, then consent by itself (U6)."""
        for act in self._acts(one):
            self._act_once(one, act)

    def _acts(self, one: Applying) -> list[Act]:
        return acts_of(one, self._account.import_page, self._rules.opt_in_userfield)

    def _act_once(self, one: Applying, act: Act) -> None:
        try:
            acted = self._actionkit.act(act)
        except Rejected as refusal:
            self._without_refused(one, act, frozenset(refusal.fields))
            return
        one.done = replace(one.done, actions=(*one.done.actions, acted.action_id))
        if acted.user_id != one.user_id:
            one.done = replace(one.done, wrong_user=True)
            self._world.watch.alarm(
                "an action reached another user",
                account_id=self._account.account_id,
                user_id=one.user_id,
            )

    def _without_refused(self, one: Applying, act: Act, refused: frozenset[str]) -> None:
        """A value that ActionKit refuses is reported for its field; the others are written."""
        named = refused & (act.columns.keys() | act.userfields.keys())
        if not named:
            refused = frozenset({*act.columns, *act.userfields})
        one.done = replace(one.done, actionkit_refused=one.done.actionkit_refused | refused)
        rest = replace(
            act,
            columns={k: v for k, v in act.columns.items() if k not in refused},
            userfields={k: v for k, v in act.userfields.items() if k not in refused},
        )
        if rest.columns or rest.userfields:
            self._act_once(one, rest)

    # --- settle ---

    def _settle_all(self, applying: list[Applying]) -> None:
        """Stores history and evidence, then the records, then gives up claims."""
        now = self._world.clock.now()
        for one in applying:
            self._keep_entries(one)
        self._store_entries()
        self._note_actions(applying)
        for one in applying:
            record = settle(one.plan, one.done, now) if one.plan.writes else one.plan.record
            if one.user_id in self._pending:
                record = replace(record, actions=one.known.actions if one.known else "")
            stored = self._people.store(record, one.over)
            if stored is None:
                self._lost(one.user_id)
                continue
            for number in one.plan.release:
                self._people.release_number(number, one.user_id)
            if one.plan.release_member is not None:
                newcomers.note_linked(
                    self._world, self._account.account_id, one.plan.release_member
                )
                self._people.release_member(one.plan.release_member, one.user_id)
            if one.plan.erase:
                erasure.forget(self._world, self._account.account_id, one.user_id, one.known)
            if one.plan.take_over is not None:
                other = for_others(self._work)
                put_work(self._world, self._lane, other, [one.plan.take_over], 1)
            self._counted(one.known, stored)
            self._settled(stored, one.plan, acted=bool(one.done.actions))
            if one.done.refusal_restored:
                self._looking.look_again(one.user_id, 1)

    def _note_actions(self, applying: list[Applying]) -> None:
        """Notes the actions that were decided with their users, before the records that say so."""
        noted = {
            one.user_id: one.seen
            for one in applying
            if one.user_id not in self._pending
            and one.plan.record.actions != (one.known.actions if one.known else "")
        }
        before = [one.user_id for one in applying if one.known is not None and one.known.actions]
        if noted:
            note_actions(self._world, self._account.account_id, noted, before, self._by_sums)

    def _counted(self, before: Record | None, stored: Record) -> None:
        """How many users have each status, once the initial sync has counted them (A4)."""
        if not self._account.initial_sync_done:
            return
        was = before.status if before is not None else Status.PENDING
        if was is not stored.status:
            self._changes[stored.status.value] += 1
            self._changes[was.value] -= 1

    def _settled(self, record: Record, plan: Plan, acted: bool = False) -> None:
        self._statuses[record.user_id] = record.status
        if record.awaits and not plan.waits:
            (self._acted if acted else self._confirm).append(record.user_id)

    def _drop(self, one: Applying, applying: list[Applying], delay_seconds: float) -> None:
        """Gives the plan up, takes the intent off, and looks at the user again. Where something
        was written already only a fresh look can tell what: then the intent stays till it expires.
        """
        if one.done != Done():
            self._leave(one, applying)
            return
        applying.remove(one)
        if one.over is not None:
            plain = replace(one.known or Record(one.user_id), intent=None)
            self._people.store(plain, one.over)
        self._looking.look_again(one.user_id, delay_seconds)

    def _leave(self, one: Applying, applying: list[Applying]) -> None:
        """Leaves the intent where nobody knows whether a write happened: when it has expired, a
        fresh look finds out."""
        applying.remove(one)
        self._looking.look_again(one.user_id, self._expiry_seconds(one))

    def _expiry_seconds(self, one: Applying) -> float:
        return (one.intent.expires_at - self._world.clock.now()).total_seconds() + 1

    def _failed(self, failure: Busy | Unavailable) -> None:
        self._world.watch.count(f"{failure.side.value}_failures")
        if isinstance(failure, Busy) and failure.side is Side.ACTIONKIT:
            self.pacer.block(failure.retry_after_seconds)

    def _keep_entries(self, one: Applying) -> None:
        plan, at, intent_id = one.plan, one.intent.at, one.intent.intent_id
        history = done_of(one, self._rules.opt_in_userfield)
        if history:
            self._entries.append(
                self._people.history_item(one.user_id, at, intent_id, history, self._work.cause)
            )
        if plan.evidence and not plan.consent:
            self._entries.append(
                self._people.evidence_item(one.user_id, at, intent_id, plan.evidence)
            )
        if plan.conflicts:
            self._entries += conflict_items(
                self._world, self._account.account_id, one.user_id, at, intent_id, plan.conflicts
            )

    def _store_entries(self) -> None:
        if self._entries:
            self._world.users.put_many(self._entries)
            self._entries = []

    # --- finish ---

    def _queue_others(self, user_id: int, plan: Plan) -> None:
        """Puts others who are concerned by a plan on the lane, before it is carried out: so they
        are looked at even if this worker dies; where a claim becomes free, not before it is. A plan
        that frees no claim and learned nothing of a number changes nothing for others: who is in
        the same batch is decided on the same look anyway."""
        if user_id in plan.look_again:
            self._looking.look_again(user_id, 1)
        known = frozenset() if plan.release or plan.consent else self._looking.begun
        again = {*plan.look_again}
        if plan.release:
            # Whoever has a number that becomes free, though this look did not ask for it (U2).
            again |= set(self._actionkit.users_with(plan.release))
        refused = [number for number, consent in plan.consent.items() if consent.refused]
        if refused:
            # Whoever is linked by a number that was refused, whether or not this look shows them.
            again |= set(self._people.number_holders(refused).values())
        others = sorted(one for one in again if one not in {user_id, *known})
        if plan.record.reason == "merged" and plan.record.member_id is not None and others:
            others = sorted({user_id, *others})  # Whose link passes is seen with whom it passes to.
        other = for_others(self._work)
        put_work(self._world, self._lane, other, others, RELEASE_SECONDS if plan.release else 1)

    def _finish(self) -> None:
        """Puts back who is to be looked at again, and ticks off the others in their run."""
        rest = [one for one in self._work.user_ids if one not in self._looking.begun]
        self._store_entries()
        self._brake.settle(self._statuses.keys() - self._again.keys())
        if self._changes:
            add_tallies(self._world, self._account.account_id, self._changes)
        back = replace(self._work, apart=True)
        put_work(self._world, self._lane, replace(back, tries=back.tries - 1), rest)
        by_delay: dict[int, list[int]] = {}
        for user_id, delay in self._again.items():
            by_delay.setdefault(max(1, round(delay)), []).append(user_id)
        for seconds, user_ids in sorted(by_delay.items()):
            put_work(self._world, self._lane, back, user_ids, seconds)
        for user_id in self._looking.alone:
            put_work(self._world, self._lane, back, [user_id])
        if self._acted:
            await_answers(self._world, self._work, self._acted, 0)
        if self._confirm:
            tries = self._work.tries + 1 if self._work.cause == CONFIRM else 0
            await_answers(self._world, self._work, self._confirm, tries)
        if self._work.run_id:
            self._tick(rest)

    def _tick(self, rest: list[int]) -> None:
        now = self._world.clock.now()
        done = {k: v for k, v in self._statuses.items() if k not in self._again}
        again: Iterable[int] = [*self._again, *self._looking.alone, *rest]
        change_run(
            self._world,
            self._account.account_id,
            self._work.run_id,
            lambda run: ticked_off(run, self._work, done, again, now),
        )


def acts_of(one: Applying, page: str, opt_in_userfield: str) -> list[Act]:
    """The actions that a plan writes on the integration's import page: values, and consent in one
    of its own (U6). The user is addressed by the email read in the same look."""
    plan, user = one.plan, one.seen.user
    if user is None:
        return []
    values_id, consent_id = sync_ids(one.intent.intent_id)
    acts = []
    if plan.actionkit or plan.actionkit_custom:
        marks = _marks(one, values_id, [c for c in plan.history if c.field != "opt_in"])
        acts.append(Act(page, user.email, plan.actionkit, plan.actionkit_custom, marks))
    if plan.opt_in_actionkit is not None:
        marks = _marks(one, consent_id, [c for c in plan.history if c.field == "opt_in"])
        value = "true" if plan.opt_in_actionkit else "false"
        acts.append(Act(page, user.email, {}, {opt_in_userfield: value}, marks))
    return acts


def done_of(one: Applying, opt_in_userfield: str) -> tuple[Change, ...]:
    """What a plan's history tells, without what a side refused."""
    done, writes = one.done, one.plan.field_writes
    targets = {(write.side, write.name): write.target for write in writes}

    def is_done(change: Change) -> bool:
        target = targets.get((change.side, change.field), change.field)
        if change.side is Side.ACTIONKIT:
            target = opt_in_userfield if change.field == "opt_in" else target
            return not done.wrong_user and target not in done.actionkit_refused
        if change.field == "groups":
            group = int(change.new or change.old)
            return group in (done.joined if change.new else done.left)
        return not (done.create_refused or target in done.strive_refused)

    return tuple(change for change in one.plan.history if is_done(change))


def _differs(plan: Plan, now: User, then: User, opt_in_userfield: str) -> bool:
    """Whether a user has another email, or other values of what a plan writes to ActionKit."""

    def values(user: User, name: str) -> list[str]:
        return sorted(row.value for row in user.fields if row.name == name)

    names = {*plan.actionkit_custom}
    if plan.opt_in_actionkit is not None:
        names.add(opt_in_userfield)
    columns = {"email", *plan.actionkit}
    return any(getattr(now, one) != getattr(then, one) for one in columns) or any(
        values(now, one) != values(then, one) for one in names
    )


def _marks(one: Applying, sync_id: str, changes: Iterable[Change]) -> dict[str, str]:
    """The actionfields of our actions; `former_data` holds for each field the value last known and
    the value sent."""
    former = {
        change.field: {"from": change.old, "to": change.new}
        for change in changes
        if change.side is Side.ACTIONKIT
    }
    return {
        "strive_member": str(one.member.member_id) if one.member else "",
        "sync_id": sync_id,
        "former_data": json.dumps(former, sort_keys=True),
    }
