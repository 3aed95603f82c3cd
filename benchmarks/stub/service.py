"""Dispatches requests to their operations with AWS's latencies, and counts them.

A request takes effect at the end of its latency, just before the response is sent. A long poll that waited is answered
half a latency after the message arrived.
"""

import asyncio
import hashlib
import json
import math
import time
from collections import Counter
from typing import Any, Final

from benchmarks.stub.dynamodb import DynamoDb
from benchmarks.stub.errors import ServiceError
from benchmarks.stub.http import Answer
from benchmarks.stub.latency import DYNAMODB, SQS, Latency
from benchmarks.stub.sqs import Sqs

_SQS_BYTES: Final = 65_536
"""Bytes of a request or its response that are billed as one request."""
_STORE_SECONDS: Final = 0.03
_POLLED: Final = 0.001
"""A receive that takes more seconds than this, beyond its latency, has waited."""
_TYPE: Final = {"Content-Type": "application/x-amz-json-1.0"}


class Service:
    """Both services, and the benchmark's commands under ``/stub/``."""

    def __init__(self, address: str, seed: int) -> None:
        """Start empty; the same seed draws the same latencies in the same order."""
        self._address = address
        self._latencies = {"AmazonSQS": Latency(SQS, seed), "DynamoDB_20120810": Latency(DYNAMODB, seed + 1)}
        self._slow = True
        self._reset()

    def _reset(self) -> None:
        self._sqs = Sqs(self._address)
        self._dynamodb = DynamoDb()
        self._requests: Counter[str] = Counter()
        self._billed = 0
        self._objects: dict[str, bytes] = {}

    async def handle(self, method: str, path: str, target: str, body: bytes) -> Answer:
        """Handle a request and return the response."""
        if path.startswith("/stub/"):
            return (
                200,
                _TYPE,
                json.dumps(self._command(path.removeprefix("/stub/"), json.loads(body or b"{}"))).encode(),
            )
        if not target:
            return await self._store(method, path.partition("?")[0], body)
        service, _, operation = target.partition(".")
        operations = {"AmazonSQS": self._sqs.operations, "DynamoDB_20120810": self._dynamodb.operations}
        if operation not in operations.get(service, {}):
            return 404, _TYPE, json.dumps({"__type": "UnknownOperationException", "message": target}).encode()
        self._requests[operation] += 1
        if self._slow:
            await asyncio.sleep(self._latencies[service].draw())
        begun = time.monotonic()
        try:
            found = json.dumps(await operations[service][operation](json.loads(body))).encode()
        except ServiceError as error:
            return _refused(error)
        if service == "AmazonSQS":
            self._billed += math.ceil(max(1, len(body), len(found)) / _SQS_BYTES)
            if self._slow and time.monotonic() - begun > _POLLED:
                await asyncio.sleep(self._latencies[service].draw() / 2)
        return 200, _TYPE, found

    async def _store(self, method: str, path: str, body: bytes) -> Answer:
        """Serve S3 as far as a push needs it: whole objects, in buckets of any name."""
        self._requests[f"{method} object"] += 1
        if self._slow:
            await asyncio.sleep(_STORE_SECONDS)
        if path.count("/") == 1:
            return 200, {}, b""
        if method == "PUT":
            self._objects[path] = body
        if path not in self._objects:
            return 404, {}, b""
        etag = hashlib.md5(self._objects[path], usedforsecurity=False).hexdigest()
        return 200, {"ETag": f'"{etag}"'}, b"" if method == "PUT" else self._objects[path]

    def _command(self, name: str, asked: Any) -> Any:  # noqa: ANN401  (JSON)
        match name:
            case "reset":
                self._reset()
            case "slow":
                self._slow = bool(asked["slow"])
            case "gate":
                queue = self._sqs.make(asked["queue"])
                queue.gated = bool(asked["closed"])
                if not queue.gated:
                    queue.open_gate()
            case "drain":
                queue = self._sqs.make(asked["queue"])
                bodies, queue.visible = [message.body for message in queue.visible], type(queue.visible)()
                return bodies
        return self._counts()

    def _counts(self) -> dict[str, Any]:
        return {
            "requests": dict(self._requests),
            "sqs_billed": self._billed,
            "write_units": self._dynamodb.writes,
            "read_units": self._dynamodb.reads,
            "cpu_seconds": time.process_time(),
            "queues": {
                name: {"visible": len(queue.visible), "in_flight": len(queue.in_flight), "polls": queue.polls}
                for name, queue in self._sqs.queues.items()
            },
        }


def _refused(error: ServiceError) -> Answer:
    headers = {**_TYPE, "x-amzn-query-error": f"{error.legacy};Sender"} if error.legacy else _TYPE
    return 400, headers, json.dumps({"__type": error.code, "message": error.message}).encode()
