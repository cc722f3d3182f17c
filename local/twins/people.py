"""Sample people for both twins: a list as a real organisation might have it, made from a seed.

Every number is one of those that regulators keep for fiction, and valid as `phonenumbers` sees it
(but those that are meant to be wrong); every email address is in a domain kept for examples.
"""

from __future__ import annotations

import random
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, TypeVar

from local.twins.actionkit import ActionKitTwin
from local.twins.actionkit.functions import parsed
from local.twins.actionkit.records import PastAction
from local.twins.strive import Campaign, StriveTwin
from local.twins.zips import ZIPS

OPT_IN_USERFIELD: Final = "sms_opt_in"

# --- words -----------------------------------------------------------------------------------


def _words(text: str, between: str = " ") -> tuple[str, ...]:
    return tuple(text.strip().replace("\n", between).split(between))


_FIRST_NAMES: Final = _words("""
Aaliyah Abigail Adebayo Ahmed Aiko Ainhoa Alejandra Alice Amara Amir Ana Anders Andrea Anjali
Antonio Aoife Arjun Asher Astrid Ayesha Beatriz Benjamin Björn Brandon Camila Carlos Carmen
Caroline Chiamaka Chidi Chloë Christopher Ciarán Clara Dakota Daniel Darnell David Deepika
Deshawn Diego Dolores Dorothy Ebony Elena Eli Élise Emeka Emily Emma Esperanza Esther Ethan
Fatima Fernando Françoise Gabriela George Giulia Grace Guadalupe Hannah Haruto Hassan Heather
Helen Hiroshi Ibrahim Imani Ingrid Isabella Jack Jamal Jasmine Javier Jennifer Jesús Jin José
Joseph Juanita Kamala Karen Keiko Kenji Kevin Khadija Kofi Kwame Lakshmi Lamar Latoya Laura
Layla Leilani Liam Lin Linda Luz Maeve Mai Malik Margaret María Mateo Matthew Mei Mercedes
Michael Miguel Mohammed Nadia Naomi Ngozi Nguyen Nia Nina Noah Nora Olga Oluwaseun Omar Paolo
Patricia Pedro Priya Rachel Rahul Ravi Rebecca Renée Robert Rosa Ruth Saanvi Samuel Sandra
Santiago Sarah Seán Siobhán Sofía Soledad Søren Sunita Takumi Tamika Teresa Thandiwe Thomas Tuan
Tyrone Valentina Wei William Xóchitl Yasmin Yolanda Yuki Yusuf Zainab Zoë
""")
_LAST_NAMES: Final = _words(
    """
Abdi|Abdullah|Achebe|Adeyemi|Agarwal|Ahmed|Álvarez|Andersen|Anderson|Bailey|Baker|Banerjee|Barnes
Begay|Bell|Bennett|Bianchi|Brooks|Brown|Campbell|Carter|Castillo|Chang|Chavez|Chen|Cho|Chukwu|Clark
Cohen|Coleman|Collins|Contreras|Cooper|Cruz|Davis|De la Cruz|de Souza|Delgado|Desai|Diallo|Díaz
Dubois|Edwards|Eze|Feldman|Fernández|Fitzgerald|Flores|Foster|Fujimoto|García|Goldberg|Gómez|González
Grant|Gray|Green|Gupta|Gutiérrez|Hall|Harris|Hassan|Hayashi|Hernandez|Hill|Hoang|Howard|Hughes|Hussain
Ibarra|Ivanova|Jackson|Jiménez|Johnson|Jones|Joshi|Kamara|Kapoor|Kaya|Kelly|Khan|Kim|King|Kowalski
Kumar|Lam|Larsson|Le|Lee|Lewis|Lindqvist|Liu|Lopez|MacDonald|Mahmoud|Mensah|Mäkinen|Martin|Martinez
McCarthy|Mehta|Mendoza|Meyer|Miller|Mitchell|Moore|Morales|Morgan|Müller|Muñoz|Murphy|Nakamura|Nelson
Ng|Nguyễn|Novak|Núñez|Nwosu|O’Brien|O'Connor|Okafor|Okonkwo|Olsen|Ortiz|Owens|Park|Parker|Patel|Peña
Perez|Pham|Phillips|Popescu|Powell|Ramírez|Reddy|Reed|Reyes|Rivera|Roberts|Robinson|Rodríguez|Rossi
Russell|Saint-Pierre|Sánchez|Sanders|Santos|Sato|Schmidt|Schröder|Scott|Shah|Sharma|Silva|Singh|Smith
Stewart|Sullivan|Suzuki|Tanaka|Taylor|Thompson|Torres|Tran|Traoré|Turner|Vasquez|Walker|Wallace|Wang
Ward|Washington|Watanabe|White|Williams|Wilson|Wong|Wright|Yamamoto|Yang|Yazzie|Young|Zhang|Zimmermann
""",
    "|",
)
_DOMAINS: Final = ("example.org", "example.com", "example.net", "mail.example", "post.example")
_ISSUES: Final = ("Housing", "Clean water", "Transit", "Schools", "Voting rights", "Child care")
_SKILLS: Final = ("canvassing", "phone calls", "cooking", "design", "driving", "translation")
_LANGUAGES: Final = ("English", "Español", "中文", "Tiếng Việt", "العربية", "Kreyòl")

_SHIFTS: Final = ("Morning", "morning", " MORNING ", "Evening", "evening ", "EVENING")
_TOPICS: Final = ("Parks", "Buses", "Rents", "Libraries", "Street lights")
# Short name, type, title, and the actionfields that actions may have: name, values, how many of
# them one action has.
_LATER_PAGES: Final[Sequence[tuple[str, str, str, Sequence[tuple[str, Sequence[str], int]]]]] = (
    ("safe-crossings", "Petition", "Safe crossings for every school", [("reason", _TOPICS, 1)]),
    ("safe-crossings-2", "Petition", "Safe crossings for every school", []),
    ("plant-a-tree", "Signup", "<b>Plant a tree</b> &amp; bring a <i>friend</i>",
     [("shift", _SHIFTS, 1), ("tools", ("spade", "gloves", "buckets"), 2)]),
    ("water-for-all", "Petition", "الماء حق للجميع", [("comment", ("شكرا", "Thank you", ""), 1)]),
    ("quick-response", "Signup", "", [("shift", _SHIFTS, 1)]),
    ("what-next", "Survey", "What should we work on next?", [("topic", _TOPICS, 2)]),
    ("match-week", "Donation", "Double your gift this week", [("recurring", ("1", "0"), 1)]),
    ("write-the-council", "Letter", "Write to the city council", []),
    ("market-stall", "Import", "Sign-up sheets of the market stall", []),
)  # fmt: skip
_LATER_GROUPS: Final = ("Tenants’ circle", "River walkers", "Español", "Drivers")

_TRUE: Final = ("true", "True", "TRUE ", "t", "T", "1", "yes", "Yes", " YES", "y", "Y", "opt in",
                "Opt In", "opt-in", "OPT-IN")  # fmt: skip
_FALSE: Final = ("false", "False", " FALSE", "f", "F", "0", "no", "No", "NO ", "n", "N", "opt out",
                 "Opt Out", "opt-out", "OPT-OUT")  # fmt: skip
_UNRECOGNISED: Final = ("TBD", "TBD", "TBD", "tbd", "maybe", "on", "unknown", "sí", "2")
_SEVERAL: Final = (("yes", "true"), ("Yes", "no"), ("true", "TBD"), ("maybe", "tbd"), ("", "y"))

# --- numbers ----------------------------------------------------------------------------------

# North American numbers 555-0100 to 555-0199 are kept for fiction in every area code.
_US_AREAS: Final = _words("""
201 202 203 205 206 207 208 209 210 212 213 214 215 216 217 218 219 220 223 224 225 227 228
229 231 234 235 239 240 248 251 252 253 254 256 260 262 267 269 270 272 274 276 279 281 283
301 302 303 304 305 307 308 309 310 312 313 314 315 316 317 318 319 320 321 323 324 325 326
327 329 330 331 332 334 336 337 339 341 346 347 350 351 352 353 360 361 363 364 369 380 385
386 401 402 404 405 406 407 408 409 410 412 413 414 415 417 419 423 424 425 430 432 434 435
440 442 443 445 447 448 458 463 464 469 470 472 475 478 479 480 484 501 502 503 504 505 507
508 509 510 512 513 515 516 517 518 520 530 531 534 539 540 541 551 557 559 561 562 563 564
567 570 571 572 573 574 575 580 582 585 586 601 602 603 605 606 607 608 609 610 612 614 615
616 617 618 619 620 623 626 628 629 630 631 636 640 641 645 646 650 651 656 657 659 660 661
662 667 669 678 680 681 682 686 689 701 702 703 704 706 707 708 712 713 714 715 716 717 718
719 720 724 725 726 727 728 730 731 732 734 737 738 740 743 747 748 754 757 760 762 763 765
769 770 771 772 773 774 775 779 781 785 786 801 802 803 804 805 806 808 810 812 813 814 815
816 817 818 820 821 826 828 830 831 832 835 838 839 840 843 845 847 848 850 854 856 857 858
859 860 862 863 864 865 870 872 878 901 903 904 906 907 908 909 910 912 913 914 915 916 917
918 919 920 925 928 929 930 931 934 936 937 938 940 941 943 945 947 948 949 951 952 954 956
959 970 971 972 973 975 978 979 980 983 984 985 986 989
""")
_CA_AREAS: Final = _words("204 250 306 403 416 506 514 604 613 647 709 778 902")
_WRONG_NUMBERS: Final = ("555-0123", "123", "0000000000", "n/a", "1112223333", "212555012",
                         "call after 5", "2125550123456", "123-456-7890", "none", "212 555",
                         "99999999999")  # fmt: skip
_US_STYLES: Final = (
    "{a}{b}{c}", "{a}{b}{c}", "({a}) {b}-{c}", "{a}-{b}-{c}", "{a}.{b}.{c}", "+1{a}{b}{c}",
    "+1 {a} {b} {c}", "1-{a}-{b}-{c}", " {a} {b} {c} ", "({a}){b}-{c}", "+1 ({a}) {b}-{c}",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Country:
    """Abroad: ActionKit's name of it; places (city, region, postal code); numbers kept for fiction
    or in nobody's use: how they begin as typed at home and in E.164, and how many digits follow."""

    name: str
    places: Sequence[tuple[str, str, str]]
    numbers: Sequence[tuple[str, str]]
    digits: int


_ABROAD: Final = (
    _Country(
        "United Kingdom",
        (
            ("London", "Greater London", "SW1A 1AA"),
            ("Leeds", "West Yorkshire", "LS1 4AP"),
            ("Cardiff", "Wales", "CF10 1EP"),
        ),
        (("020 7946 0", "+442079460"), ("0161 496 0", "+441614960")),
        3,
    ),
    _Country(
        "Canada",
        (
            ("Toronto", "ON", "M5V 2T6"),
            ("Montréal", "QC", "H2Y 1C6"),
            ("Vancouver", "BC", "V6B 1A1"),
        ),
        tuple((f"{area}-555-01", f"+1{area}55501") for area in _CA_AREAS),
        2,
    ),
    _Country(
        "Mexico",
        (
            ("Ciudad de México", "CDMX", "06000"),
            ("Guadalajara", "Jalisco", "44100"),
            ("Monterrey", "Nuevo León", "64000"),
        ),
        (("55 5555 ", "+52555555"),),
        4,
    ),
    _Country(
        "Germany",
        (
            ("Berlin", "Berlin", "10115"),
            ("Köln", "Nordrhein-Westfalen", "50667"),
            ("München", "Bayern", "80331"),
        ),
        (("030 23125", "+493023125"),),
        3,
    ),
)


# --- what is made ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Person:
    """One ActionKit user as made. `number`: the one to text in E.164, by the default phone types
    (mobile, work, home), None if there is no valid one; `opt_in`: the values of the opt-in
    userfield, blanks included; `member_id`: a member of the demo campaign who has that number;
    `texted_stop`: whether that member's last word was STOP."""

    user_id: int
    email: str
    number: str | None
    opt_in: tuple[str, ...]
    member_id: int | None = None
    texted_stop: bool = False

    @property
    def eligible(self) -> bool:
        """Has a number to text and some value in the opt-in userfield."""
        return self.number is not None and any(value.strip() for value in self.opt_in)


@dataclass(frozen=True, slots=True)
class Sample:
    """What `populate` made. `demo` is the campaign that people of the list are members of; `free`
    is one that nobody uses yet, with a key of its own; `strangers` are members of the demo
    campaign whom no user has the number of; pages are given by short name."""

    people: tuple[Person, ...]
    demo: Campaign
    free: Campaign
    strangers: tuple[int, ...]
    pages: tuple[str, ...]
    usergroups: Mapping[str, int]
    group_with_flow: int
    opt_in_userfield: str = OPT_IN_USERFIELD


def populate(
    actionkit: ActionKitTwin,
    strive: StriveTwin,
    people: int,
    rng: random.Random,
    now: datetime,
) -> Sample:
    """Fills two empty twins with so many ActionKit users, and members, pages, groups and past
    actions to go with them. The same seed and time make the same list. Nobody is texted or
    mailed, and both twins count from afterwards on."""
    sample = _Maker(actionkit, strive, rng, now).make(people)
    actionkit.reset_counts()
    strive.reset_counts()
    return sample


@dataclass(frozen=True, slots=True)
class _Phone:
    """A phone row: `typed` as it stands there, `e164` None if it is no number."""

    type: str
    source: str
    typed: str
    e164: str | None


@dataclass(frozen=True, slots=True)
class _Profile:
    """A user while being made."""

    first_name: str
    last_name: str
    email: str
    address: dict[str, str]
    phones: Sequence[_Phone]  # the later one of a type is the one changed later
    number: str | None


_T = TypeVar("_T")


class _Maker:
    def __init__(
        self, actionkit: ActionKitTwin, strive: StriveTwin, rng: random.Random, now: datetime
    ) -> None:
        self._actionkit = actionkit
        self._strive = strive
        self._rng = rng
        self._now = now
        self._zips = sorted(ZIPS)
        self._last_abroad = {country.name: -1 for country in _ABROAD}
        self._us_numbers: Iterator[int] = iter(())
        self._stopped: set[int] = set()

    def make(self, people: int) -> Sample:
        self._us_numbers = self._shuffled_numbers(people)
        demo = self._campaign("Riverside Together")
        free = self._campaign("Riverside Together, second line")
        pages = self._pages()
        usergroups = {
            name: self._actionkit.add_usergroup(name)
            for name in ("Volunteers", "Donors", "Chapter leads", "Press list")
        }
        groups = [
            self._strive.add_group(demo.campaign_id, name)
            for name in ("Canvass 2025", "Phone bank", "Welcome series")
        ]
        made: list[Person] = []
        shared: str | None = None
        for place in range(people):
            profile = self._profile(place, shared)
            person = self._user(profile, pages, usergroups)
            if profile.number is not None:
                shared = profile.number
                if self._chance(0.18):
                    self._member(demo, profile, person, groups)
            made.append(person)
        strangers = [
            self._stranger(demo, place, groups) for place in range(max(2, people * 3 // 100))
        ]
        for place in range(8):
            self._stranger(free, place, [])
        # The flow comes last, so that nobody who is made a member of the group is texted.
        flow = self._strive.add_flow(demo.campaign_id, "Welcome to Riverside Together!")
        self._strive.edit_group(groups[2], flow_id=flow)
        made = [self._with_member(demo, person) for person in made]
        # Last as well, so that what a seed made before stays as it was.
        self._later_actions(made, self._later_pages(pages))
        usergroups |= self._later_usergroups(made)
        return Sample(
            tuple(made), demo, free, tuple(strangers), tuple(pages), usergroups, groups[2]
        )

    # --- chance -------------------------------------------------------------------------------

    def _chance(self, probability: float) -> bool:
        return self._rng.random() < probability

    def _one(self, options: Sequence[_T]) -> _T:
        return options[int(self._rng.random() * len(options))]

    def _ago(self, days_at_least: float, days_at_most: float) -> datetime:
        days = days_at_least + self._rng.random() * (days_at_most - days_at_least)
        return self._now - timedelta(days=days)

    # --- the two systems ----------------------------------------------------------------------

    def _campaign(self, name: str) -> Campaign:
        campaign = self._strive.add_campaign(name)
        for field, label, type_ in (
            ("favorite_issue", "Favorite issue", "text"),
            ("preferred_language", "Preferred language", "text"),
            ("employer", "Employer", "text"),
            ("donor_total", "Total given", "number"),
            ("last_event_on", "Last event", "date"),
            ("is_volunteer", "Volunteer", "boolean"),
        ):
            self._strive.add_custom_field(campaign.campaign_id, field, label, type_)
        return campaign

    def _pages(self) -> dict[str, Sequence[tuple[str, Sequence[str]]]]:
        """Pages by short name, each with the actionfields that its actions may have."""
        actionkit = self._actionkit
        for name, label, several in (
            (OPT_IN_USERFIELD, "Text messages", True),
            ("favorite_issue", "Favorite issue", False),
            ("volunteer_skills", "Volunteer skills", True),
            ("preferred_language", "Preferred language", False),
            ("employer", "Employer", False),
        ):
            actionkit.define_userfield(name, display_name=label, allow_multiple=several)
        skills = ("skill", _SKILLS)
        comment = ("comment", ("Thank you!", "Count me in", "¡Sí se puede!", ""))
        pages: dict[str, Sequence[tuple[str, Sequence[str]]]] = {}
        for name, type_, title, fields in (
            ("join-us", "Signup", "Join us", [skills, ("referred", ("yes", "no"))]),
            ("clean-river", "Petition", "Clean up the river", [comment]),
            ("fair-fares", "Petition", "Fair fares now", [comment, ("rider", ("daily", "Weekly"))]),
            ("give", "Donation", "Chip in", [("recurring", ("1", "0"))]),
            ("member-survey", "Survey", "", [skills, ("issue", _ISSUES)]),
            ("town-hall", "EventSignup", "Town hall", [("shift", ("am", "PM", "pm "))]),
            ("spring-import", "Import", "Spring list", []),
            ("leave", "Unsubscribe", "Leave the list", []),
        ):
            actionkit.add_page(name, type_, title=title)
            pages[name] = fields
        return pages

    # --- users --------------------------------------------------------------------------------

    def _profile(self, place: int, shared: str | None) -> _Profile:
        rng = self._rng
        first, last = self._one(_FIRST_NAMES), self._one(_LAST_NAMES)
        plain = unicodedata.normalize("NFKD", f"{first}.{last}").encode("ascii", "ignore").decode()
        plain = "".join(letter for letter in plain.lower() if letter.isalpha() or letter in ".-")
        email = f"{plain}.{place}@{self._one(_DOMAINS)}"
        if self._chance(0.03):
            email = email.title()
        if self._chance(0.03):
            first = self._one((first.lower(), first.upper(), f" {first}", f"{first}  "))
        if self._chance(0.02):
            last = self._one((last.upper(), f"{last} ", f"{last} Jr.", ""))
        abroad = self._one(_ABROAD) if self._chance(0.06) else None
        phones = self._phones(abroad, shared)
        by_type: dict[str, str | None] = {}
        for phone in phones:
            by_type[phone.type] = phone.e164 or by_type.get(phone.type)
        number = next((n for t in ("mobile", "work", "home") if (n := by_type.get(t))), None)
        roll = rng.random()
        address = {"country": "United States", "source": self._one(("website", "import", "form"))}
        if abroad is not None:
            city, region, postal = self._one(abroad.places)
            address |= {"country": abroad.name, "city": city, "region": region, "postal": postal}
        elif roll < 0.82:
            zip_ = self._one(self._zips)
            city, state = ZIPS[zip_]
            address |= {"city": city, "state": state, "region": state, "zip": zip_, "postal": zip_}
        elif roll < 0.9:
            address["country"] = ""
        return _Profile(first, last, email, address, phones, number)

    def _phones(self, abroad: _Country | None, shared: str | None) -> list[_Phone]:
        roll = self._rng.random()
        if roll < 0.13:  # no phone at all
            return []
        if roll < 0.19:  # none that can be a number
            return [self._wrong(self._one(("mobile", "home")))]
        if roll < 0.20:  # of a type that nobody texts
            return [_Phone("work_fax", "user", *self._number(abroad))]
        kind = self._rng.random()
        type_ = "mobile" if kind < 0.7 else "home" if kind < 0.92 else "work"
        phones: list[_Phone] = []
        extra = self._rng.random()
        if extra < 0.03:  # the better type holds no number
            type_ = "home" if type_ == "mobile" else type_
            phones.append(self._wrong("mobile"))
        elif extra < 0.06:  # an older one of the same type, from another source
            phones.append(_Phone(type_, "api", *self._number(abroad)))
        elif extra < 0.18:  # another type too
            other = self._one([t for t in ("mobile", "work", "home", "home_fax") if t != type_])
            phones.append(_Phone(other, "user", *self._number(abroad)))
        if shared is not None and self._chance(0.05):
            phones.append(_Phone(type_, "user", shared, shared))
        else:
            phones.append(_Phone(type_, "user", *self._number(abroad)))
        return phones

    def _wrong(self, type_: str) -> _Phone:
        return _Phone(type_, "user", self._one(_WRONG_NUMBERS), None)

    def _number(self, abroad: _Country | None) -> tuple[str, str]:
        """A number as typed and in E.164."""
        if abroad is None:
            place = next(self._us_numbers)
            area = _US_AREAS[place % len(_US_AREAS)]
            line = f"{100 + place // len(_US_AREAS):04d}"
            return self._one(_US_STYLES).format(a=area, b="555", c=line), f"+1{area}555{line}"
        self._last_abroad[abroad.name] += 1
        place = self._last_abroad[abroad.name]
        typed, e164 = abroad.numbers[place % len(abroad.numbers)]
        rest = f"{place // len(abroad.numbers) % 10**abroad.digits:0{abroad.digits}d}"
        return (f"{typed}{rest}" if self._chance(0.6) else f"{e164}{rest}"), f"{e164}{rest}"

    def _shuffled_numbers(self, people: int) -> Iterator[int]:
        """Places in the row of numbers for fiction, each once, in an order drawn by chance."""
        block = int(people * 1.6) + 100
        start = 0
        while True:
            places = list(range(start, start + block))
            self._rng.shuffle(places)
            yield from places
            start += block

    def _opt_in(self) -> tuple[str, ...]:
        roll = self._rng.random()
        if roll < 0.185:
            return ()
        if roll < 0.225:
            return (self._one(("", " ")),)
        if roll < 0.64:
            return (self._one(_TRUE),)
        if roll < 0.80:
            return (self._one(_FALSE),)
        if roll < 0.975:
            return (self._one(_UNRECOGNISED),)
        return self._one(_SEVERAL)

    def _user(
        self,
        profile: _Profile,
        pages: Mapping[str, Sequence[tuple[str, Sequence[str]]]],
        usergroups: Mapping[str, int],
    ) -> Person:
        actionkit, write = self._actionkit, self._actionkit._db.write
        stored = self._actionkit._db.stored
        user_id = actionkit.add_user(
            profile.email,
            subscribed=self._chance(0.6),
            first_name=profile.first_name,
            last_name=profile.last_name,
            at=None,
            **profile.address,
        )
        joined_at = self._ago(200, 2000)
        changed_at = self._ago(1, 200)
        for count, phone in enumerate(profile.phones):
            phone_id = actionkit.add_phone(user_id, phone.typed, phone.type, phone.source)
            at = stored(joined_at + timedelta(days=count * 20))
            write("UPDATE core_phone SET created_at = ?, updated_at = ? WHERE id = ?",
                  (at, at, phone_id))  # fmt: skip
        first_action = self._past_actions(user_id, pages, joined_at)
        opt_in = self._opt_in()
        if opt_in:
            by_action = first_action if self._chance(0.5) else None
            actionkit.set_field(user_id, OPT_IN_USERFIELD, opt_in, by_action)
        for name, value, probability in (
            ("favorite_issue", self._one(_ISSUES), 0.35),
            ("preferred_language", self._one(_LANGUAGES), 0.2),
            ("employer", f"{self._one(_LAST_NAMES)} & Sons", 0.1),
        ):
            if self._chance(probability):
                actionkit.set_field(user_id, name, value)
        if self._chance(0.15):
            actionkit.set_field(user_id, "volunteer_skills", self._rng.sample(_SKILLS, 2))
        # Old rows have no time; it is also how a list looks that was moved from elsewhere.
        at_or_null = None if self._chance(0.15) else stored(changed_at)
        write("UPDATE core_userfield SET updated_at = ? WHERE parent_id = ?",
              (at_or_null, user_id))  # fmt: skip
        if self._chance(0.2):
            actionkit.join(user_id, self._one(sorted(usergroups.values())))
        write("UPDATE core_user SET created_at = ?, updated_at = ? WHERE id = ?",
              (stored(joined_at), stored(changed_at), user_id))  # fmt: skip
        return Person(user_id, profile.email, profile.number, opt_in)

    def _past_actions(
        self,
        user_id: int,
        pages: Mapping[str, Sequence[tuple[str, Sequence[str]]]],
        joined_at: datetime,
    ) -> int | None:
        """The id of the first of a user's actions, None if there was none."""
        if not self._chance(0.3):
            return None
        taken: list[int] = []
        names = [name for name in pages if name != "leave"]
        for _ in range(self._one((1, 1, 2, 3))):
            page = self._one(names)
            fields = {
                f"action_{name}": self._one(values)
                for name, values in pages[page]
                if self._chance(0.7)
            }
            parameters = {**fields, "skip_confirmation": "1", "suppress_subscribe": "1"}
            taken.append(self._actionkit.take_action(page, parameters, user_id))
            at = joined_at + timedelta(days=self._rng.random() * 180)
            written_at = self._actionkit._db.stored(at)
            status = "incomplete" if self._chance(0.02) else "complete"
            self._actionkit._db.write(
                "UPDATE core_action SET created_at = ?, updated_at = ?, status = ? WHERE id = ?",
                (written_at, written_at, status, taken[-1]),
            )
        return taken[0]

    def _later_pages(self, pages: dict[str, Sequence[tuple[str, Sequence[str]]]]) -> list[int]:
        """The ids of more pages, which are added to those that are known by name."""
        for name, _, _, fields in _LATER_PAGES:
            pages[name] = [(field, values) for field, values, _ in fields]
        return [
            self._actionkit.add_page(name, type_, title=title)
            for name, type_, title, _ in _LATER_PAGES
        ]

    def _later_actions(self, people: Sequence[Person], page_ids: Sequence[int]) -> None:
        """What people did on those pages over the last two years, in order of time."""
        rows = self._actionkit.query("SELECT id, created_at FROM core_user")
        since = {row["id"]: parsed(row["created_at"]) for row in rows}
        last = self._now - timedelta(days=1)
        actions: list[PastAction] = []
        for person in people:
            if not self._chance(0.4):
                continue
            first = max(since[person.user_id], self._now - timedelta(days=730))
            for _ in range(self._one((1, 1, 1, 2, 3, 6))):
                place = int(self._rng.random() * len(page_ids))
                fields = {
                    name: self._rng.sample(values, count)
                    for name, values, count in _LATER_PAGES[place][3]
                    if self._chance(0.8)
                }
                actions.append(
                    PastAction(
                        page_ids[place],
                        person.user_id,
                        first + self._rng.random() * (last - first),
                        fields,
                        source=self._one(("website", "website", "mailing", "import")),
                        status="incomplete" if self._chance(0.01) else "complete",
                    )
                )
        actions.sort(key=lambda action: action.at)
        self._actionkit.import_actions(actions)

    def _later_usergroups(self, people: Sequence[Person]) -> dict[str, int]:
        made = {name: self._actionkit.add_usergroup(name) for name in _LATER_GROUPS}
        for person in people:
            for usergroup_id in made.values():
                if self._chance(0.04):
                    self._actionkit.join(person.user_id, usergroup_id)
        return made

    # --- members ------------------------------------------------------------------------------

    def _member(
        self, demo: Campaign, profile: _Profile, person: Person, groups: Sequence[int]
    ) -> None:
        """The person as a member already, some with other values; the first of a shared number."""
        number = person.number or ""
        if self._strive.member_by_number(demo.campaign_id, number) is not None:
            return
        values: dict[str, str] = {
            "first_name": profile.first_name,
            "last_name": profile.last_name,
            "email": person.email,
            "city": profile.address.get("city", ""),
            "postal_code": profile.address.get("postal", ""),
        }
        for column, probability, other in (
            ("first_name", 0.15, self._nickname),
            ("last_name", 0.1, str.upper),
            ("email", 0.15, lambda _: f"texter{person.user_id}@{self._one(_DOMAINS)}"),
            ("email", 0.2, lambda _: ""),
            ("city", 0.35, lambda _: ""),
            ("postal_code", 0.3, lambda _: ""),
        ):
            if self._chance(probability):
                values[column] = other(values[column])
        member_id = self._add_member(demo, number, values, groups)
        if self._chance(0.08):
            self._strive.text_in(member_id, "Stop", at=self._ago(2, 90))
            self._stopped.add(member_id)
        elif self._chance(0.08):
            self._strive.edit_member(member_id, opt_in=False, at=self._ago(2, 90))

    def _with_member(self, demo: Campaign, person: Person) -> Person:
        if person.number is None:
            return person
        member = self._strive.member_by_number(demo.campaign_id, person.number)
        if member is None:
            return person
        stopped = member["id"] in self._stopped
        return replace(person, member_id=member["id"], texted_stop=stopped)

    def _stranger(self, campaign: Campaign, place: int, groups: Sequence[int]) -> int:
        values = {
            "first_name": self._one(_FIRST_NAMES),
            "last_name": self._one((*_LAST_NAMES[:40], "")),
            "email": f"only.text.{place}@{self._one(_DOMAINS)}" if self._chance(0.4) else "",
            "postal_code": self._one(self._zips) if self._chance(0.5) else "",
        }
        return self._add_member(campaign, self._number(None)[1], values, groups)

    def _add_member(
        self,
        campaign: Campaign,
        number: str,
        values: Mapping[str, str],
        groups: Sequence[int],
    ) -> int:
        custom: dict[str, object] = {}
        if self._chance(0.4):
            custom["favorite_issue"] = self._one(_ISSUES)
        if self._chance(0.2):
            custom["preferred_language"] = self._one(_LANGUAGES)
        if self._chance(0.1):
            custom |= {"donor_total": self._one((5, 25, 100)), "is_volunteer": self._chance(0.5)}
        return self._strive.add_member(
            campaign.campaign_id,
            number,
            opt_in=self._chance(0.93),
            custom=custom,
            groups=[group for group in groups if self._chance(0.2)],
            at=self._ago(100, 900),
            first_name=values["first_name"],
            last_name=values["last_name"],
            email=values["email"],
            city=values.get("city", ""),
            postal_code=values["postal_code"],
        )

    def _nickname(self, name: str) -> str:
        return self._one((name[:3], name.strip().upper(), f"{name.strip()} M."))
