"""The staff console in a browser, on the deployed application: the guide from connecting to an
automation that fires, and what goes wrong on the way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pytest
import requests
from playwright.sync_api import Browser, Page, expect, sync_playwright

from local.twins.deliver import Delivery
from tests.e2e.browser import CHROMIUM, NARROW, NO_CHROMIUM, WIDE, Console, launch, tab
from tests.e2e.deployment import Deployment, wait_for
from tests.e2e.joined import Joined, join_story
from tests.simulation.story import CUSTOM, OPT_IN, draw

SHOTS: Final = Path(__file__).parents[2] / ".local" / "screenshots"
HOSTILE: Final = (
    "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
)
FROM_RIGHT: Final = "\u202e\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627"
LONG: Final = "very long " * 500
LISTS: Final = {
    "/users": "Users",
    "/members": "Members (no user)",
    "/conflicts": "Conflicts",
    "/holds": "Holds",
    "/pages": "Pages",
    "/actions": "Actions",
    "/usergroups": "Usergroups",
    "/actionfield-groups": "ActionField groups",
    "/groups": "Groups",
    "/automations": "Automations",
    "/runs": "Runs",
    "/history": "History of settings",
}
OTHERS: Final = {"/": "Overview", "/settings": "Settings", "/fields": "Fields"}

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason=NO_CHROMIUM)


@dataclass
class Rehearsal:
    """An account that nobody connected yet, and its twins."""

    joined: Joined
    page_id: int
    thanks: int
    flow: int

    @property
    def account(self) -> str:
        return self.joined.account_id

    def texts(self) -> int:
        with self.joined.twins.held():
            texts = self.joined.strive.texts(self.joined.campaign_id)
        return sum(one["flow_id"] == self.flow for one in texts)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = launch(playwright)
        yield launched
        launched.close()


@pytest.fixture
def editor(browser: Browser, deployment: Deployment) -> Iterator[Console]:
    """A tab, signed in as somebody who may change everything."""
    with tab(browser, deployment.description["console_url"]) as console:
        console.sign_in("editor")
        yield console
        assert console.problems == []


@pytest.fixture(scope="module")
def rehearsal(deployment: Deployment) -> Iterator[Rehearsal]:
    story = draw(47, 14)
    story = replace(
        story,
        settings={**story.settings, "records_per_minute": 1000, "phone_types": ()},
        actionkit_unknowns=replace(story.actionkit_unknowns, sql_forbidden=False),
    )
    joined = join_story(deployment, story)
    with joined.twins.held():
        actionkit, strive = joined.twins.actionkit, joined.strive
        page_id = actionkit.add_page("sign-now", "Petition", title="Sign now")
        actionkit.add_page("hostile", "Signup", title=HOSTILE)
        actionkit.add_page("from-right", "Signup", title=FROM_RIGHT)
        actionkit.add_page("long", "Signup", title=LONG)
        ids = actionkit.user_ids()
        actionkit.edit_user(ids[0], first_name=HOSTILE, last_name=FROM_RIGHT)
        actionkit.add_past_actions("sign-now", ids, fields={"size": "M"})
        drivers = actionkit.add_usergroup("Drivers")
        actionkit.join(ids[1], drivers)
        flow = strive.add_flow(joined.campaign_id, "Thank you")
        thanks = strive.add_group(joined.campaign_id, "Thanks", flow)
        strive.add_group(joined.campaign_id, "Sign now", flow)
    delivery = Delivery(joined.twins.actionkit.pushes, joined.twins.lock)
    yield Rehearsal(joined, page_id, thanks, flow)
    delivery.close()


def _shots(console: Console, name: str, fresh: bool = True) -> None:
    """Pictures of a page, wide and narrow, once it has come to rest; `fresh`: opened anew, without
    what was said before."""
    if fresh:
        console.page.reload()
    console.page.wait_for_load_state("networkidle")
    console.shot(SHOTS / "1280", name)
    console.page.set_viewport_size({"width": NARROW[0], "height": NARROW[1]})
    # Laid out anew a moment after the size changed.
    widths = "[innerWidth, document.documentElement.scrollWidth]"
    wait_for("a narrow page", lambda: console.page.evaluate(widths) == [NARROW[0]] * 2, 30)
    console.shot(SHOTS / "400", name)
    console.page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})


def _row(page: Page, text: str) -> Any:
    return page.get_by_role("row").filter(has_text=text)


# --- the guide, from connecting to an automation that fires ---------------------------------------


def test_the_guide_from_connecting_to_an_automation_that_fires(
    editor: Console, rehearsal: Rehearsal
) -> None:
    _turns_on_step_by_step(editor, rehearsal)
    _finds_a_person(editor, rehearsal)
    _maps_a_field(editor, rehearsal)
    _what_comes_from_actionkit_is_shown_harmlessly(editor, rehearsal)
    _syncs_a_page_whose_group_texts(editor, rehearsal)
    _makes_an_actionfield_group(editor, rehearsal)
    _makes_an_automation(editor, rehearsal)
    _somebody_signs(editor, rehearsal)
    _history_tells(editor, rehearsal)


def _turns_on_step_by_step(console: Console, rehearsal: Rehearsal) -> None:
    page, joined = console.page, rehearsal.joined
    console.open(rehearsal.account, "/turning-on")
    given = joined.connection()
    page.get_by_label("ActionKit hostname").fill(given["hostname"])
    page.get_by_label("User name").fill(given["username"])
    page.get_by_label("Password", exact=True).fill("not the password")
    page.get_by_label("Campaign", exact=True).fill(str(given["strive_campaign_id"]))
    page.get_by_label("API key").fill(given["strive_api_key"])
    page.get_by_role("button", name="Connect", exact=True).click()
    expect(
        page.get_by_text(re.compile("does not accept this user name", re.IGNORECASE)).first
    ).to_be_visible()
    page.get_by_label("Password", exact=True).fill(given["password"])
    page.get_by_role("button", name="Connect", exact=True).click()
    choose = page.get_by_role("button", name=re.compile("^Opt-in userfield Choose"))
    expect(choose).to_be_visible()
    expect(page.get_by_role("button", name="Next", exact=True)).to_be_disabled()
    choose.click()
    page.get_by_role("option", name=OPT_IN).click()
    page.get_by_role("button", name="Use this userfield").click()
    expect(page.get_by_text(f"The opt-in userfield is {OPT_IN}").first).to_be_visible()
    for heading in ("Phones", "Fields", "A look into Strive"):
        _next(page)
        expect(page.get_by_role("heading", name=heading).first).to_be_visible()
    _shots(console, "turning-on", fresh=False)
    page.get_by_label("I have looked: no automation").check()
    _next(page)
    page.get_by_role("button", name="Turn on the sync").click()
    adopt = page.get_by_label(re.compile("^Use "))
    began = page.get_by_text("The initial sync of the whole list has begun")
    expect(adopt.or_(began).first).to_be_visible()
    if adopt.is_visible():
        adopt.check()
        page.get_by_role("button", name="Turn on the sync").click()
    expect(console.heading("Overview")).to_be_visible()
    joined.until_synced()
    _shots(console, "overview")


def _next(page: Page) -> None:
    page.get_by_role("button", name="Next", exact=True).click()


def _finds_a_person(console: Console, rehearsal: Rehearsal) -> None:
    page = console.page
    user_id, record = next(
        (one, record)
        for one, record in sorted(rehearsal.joined.records().items())
        if record.member_id is not None
    )
    console.open(rehearsal.account, "/users")
    page.get_by_label("Search users").fill(record.email)
    row = _row(page, record.email)
    expect(row).to_have_count(1)
    row.get_by_role("link").first.click()
    page.wait_for_url(re.compile(f"/users/{user_id}$"))
    expect(page.get_by_text(str(record.member_id)).first).to_be_visible()
    page.get_by_role("button", name="Sync now").click()
    expect(page.get_by_text("The user is about to be synced").first).to_be_visible()


def _maps_a_field(console: Console, rehearsal: Rehearsal) -> None:
    page = console.page
    console.open(rehearsal.account, "/fields")
    name = CUSTOM[0]
    page.get_by_role("button", name="Map a field").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name=re.compile("^Strive field")).click()
    page.get_by_role("option", name=name).click()
    dialog.get_by_role("button", name=re.compile("^ActionKit userfield")).click()
    page.get_by_role("option", name=name).click()
    dialog.get_by_role("button", name="Map the field").click()
    expect(page.get_by_text(f"{name} is mapped to {name}").first).to_be_visible()
    _shots(console, "fields")
    mappings = rehearsal.joined.api.must("GET", "/fields")["items"]
    assert name in {one["actionkit_field"] for one in mappings}


def _what_comes_from_actionkit_is_shown_harmlessly(console: Console, rehearsal: Rehearsal) -> None:
    """HTML, text from right to left, five thousand characters: of pages and of a person."""
    page = console.page
    console.open(rehearsal.account, "/pages")
    for text in (HOSTILE, FROM_RIGHT, LONG[:40]):
        expect(_row(page, text)).to_have_count(1)
    console.open(rehearsal.account, f"/users/{min(rehearsal.joined.records())}")
    expect(page.get_by_text(HOSTILE).first).to_be_visible()
    assert "owned" not in page.title()
    assert page.locator("img[src=x]").count() == 0


def _syncs_a_page_whose_group_texts(console: Console, rehearsal: Rehearsal) -> None:
    """A group of its name with a flow is there: the name is taken, and using it holds everybody."""
    page = console.page
    console.open(rehearsal.account, "/pages")
    expect(_row(page, "from-right")).to_be_visible()
    page.get_by_label("Search pages").fill("Sign now")
    # At once: the search waits until the dialog is closed, or it might take the row away.
    page.get_by_role("button", name=re.compile("^Sync the page .*Sign now")).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="Sync", exact=True).click()
    expect(dialog.get_by_text(re.compile("Strive has a group named")).first).to_be_visible()
    assert console.axe() == []
    _shots(console, "pages-name-taken", fresh=False)
    dialog.get_by_label("Use the existing group of that name").check()
    dialog.get_by_role("button", name="Sync", exact=True).click()
    expect(page.get_by_text("Its group is being filled").first).to_be_visible()
    expect(_row(page, "from-right")).to_be_hidden()
    linked = [one for one in rehearsal.joined.records().values() if one.member_id is not None]
    api = rehearsal.joined.api

    def held() -> int:
        return sum(one["people"] for one in api.must("GET", "/holds")["items"])

    wait_for("all of them are held", lambda: held() == len(linked), 120)
    assert rehearsal.texts() == 0
    console.open(rehearsal.account, "/holds")
    expect(page.get_by_text(str(len(linked)), exact=True).first).to_be_visible()
    _shots(console, "holds")
    page.get_by_role("button", name=re.compile("^Release")).first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text(str(len(linked)))
    dialog.get_by_role("button", name=re.compile("Release")).click()
    opted_in = sum(bool(one.consent.opted_in) for one in linked)
    wait_for("they were texted, each once", lambda: rehearsal.texts() == opted_in, 120)
    wait_for("nothing is held", lambda: held() == 0, 120)


def _makes_an_actionfield_group(console: Console, rehearsal: Rehearsal) -> None:
    page = console.page
    console.open(rehearsal.account, "/actionfield-groups")
    page.get_by_role("button", name="Add group").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name", exact=True).fill("Wear M")
    dialog.get_by_role("button", name=re.compile("^ActionField")).click()
    page.get_by_role("option", name="size").click()
    dialog.get_by_role("button", name="Add group").click()
    expect(page.get_by_text("is made and is being filled").first).to_be_visible()
    expect(_row(page, "Wear M").first).to_be_visible()
    _shots(console, "actionfield-groups")
    console.open(rehearsal.account, "/groups")
    row = _row(page, "Wear M").first
    expect(row).to_be_visible()
    _shots(console, "groups")


def _makes_an_automation(console: Console, rehearsal: Rehearsal) -> None:
    page = console.page
    console.open(rehearsal.account, "/automations")
    page.get_by_role("button", name="Add automation").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name=re.compile("Choose a group")).click()
    page.get_by_role("option", name="Another group in Strive").click()
    dialog.get_by_label(re.compile("group.s number")).fill(str(rehearsal.thanks))
    assert console.axe() == []
    dialog.get_by_role("button", name="Add automation").click()
    expect(page.get_by_text("The automation is on").first).to_be_visible()
    _shots(console, "automations")


def _somebody_signs(console: Console, rehearsal: Rehearsal) -> None:
    joined, before = rehearsal.joined, rehearsal.texts()
    address = joined.api.must("GET", "/settings")["webhook_url"]
    with joined.twins.held():
        joined.twins.actionkit.pushes.add(address, "instep")
        joined.twins.actionkit.take_action(
            "sign-now",
            {
                "email": "console@example.org",
                "mobile_phone": "+15035550177",
                f"user_{OPT_IN}": "true",
            },
        )
    # By the group of the page, which carries a flow, and by the automation's.
    wait_for("the automation fired", lambda: rehearsal.texts() == before + 2, 60)
    console.open(rehearsal.account, "/actions")
    expect(console.page.get_by_role("grid")).to_contain_text("Sign now")
    _shots(console, "actions")
    console.open(rehearsal.account, "/pages")
    expect(_row(console.page, "Sign now").first).to_be_visible()
    _shots(console, "pages")


def _history_tells(console: Console, rehearsal: Rehearsal) -> None:
    console.open(rehearsal.account, "/history")
    expect(console.page.get_by_role("grid")).to_contain_text("staff@example.org")
    _shots(console, "history")


# --- every page -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("path", "title"), [*OTHERS.items(), *LISTS.items()])
def test_every_page_opens_and_axe_finds_nothing(
    editor: Console, whole_list: Joined, path: str, title: str
) -> None:
    editor.open(whole_list.account_id, path)
    expect(editor.heading(title)).to_be_visible()
    editor.page.wait_for_load_state("networkidle")
    assert editor.axe() == []
    _shots(editor, f"list-{path.strip('/') or 'overview'}", fresh=False)


def test_u9_a_persons_page(editor: Console, whole_list: Joined) -> None:
    user_id = min(one for one, record in whole_list.records().items() if record.member_id)
    editor.open(whole_list.account_id, f"/users/{user_id}")
    expect(editor.page.get_by_role("button", name="Sync now")).to_be_visible()
    editor.page.wait_for_load_state("networkidle")
    assert editor.axe() == []
    _shots(editor, "person", fresh=False)


# --- roles and trouble ----------------------------------------------------------------------------


def test_a_viewer_sees_and_changes_nothing(browser: Browser, deployment: Deployment) -> None:
    with tab(browser, deployment.description["console_url"]) as console:
        console.sign_in("viewer")
        console.open("demo", "/settings")
        expect(console.page.get_by_text("Viewer: look only")).to_be_visible()
        expect(console.page.get_by_role("button", name="Connect", exact=True)).to_be_disabled()
        console.open("nobodys", "/users")
        expect(console.heading("Not your account")).to_be_visible()


def test_an_expired_session_is_said_and_leads_back(editor: Console, whole_list: Joined) -> None:
    page = editor.page
    editor.open(whole_list.account_id, "/runs")
    expect(editor.heading("Runs")).to_be_visible()
    page.route("**/api/accounts/**", lambda route: route.fulfill(status=401, json={}))
    editor.open(whole_list.account_id, "/users")
    again = page.get_by_role("button", name="Sign in again")
    expect(again).to_be_visible()
    page.unroute("**/api/accounts/**")
    again.click()
    page.get_by_role("button", name="editor").click()
    expect(editor.heading("Users")).to_be_visible()
    editor.problems.clear()


def test_the_api_is_down_and_comes_back(editor: Console, whole_list: Joined) -> None:
    page = editor.page
    page.route("**/api/accounts/**", lambda route: route.abort())
    editor.open(whole_list.account_id, "/users")
    again = page.get_by_role("button", name="Try again").first
    expect(again).to_be_visible()
    page.unroute("**/api/accounts/**")
    again.click()
    expect(page.get_by_role("grid").get_by_role("link").first).to_be_visible()
    editor.problems.clear()


def test_a_protected_group_cannot_be_deleted(editor: Console, whole_list: Joined) -> None:
    editor.open(whole_list.account_id, "/groups")
    delete = editor.page.get_by_role("button", name=re.compile("^Delete the group .*Integration"))
    expect(delete).to_be_disabled()
    status, answer = whole_list.api.call("DELETE", f"/groups/{whole_list.account().primary_group}")
    assert (status, answer["error"]["code"]) == (409, "protected")


def test_the_headers_are_there_and_nothing_is_inline(deployment: Deployment) -> None:
    answer = requests.get(deployment.description["console_url"], timeout=30)
    policy = answer.headers["Content-Security-Policy"]
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert not re.search(r"<script(?![^>]*\bsrc=)[^>]*>", answer.text)
