"""Site: one fleet's place on AWS, and its two stacks."""

from dataclasses import dataclass, field
from typing import Final

import trio

from cloudkon.aws import Connection
from cloudkon.aws.account import Account, find_account, with_store
from cloudkon.aws.control_plane import Answer, ControlPlane
from cloudkon.aws.stack import Stack
from cloudkon.aws.stack_facts import StackFacts
from cloudkon.backoff import BRIEF, persist
from cloudkon.errors import NoFleet
from cloudkon.ports import Clock, TrioClock
from cloudkon.settings import Settings

from ...provision import stack_name
from .account_record import AccountRecord
from .names import TAG, compute_stack

POLL_SECONDS: Final = 5.0
"""Between two looks at ECS services and instances, which take seconds to minutes for anything they do."""


@dataclass(frozen=True, slots=True)
class AccountStacks:
    """Who asks, and where. ``settings`` name the store that this account has; calls are retried by ``control``."""

    settings: Settings
    account: Account
    control: ControlPlane
    clock: Clock = field(default_factory=TrioClock)

    @property
    def fleet(self) -> str:
        """The fleet's name, which is its cluster's as well."""
        return self.settings.fleet

    @property
    def tags(self) -> dict[str, str]:
        """What all that the fleet owns is tagged with."""
        return {TAG: self.fleet}

    def data(self) -> Stack:
        """Queues, ledger and store."""
        return Stack(self.control.connection, stack_name(self.settings))

    def compute(self) -> Stack:
        """All that runs the workers."""
        return Stack(self.control.connection, compute_stack(self.fleet))

    async def compute_facts(self) -> StackFacts:
        """The compute stack as it is. Raises ``NoFleet`` where there is none."""
        found = await self.compute().facts()
        if not found.made:
            raise NoFleet(
                f"fleet {self.fleet!r}", f"it is not up on {self.account}", "Start it with: python -m fleet up"
            )
        return found

    async def ecs(self, operation: str, /, **arguments: object) -> Answer:
        """One call about the fleet's cluster."""
        return await self.control.call("ecs", operation, cluster=self.fleet, **arguments)


async def find_stacks(settings: Settings, connection: Connection, clock: Clock) -> AccountStacks:
    """Ask who we are. Raises ``InvalidInput`` where the fleet was brought up somewhere else, ``AccessDenied``."""
    account = await persist(lambda: connection.call(find_account, connection), BRIEF)
    AccountRecord(settings).check(account)
    return AccountStacks(with_store(settings, account), account, ControlPlane(connection), clock)


async def pause() -> None:
    """Let a look's time pass."""
    await trio.sleep(POLL_SECONDS)
