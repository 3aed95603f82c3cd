"""Implements the SQS operations that workers, the client and the peers call, in the JSON protocol."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from benchmarks.stub.errors import ServiceError
from benchmarks.stub.queues import Message, StubQueue

ACCOUNT: Final = "000000000000"
_MISSING: Final = "The specified queue does not exist."


class Sqs:
    """All queues. Each operation accepts a request's fields and returns the response's."""

    def __init__(self, address: str) -> None:
        """Start without queues; ``address`` is the stub's, which queue URLs contain."""
        self._address = address
        self.queues: dict[str, StubQueue] = {}
        self.operations: dict[str, Callable[[Any], Awaitable[dict[str, Any]]]] = {
            "ChangeMessageVisibility": self._change_visibility,
            "ChangeMessageVisibilityBatch": self._change_visibilities,
            "CreateQueue": self._create,
            "DeleteMessage": self._delete,
            "DeleteMessageBatch": self._delete_many,
            "DeleteQueue": self._delete_queue,
            "GetQueueAttributes": self._attributes,
            "GetQueueUrl": self._url_of,
            "ListQueues": self._list,
            "PurgeQueue": self._purge,
            "ReceiveMessage": self._receive,
            "SendMessage": self._send,
            "SendMessageBatch": self._send_many,
        }

    def make(self, name: str) -> StubQueue:
        """Return the queue of this name; make it if it does not exist."""
        return self.queues.setdefault(name, StubQueue(name))

    def _find(self, asked: Any) -> StubQueue:  # noqa: ANN401  (JSON)
        name = str(asked.get("QueueName") or asked["QueueUrl"].rpartition("/")[2])
        if name not in self.queues:
            raise ServiceError(
                "com.amazonaws.sqs#QueueDoesNotExist", _MISSING, "AWS.SimpleQueueService.NonExistentQueue"
            )
        return self.queues[name]

    def _url(self, name: str) -> str:
        return f"{self._address}/{ACCOUNT}/{name}"

    async def _create(self, asked: Any) -> dict[str, Any]:  # noqa: ANN401  (JSON)
        queue = self.make(asked["QueueName"])
        queue.visibility = float(asked.get("Attributes", {}).get("VisibilityTimeout", queue.visibility))
        return {"QueueUrl": self._url(queue.name)}

    async def _delete_queue(self, asked: Any) -> dict[str, Any]:  # noqa: ANN401  (JSON)
        del self.queues[self._find(asked).name]
        return {}

    async def _url_of(self, asked: Any) -> dict[str, Any]:  # noqa: ANN401  (JSON)
        return {"QueueUrl": self._url(self._find(asked).name)}

    async def _list(self, asked: Any) -> dict[str, Any]:  # noqa: ANN401  (JSON)
        prefix = asked.get("QueueNamePrefix", "")
        return {"QueueUrls": [self._url(name) for name in sorted(self.queues) if name.startswith(prefix)]}

    async def _purge(self, asked: Any) -> dict[str, Any]:  # noqa: ANN401  (JSON)
        self._find(asked).visible.clear()
        return {}

    async def _attributes(self, asked: Any) -> dict[str, Any]:  # noqa: ANN401  (JSON)
        queue = self._find(asked)
        attributes = {**queue.depth(_now()), "VisibilityTimeout": f"{queue.visibility:.0f}"}
        wanted = set(asked.get("AttributeNames", ()))
        return {"Attributes": {name: value for name, value in attributes.items() if wanted & {name, "All"}}}

    async def _send(self, asked: Any) -> dict[str, Any]:  # noqa: ANN401  (JSON)
        message = self._find(asked).send(asked["MessageBody"], _now(), *_extras(asked))
        return {"MessageId": message.id, "MD5OfMessageBody": message.md5}

    async def _send_many(self, asked: Any) -> dict[str, Any]:  # noqa: ANN401  (JSON)
        queue, now = self._find(asked), _now()
        sent = []
        for entry in asked["Entries"]:
            message = queue.send(entry["MessageBody"], now, *_extras(entry))
            sent.append({"Id": entry["Id"], "MessageId": message.id, "MD5OfMessageBody": message.md5})
        return {"Successful": sent}

    async def _receive(self, asked: Any) -> dict[str, Any]:  # noqa: ANN401  (JSON)
        queue = self._find(asked)
        limit = int(asked.get("MaxNumberOfMessages") or 1)
        visibility = asked.get("VisibilityTimeout")
        visibility = queue.visibility if visibility is None else float(visibility)
        end = _now() + float(asked.get("WaitTimeSeconds") or 0)
        while not (taken := queue.take(limit, _now(), visibility)) and (left := end - _now()) > 0:
            await queue.wait(left)
        return {"Messages": [_received(message) for message in taken]} if taken else {}

    async def _delete(self, asked: Any) -> dict[str, Any]:  # noqa: ANN401  (JSON)
        self._find(asked).delete(asked["ReceiptHandle"])
        return {}

    async def _delete_many(self, asked: Any) -> dict[str, Any]:  # noqa: ANN401  (JSON)
        queue = self._find(asked)
        for entry in asked["Entries"]:
            queue.delete(entry["ReceiptHandle"])
        return {"Successful": [{"Id": entry["Id"]} for entry in asked["Entries"]]}

    async def _change_visibility(self, asked: Any) -> dict[str, Any]:  # noqa: ANN401  (JSON)
        if not self._find(asked).hide(asked["ReceiptHandle"], _now(), float(asked["VisibilityTimeout"])):
            raise ServiceError("com.amazonaws.sqs#MessageNotInflight", "not in flight", "MessageNotInflight")
        return {}

    async def _change_visibilities(self, asked: Any) -> dict[str, Any]:  # noqa: ANN401  (JSON)
        queue, now = self._find(asked), _now()
        answer: dict[str, Any] = {"Successful": [], "Failed": []}
        for entry in asked["Entries"]:
            if queue.hide(entry["ReceiptHandle"], now, float(entry["VisibilityTimeout"])):
                answer["Successful"].append({"Id": entry["Id"]})
            else:
                answer["Failed"].append({"Id": entry["Id"], "Code": "MessageNotInflight", "SenderFault": True})
        return answer


def _now() -> float:
    return asyncio.get_running_loop().time()


def _extras(entry: Any) -> tuple[float, dict[str, Any]]:  # noqa: ANN401  (JSON)
    """The delay in seconds, and the message's attributes."""
    return float(entry.get("DelaySeconds") or 0), entry.get("MessageAttributes", {})


def _received(message: Message) -> dict[str, Any]:
    return {
        "MessageId": message.id,
        "ReceiptHandle": message.handle,
        "Body": message.body,
        "MD5OfBody": message.md5,
        "Attributes": {"ApproximateReceiveCount": str(message.receives)},
        **({"MessageAttributes": message.attributes} if message.attributes else {}),
    }
