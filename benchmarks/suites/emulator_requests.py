"""Measures what the signature check and the saving add to the local fleet's emulator, beside the bare emulator."""

import http.client
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

import trio

from benchmarks.harness.processes import running
from benchmarks.harness.table import Table
from cloudkon.aws.connection import Connection
from cloudkon.aws.emulator_save import save_emulator
from cloudkon.settings import ANY_SECRET, Settings
from fleet.local.emulator_installation import interpreter
from fleet.local.emulator_process import server_arguments, server_environment, url
from fleet.local.listener import listen, port_of
from fleet.local.state_dir import StateDir

REQUESTS: Final = 1_500
ROUNDS: Final = 5
STATE_MESSAGES: Final = (100, 1_000, 10_000)
"""Messages in the queue and items in the table when the state is saved."""
BATCH: Final = 10
HOST: Final = "127.0.0.1"
QUEUE, TABLE, BUCKET = "bench", "bench", "bench"
SMALL, LARGE = bytes(1024), bytes(1024 * 1024)
START_SECONDS: Final = 60


@dataclass(frozen=True, slots=True)
class Server:
    """A running emulator; ``process`` is the leader of its session."""

    process: int
    settings: Settings
    clients: Mapping[str, Any]


@contextmanager
def server(directory: Path, *, bare: bool) -> Iterator[Server]:
    """Run the emulator alone, or inside of our server, with a queue, a table and a bucket."""
    python = interpreter(StateDir(Path(".cloudkon").absolute()))
    with listen() as free:
        port = port_of(free)
    command = (str(python), "-m", "ministack") if bare else server_arguments(python)
    environment = server_environment(port, ANY_SECRET) | {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "TMPDIR": str(directory),
        "PERSIST_STATE": "1",
        "STATE_DIR": str(directory / "state"),
        "CLOUDKON_EMULATOR_SNAPSHOTS": str(directory / "snapshots"),
        "S3_PERSIST": "1",
        "S3_DATA_DIR": str(directory / "objects"),
    }
    settings = Settings(target="docker", endpoint_url=url(port))
    with running(command, directory, environment) as process:
        _wait_until_healthy(port)
        connection = Connection(settings)
        clients = {name: connection.client(name) for name in ("sqs", "dynamodb", "s3")}
        _create(clients)
        yield Server(process, settings, clients)


def _wait_until_healthy(port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            with closing(http.client.HTTPConnection(HOST, port, timeout=1)) as connection:
                connection.request("GET", "/_ministack/health")
                connection.getresponse().read()
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _create(clients: Mapping[str, Any]) -> None:
    clients["sqs"].create_queue(QueueName=QUEUE)
    clients["dynamodb"].create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": "run", "KeyType": "HASH"}, {"AttributeName": "chunk", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": "run", "AttributeType": "S"},
            {"AttributeName": "chunk", "AttributeType": "N"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    clients["s3"].create_bucket(Bucket=BUCKET)


def calls(running_server: Server) -> dict[str, Callable[[], object]]:
    """Return the measured calls by name."""
    sqs, dynamodb, s3 = (running_server.clients[name] for name in ("sqs", "dynamodb", "s3"))
    address = sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    item = {"run": {"S": "r"}, "chunk": {"N": "1"}, "state": {"S": "DONE"}}
    entries = [
        {"Id": str(number), "MessageBody": json.dumps({"v": 1, "tasks": ["sleep 0"]})} for number in range(BATCH)
    ]

    def exchange() -> None:
        sqs.send_message_batch(QueueUrl=address, Entries=entries)
        messages = sqs.receive_message(QueueUrl=address, MaxNumberOfMessages=BATCH)["Messages"]
        handles = [{"Id": str(number), "ReceiptHandle": one["ReceiptHandle"]} for number, one in enumerate(messages)]
        sqs.delete_message_batch(QueueUrl=address, Entries=handles)

    return {
        "send, receive and delete 10 messages (3 requests)": exchange,
        "put an item": lambda: dynamodb.put_item(TableName=TABLE, Item=item),
        "store an object of 1 KB": lambda: s3.put_object(Bucket=BUCKET, Key="small", Body=SMALL),
        "store an object of 1 MB": lambda: s3.put_object(Bucket=BUCKET, Key="large", Body=LARGE),
    }


def _milliseconds(running_server: Server, call: Callable[[], object], count: int) -> float:
    """The emulator's CPU time for one call, without that of the processes that save."""
    before = _cpu_nanoseconds(running_server.process)
    for _ in range(count):
        call()
    return (_cpu_nanoseconds(running_server.process) - before) / count / 1e6


def _cpu_nanoseconds(process: int) -> int:
    tasks = Path(f"/proc/{process}/task").iterdir()
    return sum(int((task / "schedstat").read_text(encoding="ascii").split()[0]) for task in tasks)


def requests(directory: Path, share: float) -> Table:
    """Measure the server's CPU time, which other programs on the machine change less than the time on a clock."""
    count = round(REQUESTS * share / ROUNDS)
    table = Table(
        "Requests to the local fleet's emulator",
        ("call", "bare emulator, ms", "with signatures, ms", "ratio"),
        f"CPU time of the emulator's process for one call, the saving processes apart; medians of {ROUNDS} rounds of "
        f"{count} calls, in turns.",
    )
    (directory / "bare").mkdir()
    (directory / "ours").mkdir()
    with server(directory / "bare", bare=True) as bare, server(directory / "ours", bare=False) as ours:
        pairs = {name: (call, calls(ours)[name]) for name, call in calls(bare).items()}
        for name, (bare_call, our_call) in pairs.items():
            bare_call(), our_call()
            found = [
                (_milliseconds(bare, bare_call, count), _milliseconds(ours, our_call, count)) for _ in range(ROUNDS)
            ]
            alone, beside = median(one for one, _ in found), median(one for _, one in found)
            table.rows.append((name, f"{alone:.3f}", f"{beside:.3f}", f"{beside / alone:.3f}"))
    return table


def _fill(running_server: Server, first: int, last: int) -> None:
    sqs, dynamodb = running_server.clients["sqs"], running_server.clients["dynamodb"]
    address = sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    for start in range(first, last, BATCH):
        numbers = range(start, start + BATCH)
        body = json.dumps({"v": 1, "run": "r", "chunk": start, "shards": 1, "first": start, "tasks": ["sleep 0"]})
        sqs.send_message_batch(
            QueueUrl=address, Entries=[{"Id": str(number), "MessageBody": body} for number in numbers]
        )
        items = [
            {"run": {"S": "r"}, "chunk": {"N": str(number)}, "owner": {"S": "x" * 32}, "results": {"S": "y" * 100}}
            for number in numbers
        ]
        dynamodb.batch_write_item(RequestItems={TABLE: [{"PutRequest": {"Item": item}} for item in items]})


async def _pause(running_server: Server) -> tuple[float, float]:
    """Save while requests go on; return the save's seconds and the longest request's."""
    sqs, longest = running_server.clients["sqs"], 0.0
    address = sqs.get_queue_url(QueueName=QUEUE)["QueueUrl"]
    began = trio.current_time()
    async with trio.open_nursery() as nursery:

        async def probe() -> None:
            nonlocal longest
            while True:
                start = trio.current_time()
                await trio.to_thread.run_sync(lambda: sqs.get_queue_attributes(QueueUrl=address))
                longest = max(longest, trio.current_time() - start)

        nursery.start_soon(probe)
        local = Settings(target="docker", endpoint_url=running_server.settings.endpoint_url)
        await save_emulator(local)
        seconds = trio.current_time() - began
        nursery.cancel_scope.cancel()
    return seconds, longest


def saving(directory: Path, share: float) -> Table:
    """Measure one save of states of several sizes, and how long requests wait meanwhile."""
    table = Table(
        "Saving the local fleet's emulator",
        ("messages and items, each", "seconds", "longest request, ms"),
        "A process of its own writes the state, so requests wait for its start only.",
    )
    (directory / "saved").mkdir()
    with server(directory / "saved", bare=False) as ours:
        before = 0
        for number in (round(count * share) for count in STATE_MESSAGES):
            _fill(ours, before, number)
            before = number
            seconds, longest = trio.run(_pause, ours)
            table.rows.append((f"{number:,}", f"{seconds:.2f}", f"{longest * 1000:.0f}"))
    return table


def measure(share: float) -> list[Table]:
    """Measure both with a share of the requests and of the state."""
    with tempfile.TemporaryDirectory(prefix="cloudkon-bench-") as directory:
        return [requests(Path(directory), share), saving(Path(directory), share)]
