"""The stored instructions of a run are read back only if they are those that it was pushed with."""

import gzip
import io
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from client.push.staged_workload import stage_workload
from client.push.submit import submit
from client.records.archive import kept_instructions
from client.records.pushes import Pushes
from cloudkon.errors import EXIT_BAD_INPUT, InvalidInput
from cloudkon.model import Result, Run, TaskId, TaskState
from cloudkon.ports import Services
from cloudkon.settings import Settings
from cloudkon.wire.message import INSTRUCTION_LIMIT
from tests.support.client_doubles import record_results
from tests.unit.client.commands import Client

ONE_POOL = "sleep 1\nsleep 2\n"
TWO_POOLS = "sleep 1\nanimoto s3://bucket/picture.jpg\nsleep 2\n"


async def push(services: Services, pushes: Pushes, lines: str) -> Run:
    with stage_workload(io.BytesIO(lines.encode()), "work", pushes.directory) as staged:
        return (await submit(services, Settings(), staged, pushes)).run


async def exchange(services: Services, run: Run, content: bytes) -> None:
    await services.store.put(f"runs/{run.id}/instructions.gz", content, "application/gzip", {})


async def read(services: Services, run: Run) -> list[str]:
    async with kept_instructions(services.store, run) as instructions:
        return list(instructions)


def without_archive_facts(run: Run) -> Run:
    """The run as an earlier version recorded it."""
    return replace(run, archive_digest="", archive_size=0)


@pytest.mark.parametrize("lines", [ONE_POOL, TWO_POOLS])
async def test_instructions_are_read_back_in_the_order_of_task_numbers(
    services: Services, pushes: Pushes, lines: str
) -> None:
    run = await push(services, pushes, lines)
    expected = sorted(lines.splitlines(), key=lambda line: line.startswith("animoto"))
    assert await read(services, run) == expected
    assert await read(services, without_archive_facts(run)) == expected


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(b"sleep 1\nexec rm -rf /\n"),
        gzip.compress(b"sleep 1\nsleep 2\nsleep 3\n"),
        gzip.compress(b"sleep 1\n"),
        gzip.compress(b"sleep 1\nsleep 2"),
        gzip.compress(ONE_POOL.encode())[:-9],
        b"not gzip",
        b"",
    ],
    ids=["another task", "more", "fewer", "no last line end", "cut", "not gzip", "empty"],
)
@pytest.mark.parametrize("earlier_version", [False, True])
async def test_other_instructions_are_refused(
    services: Services, pushes: Pushes, content: bytes, *, earlier_version: bool
) -> None:
    run = await push(services, pushes, ONE_POOL)
    await exchange(services, run, content)
    with pytest.raises(InvalidInput, match=rf"run '{run.id}': s3://memory/runs/{run.id}/instructions.gz "):
        await read(services, without_archive_facts(run) if earlier_version else run)


async def test_other_instructions_of_two_pools_are_refused(services: Services, pushes: Pushes) -> None:
    run = await push(services, pushes, TWO_POOLS)
    await exchange(services, run, gzip.compress(b"sleep 1\nsleep 9\nanimoto s3://bucket/picture.jpg\n"))
    with pytest.raises(InvalidInput, match="holds other instructions than the run was pushed with"):
        await read(services, run)


@pytest.mark.parametrize("earlier_version", [False, True])
async def test_bomb_is_refused_without_unpacking_it(
    services: Services, pushes: Pushes, *, earlier_version: bool
) -> None:
    """A gigabyte without a line break takes little more memory than the longest instruction."""
    run = await push(services, pushes, ONE_POOL)
    packed = io.BytesIO()
    with gzip.open(packed, "wb", 9) as target:
        for _ in range(16):
            target.write(bytes(2**24))
    # Members of a gzip file follow one another.
    await exchange(services, run, packed.getvalue() * 4)
    tracemalloc.start()
    with pytest.raises(InvalidInput, match="holds other instructions"):
        await read(services, without_archive_facts(run) if earlier_version else run)
    assert tracemalloc.get_traced_memory()[1] < 4 * INSTRUCTION_LIMIT
    tracemalloc.stop()


@pytest.mark.parametrize("command", ["retry RUN", "push --run RUN", "results --instruction * RUN"])
def test_commands_refuse_other_instructions(
    services: Services, client: Client, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    Path("jobs.txt").write_text(ONE_POOL)
    client("push", "jobs.txt")
    run = trio.run(services.ledger.read_run, capsys.readouterr().out.strip())
    assert run is not None
    failed = [Result(TaskId(run.id, seq), TaskState.FAILED, error="broken") for seq in range(2)]
    trio.run(record_results, services, run, failed)
    trio.run(exchange, services, run, gzip.compress(b"sleep 1\nexec rm -rf /\n"))
    assert client(*command.replace("RUN", run.id).split()) == EXIT_BAD_INPUT
    assert "holds other instructions than the run was pushed with" in capsys.readouterr().err
    assert trio.run(_runs, services) == 1


async def _runs(services: Services) -> int:
    return len([run async for run in services.ledger.runs()])
