"""A queue on SQS."""

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

if TYPE_CHECKING:  # the stubs are there for development only
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageAttributeValueTypeDef, SendMessageBatchRequestEntryTypeDef

STALE = frozenset(
    {
        "InvalidParameterValue",  # the message is not in flight, or 12 h are over
        "MessageNotInflight",
        "ReceiptHandleIsInvalid",
    }
)
"""Codes by which SQS says of a handle that it no longer counts, as ``_plain`` gives them."""
_REFUSED = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that SQS takes in no message (SQS API reference, ``SendMessage``)."""


class SqsQueue:
    """One queue, found by its name at the first call. Waits and visibilities are rounded up to whole seconds.

    Bodies are JSON: a character in them that SQS refuses travels as its JSON escape. What SQS does with a stale
    handle it leaves open: it may delete the message, refuse (GONE here), or say DONE and do nothing.
    """

    def __init__(self, connection: Connection, name: str) -> None:
        """Name it; nothing is asked yet."""
        self._connection = connection
        self._name = name
        self._found: tuple[SQSClient, str] | None = None

    async def send(self, messages: Sequence[Outgoing]) -> list[QueueOutcome]:
        """Put messages on the queue. Raises ``ValueError`` for one that is over the limit by itself."""
        check_messages(len(messages))
        sqs, url = await self._find()
        outcomes: list[QueueOutcome] = []
        for entries in _shares([_entry(message) for message in messages]):
            try:
                answer = await self._connection.call(sqs.send_message_batch, QueueUrl=url, Entries=_numbered(entries))
            except ServiceError:
                # An earlier share is on the queue: its senders must not be told that all of it failed.
                if not outcomes:
                    raise
                outcomes += [QueueOutcome.FAILED] * len(entries)
            else:
                outcomes += _outcomes(len(entries), answer, stale=frozenset())
        return outcomes

    async def receive(self, limit: int, wait: float, visibility: float) -> list[Delivery]:
        """Take up to ``limit`` messages, waiting up to ``wait`` seconds for the first."""
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
        """Take messages off for good."""
        check_messages(len(deliveries))
        if not deliveries:
            return []
        sqs, url = await self._find()
        entries = _numbered([{"ReceiptHandle": delivery.handle} for delivery in deliveries])
        answer = await self._connection.call(sqs.delete_message_batch, QueueUrl=url, Entries=entries)
        return _outcomes(len(entries), answer)

    async def set_visibility(self, deliveries: Sequence[Delivery], seconds: Sequence[float]) -> list[QueueOutcome]:
        """Let each stay invisible for so many seconds from now; 0 gives it back at once."""
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
        """The approximate counts."""
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
        """Take everything off for good."""
        sqs, url = await self._find()
        await self._connection.call(sqs.purge_queue, QueueUrl=url)

    async def _find(self) -> "tuple[SQSClient, str]":
        if self._found is None:
            # The address is used as it was given: botocore sends it along and calls the endpoint it knows, so it
            # doesn't matter that an emulator in a container names itself by a host that is no host here.
            sqs = await self._connection.call(lambda: self._connection.client("sqs"))
            answer = await self._connection.call(sqs.get_queue_url, QueueName=self._name)
            self._found = sqs, answer["QueueUrl"]
        return self._found


def _whole_visibility(seconds: float) -> int:
    return min(max(math.ceil(seconds), 0), MOST_VISIBILITY)


def _numbered(entries: Sequence[Any]) -> Any:  # noqa: ANN401  (each operation has its own entry type)
    return [{**entry, "Id": str(position)} for position, entry in enumerate(entries)]


def _outcomes(count: int, answer: Any, stale: frozenset[str] = STALE) -> list[QueueOutcome]:  # noqa: ANN401  (as above)
    """Read both lists of an answer. An entry that is in neither may or may not have been taken."""
    outcomes = [QueueOutcome.FAILED] * count
    for entry in answer.get("Successful", []):
        outcomes[int(entry["Id"])] = QueueOutcome.DONE
    for entry in answer.get("Failed", []):
        outcomes[int(entry["Id"])] = QueueOutcome.GONE if _plain(entry) in stale else QueueOutcome.FAILED
    return outcomes


def _plain(entry: Any) -> str:  # noqa: ANN401  (as above)
    """An entry's code, without what some of SQS's protocols and LocalStack put around it."""
    return str(entry.get("Code", "")).rpartition(".")[2].removesuffix("Exception")


def _entry(message: Outgoing) -> "SendMessageBatchRequestEntryTypeDef":
    body = _REFUSED.sub(lambda found: f"\\u{ord(found[0]):04x}", message.body)
    check_body(body)
    room = MESSAGE_LIMIT - len(body.encode())
    attributes: dict[str, MessageAttributeValueTypeDef] = {}
    for name, text in message.attributes.items():
        value = _REFUSED.sub("\ufffd", text)
        room -= len(name.encode()) + len("String") + len(value.encode())
        # SQS refuses an empty one, and the body counts for more than what is said about it.
        if value and room >= 0:
            attributes[name] = {"DataType": "String", "StringValue": value}
    # Numbered when it is known which share it goes with.
    return {"Id": "", "MessageBody": body, "MessageAttributes": attributes}


def _size(entry: "SendMessageBatchRequestEntryTypeDef") -> int:
    attributes = entry.get("MessageAttributes", {}).items()
    about = sum(len(name.encode()) + len("String") + len(value["StringValue"].encode()) for name, value in attributes)
    return len(entry["MessageBody"].encode()) + about


def _shares(
    entries: Iterable["SendMessageBatchRequestEntryTypeDef"],
) -> Iterator[list["SendMessageBatchRequestEntryTypeDef"]]:
    """Divide a batch so that each call stays within the limit, which holds for a whole call too."""
    share: list[SendMessageBatchRequestEntryTypeDef] = []
    used = 0
    for entry in entries:
        size = _size(entry)
        if share and used + size > MESSAGE_LIMIT:
            yield share
            share, used = [], 0
        share.append(entry)
        used += size
    if share:
        yield share
