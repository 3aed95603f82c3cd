"""DynamoDB: tables, without their items."""

from typing import TYPE_CHECKING, Any

from tests.fleet.double.refusal import Refusal
from tests.fleet.double.table import Table

if TYPE_CHECKING:
    from tests.fleet.double.account import Account

Asked = dict[str, Any]


class DynamoDb:
    """A table is the attribute that its items expire by, empty for none."""

    def __init__(self, account: "Account") -> None:
        self._account = account
        self.tables: Table[str] = Table(
            account.timeline,
            lambda name: Refusal("ResourceNotFoundException", f"Requested resource not found: Table: {name} not found"),
        )

    def make(self, name: str, expires_by: str, tags: dict[str, str]) -> str:
        """Make a table and give its ARN."""
        if name in self.tables:
            raise Refusal("ResourceInUseException", f"Table already exists: {name}")
        arn = self._account.arn("dynamodb", f"table/{name}")
        self.tables.add(name, expires_by)
        self._account.tags.put(arn, tags)
        return arn

    def drop(self, name: str) -> None:
        self.tables.get(name)
        self.tables.remove(name)
        self._account.tags.drop(self._account.arn("dynamodb", f"table/{name}"))

    def describe_time_to_live(self, asked: Asked) -> Asked:
        attribute = self.tables.get(asked["TableName"])
        enabled = {"TimeToLiveStatus": "ENABLED", "AttributeName": attribute}
        return {"TimeToLiveDescription": enabled if attribute else {"TimeToLiveStatus": "DISABLED"}}

    def update_time_to_live(self, asked: Asked) -> Asked:
        self.tables.get(asked["TableName"])
        self.tables.add(asked["TableName"], asked["TimeToLiveSpecification"]["AttributeName"])
        return {"TimeToLiveSpecification": asked["TimeToLiveSpecification"]}
