"""Measures what each setting of boto3's clients saves the worker, and what our own handling of bodies saves.

The settings are those of ``cloudkon.aws.connection``; each trial resets one of them to its default. Our handling of
bodies is ``cloudkon.aws.quick_json``; it is compared with botocore's.
"""

import secrets
import time
from collections.abc import Callable, Mapping
from functools import partial
from statistics import median
from typing import TYPE_CHECKING, Any, Final

from botocore.config import Config

from benchmarks.harness.table import Table
from benchmarks.stub.stub_process import Stub, running_stub
from cloudkon.aws import Connection
from cloudkon.aws.statements import write_statement
from cloudkon.model import ChunkKey, ChunkRecord, ChunkState
from cloudkon.ports import Insert
from cloudkon.ports.ledger import STATEMENTS
from cloudkon.settings import Settings

if TYPE_CHECKING:  # the stubs are there for development only
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_sqs import SQSClient

CALLS: Final = 200
"""Receives of ten messages a round: a fifth of a second, so that other load on the machine affects all alike."""
ROUNDS: Final = 15
QUEUE: Final = "knobs"
BODY: Final = '{"v":1,"run":"3a4f0c1b2c3","chunk":7,"shards":4,"first":70,"tasks":["sleep 0"]}'
DEFAULTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "as the worker has them": {},
    "parameter_validation=True": {"parameter_validation": True},
    "a user agent made for each request": {"user_agent": None},
    "retries in botocore's legacy mode": {"retries": {"mode": "legacy"}},
    "all of boto3's defaults": {
        "parameter_validation": True,
        "user_agent": None,
        "retries": {"mode": "legacy"},
    },
}


class _TunedConnection(Connection):
    """A connection with one setting changed."""

    def __init__(self, settings: Settings, knobs: Mapping[str, Any]) -> None:
        super().__init__(settings)
        self._knobs = knobs

    def _config(self, service: str) -> Config:
        return super()._config(service).merge(Config(**self._knobs))


class _BotocoreConnection(Connection):
    """A connection whose bodies botocore handles."""

    def _make_client(self, service: str) -> object:
        session: Any = self._session()
        return session.client(service, endpoint_url=self.endpoint, config=self._config(service))


def measure(share: float) -> list[Table]:
    """Measure the CPU time of calls for each setting and for each handling of bodies, in alternating rounds."""
    rounds = max(3, round(ROUNDS * share))
    with running_stub() as stub, stub.without_latency():
        return [_settings_table(stub, rounds), _bodies_table(stub, rounds)]


def _settings_table(stub: Stub, rounds: int) -> Table:
    table = Table(
        "CPU time by boto3's settings",
        ("settings", "CPU µs a receive of ten", "÷ the worker's"),
        f"Medians of {rounds} rounds of {CALLS} receives each from the stub without latency, in one thread, by the "
        "thread's own CPU time. Each round measures all settings and starts with another one. The quotient is the "
        "median of the rounds' quotients.",
    )
    clients = {name: _TunedConnection(_settings(stub), knobs).client("sqs") for name, knobs in DEFAULTS.items()}
    url = next(iter(clients.values())).create_queue(QueueName=QUEUE)["QueueUrl"]
    found = _in_turns({name: partial(_receives, client, url) for name, client in clients.items()}, rounds)
    for name, seconds in found.items():
        quotient = _quotient(seconds, found["as the worker has them"])
        table.rows.append((name, f"{1e6 * median(seconds):,.0f}", f"{quotient:.2f}"))
        table.figures.append({"settings": name, "seconds": [round(one, 7) for one in seconds]})
    return table


def _bodies_table(stub: Stub, rounds: int) -> Table:
    table = Table(
        "CPU time by who writes and reads bodies",
        ("call", "by botocore, CPU µs", "by orjson, CPU µs", "÷ botocore"),
        f"Measured in the same way: {rounds} rounds of {CALLS} calls.",
    )
    plain, ours = _BotocoreConnection(_settings(stub)), Connection(_settings(stub))
    ours.client("dynamodb").create_table(
        TableName=QUEUE,
        KeySchema=[{"AttributeName": "shard", "KeyType": "HASH"}, {"AttributeName": "chunk", "KeyType": "RANGE"}],
        AttributeDefinitions=[],
    )
    url = ours.client("sqs").create_queue(QueueName=QUEUE)["QueueUrl"]
    makes: dict[str, Callable[[Connection], Callable[[], float]]] = {
        "receive of ten": lambda one: partial(_receives, one.client("sqs"), url),
        "delete of ten": lambda one: partial(_deletions, one.client("sqs"), url),
        f"BatchExecuteStatement of {STATEMENTS}": lambda one: partial(_batches, one.client("dynamodb")),
    }
    for call, make in makes.items():
        found = _in_turns({"botocore": make(plain), "orjson": make(ours)}, rounds)
        micros = (f"{1e6 * median(seconds):,.0f}" for seconds in found.values())
        table.rows.append((call, *micros, f"{_quotient(found['orjson'], found['botocore']):.2f}"))
        table.figures.append({"call": call} | {name: [round(one, 7) for one in some] for name, some in found.items()})
    return table


def _in_turns(rounds_of: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """CPU seconds of a call for each variant and round."""
    names = list(rounds_of)
    found: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        # The first variant of a round pays for cold caches, so each round starts with another one.
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            found[name].append(rounds_of[name]())
    return found


def _quotient(seconds: list[float], others: list[float]) -> float:
    return median(one / other for one, other in zip(seconds, others, strict=True))


def _settings(stub: Stub) -> Settings:
    return Settings(target="local", endpoint_url=stub.address, region="us-east-1", bucket="none")


def _receives(client: "SQSClient", url: str) -> float:
    """CPU seconds of a receive."""
    entries: Any = [{"Id": str(number), "MessageBody": BODY} for number in range(10)]
    for _ in range(CALLS):
        client.send_message_batch(QueueUrl=url, Entries=entries)
    begun = time.thread_time()
    for _ in range(CALLS):
        client.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=10,
            MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
            MessageAttributeNames=["All"],
        )
    return (time.thread_time() - begun) / CALLS


def _deletions(client: "SQSClient", url: str) -> float:
    """CPU seconds of a deletion; the handles are stale, which costs the same."""
    entries: Any = [{"Id": str(number), "ReceiptHandle": f"{number}" * 40} for number in range(10)]
    begun = time.thread_time()
    for _ in range(CALLS):
        client.delete_message_batch(QueueUrl=url, Entries=entries)
    return (time.thread_time() - begun) / CALLS


def _batches(client: "DynamoDBClient") -> float:
    """CPU seconds of a batch of claims."""
    run = secrets.token_hex(4)
    records = [ChunkRecord(ChunkKey(run, n, 4), ChunkState.CLAIMED, "0" * 20, 1, 0) for n in range(STATEMENTS)]
    statements: Any = [write_statement(QUEUE, Insert(record)) for record in records]
    begun = time.thread_time()
    for _ in range(CALLS):
        client.batch_execute_statement(Statements=statements)
    return (time.thread_time() - begun) / CALLS
