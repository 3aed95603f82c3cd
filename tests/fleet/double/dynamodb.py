"""Implements DynamoDB tables without their items."""

from typing import TYPE_CHECKING, Any

from tests.fleet.double.api_error import ApiError
from tests.fleet.double.resource_table import ResourceTable

if TYPE_CHECKING:
    from tests.fleet.double.account import Account

Document = dict[str, Any]


class DynamoDb:
    """A table is represented by its TTL attribute, or an empty string."""

    def __init__(self, account: "Account") -> None:
        self._account = account
        self.tables: ResourceTable[str] = ResourceTable(
            account.timeline,
            lambda name: ApiError(
                "ResourceNotFoundException", f"Requested resource not found: Table: {name} not found"
            ),
        )

    def create(self, name: str, expires_by: str, tags: dict[str, str]) -> str:
        """Create a table and return its ARN."""
        if name in self.tables:
            raise ApiError("ResourceInUseException", f"Table already exists: {name}")
        arn = self._account.arn("dynamodb", f"table/{name}")
        self.tables.add(name, expires_by)
        self._account.tags.put(arn, tags)
        return arn

    def remove(self, name: str) -> None:
        self.tables.get(name)
        self.tables.remove(name)
        self._account.tags.remove(self._account.arn("dynamodb", f"table/{name}"))

    def describe_time_to_live(self, request: Document) -> Document:
        attribute = self.tables.get(request["TableName"])
        enabled = {"TimeToLiveStatus": "ENABLED", "AttributeName": attribute}
        return {"TimeToLiveDescription": enabled if attribute else {"TimeToLiveStatus": "DISABLED"}}

    def update_time_to_live(self, request: Document) -> Document:
        self.tables.get(request["TableName"])
        self.tables.add(request["TableName"], request["TimeToLiveSpecification"]["AttributeName"])
        return {"TimeToLiveSpecification": request["TimeToLiveSpecification"]}
