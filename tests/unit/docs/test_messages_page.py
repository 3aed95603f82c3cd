"""docs/messages.md: its examples are what the code reads and writes, and a message written by hand is executed."""

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from client.cli.main import main
from client.cli.session import Session
from cloudkon.aws.items import CONTENT, content_values
from cloudkon.aws.run_items import run_item, to_run
from cloudkon.aws.table import NAMES
from cloudkon.errors import EXIT_BAD_INPUT, EXIT_FAILED, EXIT_OK
from cloudkon.memory.virtual_clock import EPOCH
from cloudkon.model import POOLS, WORKER, ChunkKey, Outgoing, Priority, Run, TaskState
from cloudkon.model.run import MOST_SHARDS, MOST_TASKS_OF_RUN
from cloudkon.ports import BATCH
from cloudkon.ports.batch import batched
from cloudkon.settings import Settings
from cloudkon.wire.fields import LARGEST_NUMBER, MOST_ATTEMPTS, read_object
from cloudkon.wire.message import INSTRUCTION_LIMIT, MESSAGE_LIMIT, MOST_TASKS, decode_message, encode_message
from cloudkon.wire.report import MOST_RESULTS, decode_report, encode_report
from images.worker.handlers import built_in
from images.worker.queues.redelivery import MOST_RECEIPTS
from tests.support.memory_fleet import Fleet
from tests.support.pages import blocks, page, rows, section

TEXT = page("messages.md")


@pytest.fixture
def fleet(tmp_path: Path) -> Fleet:
    return Fleet(tmp_path)


def example(head: str) -> str:
    (found,) = blocks(section(TEXT, head), "json")
    return found


def program(head: str, name: str) -> Any:  # noqa: ANN401  (a function of the page)
    """A function of the page's code, as its readers would define it."""
    (text,) = blocks(section(TEXT, head), "python")
    found: dict[str, Any] = {}
    exec(compile(text, "docs/messages.md", "exec"), found)
    return found[name]


def named(head: str, columns: int) -> set[str]:
    """The names in the first column of a section's table."""
    return {name.strip("` ") for row in rows(section(TEXT, head), columns) for name in row[0].split(",")}


async def run_by_hand(fleet: Fleet, *messages: str) -> list[tuple[str, str, str]]:
    """Send messages to the queue without the client; return each task's state and output from the result queue."""
    await fleet.queue.send([Outgoing(message) for message in messages])
    await fleet.worker(handlers=built_in(Settings()), until_empty=True).run()
    assert not await fleet.rejected()
    assert (await fleet.queue.depth()).empty
    reports = await fleet.results.receive(10, 0, 1000)
    results = [result for report in reports for result in decode_report(report.body)]
    return sorted((str(result.task), str(result.state), result.output) for result in results)


async def test_message_typed_in_a_shell_is_executed_without_a_run(fleet: Fleet, autojump_clock: MockClock) -> None:
    block, _ = blocks(section(TEXT, "By hand"), "console")
    words = shlex.split(block.removeprefix("$ "))
    body = words[words.index("--message-body") + 1]
    assert await run_by_hand(fleet, body) == [("byhand-1/0", "SUCCEEDED", "")]
    assert await fleet.ledger.read_run("byhand-1") is None

    (record,) = await fleet.ledger.read([ChunkKey("byhand-1", 0, 1)])
    assert record is not None
    assert record.progress.count(TaskState.SUCCEEDED) == 1


async def test_second_message_of_the_same_name_is_a_copy_or_a_dead_letter(
    fleet: Fleet, autojump_clock: MockClock
) -> None:
    first = example("Task messages")
    copy, other = first.replace(", ", " , "), first.replace("sleep 20", "sleep 30000000")
    done = ("nightly-2026-11-22/70", "SUCCEEDED", ""), ("nightly-2026-11-22/71", "SUCCEEDED", "")
    assert await run_by_hand(fleet, first) == sorted(done)
    assert await run_by_hand(fleet, copy) == sorted(done), "it must not run; the recorded result is published again"
    await fleet.queue.send([Outgoing(other)])
    await fleet.worker(until_empty=True).run()
    (dead_letter,) = await fleet.rejected()
    assert dead_letter.body == other


async def test_program_of_the_page_makes_the_messages_of_push(fleet: Fleet, autojump_clock: MockClock) -> None:
    instructions = [f"sleep {number}" for number in range(1030)]
    bodies = list(program("Task messages", "bodies")("mine", instructions, 4))
    plan = Run.plan(run_id="mine", counts={WORKER.name: 1030}, chunk_size=4, digest="", started=EPOCH)
    chunks = [decode_message(body) for body in bodies]
    assert [(chunk.key, chunk.first, len(chunk)) for chunk in chunks] == list(plan.chunks(WORKER.name))
    assert [one for chunk in chunks for one in chunk.instructions] == instructions
    assert len(await run_by_hand(fleet, *bodies[:10])) == 40


def test_message_has_all_fields_and_the_page_explains_each() -> None:
    text = example("Task messages")
    assert json.loads(encode_message(decode_message(text))) == json.loads(text)
    assert named("Task messages", 3) == set(json.loads(text))
    for limit in (MESSAGE_LIMIT, INSTRUCTION_LIMIT, MOST_TASKS, LARGEST_NUMBER, MOST_SHARDS):
        assert f"{limit:,}" in section(TEXT, "Task messages")


def test_limits_of_items_are_those_of_the_page() -> None:
    for limit in (MOST_TASKS, MOST_TASKS_OF_RUN, MOST_SHARDS):
        assert f"{limit:,}" in section(TEXT, "The run's item")
    for limit in (MOST_TASKS, LARGEST_NUMBER, MOST_ATTEMPTS):
        assert f"{limit:,}" in section(TEXT, "The ledger")
    assert f"{MOST_RECEIPTS} receives" in section(TEXT, "Dead letters")


def test_run_item_is_read_as_the_run_that_push_makes() -> None:
    item = json.loads(example("The run's item"))
    run = to_run("nightly-2026-11-22", item)
    planned = Run.plan(
        run_id=run.id, counts={WORKER.name: 200}, chunk_size=run.chunk_size, digest="", started=run.started
    )
    assert run == planned
    made = run_item(planned)
    assert {**made, "facts": json.loads(made["facts"]["S"])} == {**item, "facts": json.loads(item["facts"]["S"])}
    pushed = run_item(replace(planned, archive_digest="a", archive_size=1, parent_tasks="b"))
    assert named("The run's item", 2) == set(json.loads(pushed["facts"]["S"]))


def test_run_item_is_put_by_an_expression_that_dynamodb_accepts() -> None:
    """DynamoDB refuses reserved words in an expression; the adapter has aliases for them."""
    (block,) = blocks(section(TEXT, "The run's item"), "console")
    words = shlex.split(block.removeprefix("$ "))
    names = json.loads(words[words.index("--expression-attribute-names") + 1])
    condition = words[words.index("--condition-expression") + 1]
    assert condition == f"attribute_not_exists({next(iter(names))})"
    assert list(names.values()) == list(NAMES.values())


def test_client_knows_a_run_that_it_did_not_push_by_its_run_item(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fleet = Fleet(tmp_path)
    session = Session(Settings(state_dir=tmp_path / "state"), lambda _settings: fleet.services)
    name = "nightly-2026-11-22"
    assert main(["check", name], session) == EXIT_BAD_INPUT
    assert "has no such run" in capsys.readouterr().err

    async def work() -> None:
        await fleet.ledger.create_run(to_run(name, json.loads(example("The run's item"))))
        instructions = [*["sleep 1"] * 199, "sleep soon"]
        messages = [Outgoing(body) for body in program("Task messages", "bodies")(name, instructions, 10)]
        for some in batched(messages, BATCH):
            await fleet.queue.send(some)
        await fleet.worker(handlers=built_in(Settings()), until_empty=True).run()

    trio.run(work, clock=MockClock(autojump_threshold=0))
    assert main(["check", name, "--json"], session) == EXIT_FAILED
    counts = json.loads(capsys.readouterr().out)
    assert (counts["tasks"], counts["succeeded"], counts["failed"]) == (200, 199, 1)
    assert main(["results", name, "--failed"], session) == EXIT_OK
    assert f"{name}/199" in capsys.readouterr().out


async def test_message_of_the_page_is_a_chunk_of_its_run(fleet: Fleet) -> None:
    run = to_run("nightly-2026-11-22", json.loads(example("The run's item")))
    chunk = decode_message(example("Task messages"))
    assert (chunk.key, chunk.first) in [(key, first) for key, first, _ in run.chunks(WORKER.name)]


def test_report_is_valid_and_the_page_explains_each_column() -> None:
    text = example("Result reports")
    results = decode_report(text)
    assert encode_report(results[0].task.run, results) == json.dumps(json.loads(text), separators=(",", ":"))
    columns = [row[0] for row in rows(section(TEXT, "Result reports"), 2)]
    assert columns == [str(number + 1) for number in range(len(json.loads(text)["results"][0]))]
    assert f"up to {MOST_RESULTS} results" in section(TEXT, "Result reports")
    for state in TaskState:
        assert f"`{state}`" in section(TEXT, "Result reports")


async def test_dead_letter_has_the_attributes_of_the_page(fleet: Fleet, autojump_clock: MockClock) -> None:
    await fleet.queue.send([Outgoing("hello")])
    await fleet.worker(until_empty=True).run()
    (dead_letter,) = await fleet.rejected()
    assert dead_letter.body == "hello"
    assert set(dead_letter.attributes) == named("Dead letters", 2)


async def test_ledger_items_have_the_attributes_of_the_page(fleet: Fleet, autojump_clock: MockClock) -> None:
    assert named("The ledger", 3) == set(CONTENT)
    await run_by_hand(fleet, example("Task messages"))
    (record,) = await fleet.ledger.read([ChunkKey("nightly-2026-11-22", 7, 1)])
    assert record is not None
    item = dict(zip(CONTENT, content_values(record), strict=True))
    found = program("The ledger", "results")(item)
    assert [(row[0], row[1]) for row in found] == [(70, "SUCCEEDED"), (71, "SUCCEEDED")]


def test_queue_names_of_the_page_are_the_codes() -> None:
    names = {name.strip("` ") for row in rows(TEXT.partition("## By hand")[0], 2) for name in row[0].split(",")}
    assert names == {
        Settings(fleet="FLEET").result_queue,
        *(pool.queue_name("FLEET", priority) for pool in POOLS for priority in Priority),
        *(pool.dead_letter_name("FLEET") for pool in POOLS),
    }


@pytest.mark.parametrize("head", ["Task messages", "Result reports"])
def test_version_of_the_page_is_the_one_that_is_read(head: str) -> None:
    assert read_object(example(head), "the example", 1)
