"""Chunks too large for a message go through the store, and are deleted with their messages."""

import io
import json
from pathlib import Path

import pytest
import trio

from client.push.staged_workload import stage_workload
from client.push.submit import submit
from client.records.pushes import Pushes
from cloudkon.errors import EXIT_OK, NewerVersion
from cloudkon.model import Chunk, Outgoing, PayloadRef
from cloudkon.ports import Services
from cloudkon.settings import Settings
from cloudkon.wire.message import MESSAGE_LIMIT, decode_message
from cloudkon.wire.payload import decode_payload, read_message
from tests.unit.client.commands import Client

LARGE = "weigh " + "é" * 700_000


async def stored(services: Services) -> list[str]:
    return [found.address.removeprefix("s3://memory/") async for found in services.store.list("payloads/")]


async def push_large(services: Services, pushes: Pushes, directory: Path) -> str:
    text = f"weigh 1\n{LARGE}\nweigh 2\n"
    with stage_workload(io.BytesIO(text.encode()), "w", directory, handlers=("weigh",)) as staged:
        return (await submit(services, Settings(), staged, pushes)).run.id


async def test_only_too_large_chunks_go_through_the_store(services: Services, pushes: Pushes, tmp_path: Path) -> None:
    run = await push_large(services, pushes, tmp_path)
    bodies = [one.body for one in await services.queues["worker"].receive(10, 0, 1000)]
    assert max(len(body.encode()) for body in bodies) < 1000
    small, large, last = map(read_message, bodies)
    assert isinstance(small, Chunk)
    assert isinstance(last, Chunk)
    assert isinstance(large, PayloadRef)
    assert (len(large), large.size > MESSAGE_LIMIT) == (1, True)
    assert await stored(services) == [f"payloads/worker/{run}/1.json"] == [large.object_key]
    await services.store.get(services.store.address(large.object_key), path := tmp_path / "payload")
    assert decode_payload(large, path.read_bytes()).instructions == (LARGE,)
    with pytest.raises(NewerVersion):
        decode_message(bodies[1])


def test_purge_deletes_payloads_unless_a_dead_letter_may_need_one(
    client: Client, services: Services, pushes: Pushes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trio.run(push_large, services, pushes, tmp_path)
    bodies = [one.body for one in trio.run(services.queues["worker"].receive, 10, 0, 1000)]
    trio.run(services.dead_letters["worker"].send, [Outgoing(bodies[1], {"reason": "no handler"})])
    assert client("dlq", "list", "--json") == EXIT_OK
    letter = json.loads(capsys.readouterr().out)
    assert (letter["state"], letter["chunk"], letter["tasks"]) == ("open", 1, 1)
    assert client("purge", "--yes") == EXIT_OK
    assert len(trio.run(stored, services)) == 1
    trio.run(services.dead_letters["worker"].purge)
    assert client("purge", "--yes") == EXIT_OK
    assert trio.run(stored, services) == []
