"""Actions, usergroups and rules one at a time, with everything at rest before and after: so what
comes of each is exact (P2, P5, P7, G2, G4).

In three steps, of two pages and a usergroup of their own. Staff begin to keep them up, with a rule
that texts once per person and one that publishes for each action, and discard the backfill of the
page whose group texts; then people act, one leaves the usergroup, and one is put into the page's
group by hand; then they act again, and actions of two others are deleted.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from instep.domain.rules import Automation
from instep.use_cases import automations, sources
from instep.use_cases.automations import WantedRule
from instep.use_cases.firing import runs_of
from instep.use_cases.sources import Naming
from tests.simulation.acts import CALM, CALM_OLD, WHO
from tests.simulation.loop import SECOND
from tests.simulation.story import ACCOUNT

if TYPE_CHECKING:
    from tests.simulation.days_world import DaysSimulation

MOST_PEOPLE = 3


@dataclass(frozen=True, slots=True)
class Expected:
    """What is to be seen of a pair. `shown` reads it, as text."""

    what: str
    shown: Callable[[], tuple[object, ...]]
    wanted: tuple[object, ...]


class CalmActs:
    """The three steps, for some pairs of which nothing is special."""

    def __init__(
        self, simulation: DaysSimulation, pairs: Sequence[tuple[int, int]], rng: random.Random
    ) -> None:
        self._s = simulation
        self._acts = simulation.acts
        self._rng = rng
        some = sorted(pairs, key=lambda one: (not self._opted_in(one[1]), rng.random()))
        self._people = some[:MOST_PEOPLE]
        self._taken: dict[int, int] = {}

    @property
    def user_ids(self) -> set[int]:
        """Whom nobody else is to edit meanwhile."""
        return {user_id for user_id, _ in self._people}

    def step(self, number: int) -> list[Expected]:
        """What staff and people do, and what is to be seen once all is at rest again."""
        if not self._people:
            return []
        return (self._begin, self._act, self._go_on)[number]()

    # --- the steps ---

    def _begin(self) -> list[Expected]:
        acts, ours = self._acts, (self._s.world, ACCOUNT, WHO)
        user_id, member_id = self._people[0]
        self._take(user_id, CALM_OLD)
        acts.declined[acts.calm_old_group] = []
        old = partial(sources.sync_page, *ours, acts.calm_old, Naming(use_existing=True))

        def begin() -> None:  # not within the same second as the action
            acts.click("calm old page", old)

        self._s.loop.at(5 * SECOND, begin)
        self._s.actionkit.join(user_id, acts.calm_usergroup)
        page, usergroup = acts.calm_page, acts.calm_usergroup
        texts = WantedRule(page, None, None, "person", acts.calm_thanks, publish_event=False)
        tells = WantedRule(page, None, None, "action", None, publish_event=True)
        for what, call in (
            ("calm page", partial(sources.sync_page, *ours, page, Naming())),
            ("calm people", partial(sources.sync_usergroup, *ours, usergroup, Naming())),
            ("calm texts", partial(automations.make_automation, *ours, texts)),
            ("calm events", partial(automations.make_automation, *ours, tells)),
        ):
            acts.click(what, call)
        return [
            Expected(
                f"user {user_id} member {member_id}: in the usergroup of a group just made",
                lambda: (self._inside(self._usergroup(), member_id),),
                (True,),
            ),
            self._discarded(member_id, joins=0),
        ]

    def _act(self) -> list[Expected]:
        (user_id, member_id), *others = self._people
        self._s.actionkit.leave(user_id, self._acts.calm_usergroup)
        if others:  # the last of them is inside already, by hand
            group, last = self._page(), others[-1][1]
            self._s.strive.join_group(group, last)
            self._acts.by_hand.add((group, last))
        for one, _ in self._people:
            self._take(one)
        return [
            Expected(
                f"user {user_id} member {member_id}: left the usergroup",
                lambda: (self._inside(self._usergroup(), member_id),),
                (False,),
            ),
            self._discarded(member_id, joins=0),
            *(self._texted(*one, actions=1) for one in self._people),
            *(self._member_of_page(*one, inside=True) for one in self._people),
        ]

    def _go_on(self) -> list[Expected]:
        first, *others = self._people
        for user_id, _ in others:
            self._s.actionkit.delete_action(self._taken[user_id])
        self._take(first[0])
        self._take(first[0], CALM_OLD)
        return [
            self._discarded(first[1], joins=1),
            self._texted(*first, actions=2),
            self._member_of_page(*first, inside=True),
            # Nobody is taken out whom staff put in (P2).
            *(self._member_of_page(*one, inside=one is others[-1]) for one in others),
        ]

    def _take(self, user_id: int, page: str = CALM) -> None:
        given = {"suppress_subscribe": "1"}
        action_id = self._s.actionkit.take_action(page, given, user_id)
        if page == CALM:
            self._taken[user_id] = action_id

    # --- what is to be seen ---

    def _texted(self, user_id: int, member_id: int, actions: int) -> Expected:
        """P7: one text and one run of the rule that is once per person; of the other one a run and
        an event for each action. Whoever is opted out gets neither, and is told why each time."""
        opted_in = self._opted_in(member_id)

        def shown() -> tuple[object, ...]:
            joins = [one for one in self._acts.joins if one[1:] == (group, member_id)]
            return len(joins), self._runs("person", user_id), self._runs("action", user_id), (
                self._events(user_id)
            )  # fmt: skip

        group = self._acts.calm_thanks
        wanted = (
            (1, ["done"], ["done"] * actions, actions)
            if opted_in
            else (0, ["not_opted_in"] * actions, ["not_opted_in"] * actions, 0)
        )
        return Expected(f"user {user_id} member {member_id}: {actions} actions", shown, wanted)

    def _discarded(self, member_id: int, joins: int) -> Expected:
        """P8: a backfill that staff discarded, once, is not held again; a newer action joins."""
        group = self._acts.calm_old_group

        def shown() -> tuple[object, ...]:
            texts = sum(one[1:] == (group, member_id) for one in self._acts.joins)
            return len(self._acts.declined[group]), self._inside(group, member_id), texts

        return Expected(f"member {member_id}: discarded", shown, (1, joins == 1, joins))

    def _member_of_page(self, user_id: int, member_id: int, inside: bool) -> Expected:
        return Expected(
            f"user {user_id} member {member_id}: in the page's group",
            lambda: (self._inside(self._page(), member_id),),
            (inside,),
        )

    def _runs(self, once_per: str, user_id: int) -> list[str]:
        return [
            item["outcome"]
            for rule_id in self._rules(once_per)
            for item in self._s.groups.inner.query(ACCOUNT, runs_of(rule_id), None, 1000).items
            if item["user_id"] == user_id
        ]

    def _events(self, user_id: int) -> int:
        told = [one.detail for one in self._s.events.inner.published]
        rules = self._rules("action")
        return sum(one["user_id"] == user_id and one["rule_id"] in rules for one in told)

    def _rules(self, once_per: str) -> list[str]:
        kept = (one.what for one in self._acts.kept.values())
        rules = [one for one in kept if isinstance(one, Automation)]
        page = self._acts.calm_page
        return [one.rule_id for one in rules if (one.page_id, one.once_per) == (page, once_per)]

    def _opted_in(self, member_id: int) -> bool:
        return bool(self._s.strive.member(member_id)["opt_in"])

    def _inside(self, group: int, member_id: int) -> bool:
        return member_id in self._s.strive.group_members(group)

    def _page(self) -> int:
        return self._group("page_id", self._acts.calm_page)

    def _usergroup(self) -> int:
        return self._group("usergroup_id", self._acts.calm_usergroup)

    def _group(self, name: str, wanted: int) -> int:
        """Of what staff keep up; 0, which is no group, where there is none."""
        found = [one.group_id for one in self._acts.now() if getattr(one, name) == wanted]
        return found[0] if found else 0
