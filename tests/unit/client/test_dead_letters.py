"""Tests of the dlq and purge commands on a fleet in memory."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
import trio

from client.dead_letters.dead_letters import HIDDEN_SECONDS
from cloudkon.errors import EXIT_BAD_INPUT, EXIT_FAILED, EXIT_OK
from cloudkon.memory import MemoryQueue
from cloudkon.model import Chunk, ChunkKey, ChunkRecord, ChunkState, Outgoing
from cloudkon.ports import Insert, QueueOutcome, Services
from cloudkon.wire.message import chunk_digest, encode_message
from tests.support.client_doubles import BreakingQueue, chunks_on, json_lines, with_queue
from tests.unit.client.commands import Client, push


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A queue in memory returns all its messages without a wait."""
    monkeypatch.setattr("client.dead_letters.dead_letters._WAIT_SECONDS", 0.0)


def letter(number: int, run: str = "r1") -> Outgoing:
    chunk = Chunk(ChunkKey(run, number, 1), 2 * number, ("sleep 1", "resize 2"))
    return Outgoing(encode_message(chunk), {"reason": "no handler takes 'resize'"})


@pytest.fixture
def dead(services: Services) -> MemoryQueue:
    """A dead-letter queue: chunk 0 is done, 1 claimed, 2 … 24 open, 30 another run's, one letter is unreadable."""

    async def fill() -> None:
        queue = services.dead_letters["worker"]
        await queue.send([letter(0), letter(1), Outgoing("not json"), letter(30, "r2")])
        for begin in range(2, 25, 10):
            await queue.send([letter(number) for number in range(begin, min(25, begin + 10))])
        records = [
            ChunkRecord(ChunkKey("r1", 0, 1), ChunkState.DONE, "o", 1, 0, 2),
            ChunkRecord(ChunkKey("r1", 1, 1), ChunkState.CLAIMED, "o", 1, 0, 2),
        ]
        await services.ledger.write([Insert(record) for record in records])

    trio.run(fill)
    queue = services.dead_letters["worker"]
    assert isinstance(queue, MemoryQueue)
    return queue


def visible(queue: MemoryQueue) -> int:
    """Count the visible messages. The queue uses trio's clock, which differs in each ``trio.run`` of the test."""
    return len(queue._visible)


def numbers(services: Services, pool: str = "worker") -> list[int]:
    """Return the chunk numbers on a queue, and empty it."""
    found = [chunk.key.number for chunk in trio.run(chunks_on, services.queues[pool])]
    trio.run(services.queues[pool].purge)
    return found


def test_dead_letters_are_listed_with_their_chunks_state(
    client: Client, dead: MemoryQueue, capsys: pytest.CaptureFixture[str]
) -> None:
    assert client("dlq", "list") == EXIT_OK
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 27
    assert lines[0].split(maxsplit=1)[1] == "worker  done  r1#0, 2 tasks: no handler takes 'resize'"
    assert lines[1].split()[2] == "claimed"
    assert "unreadable  no chunk: the message is not JSON" in lines[2]
    assert lines[3].split()[2] == "open"
    assert visible(dead) == 27, "they are visible again"
    assert client("dlq", "list", "--limit", "5", "--json") == EXIT_OK
    written = capsys.readouterr()
    assert len(json_lines(written.out)) == 5
    assert "more dead letters exist" in written.err
    assert visible(dead) == 27
    assert client("dlq", "list", "--run", "r2", "--json") == EXIT_OK
    [other] = json_lines(capsys.readouterr().out)
    assert (other["run"], other["chunk"], other["tasks"], other["state"]) == ("r2", 30, 2, "open")
    assert client("dlq", "list", "--pool", "animoto") == EXIT_OK
    assert "no dead letters" in capsys.readouterr().err


def test_dlq_show_prints_the_whole_dead_letter(
    client: Client, dead: MemoryQueue, capsys: pytest.CaptureFixture[str]
) -> None:
    client("dlq", "list", "--json")
    second = json_lines(capsys.readouterr().out)[1]
    assert client("dlq", "show", str(second["id"])) == EXIT_OK
    shown = json.loads(capsys.readouterr().out)
    assert json.loads(shown["body"])["tasks"] == ["sleep 1", "resize 2"]
    assert client("dlq", "show", "no-such-id") == EXIT_BAD_INPUT
    assert "no id begins with this" in capsys.readouterr().err


def test_redrive_sends_unfinished_letters_again_and_drops_done_ones(
    client: Client, services: Services, dead: MemoryQueue, capsys: pytest.CaptureFixture[str]
) -> None:
    assert client("dlq", "redrive", "--run", "r1") == EXIT_OK
    assert "24 sent again, 1 dropped because all their tasks are done" in capsys.readouterr().err
    assert numbers(services) == list(range(1, 25))
    assert visible(dead) == 2
    assert client("dlq", "redrive", "--json") == EXIT_OK
    assert json_lines(capsys.readouterr().out) == [{"redriven": 1, "dropped": 0, "unreadable": 1, "returned": 0}]
    assert numbers(services) == [30]
    assert visible(dead) == 1, "the unreadable letter stays"


class RejectingQueue(MemoryQueue):
    """A queue whose messages all become dead letters at once."""

    def __init__(self, dead: MemoryQueue) -> None:
        super().__init__()
        self.dead = dead

    async def send(self, messages: Sequence[Outgoing]) -> list[QueueOutcome]:
        return await self.dead.send(messages)


def test_letter_is_not_done_because_other_tasks_ran_under_its_key(
    client: Client, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor do two letters that name one item with other shard counts stop the command."""
    real = Chunk(ChunkKey("r1", 0, 1), 0, ("sleep 1",))
    forged = Chunk(ChunkKey("r1", 0, 2), 0, ("sleep 9",))
    ran = ChunkRecord(real.key, ChunkState.DONE, "o", 1, 0, 1, digest=chunk_digest(forged))
    trio.run(services.ledger.write, [Insert(ran)])
    trio.run(services.dead_letters["worker"].send, [Outgoing(encode_message(one)) for one in (real, forged)])
    assert client("dlq", "list", "--json") == EXIT_OK
    assert [one["state"] for one in json_lines(capsys.readouterr().out)] == ["other tasks", "done"]
    assert client("dlq", "redrive") == EXIT_OK
    assert numbers(services) == [0]


def test_redrive_ends_when_letters_come_back_at_once(
    client: Client, services: Services, dead: MemoryQueue, capsys: pytest.CaptureFixture[str]
) -> None:
    assert client("dlq", "redrive", "--json", fleet=with_queue(services, "worker", RejectingQueue(dead))) == EXIT_OK
    assert json_lines(capsys.readouterr().out) == [{"redriven": 25, "dropped": 1, "unreadable": 1, "returned": 25}]
    assert visible(dead) == 26


def test_failing_redrive_loses_no_letter(
    client: Client, services: Services, dead: MemoryQueue, capsys: pytest.CaptureFixture[str]
) -> None:
    assert client("dlq", "redrive", fleet=with_queue(services, "worker", BreakingQueue(1))) == EXIT_FAILED
    left = trio.run(dead.depth)
    assert left.visible + left.in_flight >= 27 - 10
    assert HIDDEN_SECONDS <= 300, "they are visible again soon"


def test_drop_asks_and_deletes_only_the_selected_letters(
    client: Client, dead: MemoryQueue, capsys: pytest.CaptureFixture[str]
) -> None:
    assert client("dlq", "drop") == EXIT_BAD_INPUT
    assert "no letters are selected" in capsys.readouterr().err
    assert client("dlq", "drop", "--all") == EXIT_BAD_INPUT
    assert "stdin is not a terminal. Pass --yes to confirm" in capsys.readouterr().err
    client("dlq", "list", "--json")
    letters = json_lines(capsys.readouterr().out)
    assert client("dlq", "drop", str(letters[2]["id"]), "--yes") == EXIT_OK
    assert "1 dead letter dropped" in capsys.readouterr().err
    client("dlq", "list", "--json")
    assert [one["id"] for one in json_lines(capsys.readouterr().out)] == [
        one["id"] for at, one in enumerate(letters) if at != 2
    ]
    assert client("dlq", "drop", "--all", "--yes") == EXIT_OK
    assert visible(dead) == 0


def test_purge_asks_and_empties_the_queues(
    client: Client, services: Services, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    push(client, capsys, 20)
    trio.run(services.results.send, [Outgoing("{}")])
    assert client("purge") == EXIT_BAD_INPUT
    assert client("purge", "--pool", "animoto", "--yes") == EXIT_OK
    assert trio.run(services.queues["worker"].depth).visible == 20
    assert client("purge", "--yes") == EXIT_OK
    assert trio.run(services.queues["worker"].depth).empty
    assert not trio.run(services.results.depth).empty
    assert client("purge", "--results", "--yes") == EXIT_OK
    assert trio.run(services.results.depth).empty
