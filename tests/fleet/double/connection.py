"""Connects to the account in memory. Calls run in trio's thread, because threads would let virtual time run away."""

from collections.abc import Callable
from typing import Final, TypeVar

import trio

from cloudkon.aws.aws_errors import translated
from cloudkon.aws.bucket_owner import require_owner
from cloudkon.aws.connection import Connection
from cloudkon.settings import Settings
from tests.fleet.double.clients import REGION, client
from tests.fleet.double.timeline import EPOCH

R = TypeVar("R")
CALL_SECONDS: Final = 0.05
"""How long a call takes."""


class DoubleConnection(Connection):
    """Works like the real connection, except for the destination of calls."""

    def __init__(self, settings: Settings, region: str = REGION) -> None:
        super().__init__(settings)
        self._where = region

    async def _run(self, call: Callable[[], R], *, abandon: bool) -> R:  # noqa: ARG002  (the connection's own)
        await trio.sleep(CALL_SECONDS)
        with translated(self.fleet, self.endpoint):
            return call()

    def _make_client(self, service: str) -> object:
        made = client(service, self._where)
        if service == "s3":
            require_owner(made, self.owner_of)
        return made


class DoubleClock:
    """The account's own time."""

    def monotonic(self) -> float:
        """Return trio's time in seconds."""
        return trio.current_time()

    def wall(self) -> float:
        """Return the same time in seconds since 1970."""
        return EPOCH.timestamp() + trio.current_time()
