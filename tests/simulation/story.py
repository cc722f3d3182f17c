"""Who is there before it begins, and what staff choose: drawn from a seed, told to both twins."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, cast
from unittest.mock import patch

from instep.domain.account import allowed_options, core_mappings
from instep.domain.rules import Option
from local.twins.actionkit import ActionKitTwin
from local.twins.actionkit import Unknowns as ActionKitUnknowns
from local.twins.strive import StriveTwin
from local.twins.strive import Unknowns as StriveUnknowns

ACCOUNT: Final = "riverside"
CAMPAIGN: Final = 301
OPT_IN: Final = "sms_opt_in"
CUSTOM: Final = ("favorite_issue", "employer")

TRUE: Final = ("true", "T", " 1 ", "Yes", "y", "opt in", "OPT-IN", "t")
FALSE: Final = ("false", "F", "0", " no", "N", "Opt out", "opt-out")
UNRECOGNISED: Final = ("TBD", "maybe", "on", "2", "sí")
WRONG: Final = ("123", "n/a", "0000000000", "555-0123", "1112223333")

US, UK, NOWHERE = "United States", "United Kingdom", ""
PLACES: Final = {
    US: (("10001", "New York", "NY"), ("94110", "San Francisco", "CA"), ("60614", "Chicago", "IL")),
    UK: (("SW1A 1AA", "London", "Greater London"), ("LS1 4AP", "Leeds", "West Yorkshire")),
}


@dataclass(frozen=True, slots=True)
class Phone:
    """A phone row: `number` is what it comes to, None if it can be none."""

    type: str
    source: str
    typed: str
    number: str | None


@dataclass(frozen=True, slots=True)
class Someone:
    """A user. `opt_in`: the values of the opt-in userfield."""

    columns: dict[str, str]
    phones: tuple[Phone, ...]
    opt_in: tuple[str, ...]
    custom: dict[str, str]


@dataclass(frozen=True, slots=True)
class Existing:
    """A member before the beginning. `texted`: what was texted since, STOP or JOIN."""

    number: str
    columns: dict[str, str]
    opt_in: bool
    custom: dict[str, str]
    texted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Story:
    """All that is drawn."""

    seed: int
    people: tuple[Someone, ...]
    members: tuple[Existing, ...]
    options: dict[str, Option]
    custom: dict[str, Option]
    settings: dict[str, Any]
    derives: bool
    """Whether ActionKit sets city and state from the zip, and Strive the state."""
    bulk_concurrency: int
    batch: int
    window: int
    backlog: int
    windows_per_execution: int
    actionkit_unknowns: ActionKitUnknowns = field(default_factory=ActionKitUnknowns)
    strive_unknowns: StriveUnknowns = field(default_factory=StriveUnknowns)

    @contextmanager
    def sizes(self) -> Iterator[None]:
        """Batches and windows as small as the list, so that there are many of them."""
        with ExitStack() as stack:
            for name, value in (
                ("initial_sync.BATCH", self.batch),
                ("windows.BATCH", self.batch),
                ("initial_sync.WINDOW_USERS", self.window),
                ("windows.BACKLOG_USERS", self.backlog),
                ("windows.WINDOWS_PER_EXECUTION", self.windows_per_execution),
            ):
                stack.enter_context(patch(f"instep.use_cases.{name}", value))
            yield


@dataclass(frozen=True, slots=True)
class Told:
    """What the twins made of it: users by id, in the story's order."""

    people: dict[int, Someone]
    api_key: str


def draw(seed: int, people: int | None = None) -> Story:
    """The story of a seed."""
    return _Drawing(random.Random(f"{seed}/story"), seed).story(people)


class _Drawing:
    def __init__(self, rng: random.Random, seed: int) -> None:
        self._rng = rng
        self._seed = seed
        self._numbers = 0

    def story(self, people: int | None) -> Story:
        rng = self._rng
        count = people or rng.choice((3, 8, 15, 25, 40))
        region = rng.choice(("US", "US", "US", "GB"))
        types: tuple[str, ...] = rng.choice(
            ((), (), (), ("mobile",), ("home", "mobile"), ("work", "mobile"))
        )
        someone: list[Someone] = []
        for place in range(count):
            someone.append(self._someone(place, region, someone))
        return Story(
            seed=self._seed,
            people=tuple(someone),
            members=tuple(self._members(someone)),
            options={
                mapping.strive_field: rng.choice(allowed_options(mapping))
                for mapping in core_mappings()
            },
            custom={name: rng.choice(tuple(Option)) for name in CUSTOM if self._chance(0.6)},
            settings={
                "phone_types": types,
                "phone_fallback": self._chance(0.3),
                "default_region": region,
                "records_per_minute": rng.choice((1000, 1000, 300, 60, 20)),
            },
            derives=self._chance(0.3),
            bulk_concurrency=rng.choice((2, 3, 5)),
            batch=rng.choice((1, 3, 7, 7, 50)),
            window=rng.choice((5, 10, 20, 5000)),
            backlog=rng.choice((0, 5, 200)),
            windows_per_execution=rng.choice((1, 2, 100)),
            actionkit_unknowns=ActionKitUnknowns(
                microseconds=self._chance(0.7),
                sql_datetimes=rng.choice(("iso", "space")),
                action_answer=rng.choice(("full", "short")),
            ),
            strive_unknowns=StriveUnknowns(
                page_cap=rng.choice((1000, 7, None)),
                post_answer=rng.choice(("as_preferred", "empty", "representation")),
                custom_on_write=rng.choice(("merge", "replace")),
                own_writes_logged=self._chance(0.7),
                groups_by_id=self._chance(0.7),
                group_changes_move_updated_at=self._chance(0.3),
            ),
        )

    def _chance(self, probability: float) -> bool:
        return self._rng.random() < probability

    def _someone(self, place: int, region: str, earlier: list[Someone]) -> Someone:
        rng = self._rng
        country = rng.choice((US, US, US, UK, NOWHERE))
        columns = {
            "email": f"canary{self._seed}p{place}@example.org",
            "first_name": rng.choice(("Ana", "Bo", " Cy ", "")),
            "last_name": rng.choice(("Diaz", "Eze", "")),
            "country": country,
        }
        columns |= self._address(country)
        mine = {"US": "US", "GB": "GB"}[region if country == NOWHERE else
                                        ("US" if country == US else "GB")]  # fmt: skip
        phones = []
        for _ in range(rng.choice((0, 1, 1, 1, 1, 2, 3))):
            phones.append(self._phone(mine, earlier))
        kind = rng.random()
        opt_in: tuple[str, ...] = ()
        if kind < 0.45:
            opt_in = (rng.choice(TRUE),)
        elif kind < 0.65:
            opt_in = (rng.choice(FALSE),)
        elif kind < 0.8:
            opt_in = (rng.choice(UNRECOGNISED),)
        elif kind < 0.88:
            opt_in = rng.choice((("yes", "true"), ("Yes", "no"), ("true", "TBD"), ("x", "tbd")))
        elif kind < 0.93:
            opt_in = (rng.choice(("", "  ")),)
        custom = {name: rng.choice(("Housing", "Transit")) for name in CUSTOM if self._chance(0.5)}
        return Someone(columns, tuple(phones), opt_in, custom)

    def _address(self, country: str) -> dict[str, str]:
        if self._chance(0.3):
            return {}
        zip_, city, state = self._rng.choice(PLACES.get(country, PLACES[US]))
        if country == UK:
            return {"city": city, "postal": zip_, "region": state}
        whole = {"city": city, "state": state, "region": state, "zip": zip_, "postal": zip_}
        if self._chance(0.3):
            del whole["city"]
        return whole

    def _phone(self, region: str, earlier: list[Someone]) -> Phone:
        rng = self._rng
        type_ = rng.choice(("mobile", "mobile", "mobile", "home", "work", "home_fax"))
        source = rng.choice(("user", "user", "api"))
        known = [p.number for one in earlier for p in one.phones if p.number]
        if self._chance(0.12):
            return Phone(type_, source, rng.choice(WRONG), None)
        number = rng.choice(known) if known and self._chance(0.3) else self._number()
        return Phone(type_, source, self._typed(number, region), number)

    def _number(self) -> str:
        self._numbers += 1
        area = ("202", "312", "415", "646")[self._seed % 4]
        if self._chance(0.15):
            return f"+44207946{self._numbers:04d}"
        return f"+1{area}555{100 + self._numbers:04d}"

    def _typed(self, number: str, region: str) -> str:
        if number.startswith("+1") and region == "US":
            a, b, c = number[2:5], number[5:8], number[8:]
            return self._rng.choice(
                (f"{a}{b}{c}", f"({a}) {b}-{c}", f"+1 {a} {b} {c}", f"{a}.{b}.{c}")
            )
        if number.startswith("+44") and region == "GB":
            return self._rng.choice((f"0{number[3:5]} {number[5:]}", number))
        return self._rng.choice((number, f" {number} "))

    def _members(self, people: list[Someone]) -> Iterator[Existing]:
        numbers = sorted({p.number for one in people for p in one.phones if p.number})
        for number in numbers:
            if self._chance(0.5):
                yield self._member(number, people)
        for _ in range(2):
            yield self._member(self._number(), people)

    def _member(self, number: str, people: list[Someone]) -> Existing:
        rng = self._rng
        owners = [one for one in people if any(p.number == number for p in one.phones)]
        email = owners[0].columns["email"] if owners else f"canary{self._seed}m@example.net"
        columns = {
            "first_name": rng.choice(("Ana", "Bo", "Dee", "")),
            "last_name": rng.choice(("Diaz", "Finn", "")),
            "email": rng.choice((email, email.upper(), f"other{number[-6:]}@example.net", "")),
        }
        zip_, city, state = rng.choice(PLACES[rng.choice((US, US, US, UK))])
        if self._chance(0.6):
            columns |= {"city": city, "state": state, "postal_code": zip_}
            if self._chance(0.15):
                columns["postal_code"] = "??"
        else:
            columns |= {"city": "", "state": "", "postal_code": ""}
        custom = {name: rng.choice(("Housing", "Schools")) for name in CUSTOM if self._chance(0.5)}
        texted = rng.choice(((), (), (), (), ("STOP",), ("STOP", "JOIN"), ("JOIN",)))
        return Existing(number, columns, self._chance(0.7), custom, texted)


def tell(
    story: Story, actionkit: ActionKitTwin, strive: StriveTwin, pass_time: Callable[[float], None]
) -> Told:
    """Makes both twins as the story has them."""
    rng = random.Random(f"{story.seed}/telling")
    campaign = strive.add_campaign("Riverside Together")
    assert campaign.campaign_id == CAMPAIGN
    for name in CUSTOM:
        strive.add_custom_field(CAMPAIGN, name)
        actionkit.define_userfield(name)
    actionkit.define_userfield(OPT_IN, allow_multiple=True)
    people = {}
    for one in story.people:
        columns = {k: v for k, v in one.columns.items() if k != "email"}
        user_id = actionkit.add_user(
            one.columns["email"], subscribed=True, **cast(dict[str, Any], columns)
        )
        people[user_id] = one
        for phone in one.phones:
            pass_time(rng.uniform(1, 3000))
            actionkit.add_phone(user_id, phone.typed, phone.type, phone.source)
        if one.opt_in:
            actionkit.set_field(user_id, OPT_IN, one.opt_in)
        for name, value in one.custom.items():
            actionkit.set_field(user_id, name, value)
    for member in story.members:
        member_id = strive.add_member(
            CAMPAIGN,
            member.number,
            opt_in=member.opt_in,
            custom=member.custom,
            **cast(dict[str, Any], member.columns),
        )
        for word in member.texted:
            pass_time(rng.uniform(1, 3000))
            strive.text_in(member_id, word)
    pass_time(3600)
    actionkit.reset_counts()
    strive.reset_counts()
    return Told(people, campaign.api_key)
