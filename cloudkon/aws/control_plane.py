"""Control plane: calls that describe and change what the fleet runs on, made again where that may help.

Unlike the ledger's and the queues', these calls are few and slow, and a person waits for their end.
"""

from typing import Any

from cloudkon.aws.connection import Connection
from cloudkon.backoff import PATIENT, Backoff, persist

Answer = dict[str, Any]
"""What botocore makes of a service's answer."""


class ControlPlane:
    """Calls by service and operation, in botocore's spelling (``ecs``, ``describe_services``).

    A throttled call, or one whose answer was lost, is made again for half a minute: only calls that bear being made
    twice go through here. Raises ``ServiceError`` (its ``code`` is the service's), ``NoFleet`` or ``InvalidSetting``.
    """

    def __init__(self, connection: Connection, backoff: Backoff = PATIENT) -> None:
        """Nothing is asked yet."""
        self.connection = connection
        self._backoff = backoff

    async def call(self, service: str, operation: str, /, **arguments: object) -> Answer:
        """One call."""

        def ask() -> Answer:
            client: Any = self.connection.client(service)
            answer: Answer = getattr(client, operation)(**arguments)
            return answer

        return await persist(lambda: self.connection.call(ask), self._backoff)

    async def pages(self, service: str, operation: str, rows: str, /, **arguments: object) -> list[Any]:
        """All rows of all pages of a call; ``rows`` names them in its answer."""

        def ask() -> list[Any]:
            client: Any = self.connection.client(service)
            return [row for page in client.get_paginator(operation).paginate(**arguments) for row in page.get(rows, ())]

        return await persist(lambda: self.connection.call(ask), self._backoff)
