"""Implements the part of SNS that the fleet uses: the attributes of topics."""

from typing import TYPE_CHECKING, Any

from tests.fleet.double.api_error import ApiError

if TYPE_CHECKING:
    from tests.fleet.double.account import Account

Document = dict[str, Any]


class Sns:
    """``topics``: the key that each topic is encrypted with, by the topic's name; empty for no encryption."""

    def __init__(self, account: "Account") -> None:
        self._account = account
        self.topics: dict[str, str] = {}

    def topic(self, name: str, key: str = "") -> str:
        """Create a topic and return its ARN."""
        self.topics[name] = key
        return self._account.arn("sns", name)

    def get_topic_attributes(self, request: Document) -> Document:
        name = request["TopicArn"].rpartition(":")[2]
        if name not in self.topics:
            raise ApiError("NotFound", "Topic does not exist", 404)
        key = self.topics[name]
        return {"Attributes": {"TopicArn": request["TopicArn"]} | ({"KmsMasterKeyId": key} if key else {})}
