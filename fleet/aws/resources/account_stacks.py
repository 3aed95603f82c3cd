"""Names one fleet's account and its two stacks; every verb on AWS starts from here."""

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
from cloudkon.programs import command
from cloudkon.settings import Settings

from ...provision import stack_name
from .account_record import AccountRecord
from .names import TAG, compute_stack

POLL_SECONDS: Final = 5.0
"""Poll interval for ECS services and instances: each of their changes takes seconds to minutes."""


@dataclass(frozen=True, slots=True)
class AccountStacks:
    """One fleet in one account. ``settings`` name the account's store; ``control`` retries its calls."""

    settings: Settings
    account: Account
    control: ControlPlane
    clock: Clock = field(default_factory=TrioClock)

    @property
    def fleet(self) -> str:
        """The fleet's name, which is also its cluster's name."""
        return self.settings.fleet

    @property
    def tags(self) -> dict[str, str]:
        """The tags of everything that the fleet owns."""
        return {TAG: self.fleet}

    def data(self) -> Stack:
        """Return the stack of queues, ledger and store."""
        return Stack(self.control.connection, stack_name(self.settings))

    def compute(self) -> Stack:
        """Return the stack of everything that runs the workers."""
        return Stack(self.control.connection, compute_stack(self.fleet))

    async def compute_facts(self) -> StackFacts:
        """Return the facts of the compute stack. Raises ``NoFleet`` if it does not exist."""
        found = await self.compute().facts()
        if not found.exists:
            raise NoFleet(f"fleet {self.fleet!r}", f"not up on {self.account}", f"Start it with: {command('fleet up')}")
        return found

    async def ecs(self, operation: str, /, **arguments: object) -> Answer:
        """Make one ECS call about the fleet's cluster."""
        return await self.control.call("ecs", operation, cluster=self.fleet, **arguments)


async def find_stacks(settings: Settings, connection: Connection, clock: Clock) -> AccountStacks:
    """Find the account. Raises ``AccessDenied``, or ``InvalidInput`` if the fleet was brought up somewhere else."""
    account = await persist(lambda: connection.call(find_account, connection), BRIEF)
    AccountRecord(settings).check(account)
    return AccountStacks(with_store(settings, account), account, ControlPlane(connection), clock)


async def pause() -> None:
    """Wait for one poll interval."""
    await trio.sleep(POLL_SECONDS)
