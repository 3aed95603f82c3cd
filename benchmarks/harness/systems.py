"""Defines the measured systems, this fleet, its peers and the naive worker, each as its users would run it."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import trio

from benchmarks.harness.bench_fleet import BenchFleet
from benchmarks.harness.naive import NAME, NaiveWorker
from benchmarks.harness.processes import python, run
from benchmarks.harness.records import RECORDS_VARIABLE, Execution, count_executions, read_executions
from benchmarks.stub.stub_process import Stub
from cloudkon.aws import Connection, connect
from cloudkon.model import WORKER, Chunk, Outgoing, Priority, Run, new_run_id
from cloudkon.settings import Settings
from cloudkon.wire.message import encode_message
from cloudkon.wire.report import decode_report

FLEET: Final = "bench"
ROOT: Final = Path(__file__).parents[2]
_RECORDS: Final = "records"
_HANDLERS: Final = "handlers"
BURN: Final = "burn"
"""The word of the handler that computes and never releases the interpreter's lock."""


@dataclass(frozen=True, slots=True)
class TrialSetup:
    """What a trial runs on: a stub, and a directory for files."""

    stub: Stub
    directory: Path

    @property
    def records(self) -> Path:
        """The file in which tasks record their executions."""
        return self.directory / _RECORDS

    def environment(self, **more: str) -> dict[str, str]:
        """The user's environment without fleet and AWS settings, and with the stub's address."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CLOUDKON_", "AWS_"))}
        return {
            **kept,
            "PYTHONPATH": str(ROOT),
            "AWS_ACCESS_KEY_ID": "cloudkon",
            "AWS_SECRET_ACCESS_KEY": "cloudkon",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.stub.address,
            "BENCH_ENDPOINT": self.stub.address,
            RECORDS_VARIABLE: str(self.records),
            **more,
        }


class System(Protocol):
    """A system to measure. ``slots`` is how many tasks its one worker runs at a time."""

    name: str
    queue: str
    slots: int

    def prepare(self, setup: TrialSetup) -> None:
        """Make the queues and tables that a push needs."""

    def push(self, setup: TrialSetup, tasks: int, milliseconds: int) -> None:
        """Push ``tasks`` sleeps."""

    def push_one_by_one(self, setup: TrialSetup, tasks: int, gap: float) -> None:
        """Push ``tasks`` tasks of 0 ms one by one, ``gap`` seconds apart, and record when each was sent."""

    def worker(self, setup: TrialSetup) -> tuple[tuple[str, ...], Mapping[str, str]]:
        """A worker's command line and environment."""

    def ended(self, setup: TrialSetup) -> int:
        """The number of tasks that have ended, once the queue is empty."""

    def records(self, setup: TrialSetup) -> list[Execution]:
        """All executions; call it once."""


@dataclass
class CloudKon:
    """Our fleet, with chunks of ``chunk`` tasks. ``word`` is the instruction's, ``sleep`` or ``burn``."""

    name: str = "CloudKon"
    chunk: int = 1
    word: str = "sleep"
    slots: int = 1
    queue: str = WORKER.queue_name(FLEET)
    _sent: dict[int, float] = field(default_factory=dict)
    _pushed: int = 0

    def prepare(self, setup: TrialSetup) -> None:
        """Make the pool's queues, the result queue and the ledger as the fleet's template does."""
        settings = _settings(setup)
        connection = Connection(settings)
        sqs, dynamodb = connection.client("sqs"), connection.client("dynamodb")
        for name in (
            self.queue,
            WORKER.queue_name(FLEET, Priority.HIGH),
            WORKER.dead_letter_name(FLEET),
            settings.result_queue,
        ):
            sqs.create_queue(QueueName=name)
        dynamodb.create_table(
            TableName=settings.ledger_table,
            KeySchema=[
                {"AttributeName": "shard", "KeyType": "HASH"},
                {"AttributeName": "chunk", "KeyType": "RANGE"},
            ],
            AttributeDefinitions=[
                {"AttributeName": "shard", "AttributeType": "S"},
                {"AttributeName": "chunk", "AttributeType": "N"},
            ],
        )
        self._sent.clear()

    def push(self, setup: TrialSetup, tasks: int, milliseconds: int) -> None:
        """Push by the client's command line."""
        self._pushed = tasks
        BenchFleet(setup.directory, self._environment(setup)).push(tasks, f"{self.word} {milliseconds}", self.chunk)

    def push_one_by_one(self, setup: TrialSetup, tasks: int, gap: float) -> None:
        """Push by the client's adapters: one command line for each task would take most of the time."""
        self._pushed = tasks
        trio.run(self._push_one_by_one, setup, tasks, gap)

    async def _push_one_by_one(self, setup: TrialSetup, tasks: int, gap: float) -> None:
        services, now = connect(_settings(setup)), time.time()
        plan = Run.plan(
            run_id=new_run_id(now), counts={WORKER.name: tasks}, chunk_size=1, digest="-", started=round(now, 3)
        )
        await services.ledger.create_run(plan)
        queue = services.queues[WORKER.name]
        await queue.depth()
        for key, first, _ in plan.chunks(WORKER.name):
            self._sent[first] = time.time()
            await queue.send([Outgoing(encode_message(Chunk(key, first, ("sleep 0",))))])
            await trio.sleep(gap)

    def worker(self, setup: TrialSetup) -> tuple[tuple[str, ...], Mapping[str, str]]:
        """The command of one worker process of the pool."""
        return python("images.worker", "--slots", str(self.slots)), self._environment(setup)

    def ended(self, setup: TrialSetup) -> int:  # noqa: ARG002  (the protocol's signature)
        """All pushed tasks: the queue is empty, and deleting a message is the last step."""
        return self._pushed

    def records(self, setup: TrialSetup) -> list[Execution]:
        """Read the published results, some of which may have been published more than once."""
        bodies = setup.stub.command("drain", queue=f"{FLEET}-results")
        results = {result.task: result for body in bodies for result in decode_report(body)}
        return [
            Execution(self._sent.get(task.seq, 0.0), result.started, result.finished)
            for task, result in results.items()
        ]

    def _environment(self, setup: TrialSetup) -> dict[str, str]:
        settings = _settings(setup).to_environment()
        if self.word != BURN:
            return setup.environment(**settings, CLOUDKON_LOG_LEVEL="error")
        _write_burn_package(setup.directory / _HANDLERS)
        path = f"{ROOT}{os.pathsep}{setup.directory / _HANDLERS}"
        return setup.environment(**settings, CLOUDKON_LOG_LEVEL="error", CLOUDKON_HANDLERS=BURN, PYTHONPATH=path)


@dataclass
class NaiveSystem:
    """The naive worker of 2014."""

    name: str = "naive loop"
    slots: int = 1
    queue: str = NAME
    _made: NaiveWorker | None = None

    def prepare(self, setup: TrialSetup) -> None:
        """Make the queues and the table."""
        self._made = NaiveWorker(_settings(setup))
        self._made.make()

    def push(self, setup: TrialSetup, tasks: int, milliseconds: int) -> None:  # noqa: ARG002  (the protocol's signature)
        """Push in batches of ten."""
        assert self._made
        self._made.push(0, tasks, milliseconds)

    def push_one_by_one(self, setup: TrialSetup, tasks: int, gap: float) -> None:  # noqa: ARG002  (the protocol's signature)
        """Push one task with each call."""
        assert self._made
        for task in range(tasks):
            self._made.push(task, 1, 0)
            time.sleep(gap)

    def worker(self, setup: TrialSetup) -> tuple[tuple[str, ...], Mapping[str, str]]:
        """The command of the naive loop."""
        return python("benchmarks.harness.naive"), setup.environment(**_settings(setup).to_environment())

    def ended(self, setup: TrialSetup) -> int:
        """Count the recorded executions."""
        return count_executions(setup.records)

    def records(self, setup: TrialSetup) -> list[Execution]:
        """Read the recorded executions."""
        return read_executions(setup.records)


@dataclass
class Peer:
    """A program in ``benchmarks/peers``, run by the Python of the peers' environment.

    ``words`` start its worker; ``more`` are environment variables for it.
    """

    name: str
    module: str
    executable: str
    words: tuple[str, ...]
    slots: int = 1
    queue: str = "bench"
    more: Mapping[str, str] = field(default_factory=dict)

    def prepare(self, setup: TrialSetup) -> None:
        """Make the queue, which python-task-queue doesn't make by itself."""
        Connection(_settings(setup)).client("sqs").create_queue(QueueName=self.queue)

    def push(self, setup: TrialSetup, tasks: int, milliseconds: int) -> None:
        """Push by the peer's own client."""
        self._push(setup, tasks, milliseconds, 0.0)

    def push_one_by_one(self, setup: TrialSetup, tasks: int, gap: float) -> None:
        """Push by the peer's own client, one by one."""
        self._push(setup, tasks, 0, gap)

    def _push(self, setup: TrialSetup, tasks: int, milliseconds: int, gap: float) -> None:
        command = python(self.module, str(tasks), str(milliseconds), str(gap), executable=self.executable)
        run(command, setup.directory, setup.environment(**self.more))

    def worker(self, setup: TrialSetup) -> tuple[tuple[str, ...], Mapping[str, str]]:
        """The command of one worker."""
        return python(*self.words, executable=self.executable), setup.environment(**self.more)

    def ended(self, setup: TrialSetup) -> int:
        """Count the recorded executions."""
        return count_executions(setup.records)

    def records(self, setup: TrialSetup) -> list[Execution]:
        """Read the recorded executions."""
        return read_executions(setup.records)


def _settings(setup: TrialSetup) -> Settings:
    return Settings(fleet=FLEET, target="docker", endpoint_url=setup.stub.address, state_dir=setup.directory / "state")


def _write_burn_package(directory: Path) -> None:
    """Write the metadata of an installed package with a handler, without installing one."""
    info = directory / "bench_handlers-1.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bench-handlers\nVersion: 1\n", encoding="ascii")
    (info / "entry_points.txt").write_text(
        f"[cloudkon.handlers]\n{BURN} = benchmarks.harness.burn:burn\n", encoding="ascii"
    )
