"""What must have come of actions, usergroups, groups and rules once days have come to rest.

Written from the requirements over what really happened (`acts`). Who belongs where is said in
`belongs`; which texts are allowed in `texts`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from instep.domain.record import Status
from instep.domain.rules import Automation, Source, SourceKind
from instep.use_cases.action_list import list_actions
from instep.use_cases.firing import runs_of
from tests.simulation.acts import FOREVER, Kept, Span, Taken
from tests.simulation.loop import SECOND
from tests.simulation.story import ACCOUNT

if TYPE_CHECKING:
    from tests.simulation.days_world import DaysSimulation


class ActsResting:
    """See the module."""

    def __init__(self, simulation: DaysSimulation) -> None:
        self._s = simulation
        self._acts = simulation.acts
        self._ledger = simulation.ledger
        self._loop = simulation.loop
        self._strive = simulation.ledger.strive
        self._actionkit = simulation.actionkit
        self._actions = simulation.actionkit.actions()

    # --- who belongs where (G1 to G6) ---

    def belongs(self, source: Source, user_id: int) -> bool:
        """The specification of memberships."""
        if source.kind is SourceKind.USERGROUP:
            return source.usergroup_id in self._actionkit.user(user_id)["groups"]
        synced = {one.page_id for one in self._acts.now() if one.kind is SourceKind.PAGE}
        return any(
            row["user_id"] == user_id
            and row["status"] == "complete"
            and row["page_id"] in synced
            and source.page_id in (None, row["page_id"])
            and (source.actionfield is None or _says(row["fields"], source))
            for row in self._actions
        )

    def memberships(self) -> Iterator[str]:
        """P2, P5, G2 to G6: everybody is where they belong, and nobody else but by hand."""
        self._acts.note(self._loop.now_us)
        records = self._s.records()
        pairs = {
            one.member_id: user_id
            for user_id, one in records.items()
            if one.member_id is not None and user_id in self._actionkit.user_ids()
        }
        unknowns = self._s.story.strive_unknowns
        shown = unknowns.removals_table or unknowns.group_changes_move_updated_at
        special = self._ledger.erased.keys() | self._ledger.discarded
        # Of an erased person's member nothing but the opt-out is written (E1).
        left = {one for one, users in self._ledger.links.items() if special & users.keys()}
        for source in self._acts.now():
            group = source.group_id
            if not any(row["id"] == group for row in self._strive.tables["groups"]):
                yield f"group {group} of {source.source_id} is not there"
                continue
            inside = set(self._strive.group_members(group))
            for member_id, user_id in pairs.items():
                if user_id in special or member_id in left:
                    continue
                said = f"user {user_id}: member {member_id} and group {group} of {source.source_id}"
                hidden = (group, member_id) in self._acts.touched and not shown
                if self.belongs(source, user_id):
                    if member_id not in inside and not hidden:
                        yield f"{said}: belongs there"
                elif member_id in inside and (group, member_id) not in self._acts.by_hand:
                    yield f"{said}: does not belong there"

    def listed(self) -> Iterator[str]:
        """P6: what there is on synced pages is listed, as it is."""
        shown, _ = list_actions(self._s.world, ACCOUNT, None, None, None, 10_000)
        erased = self._ledger.erased.keys()
        there = {
            row["id"]: (row["user_id"], row["fields"])
            for row in self._actionkit.actions()
            if row["page_id"] in self._acts.synced() and row["user_id"] not in erased
        }
        listed = {
            one.action_id: (one.user_id, one.fields)
            for one in shown
            if one.user_id not in erased or one.fields  # E1: no look tells of them any more
        }
        for action_id in sorted(there.keys() | listed.keys()):
            if there.get(action_id) != listed.get(action_id):
                yield (f"action {action_id} is listed as {listed.get(action_id)}, and is "
                       f"{there.get(action_id)}")  # fmt: skip

    # --- texts (P7, P8) ---

    def texts(self) -> Iterator[str]:
        """Of each group with a flow and each member the sync's joins have as many causes: a live
        action each, by a rule or by the group itself, that nobody had looked at before; or a
        backfill that staff released."""
        yield from self._acts.problems
        for (group, member_id), times in Counter((g, m) for _, g, m in self._acts.joins).items():
            causes = [
                cause
                for user_id in self._ledger.links.get(member_id, {})
                for cause in self._causes(group, user_id)
            ]
            said = f"member {member_id} was put into group {group}, which texts,"
            if times > len(causes):
                yield f"{said} {times} times for {len(causes)} reasons"
            for at_us in (at for at, g, m in self._acts.joins if (g, m) == (group, member_id)):
                if not any(one.from_us <= at_us <= one.to_us for one in causes):
                    yield f"{said} at {at_us}, when there was no reason to"
        yield from self._events()

    def _causes(self, group: int, user_id: int) -> Iterator[Span]:
        """What may put a user's member into a group with a flow, and when."""
        yield from (Span(at_us) for at_us in self._acts.released.get((group, user_id), ()))
        for taken in self._acts.taken.values():
            whose = taken.user_id == user_id or self._ledger.merged.get(taken.user_id) == user_id
            if not (whose and self._may_be_live(taken)):
                continue
            for one in self._acts.kept.values():
                gives = (
                    one.what.add_to_group == group
                    if isinstance(one.what, Automation)
                    else group in one.groups and one.what.kind is not SourceKind.USERGROUP
                )
                if gives and one.may_hold(taken.at_us):
                    yield Span(taken.at_us, self._acts.looked_at.get(taken.action_id, FOREVER))

    def outcomes(self) -> Iterator[str]:
        """P7: what became of a rule for a live action is always told."""
        there = {row["id"] for row in self._actionkit.actions() if row["status"] == "complete"}
        records = self._s.records()
        for kept in self._acts.kept.values():
            rule = kept.what
            if not isinstance(rule, Automation) or rule.actionfield or len(kept.spans) > 1:
                continue
            items = self._s.groups.inner.query(ACCOUNT, runs_of(rule.rule_id), None, 10_000).items
            told = {item["action_id"] for item in items}
            people = {item["user_id"] for item in items} | {item["member_id"] for item in items}
            for taken in self._acts.taken.values():
                record = records.get(taken.user_id)
                if record is None or record.status is not Status.SYNCED:
                    continue
                if taken.action_id not in there or taken.action_id in self._acts.changed:
                    continue
                if rule.page_id not in (None, taken.page_id) or not self._always(kept, taken):
                    continue
                if rule.once_per == "person" and {taken.user_id, record.member_id} & people:
                    continue
                if taken.action_id not in told:
                    yield (f"nothing tells what became of rule {rule.rule_id} for action "
                           f"{taken.action_id} of user {taken.user_id}")  # fmt: skip

    def _always(self, kept: Kept, taken: Taken) -> bool:
        """Whether a rule, and the page, were there when the action's look may have begun."""
        pages = [one for one in self._pages_of(taken) if len(one.spans) == 1]
        there = [kept.spans[0], *(one.spans[0] for one in pages)]
        before = taken.at_us - int(self._s.days.lag_seconds * SECOND)
        return bool(pages) and all(one.sure_us < before and one.to_us == FOREVER for one in there)

    def _pages_of(self, taken: Taken) -> list[Kept]:
        return [
            one
            for one in self._acts.sources()
            if isinstance(one.what, Source)
            and one.what.kind is SourceKind.PAGE
            and one.what.page_id == taken.page_id
        ]

    def _may_be_live(self, taken: Taken) -> bool:
        return (
            taken.person
            and any(one.may_hold(taken.at_us) for one in self._pages_of(taken))
            and not any(one.from_us <= taken.at_us <= one.to_us for one in self._acts.off)
        )

    def _events(self) -> Iterator[str]:
        """P7: each at most once."""
        rules = {
            one.what.rule_id: one
            for one in self._acts.kept.values()
            if isinstance(one.what, Automation)
        }
        seen: Counter[tuple[str, str, int]] = Counter()
        for event in self._s.events.inner.published:
            told = event.detail
            rule, taken = rules[told["rule_id"]], self._acts.taken[told["action_id"]]
            assert isinstance(rule.what, Automation)
            once = rule.what.once_per
            subject = told["member_id" if once == "person" else "action_id"]
            seen[told["rule_id"], once, subject] += 1
            if not self._may_be_live(taken) or not rule.may_hold(taken.at_us):
                yield f"an event was published for action {taken.action_id}: {json.dumps(told)}"
        yield from (f"{times} events for {what}" for what, times in seen.items() if times > 1)


def _says(fields: dict[str, list[str]], source: Source) -> bool:
    values = fields.get(str(source.actionfield), [])
    if source.value is None:
        return bool(values)
    return source.value.strip().lower() in {one.strip().lower() for one in values}
