"""Implements the queue on SQS."""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from cloudkon.aws.connection import Connection
from cloudkon.errors import ServiceError
from cloudkon.model import Delivery, Depth, Outgoing
from cloudkon.ports.batch import check_body, check_messages
from cloudkon.ports.queue import MOST_VISIBILITY, QueueOutcome
from cloudkon.settings import LONGEST_POLL
from cloudkon.wire.message import MESSAGE_LIMIT

if TYPE_CHECKING:  # the stubs are for development only
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageAttributeValueTypeDef, SendMessageBatchRequestEntryTypeDef

STALE = frozenset(
    {
        "InvalidParameterValue",  # the message is not in flight, or 12 h are over
        "MessageNotInflight",
        "ReceiptHandleIsInvalid",
    }
)
"""SQS's error codes for a handle that is no longer valid, in the form that ``_plain_code`` returns."""
_REFUSED = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that SQS refuses in messages (SQS API reference, ``SendMessage``)."""


class SqsQueue:
    """One queue, found by its name at the first call. Waits and visibilities are rounded up to whole seconds.

    Bodies are JSON. A character that SQS refuses is sent as its JSON escape. The effect of a stale handle is undefined
    on SQS: it may delete the message, refuse (GONE here), or report success and do nothing.
    """

    def __init__(self, connection: Connection, name: str) -> None:
        """Name the queue. No call is made yet."""
        self._connection = connection
        self._name = name
        self._found: tuple[SQSClient, str] | None = None

    async def send(self, messages: Sequence[Outgoing]) -> list[QueueOutcome]:
        """Put messages on the queue. Raises ``ValueError`` for a message that alone is over the limit."""
        check_messages(len(messages))
        sqs, url = await self._find()
        outcomes: list[QueueOutcome] = []
        for entries in _split_by_size([_entry(message) for message in messages]):
            try:
                answer = await self._connection.call(sqs.send_message_batch, QueueUrl=url, Entries=_numbered(entries))
            except ServiceError:
                # An earlier part of the batch is on the queue, so don't report that the whole batch failed.
                if not outcomes:
                    raise
                outcomes += [QueueOutcome.FAILED] * len(entries)
            else:
                outcomes += _outcomes(len(entries), answer, stale=frozenset())
        return outcomes

    async def receive(self, limit: int, wait: float, visibility: float) -> list[Delivery]:
        """Receive up to ``limit`` messages. Wait up to ``wait`` seconds for the first one."""
        check_messages(limit)
        sqs, url = await self._find()
        answer = await self._connection.call(
            sqs.receive_message,
            QueueUrl=url,
            MaxNumberOfMessages=limit,
            WaitTimeSeconds=min(math.ceil(wait), LONGEST_POLL),
            VisibilityTimeout=_whole_visibility(visibility),
            MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
            MessageAttributeNames=["All"],
        )
        return [
            Delivery(
                message_id=message["MessageId"],
                handle=message["ReceiptHandle"],
                body=message["Body"],
                receives=int(message.get("Attributes", {}).get("ApproximateReceiveCount", "1")),
                attributes={
                    name: value.get("StringValue", "") for name, value in message.get("MessageAttributes", {}).items()
                },
                sent=int(message.get("Attributes", {}).get("SentTimestamp", "0")) / 1000,
            )
            for message in answer.get("Messages", [])
        ]

    async def delete(self, deliveries: Sequence[Delivery]) -> list[QueueOutcome]:
        """Delete the messages of these deliveries."""
        check_messages(len(deliveries))
        if not deliveries:
            return []
        sqs, url = await self._find()
        entries = _numbered([{"ReceiptHandle": delivery.handle} for delivery in deliveries])
        answer = await self._connection.call(sqs.delete_message_batch, QueueUrl=url, Entries=entries)
        return _outcomes(len(entries), answer)

    async def set_visibility(self, deliveries: Sequence[Delivery], seconds: Sequence[float]) -> list[QueueOutcome]:
        """Keep each delivery invisible for the given seconds from now. 0 makes it visible at once."""
        check_messages(len(deliveries))
        if not deliveries:
            return []
        sqs, url = await self._find()
        entries = _numbered(
            [
                {"ReceiptHandle": delivery.handle, "VisibilityTimeout": _whole_visibility(wait)}
                for delivery, wait in zip(deliveries, seconds, strict=True)
            ]
        )
        answer = await self._connection.call(sqs.change_message_visibility_batch, QueueUrl=url, Entries=entries)
        return _outcomes(len(entries), answer)

    async def depth(self) -> Depth:
        """Return the approximate number of messages."""
        sqs, url = await self._find()
        answer = await self._connection.call(
            sqs.get_queue_attributes,
            QueueUrl=url,
            AttributeNames=[
                "ApproximateNumberOfMessages",
                "ApproximateNumberOfMessagesNotVisible",
                "ApproximateNumberOfMessagesDelayed",
            ],
        )
        counts = answer.get("Attributes", {})
        return Depth(
            visible=int(counts.get("ApproximateNumberOfMessages", 0)),
            in_flight=int(counts.get("ApproximateNumberOfMessagesNotVisible", 0)),
            delayed=int(counts.get("ApproximateNumberOfMessagesDelayed", 0)),
        )

    async def purge(self) -> None:
        """Delete all messages."""
        sqs, url = await self._find()
        await self._connection.call(sqs.purge_queue, QueueUrl=url)

    async def _find(self) -> "tuple[SQSClient, str]":
        if self._found is None:
            # Use the URL as it is. botocore only sends it along and calls the endpoint that it knows. So it doesn't
            # matter that an emulator in a container returns a host name that is unknown here.
            sqs = await self._connection.call(lambda: self._connection.client("sqs"))
            answer = await self._connection.call(sqs.get_queue_url, QueueName=self._name)
            self._found = sqs, answer["QueueUrl"]
        return self._found


def _whole_visibility(seconds: float) -> int:
    return min(max(math.ceil(seconds), 0), MOST_VISIBILITY)


def _numbered(entries: Sequence[Any]) -> Any:  # noqa: ANN401  (each operation has its own entry type)
    return [{**entry, "Id": str(position)} for position, entry in enumerate(entries)]


def _outcomes(count: int, answer: Any, stale: frozenset[str] = STALE) -> list[QueueOutcome]:  # noqa: ANN401  (as above)
    """Read both lists of a response. An entry in neither list is FAILED: it may or may not have taken effect."""
    outcomes = [QueueOutcome.FAILED] * count
    for entry in answer.get("Successful", []):
        outcomes[int(entry["Id"])] = QueueOutcome.DONE
    for entry in answer.get("Failed", []):
        outcomes[int(entry["Id"])] = QueueOutcome.GONE if _plain_code(entry) in stale else QueueOutcome.FAILED
    return outcomes


def _plain_code(entry: Any) -> str:  # noqa: ANN401  (as above)
    """Return an entry's error code, without what some of SQS's protocols and LocalStack add to it."""
    return str(entry.get("Code", "")).rpartition(".")[2].removesuffix("Exception")


def _entry(message: Outgoing) -> "SendMessageBatchRequestEntryTypeDef":
    body = _REFUSED.sub(lambda found: f"\\u{ord(found[0]):04x}", message.body)
    check_body(body)
    room = MESSAGE_LIMIT - len(body.encode())
    attributes: dict[str, MessageAttributeValueTypeDef] = {}
    for name, text in message.attributes.items():
        value = _REFUSED.sub("\ufffd", text)
        room -= len(name.encode()) + len("String") + len(value.encode())
        # SQS refuses an empty attribute. If the attributes don't fit, drop them: the body is more important.
        if value and room >= 0:
            attributes[name] = {"DataType": "String", "StringValue": value}
    # ``_numbered`` sets the id within the entry's call.
    return {"Id": "", "MessageBody": body, "MessageAttributes": attributes}


def _size(entry: "SendMessageBatchRequestEntryTypeDef") -> int:
    attributes = entry.get("MessageAttributes", {}).items()
    sizes = (len(name.encode()) + len("String") + len(value["StringValue"].encode()) for name, value in attributes)
    return len(entry["MessageBody"].encode()) + sum(sizes)


def _split_by_size(
    entries: Iterable["SendMessageBatchRequestEntryTypeDef"],
) -> Iterator[list["SendMessageBatchRequestEntryTypeDef"]]:
    """Divide a batch so that each call stays within SQS's limit of bytes, which also applies to whole calls."""
    part: list[SendMessageBatchRequestEntryTypeDef] = []
    used = 0
    for entry in entries:
        size = _size(entry)
        if part and used + size > MESSAGE_LIMIT:
            yield part
            part, used = [], 0
        part.append(entry)
        used += size
    if part:
        yield part
