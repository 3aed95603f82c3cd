"""Makes calls to the fleet's one DynamoDB table."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeVar

from cloudkon.aws.aws_errors import DENIED, MISSING_FLEET, error_for_code
from cloudkon.aws.connection import Connection
from cloudkon.backoff import Backoff, persist
from cloudkon.errors import Unavailable

if TYPE_CHECKING:  # the stubs are for development only
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import BatchStatementRequestTypeDef

T = TypeVar("T")
PAGE_BACKOFF: Final = Backoff(tries=8, first=0.1, most=6.4, jitter=0.5)
"""The tries of a read before it gives up, with waits of up to 12.7 s in all."""
NAMES = {"#shard": "shard"}
"""``shard`` is a reserved word of DynamoDB's expressions."""


class Table:
    """The table, by its name, and its client, which is made at the first call."""

    def __init__(self, connection: Connection, name: str) -> None:
        """Name the table. No call is made yet."""
        self.name = name
        self._connection = connection
        self._client: DynamoDBClient | None = None

    async def client(self) -> "DynamoDBClient":
        """Return DynamoDB's client."""
        if self._client is None:
            self._client = await self._connection.call(lambda: self._connection.client("dynamodb"))
        return self._client

    async def call(self, call: Callable[[], T]) -> T:
        """Make a call in a thread, and translate its errors to those of ``cloudkon.errors``."""
        return await self._connection.call(call)

    async def call_with_retries(self, call: Callable[[], T]) -> T:
        """Make a call that only reads, and repeat it as ``PAGE_BACKOFF`` says while it raises ``Unavailable``."""
        return await persist(lambda: self.call(call), PAGE_BACKOFF)

    async def execute(self, statements: "Sequence[BatchStatementRequestTypeDef]") -> Sequence[Any]:
        """Run a batch of statements. Returns their responses in order, perhaps fewer than there are statements."""
        if not statements:
            return []
        dynamodb = await self.client()
        answer = await self.call(lambda: dynamodb.batch_execute_statement(Statements=statements))
        answers = answer.get("Responses", [])
        for one in answers:
            code = one.get("Error", {}).get("Code", "")
            if code in DENIED | MISSING_FLEET:
                raise error_for_code(code, f"table {self.name}: {reason(one)}", self._connection.fleet)
        return answers

    async def read(self, statements: "Sequence[BatchStatementRequestTypeDef]") -> Sequence[Any]:
        """Run a batch of reads. Raises ``Unavailable`` if any of them failed."""
        answers = await self.execute(statements)
        if len(answers) != len(statements):
            raise Unavailable(f"table {self.name}: {len(statements)} items were requested and {len(answers)} returned")
        for answer in answers:
            if "Error" in answer:
                raise Unavailable(f"table {self.name}: a read failed: {reason(answer)}")
        return answers


def reason(answer: Any) -> str:  # noqa: ANN401  (JSON)
    """Return the error code and message of a failed statement of a batch."""
    error = answer["Error"]
    return f"{error.get('Code')}: {error.get('Message')}"
