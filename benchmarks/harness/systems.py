"""Systems: this fleet, its peers and the naive worker, each as its users would run it, on the stub."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import trio

from benchmarks.harness.bench_fleet import BenchFleet
from benchmarks.harness.naive import NAME, Naive
from benchmarks.harness.processes import python, run
from benchmarks.harness.records import FILE, ChunkRecord, count_records, read_records
from benchmarks.stub.running import Stub
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
"""The word of the handler that computes, and never lets go of the interpreter's lock."""


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a system is measured: a stub, and a directory for its files."""

    stub: Stub
    directory: Path

    @property
    def records(self) -> Path:
        """The file that tasks note themselves in."""
        return self.directory / _RECORDS

    def environment(self, **more: str) -> dict[str, str]:
        """The user's, without settings of fleets and of AWS, and with what finds the stub."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CLOUDKON_", "AWS_"))}
        return {
            **kept,
            "PYTHONPATH": str(ROOT),
            "AWS_ACCESS_KEY_ID": "cloudkon",
            "AWS_SECRET_ACCESS_KEY": "cloudkon",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": self.stub.address,
            "BENCH_ENDPOINT": self.stub.address,
            FILE: str(self.records),
            **more,
        }


class System(Protocol):
    """What is measured. ``slots`` are the tasks that its one worker runs at a time."""

    name: str
    queue: str
    slots: int

    def prepare(self, stand: Stand) -> None:
        """Make what must be there before a push."""

    def push(self, stand: Stand, tasks: int, milliseconds: int) -> None:
        """Push so many sleeps."""

    def trickle(self, stand: Stand, tasks: int, gap: float) -> None:
        """Push so many tasks of no length one by one, and remember when each was sent."""

    def worker(self, stand: Stand) -> tuple[tuple[str, ...], Mapping[str, str]]:
        """A worker's command line and environment."""

    def ended(self, stand: Stand) -> int:
        """How many tasks have ended, once the queue is empty."""

    def records(self, stand: Stand) -> list[ChunkRecord]:
        """All executions; to be asked once."""


@dataclass
class CloudKon:
    """Our fleet, with chunks of that size. ``word`` is the instruction's, ``sleep`` or ``burn``."""

    name: str = "CloudKon"
    chunk: int = 1
    word: str = "sleep"
    slots: int = 1
    queue: str = WORKER.queue_name(FLEET)
    _sent: dict[int, float] = field(default_factory=dict)
    _pushed: int = 0

    def prepare(self, stand: Stand) -> None:
        """The pool's queues, the result queue and the ledger, as the fleet's template has them."""
        settings = _settings(stand)
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

    def push(self, stand: Stand, tasks: int, milliseconds: int) -> None:
        """By the client's command line."""
        self._pushed = tasks
        BenchFleet(stand.directory, self._environment(stand)).push(tasks, f"{self.word} {milliseconds}", self.chunk)

    def trickle(self, stand: Stand, tasks: int, gap: float) -> None:
        """By the adapters that the client pushes with: a command line a task would be most of the time."""
        self._pushed = tasks
        trio.run(self._trickle, stand, tasks, gap)

    async def _trickle(self, stand: Stand, tasks: int, gap: float) -> None:
        services, now = connect(_settings(stand)), time.time()
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

    def worker(self, stand: Stand) -> tuple[tuple[str, ...], Mapping[str, str]]:
        """One worker process of the pool."""
        return python("images.worker", "--slots", str(self.slots)), self._environment(stand)

    def ended(self, stand: Stand) -> int:  # noqa: ARG002  (as the others)
        """Every task whose message was deleted: that is done last of all."""
        return self._pushed

    def records(self, stand: Stand) -> list[ChunkRecord]:
        """From the results that were published, each perhaps more than once."""
        bodies = stand.stub.command("drain", queue=f"{FLEET}-results")
        results = {result.task: result for body in bodies for result in decode_report(body)}
        return [
            ChunkRecord(self._sent.get(task.seq, 0.0), result.started, result.finished)
            for task, result in results.items()
        ]

    def _environment(self, stand: Stand) -> dict[str, str]:
        settings = _settings(stand).to_environment()
        if self.word != BURN:
            return stand.environment(**settings, CLOUDKON_LOG_LEVEL="error")
        _offer_burn(stand.directory / _HANDLERS)
        path = f"{ROOT}{os.pathsep}{stand.directory / _HANDLERS}"
        return stand.environment(**settings, CLOUDKON_LOG_LEVEL="error", CLOUDKON_HANDLERS=BURN, PYTHONPATH=path)


@dataclass
class NaiveSystem:
    """The worker of 2014."""

    name: str = "naive loop"
    slots: int = 1
    queue: str = NAME
    _made: Naive | None = None

    def prepare(self, stand: Stand) -> None:
        """Queues and table."""
        self._made = Naive(_settings(stand))
        self._made.make()

    def push(self, stand: Stand, tasks: int, milliseconds: int) -> None:  # noqa: ARG002  (as the others)
        """In batches of ten."""
        assert self._made
        self._made.push(0, tasks, milliseconds)

    def trickle(self, stand: Stand, tasks: int, gap: float) -> None:  # noqa: ARG002  (as the others)
        """One a call."""
        assert self._made
        for task in range(tasks):
            self._made.push(task, 1, 0)
            time.sleep(gap)

    def worker(self, stand: Stand) -> tuple[tuple[str, ...], Mapping[str, str]]:
        """The loop, by itself."""
        return python("benchmarks.harness.naive"), stand.environment(**_settings(stand).to_environment())

    def ended(self, stand: Stand) -> int:
        """By the records."""
        return count_records(stand.records)

    def records(self, stand: Stand) -> list[ChunkRecord]:
        """As noted."""
        return read_records(stand.records)


@dataclass
class Peer:
    """A program under ``benchmarks/peers``, with Python of an environment of its own.

    ``words`` start its worker, ``more`` are variables for it.
    """

    name: str
    module: str
    executable: str
    words: tuple[str, ...]
    slots: int = 1
    queue: str = "bench"
    more: Mapping[str, str] = field(default_factory=dict)

    def prepare(self, stand: Stand) -> None:
        """The queue, which python-task-queue doesn't make by itself."""
        Connection(_settings(stand)).client("sqs").create_queue(QueueName=self.queue)

    def push(self, stand: Stand, tasks: int, milliseconds: int) -> None:
        """By the peer's own client."""
        self._push(stand, tasks, milliseconds, 0.0)

    def trickle(self, stand: Stand, tasks: int, gap: float) -> None:
        """Likewise, one by one."""
        self._push(stand, tasks, 0, gap)

    def _push(self, stand: Stand, tasks: int, milliseconds: int, gap: float) -> None:
        command = python(self.module, str(tasks), str(milliseconds), str(gap), executable=self.executable)
        run(command, stand.directory, stand.environment(**self.more))

    def worker(self, stand: Stand) -> tuple[tuple[str, ...], Mapping[str, str]]:
        """One worker."""
        return python(*self.words, executable=self.executable), stand.environment(**self.more)

    def ended(self, stand: Stand) -> int:
        """By the records."""
        return count_records(stand.records)

    def records(self, stand: Stand) -> list[ChunkRecord]:
        """As noted."""
        return read_records(stand.records)


def _settings(stand: Stand) -> Settings:
    return Settings(fleet=FLEET, target="docker", endpoint_url=stand.stub.address, state_dir=stand.directory / "state")


def _offer_burn(directory: Path) -> None:
    """What installing a package with a handler leaves behind, without installing one."""
    info = directory / "bench_handlers-1.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bench-handlers\nVersion: 1\n", encoding="ascii")
    (info / "entry_points.txt").write_text(
        f"[cloudkon.handlers]\n{BURN} = benchmarks.harness.burn:burn\n", encoding="ascii"
    )
