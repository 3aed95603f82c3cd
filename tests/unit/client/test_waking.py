"""A push wakes the fleet, before its first message."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
import trio

from cloudkon.errors import EXIT_OK
from cloudkon.model import WORKER
from cloudkon.ports import Services
from tests.support.client_doubles import chunks_on
from tests.unit.client.commands import Client


class Sleeper:
    """A waker that notes what it is told, and how many messages were there by then."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.told: list[tuple[dict[str, int], int]] = []

    async def wake(self, chunks: Mapping[str, int]) -> tuple[str, ...]:
        depth = await self._services.queues[WORKER.name].depth()
        self.told.append((dict(chunks), depth.visible))
        return ("pool worker was at zero: 3 workers are being started",)


def test_a_push_wakes_the_pools_it_sends_to_first(
    client: Client, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    waker = Sleeper(services)
    client("generate", "25", "sleep", "10")
    assert client("push", "--chunk", "10", fleet=replace(services, waker=waker)) == EXIT_OK
    assert waker.told == [({"worker": 3}, 0)]
    assert "3 workers are being started" in capsys.readouterr().err
    assert len(trio.run(chunks_on, services.queues[WORKER.name])) == 3
