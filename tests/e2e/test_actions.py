"""Actions on the deployed application: a push, a member, a group, a text; all within seconds (P3 to
P8)."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest

from local.twins.deliver import Delivery
from tests.e2e.deployment import Deployment, wait_for
from tests.e2e.joined import Joined, join_story
from tests.simulation.story import OPT_IN, draw

LOADED_SECONDS: Final = 60
"""Other tests use the machine at the same time: what is asserted is counted, not timed; how long it
took is printed."""
PUSHES: Final = 120


@dataclass
class Campaign:
    """An account that is on, with a synced page whose pushes arrive, and a rule that texts."""

    joined: Joined
    page_id: int
    rule_id: str
    thanks: int
    flow: int

    @property
    def api(self) -> Any:
        return self.joined.api

    def act(self, **given: Any) -> tuple[int, int]:
        """Somebody acts on the page: action and user."""
        with self.joined.twins.held():
            actionkit = self.joined.twins.actionkit
            action_id = actionkit.take_action("sign-now", given, given.pop("user_id", None))
            [row] = actionkit.query("SELECT user_id FROM core_action WHERE id = ?", action_id)
        return action_id, row["user_id"]

    def texts(self, member_id: int | None = None) -> int:
        """Texts of the rule's flow."""
        with self.joined.twins.held():
            texts = self.joined.strive.texts(self.joined.campaign_id)
        return sum(one["flow_id"] == self.flow and one["member_id"] == member_id for one in texts)

    def listed(self, action_id: int) -> dict[str, Any] | None:
        """The action in the list, if it is there."""
        items = self.api.must("GET", f"/actions?page_id={self.page_id}&limit=500")["items"]
        return next((one for one in items if one["action_id"] == action_id), None)

    def inside(self, group: int) -> set[int]:
        with self.joined.twins.held():
            return set(self.joined.strive.group_members(group))

    @property
    def group(self) -> int:
        pages = self.api.must("GET", "/pages?limit=500")["items"]
        group: int = next(one["group"] for one in pages if one["page_id"] == self.page_id)
        return group


@pytest.fixture(scope="module")
def campaign(deployment: Deployment) -> Iterator[Campaign]:
    story = draw(31, 12)
    story = replace(
        story,
        settings={**story.settings, "records_per_minute": 100_000, "phone_types": ()},
        actionkit_unknowns=replace(story.actionkit_unknowns, sql_forbidden=False),
    )
    joined = join_story(deployment, story)
    joined.set_up()
    with joined.twins.held():
        page_id = joined.twins.actionkit.add_page("sign-now", "Petition", title="Sign now")
        flow = joined.strive.add_flow(joined.campaign_id, "Thank you")
        thanks = joined.strive.add_group(joined.campaign_id, "Thanks", flow)
    joined.switch_on()
    joined.until_synced()
    api = joined.api
    wait_for(
        "the page is listed",
        lambda: page_id in {one["page_id"] for one in api.must("GET", "/pages?limit=500")["items"]},
        60,
    )
    api.must("PUT", f"/pages/{page_id}/sync", {})
    wanted = {"page_id": page_id, "once_per": "action", "add_to_group": thanks}
    rule = api.must("POST", "/automations", wanted)
    delivery = Delivery(joined.twins.actionkit.pushes, joined.twins.lock)
    yield Campaign(joined, page_id, rule["id"], thanks, flow)
    delivery.close()


@pytest.fixture(autouse=True)
def _listening(campaign: Campaign) -> Iterator[None]:
    """Pushes go to the account's address, each once and at once."""
    address = campaign.api.must("GET", "/settings")["webhook_url"]
    pushes = campaign.joined.twins.actionkit.pushes
    with campaign.joined.twins.held():
        endpoint = pushes.add(address, "instep")
        pushes.change(repeats=0, max_delay_seconds=0.0, lost_rate=0.0)
    yield
    with campaign.joined.twins.held():
        pushes.remove(endpoint)


def _timed(what: str, done: Callable[[], bool], print_: Callable[[str], None] = print) -> float:
    began = time.monotonic()
    wait_for(what, done, LOADED_SECONDS, pause=0.1)
    seconds = time.monotonic() - began
    print_(f"{what}: {seconds:.1f} s")
    return seconds


def test_p3_p7_an_eligible_stranger_signs_and_is_texted_once(campaign: Campaign) -> None:
    number = "+15035550142"
    action_id, user_id = campaign.act(
        email="stranger@example.org", mobile_phone=number, **{f"user_{OPT_IN}": "true"}
    )
    group = campaign.group

    def member_id() -> int | None:
        with campaign.joined.twins.held():
            found = campaign.joined.strive.member_by_number(campaign.joined.campaign_id, number)
        return found["id"] if found else None

    _timed(
        "a stranger is in the page's group", lambda: (member_id() or 0) in campaign.inside(group)
    )
    _timed("and was texted", lambda: campaign.texts(member_id()) == 1)
    wait_for(
        "the action is listed",
        lambda: (campaign.listed(action_id) or {}).get("outcome") == "synced",
        LOADED_SECONDS,
    )
    listed = campaign.listed(action_id)
    assert listed is not None
    assert (listed["user_id"], listed["member_id"]) == (user_id, member_id())
    runs = campaign.api.must("GET", f"/automations/{campaign.rule_id}/runs")["items"]
    assert [one["outcome"] for one in runs if one["action_id"] == action_id] == ["done"]
    campaign.joined.deployment.tick(campaign.joined.account_id)
    assert campaign.texts(member_id()) == 1


def test_p3_an_existing_user_acts(campaign: Campaign) -> None:
    records = campaign.joined.records()
    with campaign.joined.twins.held():
        user_id, member_id = next(
            (user_id, one.member_id)
            for user_id, one in sorted(records.items())
            if one.member_id is not None and campaign.joined.strive.member(one.member_id)["opt_in"]
        )
    action_id, _ = campaign.act(user_id=user_id, action_size=["M", "L"])
    group = campaign.group
    _timed("somebody known is in the page's group", lambda: member_id in campaign.inside(group))
    _timed("and was texted", lambda: campaign.texts(member_id) == 1)
    wait_for("listed", lambda: campaign.listed(action_id) is not None, LOADED_SECONDS)
    listed = campaign.listed(action_id)
    assert listed is not None
    assert listed["fields"] == {"size": ["M", "L"]}
    assert {"name": "size"} in campaign.api.must("GET", "/actionfields")["items"]


def test_p3_g6_who_is_not_eligible_waits_with_the_reason_and_joins_later(
    campaign: Campaign,
) -> None:
    action_id, user_id = campaign.act(email="later@example.org")
    wait_for("listed", lambda: campaign.listed(action_id) is not None, LOADED_SECONDS)
    listed = campaign.listed(action_id)
    assert listed is not None
    assert (listed["outcome"], listed["reason"]["code"]) == ("waiting", "no_phone")
    runs = campaign.api.must("GET", f"/automations/{campaign.rule_id}/runs")["items"]
    assert [one["outcome"] for one in runs if one["action_id"] == action_id] == ["not_eligible"]
    number = "+15035550143"
    with campaign.joined.twins.held():
        campaign.joined.twins.actionkit.add_phone(user_id, number)
        campaign.joined.twins.actionkit.set_field(user_id, OPT_IN, "yes")
    campaign.joined.deployment.tick(campaign.joined.account_id)
    with campaign.joined.twins.held():
        member = campaign.joined.strive.member_by_number(campaign.joined.campaign_id, number)
    assert member is not None
    assert member["opt_in"]
    assert member["id"] in campaign.inside(campaign.group)
    assert campaign.texts(member["id"]) == 0  # P8: a person who became eligible later
    listed = campaign.listed(action_id)
    assert listed is not None
    assert listed["outcome"] == "synced"


def test_p4_p5_pushes_repeated_shuffled_and_lost_end_right(campaign: Campaign) -> None:
    """Every push twice, in any order, a tenth lost: after the next scheduled sync nothing is
    missing, and nothing is there twice."""
    rng = random.Random(5)
    with campaign.joined.twins.held():
        campaign.joined.twins.actionkit.pushes.change(
            repeats=1, max_delay_seconds=3.0, lost_rate=0.1
        )
    acts: dict[int, list[int]] = {}
    emails = [f"crowd{number}@example.org" for number in range(PUSHES // 2)]
    for _ in range(PUSHES):
        number = rng.randrange(len(emails))
        given: dict[str, Any] = {"email": emails[number]}
        if number % 3:
            given |= {
                "mobile_phone": f"+1503555{1000 + number:04d}",
                f"user_{OPT_IN}": "true" if number % 2 else "no",
            }
        action_id, user_id = campaign.act(**given)
        acts.setdefault(user_id, []).append(action_id)
    wait_for(
        "all pushes were sent",
        lambda: campaign.joined.twins.actionkit.pushes.counts()["waiting"] == 0,
        60,
    )
    campaign.joined.deployment.tick(campaign.joined.account_id)
    campaign.joined.follow()
    records = campaign.joined.records()
    group = campaign.inside(campaign.group)
    for user_id, actions in acts.items():
        member_id = records[user_id].member_id
        for action_id in actions:
            listed = campaign.listed(action_id)
            assert listed is not None
            assert listed["outcome"] == ("synced" if member_id else "waiting")
        if member_id is None:
            continue
        assert member_id in group
        with campaign.joined.twins.held():
            opted_in = campaign.joined.strive.member(member_id)["opt_in"]
        # A second action finds the member in the group of the rule: joining again texts nobody.
        assert campaign.texts(member_id) == (1 if opted_in else 0)
    assert not campaign.joined.deployment.dead_letters()


def test_p4_a_new_address_and_the_old_one_stops(campaign: Campaign) -> None:
    old = campaign.api.must("GET", "/settings")["webhook_url"]
    new = campaign.api.must("POST", "/settings/webhook-token")["webhook_url"]
    assert new != old
    with campaign.joined.twins.held():
        pushes = campaign.joined.twins.actionkit.pushes
        before = pushes.counts()["answered"].get("404", 0)
    campaign.act(email="nobody-listens@example.org")

    def refused() -> bool:
        with campaign.joined.twins.held():
            return bool(pushes.counts()["answered"].get("404", 0) > before)

    wait_for("the old address is refused", refused, LOADED_SECONDS)
