"""Opens the two systems for an account, with its credentials and its pace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

from instep.adapters.actionkit import ActionKitClient
from instep.adapters.strive import StriveClient
from instep.adapters.transport import check_hostname
from instep.domain.account import Account
from instep.domain.pace import Lane
from instep.use_cases.errors import AccountStopped
from instep.use_cases.pacing import Pacer
from instep.use_cases.ports import ActionKit, Clock, Ids, Secrets, Store, Strive, Transport
from instep.use_cases.world import Reads


class Clients:
    """Clients for accounts. The credentials of an account are read once for each secret: a new
    connection has a secret of a new name."""

    def __init__(
        self,
        transport: Transport,
        secrets: Secrets,
        users: Store,
        clock: Clock,
        ids: Ids,
        strive_api_url: str,
        admit_local_hosts: bool,
    ) -> None:
        self._transport = transport
        self._admit_local_hosts = admit_local_hosts
        self._secrets = secrets
        self._users = users
        self._clock = clock
        self._ids = ids
        self._strive_api_url = strive_api_url
        self._known: dict[str, Mapping[str, str]] = {}

    def actionkit(self, account: Account, lane: Lane) -> ActionKit:
        """ActionKit as the account is connected now. Raises AccountStopped if it is not."""
        if account.connection is None:
            raise AccountStopped
        secret = self._secret(account.connection.secret)
        return ActionKitClient(
            transport=self._transport,
            base_url=check_hostname(account.connection.hostname, self._admit_local_hosts),
            username=secret["username"],
            password=secret["password"],
            permits=Pacer(
                self._users, self._clock, self._ids, account.account_id, account.epoch, lane
            ),
            reads=account.connection.actionkit_reads,
            clock=self._clock,
            default_region=account.settings.default_region,
        )

    def strive(self, account: Account) -> Strive:
        """Strive as the account is connected now. Raises AccountStopped if it is not."""
        if account.connection is None:
            raise AccountStopped
        secret = self._secret(account.connection.secret)
        return StriveClient(
            transport=self._transport,
            base_url=self._strive_api_url,
            api_key=secret["strive_api_key"],
            campaign_id=account.connection.campaign_id,
        )

    def _secret(self, name: str) -> Mapping[str, str]:
        if name not in self._known:
            secret = self._secrets.get(name)
            if secret is None:
                raise AccountStopped
            self._known[name] = secret
        return self._known[name]


class _Free:
    """Permits for the checks of a connection that is not made yet."""

    def slot(self) -> AbstractContextManager[None]:
        return nullcontext()


class LiveProbe:
    """The checks of C1, by live calls."""

    def __init__(
        self, transport: Transport, clock: Clock, strive_api_url: str, admit_local_hosts: bool
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._strive_api_url = strive_api_url
        self._admit_local_hosts = admit_local_hosts

    def actionkit(self, hostname: str, username: str, password: str) -> Reads:
        """How ActionKit can be read; raises with the codes of the contract."""
        return self._client(hostname, username, password).probe()

    def emails(
        self,
        hostname: str,
        username: str,
        password: str,
        reads: Reads,
        user_ids: Sequence[int],
    ) -> Mapping[int, str]:
        """Emails of users there (C4)."""
        return self._client(hostname, username, password, reads).emails(user_ids)

    def strive(self, api_key: str, campaign_id: int) -> None:
        """Whether the key is good for the campaign; raises with the codes of the contract."""
        StriveClient(self._transport, self._strive_api_url, api_key, campaign_id).check()

    def _client(
        self, hostname: str, username: str, password: str, reads: Reads = "sql"
    ) -> ActionKitClient:
        return ActionKitClient(
            transport=self._transport,
            base_url=check_hostname(hostname, self._admit_local_hosts),
            username=username,
            password=password,
            permits=_Free(),
            reads=reads,
            clock=self._clock,
        )
