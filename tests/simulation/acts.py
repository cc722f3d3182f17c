"""Actions, usergroups, groups and automations while the sync runs: people act on pages, staff sync
and let go what they like, organisers work on the groups; and what must come of it.

Like `ledger`, it keeps what really happened without the application's help. Who belongs where is
said in `belongs`; which texts are allowed in `texts`.
"""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from instep.domain.record import Status
from instep.domain.rules import Automation, Source, SourceKind
from instep.use_cases import automations, sources
from instep.use_cases.action_list import list_actions
from instep.use_cases.automations import WantedRule
from instep.use_cases.choices import AUTOMATION, AUTOMATIONS, SOURCE, SOURCES
from instep.use_cases.firing import runs_of
from instep.use_cases.ports import Item
from instep.use_cases.sources import Naming, Wanted
from instep.use_cases.stored import loaded
from local.twins.strive.postgrest import Refused
from local.twins.strive.tables import Row
from local.twins.strive.world import Actor
from tests.simulation.loop import SECOND, Task
from tests.simulation.story import ACCOUNT, CAMPAIGN, OPT_IN

if TYPE_CHECKING:
    from tests.simulation.days_world import DaysSimulation

WHO: Final = "bo"
FEW: Final = 5
FOREVER: Final = 1 << 62
PAGES: Final = (
    ("petition-a", "Petition"), ("join-us", "Signup"), ("survey", "Survey"),
    ("goodbye", "Unsubscribe"), ("old-list", "Import"),
)  # fmt: skip
WANTING: Final = ("Who want it", "Who want it soon")
"""Groups with a flow that staff made, and will use for an actionfield."""
CALM: Final = "calm"
CALM_OLD: Final = "calm-old"
VALUES: Final = ("yes", "Yes ", "no", " maybe", "YES")


@dataclass(slots=True)
class Span:
    """From when something may have been so until when. `sure_us`: from when it was so."""

    from_us: int
    to_us: int = FOREVER
    sure_us: int = FOREVER


@dataclass(slots=True)
class Kept:
    """A source or a rule as it was chosen, each time it was."""

    what: Source | Automation
    spans: list[Span] = field(default_factory=list)
    groups: set[int] = field(default_factory=set)

    def may_hold(self, at_us: int) -> bool:
        return any(one.from_us <= at_us <= one.to_us for one in self.spans)


@dataclass(frozen=True, slots=True)
class Taken:
    """An action by a person, or an upload's: when, by whom, where."""

    action_id: int
    at_us: int
    user_id: int
    page_id: int
    person: bool


class Acts:
    """See the module."""

    def __init__(self, simulation: DaysSimulation, rng: random.Random) -> None:
        self._s = simulation
        self._loop = simulation.loop
        self._actionkit = simulation.actionkit
        self._strive = simulation.ledger.strive
        self._ledger = simulation.ledger
        self._rng = rng
        self._count = 0
        self.pages = {
            self._actionkit.add_page(name, kind, title=f"Page {name}", send_email=False): name
            for name, kind in PAGES
        }
        self._usergroups = [self._actionkit.add_usergroup(name) for name in ("Drivers", "Hosts")]
        self._flow = self._strive.add_flow(CAMPAIGN, "Thank you")
        self._thanks = [
            self._strive.add_group(CAMPAIGN, "Thanks", self._flow),
            self._strive.add_group(CAMPAIGN, "Plain"),
        ]
        for _, name in sorted(self.pages.items()):
            if rng.random() < 0.3:  # which staff will use
                self._strive.add_group(CAMPAIGN, f"Page {name}", self._flow)
        for name in WANTING:
            self._strive.add_group(CAMPAIGN, name, self._flow)
        # What `calm_acts` uses, when all is done.
        self.calm_page = self._actionkit.add_page(CALM, "Petition", send_email=False)
        self.calm_old = self._actionkit.add_page(CALM_OLD, "Petition", send_email=False)
        self.calm_old_group = self._strive.add_group(CAMPAIGN, CALM_OLD, self._flow)
        self.calm_usergroup = self._actionkit.add_usergroup("Calm people")
        self.calm_thanks = self._strive.add_group(CAMPAIGN, "Calm thanks", self._flow)
        self.taken: dict[int, Taken] = {}
        self.kept: dict[str, Kept] = {}
        self.off: list[Span] = []
        """When the account was certainly off or paused."""
        self.by_hand: set[tuple[int, int]] = set()
        """Memberships that organisers made, or that are of groups no longer kept up."""
        self.joins: list[tuple[int, int, int]] = []
        """Of the sync into groups with a flow: when, group, member."""
        self.released: defaultdict[tuple[int, int], list[int]] = defaultdict(list)
        """Of each group and user when staff had a backfill carried out."""
        self.declined: dict[int, list[str]] = {}
        """Groups whose backfills are discarded when all else is done, and those that were."""
        self.looked_at: dict[int, int] = {}
        """Of each action when it was first noted as looked at with its user."""
        self._quiet: dict[int, tuple[str, int]] = {}
        """Whose opt-out is held: by which hold, and since when."""
        self.touched: set[tuple[int, int]] = set()
        """Memberships that organisers ended."""
        self.changed: set[int] = set()
        """Actions that did not stay as they were taken."""
        self.problems: list[str] = []
        self._first: list[Callable[[], str]] = [
            self.make_group, self.sync_usergroup, self.sync_page, self.make_rule, self.sync_page,
        ]  # fmt: skip
        simulation.actionkit.on_action(self._acted)
        simulation.groups.watchers.append(self._noted)
        simulation.users.watchers.append(self._held)
        self._strive.acts = self
        self._actionkit.pushes.add("http://127.0.0.1/webhook", "instep")
        self._actionkit.pushes.change(
            payload=rng.choice(("json", "form", "akid_only", "page_only", "empty", "garbage")),
            repeats=rng.choice((0, 0, 1, 3)),
            max_delay_seconds=rng.choice((0.0, 5.0, 90.0)),
            lost_rate=rng.choice((0.0, 0.2, 1.0)),
        )

    # --- what happens ---

    def do_something(self) -> None:
        """One thing that can be done now."""
        if self._s.staff_done and self._first:
            self._loop.note("ACTS", self._first.pop()())
            return
        often = [*[self.act] * 25, *[self.stranger] * 4, *[self.usergroup] * 5, *[self.flow] * 4,
                 *[self.act_while_held] * 8]  # fmt: skip
        seldom = [
            *[self.delete_action] * 3, *[self.spam] * 4, *[self.edit_field] * 3, self.upload,
            self.upload, self.organiser_joins, *[self.act_in_a_pause] * 2, self.erase,
            *[self.come_and_go] * 2, self.flow_and_leave,
            self.organiser_leaves, self.delete_group, self.rename_group,
        ]  # fmt: skip
        staff = [
            *[self.sync_page] * 4, self.unsync_page, *[self.sync_usergroup] * 2,
            self.unsync_usergroup, *[self.make_group] * 2, self.end_group, *[self.make_rule] * 3,
            self.switch_rule, self.delete_rule, *[self.act_and_choose] * 3,
        ]  # fmt: skip
        if self._s.days.hold_above < FEW:
            seldom += [self.upload_refusals] * 5
        kinds = often + seldom + (staff if self._s.staff_done else [])
        for _ in range(20):
            said = self._rng.choice(kinds)()
            if said:
                self._loop.note("ACTS", said)
                return

    def _user(self) -> int | None:
        ids = [one for one in self._actionkit.user_ids() if one not in self._ledger.erased]
        linked = [one for one in ids if self._ledger.linked.get(one)]
        if not ids:
            return None
        return self._rng.choice(linked if linked and self._rng.random() < 0.7 else ids)

    def _given(self) -> dict[str, Any]:
        given: dict[str, Any] = {"suppress_subscribe": "1"}
        if self._rng.random() < 0.6:
            given["action_wants"] = self._rng.choice((*VALUES, ["no", "yes"]))
        if self._rng.random() < 0.3:
            given["action_size"] = self._rng.choice(("M", "L"))
        if self._rng.random() < 0.5:
            self._count += 1
            given["action_comment"] = f"canary{self._s.days.seed}c{self._count} says hello"
        return given

    def act(self, user_id: int | None = None) -> str:
        """Somebody known acts on a page."""
        user_id = user_id or self._user()
        if user_id is None:
            return ""
        if self._rng.random() < 0.3:
            self._s.trouble_again(self._rng.uniform(60, 400))
        pages = [name for name in self.pages.values() if name != "old-list"]
        synced = [self.pages[one] for one in self._synced() if self.pages[one] in pages]
        page = self._rng.choice(synced if synced and self._rng.random() < 0.7 else pages)
        says = {f"user_{OPT_IN}": "true"} if self._rng.random() < 0.4 else {}
        action_id = self._actionkit.take_action(page, self._given() | says, user_id)
        if says:
            self._s.people.said_opt_in(user_id, "own_action")
        return f"user {user_id}: action {action_id} on {page}{', opts in' if says else ''}"

    def act_in_a_pause(self) -> str:
        """Staff pause, and somebody acts meanwhile."""
        if not self._s.staff_done:
            return ""
        self._s.staff.pause()
        for seconds in (5, 20, 45):
            self._loop.at(seconds * SECOND, lambda: self._loop.note("ACTS", self.act()))
        return "a pause"

    def stranger(self) -> str:
        """Somebody new signs, perhaps with number and opt-in."""
        self._count += 1
        given = self._given() | {"email": f"canary{self._s.days.seed}a{self._count}@example.org"}
        if self._rng.random() < 0.7:
            given["mobile_phone"] = f"+1415555{100 + self._count:04d}"
        if self._rng.random() < 0.7:
            given[f"user_{OPT_IN}"] = self._rng.choice(("true", "true", "no", "TBD"))
        action_id = self._actionkit.take_action("petition-a", given)
        user_id = self.taken[action_id].user_id
        self._s.people.said_opt_in(user_id, "own_action")
        return f"user {user_id}: new, action {action_id}"

    def upload(self) -> str:
        user_id = self._user()
        if user_id is None:
            return ""
        page = self._rng.choice(sorted(self.pages.values()))
        self._actionkit.take_action(page, {**self._given(), "source": "upload"}, user_id)
        return f"user {user_id}: on an uploaded list, {page}"

    def act_while_held(self) -> str:
        """Somebody acts whose opt-out is held (A6)."""
        held = sorted(self._quiet.keys() & set(self._actionkit.user_ids()))
        held = [one for one in held if one not in self._ledger.erased]
        return self.act(self._rng.choice(held)) if held else ""

    def upload_refusals(self) -> str:
        """A list opts so many people out that it is taken for an accident, and one of them acts."""
        opted_in = {row["id"] for row in self._strive.tables["members"] if row["opt_in"]}
        ids = self._actionkit.user_ids()
        ids = [one for one in ids if self._ledger.linked.get(one) in opted_in]
        some = self._rng.sample(ids, min(len(ids), self._s.days.hold_above + 1))
        if not some:
            return ""
        for user_id in some:
            self._s.people.set_opt_in(user_id, "false", "upload")

        def act() -> None:
            if some[0] in self._actionkit.user_ids() and some[0] not in self._ledger.erased:
                self._loop.note("ACTS", self.act(some[0]))

        self._loop.at(int(self._rng.uniform(5, 900) * SECOND), act)
        return f"users {some}: opted out by a list"

    def act_and_choose(self) -> str:
        """Somebody acts, and before anybody looked staff choose something that the action came too
        early for."""
        said = self.act()
        choose = (
            self.make_group, self.make_group, self.make_rule, self.sync_page, self.switch_rule,
        )  # fmt: skip
        self._loop.at(
            int(self._rng.uniform(1, 5) * SECOND),
            lambda: self._loop.note("ACTS", "at once", self._rng.choice(choose)()),
        )
        return said

    def come_and_go(self) -> str:
        """Somebody new signs, and is deleted or merged minutes later."""
        said = self.stranger()
        newest = max(self._actionkit.user_ids())

        def go() -> None:
            others = [one for one in self._actionkit.user_ids() if one != newest]
            others = [one for one in others if one not in self._ledger.erased]
            if newest not in self._actionkit.user_ids() or not others:
                return
            if newest in self._ledger.erased:
                return
            if self._rng.random() < 0.5:
                self._s.people.delete_one(newest)
            else:
                self._s.people.merge_two(self._rng.choice(others), newest)
            self._loop.note("ACTS", f"user {newest}: gone again")

        self._loop.at(int(self._rng.uniform(20, 200) * SECOND), go)
        return said

    def erase(self) -> str:
        """Somebody is erased who said something in an action (E1)."""
        ids = [one for one in self._actionkit.user_ids() if one not in self._ledger.erased]
        some = [one for one in ids if self.words(one)]
        if not some:
            return ""
        user_id = self._rng.choice(some)
        if self._rng.random() < 0.5 and self._s.staff_done:
            self._s.staff.erase_user(user_id)
        else:
            self._s.people.erase_one(user_id)
        return f"user {user_id}: is to be forgotten"

    def words(self, user_id: int) -> set[str]:
        """What somebody said in actions, and nobody else."""
        rows = [row for row in self._actionkit.actions() if row["user_id"] == user_id]
        return {one for row in rows for one in row["fields"].get("comment", ())}

    def _an_action(self) -> int | None:
        there = [row["id"] for row in self._actionkit.query(
            "SELECT id FROM core_action ORDER BY id")]  # fmt: skip
        ids = [one for one in there if one in self.taken]
        return self._rng.choice(ids) if ids else None

    def delete_action(self) -> str:
        action_id = self._an_action()
        if action_id is None:
            return ""
        self._actionkit.delete_action(action_id)
        return f"action {action_id} deleted"

    def spam(self) -> str:
        action_id = self._an_action()
        if action_id is None:
            return ""
        status = self._rng.choice(("spam", "complete", "incomplete"))
        self._actionkit.set_action_status(action_id, status)
        self.changed.add(action_id)
        return f"action {action_id} is {status}"

    def edit_field(self) -> str:
        action_id = self._an_action()
        if action_id is None:
            return ""
        value = self._rng.choice(("yes", "no", None, ["maybe", "yes"]))
        self._actionkit.edit_actionfield(action_id, "wants", value)
        return f"action {action_id} wants {value}"

    def usergroup(self) -> str:
        user_id = self._user()
        if user_id is None:
            return ""
        usergroup = self._rng.choice(self._usergroups)
        change = self._actionkit.leave if self._rng.random() < 0.4 else self._actionkit.join
        change(user_id, usergroup)
        return f"user {user_id}: {change.__name__} usergroup {usergroup}"

    # --- organisers ---

    def _a_group(self) -> int | None:
        there = {row["id"] for row in self._strive.tables["groups"]}
        groups = sorted({one for kept in self._sources() for one in kept.groups} & there)
        return self._rng.choice(groups) if groups else None

    def organiser_joins(self) -> str:
        group, members = self._a_group(), [row["id"] for row in self._strive.tables["members"]]
        if group is None or not members:
            return ""
        member_id = self._rng.choice(members)
        if not self._strive.join_group(group, member_id):
            return ""
        self.by_hand.add((group, member_id))
        return f"member {member_id}: put into group {group} by hand"

    def organiser_leaves(self) -> str:
        group = self._a_group()
        inside = self._strive.group_members(group) if group is not None else []
        if group is None or not inside:
            return ""
        member_id = self._rng.choice(inside)
        self._take_out(group, member_id)
        return f"member {member_id}: taken out of group {group} by hand"

    def flow(self) -> str:
        """A group gets a flow, or has none any more."""
        group = self._a_group()
        if group is None:
            return ""
        flow = self._flow if self._rng.random() < 0.6 else None
        self._strive.edit_group(group, flow_id=flow)
        return f"group {group}: flow {flow}"

    def flow_and_leave(self) -> str:
        """A group gets a flow, and somebody is taken out who was in it before."""
        group = self._a_group()
        inside = self._strive.group_members(group) if group is not None else []
        if group is None or not inside:
            return ""
        self._strive.edit_group(group, flow_id=self._flow)
        self._take_out(group, self._rng.choice(inside))
        return f"group {group}: flow {self._flow}, and somebody left"

    def _take_out(self, group: int, member_id: int) -> None:
        self._strive.leave_group(group, member_id)
        self.touched.add((group, member_id))

    def delete_group(self) -> str:
        group = self._a_group()
        if group is None:
            return ""
        self._strive.delete_group(group)
        return f"group {group} deleted in Strive"

    def rename_group(self) -> str:
        group = self._a_group()
        if group is None:
            return ""
        self._count += 1
        try:
            self._strive.edit_group(group, name=f"Renamed {self._count}")
        except Refused:
            return ""
        return f"group {group} renamed"

    # --- staff ---

    def click(self, what: str, call: Callable[[], object]) -> str:
        began: list[int] = []

        def do() -> None:
            if not began:
                began.append(self._loop.now_us)
            call()

        self._s.staff.click(what, do, lambda _: self.note(began[0] if began else 0))
        return what

    def sync_page(self) -> str:
        page_id = self._rng.choice(sorted(self.pages))
        return self.click(
            f"syncs page {page_id}",
            lambda: sources.sync_page(
                self._s.world, ACCOUNT, WHO, page_id, Naming(use_existing=True)
            ),
        )

    def sync_usergroup(self) -> str:
        usergroup = self._rng.choice(self._usergroups)
        return self.click(
            f"syncs usergroup {usergroup}",
            lambda: sources.sync_usergroup(
                self._s.world, ACCOUNT, WHO, usergroup, Naming(use_existing=True)
            ),
        )

    def _chosen(self, kind: SourceKind) -> Source | None:
        found = [
            one.what
            for one in self._sources()
            if isinstance(one.what, Source)
            and one.what.kind is kind
            and one.spans[-1].to_us == FOREVER
            and not one.what.ending
        ]
        return self._rng.choice(found) if found else None

    def unsync_page(self) -> str:
        source = self._chosen(SourceKind.PAGE)
        if source is None or source.page_id is None:
            return ""
        page_id = source.page_id
        return self.click(
            f"lets go page {page_id}",
            lambda: sources.unsync_page(self._s.world, ACCOUNT, WHO, page_id),
        )

    def unsync_usergroup(self) -> str:
        source = self._chosen(SourceKind.USERGROUP)
        if source is None or source.usergroup_id is None:
            return ""
        usergroup = source.usergroup_id
        return self.click(
            f"lets go usergroup {usergroup}",
            lambda: sources.unsync_usergroup(self._s.world, ACCOUNT, WHO, usergroup),
        )

    def make_group(self) -> str:
        self._count += 1
        page = self._chosen(SourceKind.PAGE) if self._rng.random() < 0.5 else None
        taken = {one.name for one in self.now()}
        free = [one for one in WANTING if one not in taken]
        wanted = Wanted(
            self._rng.choice(free) if free else f"Who want {self._count}",
            "wants",
            page.page_id if page else None,
            self._rng.choice((None, "yes", "no")),
        )
        return self.click(
            f"makes {wanted}",
            lambda: sources.make_actionfield_group(self._s.world, ACCOUNT, WHO, wanted, True),
        )

    def end_group(self) -> str:
        source = self._chosen(SourceKind.ACTIONFIELD)
        if source is None:
            return ""
        return self.click(
            f"deletes {source.source_id}",
            lambda: sources.delete_actionfield_group(self._s.world, ACCOUNT, WHO, source.source_id),
        )

    def make_rule(self) -> str:
        page = self._chosen(SourceKind.PAGE) if self._rng.random() < 0.5 else None
        some = self._rng.random() < 0.3
        wanted = WantedRule(
            page_id=page.page_id if page else None,
            actionfield="wants" if some else None,
            value="yes" if some else None,
            once_per=self._rng.choice(("person", "action")),
            add_to_group=self._rng.choice((*self._thanks, self._thanks[0])),
            publish_event=self._rng.random() < 0.5,
        )
        return self.click(
            f"makes {wanted}",
            lambda: automations.make_automation(self._s.world, ACCOUNT, WHO, wanted),
        )

    def _a_rule(self) -> Automation | None:
        found = [
            one.what
            for one in self.kept.values()
            if isinstance(one.what, Automation) and one.spans[-1].to_us == FOREVER
        ]
        return self._rng.choice(found) if found else None

    def switch_rule(self) -> str:
        rule = self._a_rule()
        if rule is None:
            return ""
        enabled = self._rng.random() < 0.6
        return self.click(
            f"switches rule {rule.rule_id} {enabled}",
            lambda: automations.switch_automation(
                self._s.world, ACCOUNT, WHO, rule.rule_id, enabled
            ),
        )

    def delete_rule(self) -> str:
        rule = self._a_rule()
        if rule is None:
            return ""
        return self.click(
            f"deletes rule {rule.rule_id}",
            lambda: automations.remove_automation(self._s.world, ACCOUNT, WHO, rule.rule_id),
        )

    # --- what there is ---

    def _sources(self) -> list[Kept]:
        return [one for one in self.kept.values() if isinstance(one.what, Source)]

    def note(self, began_us: int) -> None:
        """What is chosen now; what was not before was chosen since."""
        items = self._s.groups.inner.query(ACCOUNT, "choice/", None, 1000).items
        there: dict[str, Source | Automation] = {}
        for item in items:
            if item["item"].startswith(SOURCES):
                there[item["item"]] = loaded(SOURCE, item)
            elif item["item"].startswith(AUTOMATIONS):
                rule = loaded(AUTOMATION, item)
                if rule.enabled:
                    there[item["item"]] = rule
                elif item["item"] in self.kept:
                    self.kept[item["item"]].what = rule
        now = self._loop.now_us
        for key, what in there.items():
            kept = self.kept.setdefault(key, Kept(what))
            if not kept.spans or kept.spans[-1].to_us != FOREVER:
                kept.spans.append(Span(began_us, sure_us=now))
            kept.what = what
            if isinstance(what, Source):
                kept.groups.add(what.group_id)
        for key, kept in self.kept.items():
            if key not in there and kept.spans[-1].to_us == FOREVER:
                kept.spans[-1].to_us = now
                if isinstance(kept.what, Source):
                    self._let_go(kept.what.group_id)

    def _let_go(self, group: int) -> None:
        """Whoever is in a group that is no longer kept up is as if staff had put them there."""
        if any(row["id"] == group for row in self._strive.tables["groups"]):
            self.by_hand |= {(group, one) for one in self._strive.group_members(group)}

    def _acted(self, action_id: int) -> None:
        [row] = self._actionkit.query(
            "SELECT a.user_id, a.page_id, a.source, p.type FROM core_action a"
            " JOIN core_page p ON p.id = a.page_id WHERE a.id = ?", action_id,
        )  # fmt: skip
        person = row["type"] not in ("Import", "Unsubscribe") and row["source"] != "upload"
        if row["page_id"] in (*self.pages, self.calm_page, self.calm_old):
            self.taken[action_id] = Taken(
                action_id, self._loop.now_us, row["user_id"], row["page_id"], person
            )
            self._loop.at(0, self._deliver)

    # --- pushes ---

    def _deliver(self) -> None:
        """Sends what is due, and comes again when more is."""
        pushes = self._actionkit.pushes
        for push in pushes.take_due():
            event = {
                "requestContext": {"http": {"method": "POST"}},
                "pathParameters": {"account_id": ACCOUNT, "token": self._token()},
                "isBase64Encoded": False,
                "body": push.body.decode("utf-8", "replace"),
                "headers": dict(push.headers),
            }

            def ended(task: Task, push: Any = push) -> None:
                status = task.result["statusCode"] if task.error is None else None
                pushes.answered(push, status)
                self._loop.at(SECOND, self._deliver)

            self._s.functions.invoke("webhook", event, ended)
        following = pushes.next_at()
        if following is not None:
            wait = max(0.001, (following - self._loop.now()).total_seconds())
            self._loop.at(int(wait * SECOND) + 1000, self._deliver)

    def _token(self) -> str:
        item = self._s.settings.inner.get(ACCOUNT, "account")
        return str(item["settings"]["webhook_token"]) if item else "none"

    # --- told by the twin ---

    def joined(self, group: int, member_id: int, by: Actor, flow: int | None) -> None:
        """A member joined a group."""
        if not by.by_api:
            return
        self._loop.note("STRIVE member", member_id, "joined group", group, "flow", flow)
        if flow is None:
            return
        self.joins.append((self._loop.now_us, group, member_id))
        self._judge_quiet(group, member_id)
        if self._s.quiet_ticks is None:
            self._at_the_worst_time(group, member_id)

    def _at_the_worst_time(self, group: int, member_id: int) -> None:
        """Before the sync noted that it had somebody texted: its worker dies, and the flow takes
        them out again, as flows may."""
        worker = self._loop.current()
        if worker is not None and self._s.disturbed and self._rng.random() < 0.3:
            self._loop.at(0, lambda: self._loop.kill(worker))
        if self._rng.random() < 0.4:
            after = int(self._rng.uniform(0.1, 40) * SECOND)
            self._loop.at(after, lambda: self._flow_ends(group, member_id))

    def _flow_ends(self, group: int, member_id: int) -> None:
        there = any(row["id"] == group for row in self._strive.tables["groups"])
        if there and member_id in self._strive.group_members(group):
            self._take_out(group, member_id)

    def _judge_quiet(self, group: int, member_id: int) -> None:
        """A6: whose opt-out is held is texted only if staff release that too."""
        for user_id, member in self._ledger.linked.items():
            hold_id, since = self._quiet.get(user_id, ("", FOREVER))
            if member != member_id or since > self._ledger.from_us:
                continue
            hold = self._s.users.inner.get(ACCOUNT, f"hold/{hold_id}")
            held = hold is not None and hold["state"] == "open"
            if held and not self.released.get((group, user_id)):
                self.problems.append(f"member {member_id} was put into group {group}, which texts, "
                                     f"though the opt-out of user {user_id} is held")  # fmt: skip

    # --- the application's tables, for what was looked at and what is held ---

    def _noted(self, _account_id: str, key: str, item: Item | None) -> None:
        if key.startswith("action/") and item is not None and item["decided"]:
            self.looked_at.setdefault(int(key.removeprefix("action/")), self._loop.now_us)

    def _held(self, _account_id: str, key: str, item: Item | None) -> None:
        if not key.startswith("held/opt_outs-"):
            return
        _, hold_id, user = key.split("/")
        if item is not None:
            self._quiet.setdefault(int(user), (hold_id, self._loop.now_us))
        elif self._quiet.get(int(user), ("", 0))[0] == hold_id:
            del self._quiet[int(user)]

    def left(self, membership: Row, by: Actor) -> None:
        """A member left a group."""
        pair = membership["group_id"], membership["member_id"]
        if by.by_api:
            self._loop.note("STRIVE member", pair[1], "left group", pair[0])
            if pair in self.by_hand:
                self.problems.append(f"member {pair[1]} was taken out of group {pair[0]}, though "
                                     "staff had put them there")  # fmt: skip
        self.by_hand.discard(pair)

    # --- who belongs where (G1 to G6) ---

    def belongs(self, source: Source, user_id: int) -> bool:
        """The specification of memberships."""
        if source.kind is SourceKind.USERGROUP:
            return source.usergroup_id in self._actionkit.user(user_id)["groups"]
        synced = {one.page_id for one in self.now() if one.kind is SourceKind.PAGE}
        return any(
            row["user_id"] == user_id
            and row["status"] == "complete"
            and row["page_id"] in synced
            and source.page_id in (None, row["page_id"])
            and (source.actionfield is None or _says(row["fields"], source))
            for row in self._actions
        )

    def _synced(self) -> list[int]:
        pages = (one.page_id for one in self.now() if one.kind is SourceKind.PAGE)
        return sorted(one for one in pages if one is not None)

    def now(self) -> list[Source]:
        """What is kept up now."""
        return [
            one.what
            for one in self._sources()
            if isinstance(one.what, Source)
            and one.spans[-1].to_us == FOREVER
            and not one.what.ending
        ]

    def memberships(self) -> Iterator[str]:
        """P2, P5, G2 to G6: everybody is where they belong, and nobody else but by hand."""
        self.note(self._loop.now_us)
        self._actions = self._actionkit.actions()
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
        for source in self.now():
            group = source.group_id
            if not any(row["id"] == group for row in self._strive.tables["groups"]):
                yield f"group {group} of {source.source_id} is not there"
                continue
            inside = set(self._strive.group_members(group))
            for member_id, user_id in pairs.items():
                if user_id in special or member_id in left:
                    continue
                said = f"user {user_id}: member {member_id} and group {group} of {source.source_id}"
                hidden = (group, member_id) in self.touched and not shown
                if self.belongs(source, user_id):
                    if member_id not in inside and not hidden:
                        yield f"{said}: belongs there"
                elif member_id in inside and (group, member_id) not in self.by_hand:
                    yield f"{said}: does not belong there"

    def listed(self) -> Iterator[str]:
        """P6: what there is on synced pages is listed, as it is."""
        shown, _ = list_actions(self._s.world, ACCOUNT, None, None, None, 10_000)
        erased = self._ledger.erased.keys()
        there = {
            row["id"]: (row["user_id"], row["fields"])
            for row in self._actionkit.actions()
            if row["page_id"] in self._synced() and row["user_id"] not in erased
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
        yield from self.problems
        for (group, member_id), times in Counter((g, m) for _, g, m in self.joins).items():
            causes = [
                cause
                for user_id in self._ledger.links.get(member_id, {})
                for cause in self._causes(group, user_id)
            ]
            said = f"member {member_id} was put into group {group}, which texts,"
            if times > len(causes):
                yield f"{said} {times} times for {len(causes)} reasons"
            for at_us in (at for at, g, m in self.joins if (g, m) == (group, member_id)):
                if not any(one.from_us <= at_us <= one.to_us for one in causes):
                    yield f"{said} at {at_us}, when there was no reason to"
        yield from self._events()

    def _causes(self, group: int, user_id: int) -> Iterator[Span]:
        """What may put a user's member into a group with a flow, and when."""
        yield from (Span(at_us) for at_us in self.released.get((group, user_id), ()))
        for taken in self.taken.values():
            whose = taken.user_id == user_id or self._ledger.merged.get(taken.user_id) == user_id
            if not (whose and self._may_be_live(taken)):
                continue
            for one in self.kept.values():
                gives = (
                    one.what.add_to_group == group
                    if isinstance(one.what, Automation)
                    else group in one.groups and one.what.kind is not SourceKind.USERGROUP
                )
                if gives and one.may_hold(taken.at_us):
                    yield Span(taken.at_us, self.looked_at.get(taken.action_id, FOREVER))

    def outcomes(self) -> Iterator[str]:
        """P7: what became of a rule for a live action is always told."""
        there = {row["id"] for row in self._actionkit.actions() if row["status"] == "complete"}
        records = self._s.records()
        for kept in self.kept.values():
            rule = kept.what
            if not isinstance(rule, Automation) or rule.actionfield or len(kept.spans) > 1:
                continue
            items = self._s.groups.inner.query(ACCOUNT, runs_of(rule.rule_id), None, 10_000).items
            told = {item["action_id"] for item in items}
            people = {item["user_id"] for item in items} | {item["member_id"] for item in items}
            for taken in self.taken.values():
                record = records.get(taken.user_id)
                if record is None or record.status is not Status.SYNCED:
                    continue
                if taken.action_id not in there or taken.action_id in self.changed:
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
            for one in self._sources()
            if isinstance(one.what, Source)
            and one.what.kind is SourceKind.PAGE
            and one.what.page_id == taken.page_id
        ]

    def _may_be_live(self, taken: Taken) -> bool:
        return (
            taken.person
            and any(one.may_hold(taken.at_us) for one in self._pages_of(taken))
            and not any(one.from_us <= taken.at_us <= one.to_us for one in self.off)
        )

    def _events(self) -> Iterator[str]:
        """P7: each at most once."""
        rules = {
            one.what.rule_id: one for one in self.kept.values() if isinstance(one.what, Automation)
        }
        seen: Counter[tuple[str, str, int]] = Counter()
        for event in self._s.events.inner.published:
            told = event.detail
            rule, taken = rules[told["rule_id"]], self.taken[told["action_id"]]
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
