"""Connecting an account: both systems are tried before anything is stored (C1, C2, C4, F1)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice

from instep.domain.account import Account, Connection, Phase, Settings, core_mappings
from instep.domain.pace import Lane
from instep.domain.record import Record
from instep.use_cases.accounts import audit, find_account, load_account, save_account
from instep.use_cases.erasure import refuse_erasing
from instep.use_cases.errors import NotFoundError, StateError
from instep.use_cases.exclusive import (
    claim_campaign,
    claim_opt_in_field,
    held_campaign,
    release_campaign,
    release_opt_in_field,
)
from instep.use_cases.initial_sync import start_initial_sync
from instep.use_cases.off_switch import follow_account
from instep.use_cases.records import People
from instep.use_cases.stored import DIRECTORY, walk
from instep.use_cases.world import Reads, World

SAMPLE = 20
"""Linked users that are looked up to tell whether it is the same ActionKit (C4)."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What staff enter to connect. Never stored but in a secret, never in a log."""

    hostname: str
    username: str
    password: str
    strive_api_key: str
    strive_campaign_id: int

    def __repr__(self) -> str:
        return "Credentials(…)"


def base_url(hostname: str) -> str:
    """One way of writing a hostname that was checked: two accounts on a host are to be known."""
    text = hostname.strip().rstrip("/").lower()
    text = text if "://" in text else f"https://{text}"
    return text.removesuffix(":443")


def connection_of(world: World, account_id: str) -> Connection:
    """The account's connection. Raises NotFoundError where there is none, so after OFF."""
    connection = load_account(world, account_id).connection
    if connection is None:
        raise NotFoundError("no_connection", "The account is not connected.")
    return connection


def connect(world: World, account_id: str, who: str, given: Credentials) -> Connection:
    """Tries both systems live, then stores credentials and connection; the first time also the
    account itself, with its core fields mapped.

    An account that stopped for its credentials goes on by itself; one that is on goes on with the
    new ones. A refused call changes nothing. Raises ConfigurationError and Unavailable as the probe
    does and, while the account's data is being erased, with the code `erasing`; StateError
    `different_system`, `campaign_in_use`, `opt_in_field_in_use`.
    """
    refuse_erasing(world, account_id)
    reads = world.probe.actionkit(given.hostname, given.username, given.password)
    world.probe.strive(given.strive_api_key, given.strive_campaign_id)
    old = find_account(world, account_id)
    url = base_url(given.hostname)
    same = _same_systems(world, old, given, reads) if old else Same(actionkit=False, strive=False)
    _claim(world, account_id, old, url, given.strive_campaign_id)
    epoch = (old.epoch if old else 0) + 1
    # Two calls at once must not share a secret: the later one would delete the other's.
    secret = f"{world.secrets_prefix}/{account_id}/{epoch}-{world.ids.new()[-6:].lower()}"
    world.secrets.put(
        secret,
        {
            "username": given.username,
            "password": given.password,
            "strive_api_key": given.strive_api_key,
        },
    )
    now = world.clock.now()
    made = Connection(url, given.strive_campaign_id, now, reads, secret)
    world.settings.put({"account_id": DIRECTORY, "item": account_id})
    campaign_before = None if old is None else held_campaign(world, old)
    before = _store(world, account_id, made, same)
    if campaign_before is not None and campaign_before != made.campaign_id:
        release_campaign(world, account_id, campaign_before)
    _tidy(world, before, made)
    audit(world, account_id, who, "connection", _shown(before), _shown_connection(made))
    account = follow_account(world, account_id)
    if account.phase is Phase.INITIAL_SYNC:
        start_initial_sync(world, account)
    return made


# --- the same system? (C4) ---


@dataclass(frozen=True, slots=True)
class Same:
    """Whether ActionKit and the Strive campaign are those that the account had before."""

    actionkit: bool
    strive: bool


def _same_systems(world: World, account: Account, given: Credentials, reads: Reads) -> Same:
    """Raises StateError if they are not the same and the account has links."""
    strive = held_campaign(world, account) == given.strive_campaign_id
    linked = _some_records(world, account.account_id, "member/")
    if linked and not strive:
        raise StateError(
            "different_system",
            "The account's people are linked to members of another Strive campaign.",
        )
    known = account.connection is not None and account.connection.hostname == base_url(
        given.hostname
    )
    sample = linked or ([] if known else _some_records(world, account.account_id, "user/"))
    actionkit = _shows(world, account, sample, given, reads) if sample else known
    if linked and not actionkit:
        raise StateError(
            "different_system", "This is another ActionKit than the one the account is linked with."
        )
    return Same(actionkit, strive)


def _some_records(world: World, account_id: str, prefix: str) -> list[Record]:
    """Some of those who are linked (by the claims on members), or of all who were scanned."""
    found: list[Record] = []
    items = walk(world.users, account_id, prefix, page_size=SAMPLE)
    while len(found) < SAMPLE and (some := list(islice(items, SAMPLE))):
        records = People(world, account_id).records(item["user_id"] for item in some).values()
        found += [
            one for one in records if one.email and (prefix == "user/" or one.member_id is not None)
        ]
    return found[:SAMPLE]


def _shows(
    world: World, account: Account, records: list[Record], given: Credentials, reads: Reads
) -> bool:
    """Whether ActionKit shows at least half of them with the email that was last seen."""
    with _permission(world, account, len(records)) as permitted:
        sample = {one.user_id: one.email for one in records[:permitted]}
        found = world.probe.emails(
            given.hostname, given.username, given.password, reads, sorted(sample)
        )
    same = [
        user_id
        for user_id, email in sample.items()
        if found.get(user_id, "").strip().casefold() == email.strip().casefold()
    ]
    return 2 * len(same) >= len(sample)


@contextmanager
def _permission(world: World, account: Account, records: int) -> Iterator[int]:
    """How many records may be read now. An account that is not on reads nothing else."""
    if not account.active:
        yield records
        return
    pacer = world.pacer(account, Lane.LIVE)
    grant = pacer.take(records, wait_seconds=5)
    try:
        yield grant.records
    finally:
        pacer.settle(grant)


# --- storing ---


def _claim(
    world: World, account_id: str, account: Account | None, url: str, campaign_id: int
) -> None:
    """Takes what only one account may have; leaves nothing taken where one part is another's."""
    if not claim_campaign(world, account_id, campaign_id):
        raise StateError("campaign_in_use", "Another account is connected to this Strive campaign.")
    userfield = account.settings.opt_in_userfield if account else None
    if userfield is None or claim_opt_in_field(world, account_id, url, userfield):
        return
    if account is None or held_campaign(world, account) != campaign_id:
        release_campaign(world, account_id, campaign_id)
    raise StateError(
        "opt_in_field_in_use",
        "Another account on this ActionKit uses the same opt-in userfield; two accounts need two.",
    )


def _store(world: World, account_id: str, made: Connection, same: Same) -> Account | None:
    """Stores the connection over the account as it is: the account as it was, None if new."""
    before: Account | None = None
    while True:
        refuse_erasing(world, account_id)
        old = find_account(world, account_id)
        if old is not None and old.connection == made:
            return before  # Stored, though the answer was lost.
        before = old
        new = _connected(old or _new_account(world, account_id), made, same)
        if save_account(world.settings, new):
            return before


def _connected(account: Account, made: Connection, same: Same) -> Account:
    """The account with the connection. Ids mean something only within their system: what we made
    in one that is left is not in the other, and the whole list is looked at anew."""
    account = replace(account, connection=made, epoch=account.epoch + 1, reason="")
    if not same.strive:
        account = replace(account, primary_group=None)
    if not same.actionkit:
        account = replace(account, import_page_id=None, import_page="")
    if not (same.strive and same.actionkit):
        account = replace(account, initial_sync_run="", initial_sync_done=False)
    if account.phase is Phase.STOPPED_CREDENTIALS or account.active:
        phase = Phase.SYNCING if account.initial_sync_done else Phase.INITIAL_SYNC
        if account.phase is Phase.STOPPED_CREDENTIALS:
            account = replace(account, live_since=None)  # From the next tick on.
        account = replace(account, phase=phase)
    return account


def _new_account(world: World, account_id: str) -> Account:
    settings = Settings(
        records_per_minute=min(1000, world.limits.records_per_minute_ceiling),
        webhook_token=world.ids.token(),
    )
    return Account(account_id, settings=settings, mappings=core_mappings())


def _tidy(world: World, before: Account | None, made: Connection) -> None:
    """Gives up what the account had before and has no more."""
    if before is None or before.connection is None:
        return
    if before.connection.secret == made.secret:
        return
    if before.connection.hostname != made.hostname:
        release_opt_in_field(world, before)
    world.secrets.delete(before.connection.secret)


def _shown(account: Account | None) -> dict[str, object] | None:
    if account is None or account.connection is None:
        return None
    return _shown_connection(account.connection)


def _shown_connection(connection: Connection) -> dict[str, object]:
    return {
        "hostname": connection.hostname,
        "strive_campaign_id": connection.campaign_id,
        "actionkit_reads": connection.actionkit_reads,
    }
