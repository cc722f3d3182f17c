"""Actions, usergroups, groups and automations while the sync runs: people act on pages, staff sync
and let go what they like, organisers work on the groups.

Like `ledger`, it keeps what really happened without the application's help; what must come of it
is said in `acts_resting`.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from instep.domain.rules import Automation, Source, SourceKind
from instep.use_cases import automations, sources
from instep.use_cases.automations import WantedRule
from instep.use_cases.choices import AUTOMATION, AUTOMATIONS, SOURCE, SOURCES
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
            *[self.release] * 6,
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
        synced = [self.pages[one] for one in self.synced() if self.pages[one] in pages]
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
        groups = sorted({one for kept in self.sources() for one in kept.groups} & there)
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
            for one in self.sources()
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

    def release(self) -> str:
        """Staff have a backfill carried out that texts (P8)."""
        held = [one for one in self._s.open_holds() if one.get("group_id")]
        if not held:
            return ""
        hold_id = self._rng.choice(held)["item"].removeprefix("hold/")
        self._s.staff.release_hold(hold_id)
        return f"releases {hold_id}"

    def delete_rule(self) -> str:
        rule = self._a_rule()
        if rule is None:
            return ""
        return self.click(
            f"deletes rule {rule.rule_id}",
            lambda: automations.remove_automation(self._s.world, ACCOUNT, WHO, rule.rule_id),
        )

    # --- what there is ---

    def sources(self) -> list[Kept]:
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

    def synced(self) -> list[int]:
        pages = (one.page_id for one in self.now() if one.kind is SourceKind.PAGE)
        return sorted(one for one in pages if one is not None)

    def now(self) -> list[Source]:
        """What is kept up now."""
        return [
            one.what
            for one in self.sources()
            if isinstance(one.what, Source)
            and one.spans[-1].to_us == FOREVER
            and not one.what.ending
        ]
