"""Makes the calls that describe and change a fleet's infrastructure, and repeats them if a failure may pass.

Unlike calls to the ledger and the queues, these calls are few and slow, and a person waits for them.
"""

from typing import Any

from cloudkon.aws.connection import Connection
from cloudkon.backoff import PATIENT, Backoff, persist

Answer = dict[str, Any]
"""A service's response, as botocore parses it."""


class ControlPlane:
    """Makes calls by service and operation, in botocore's spelling (``ecs``, ``describe_services``).

    A call that was throttled, or whose response was lost, is repeated for about half a minute by default. So every call
    must be idempotent. Raises ``ServiceError`` (its ``code`` is the service's), ``NoFleet`` or ``InvalidSetting``.
    """

    def __init__(self, connection: Connection, backoff: Backoff = PATIENT) -> None:
        """Make no call yet."""
        self.connection = connection
        self._backoff = backoff

    async def call(self, service: str, operation: str, /, **arguments: object) -> Answer:
        """Make one call and return its response."""

        def request() -> Answer:
            client: Any = self.connection.client(service)
            answer: Answer = getattr(client, operation)(**arguments)
            return answer

        return await persist(lambda: self.connection.call(request), self._backoff)

    async def pages(self, service: str, operation: str, rows: str, /, **arguments: object) -> list[Any]:
        """Make a paginated call and return all rows of all pages. ``rows`` is their key in the response."""

        def request() -> list[Any]:
            client: Any = self.connection.client(service)
            return [row for page in client.get_paginator(operation).paginate(**arguments) for row in page.get(rows, ())]

        return await persist(lambda: self.connection.call(request), self._backoff)
