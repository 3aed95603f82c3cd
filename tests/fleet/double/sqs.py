"""Implements SQS queues, whose depth the test sets."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tests.fleet.double.api_error import ApiError
from tests.fleet.double.resource_table import ResourceTable

if TYPE_CHECKING:
    from tests.fleet.double.account import Account

Document = dict[str, Any]
RESERVED_SECONDS: Final = 60.0
"""How long SQS reserves a deleted queue's name (SQS API reference, CreateQueue)."""


@dataclass
class Queue:
    """``visible``, ``in_flight`` and ``delayed`` are counts of messages."""

    name: str
    arn: str
    url: str
    visible: int = 0
    in_flight: int = 0
    delayed: int = 0
    received: int = 0
    """Messages that were received in each minute."""


class Sqs:
    def __init__(self, account: "Account") -> None:
        self._account = account
        self._dropped: dict[str, float] = {}
        self.queues: ResourceTable[Queue] = ResourceTable(
            account.timeline,
            lambda _: ApiError("AWS.SimpleQueueService.NonExistentQueue", "The specified queue does not exist."),
        )

    def create(self, name: str, tags: dict[str, str]) -> Queue:
        if name in self.queues:
            raise ApiError("QueueAlreadyExists", f"A queue already exists with the same name {name}")
        if self._account.timeline.now < self._dropped.get(name, -RESERVED_SECONDS) + RESERVED_SECONDS:
            message = (
                "You must wait 60 seconds after deleting a queue before you can create another with the same name."
            )
            raise ApiError("AWS.SimpleQueueService.QueueDeletedRecently", message)
        arn = self._account.arn("sqs", name)
        url = f"https://sqs.{self._account.region}.{self._account.dns_suffix}/{self._account.number}/{name}"
        self._account.tags.put(arn, tags)
        return self.queues.add(name, Queue(name, arn, url))

    def remove(self, name: str) -> None:
        self._account.tags.remove(self.queues.get(name).arn)
        self._dropped[name] = self._account.timeline.now
        self.queues.remove(name)

    def get_queue_url(self, request: Document) -> Document:
        return {"QueueUrl": self.queues.get(request["QueueName"]).url}

    def get_queue_attributes(self, request: Document) -> Document:
        found = self.queues.get(request["QueueUrl"].rpartition("/")[2])
        values = {
            "ApproximateNumberOfMessages": str(found.visible),
            "ApproximateNumberOfMessagesNotVisible": str(found.in_flight),
            "ApproximateNumberOfMessagesDelayed": str(found.delayed),
            "QueueArn": found.arn,
        }
        wanted = request.get("AttributeNames", [])
        return {"Attributes": {key: value for key, value in values.items() if key in wanted or "All" in wanted}}
