"""Measures the stub's own limit: how many requests a second it answers from clients that do nothing else."""

import http.client
import json
import threading
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from benchmarks.harness.table import Table
from benchmarks.stub.stub_process import Stub, running_stub

SECONDS: Final = 3.0
CONNECTIONS: Final = 8
_BATCH: Final = 25


def measure(share: float) -> list[Table]:
    """Send empty receives and claims of 25 chunks, as fast as a bare client can."""
    table = Table(
        "The stub by itself",
        ("request", "requests/s", "the stub's CPU, ms a request", "and of a core"),
        f"The trials below must not measure the stub: this table shows what it can serve without latencies, from "
        f"{CONNECTIONS} connections that do nothing else for {SECONDS * share:g} s. Each trial states the share of a "
        "core that the stub took.",
    )
    with running_stub() as stub, stub.without_latency():
        _prepare(stub)
        for name, target, body in (
            ("ReceiveMessage, empty", "AmazonSQS.ReceiveMessage", _receive),
            (f"BatchExecuteStatement of {_BATCH}", "DynamoDB_20120810.BatchExecuteStatement", _claim),
        ):
            before = stub.counts()
            begun = time.monotonic()
            requests = _press(stub, target, body, SECONDS * share)
            seconds = time.monotonic() - begun
            cpu = stub.counts()["cpu_seconds"] - before["cpu_seconds"]
            table.rows.append(
                (name, f"{requests / seconds:,.0f}", f"{1000 * cpu / requests:.3f}", f"{cpu / seconds:.0%}")
            )
            table.figures.append({"request": name, "requests": requests, "seconds": seconds, "cpu_seconds": cpu})
    return [table]


def _press(stub: Stub, target: str, body: Callable[[int, int], dict[str, Any]], seconds: float) -> int:
    """Send requests for ``seconds``; return how many were answered."""
    answered = [0] * CONNECTIONS
    end = time.monotonic() + seconds

    def send(index: int) -> None:
        connection = http.client.HTTPConnection(urlsplit(stub.address).netloc)
        while time.monotonic() < end:
            connection.request("POST", "/", json.dumps(body(index, answered[index])), {"X-Amz-Target": target})
            answer = connection.getresponse()
            if answer.status != http.client.OK:
                raise RuntimeError(f"the stub answered {target} with {answer.status}: {answer.read()!r}")
            answer.read()
            answered[index] += 1
        connection.close()

    threads = [threading.Thread(target=send, args=(index,)) for index in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(answered)


def _prepare(stub: Stub) -> None:
    connection = http.client.HTTPConnection(urlsplit(stub.address).netloc)
    for target, body in (
        ("AmazonSQS.CreateQueue", {"QueueName": "limit"}),
        (
            "DynamoDB_20120810.CreateTable",
            {"TableName": "limit", "KeySchema": [{"AttributeName": "shard"}, {"AttributeName": "chunk"}]},
        ),
    ):
        connection.request("POST", "/", json.dumps(body), {"X-Amz-Target": target})
        connection.getresponse().read()
    connection.close()


def _receive(_connection: int, _number: int) -> dict[str, Any]:
    return {"QueueUrl": f"{_connection}/limit", "MaxNumberOfMessages": 10, "WaitTimeSeconds": 0}


def _claim(connection: int, number: int) -> dict[str, Any]:
    text = "INSERT INTO \"limit\" VALUE {'shard': ?, 'chunk': ?, 'owner': ?}"
    return {
        "Statements": [
            {"Statement": text, "Parameters": [{"S": str(connection)}, {"N": str(number * _BATCH + one)}, {"S": "us"}]}
            for one in range(_BATCH)
        ]
    }
