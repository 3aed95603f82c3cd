"""Table: the one DynamoDB table of a fleet, and how calls to it are made."""

import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import trio

from cloudkon.aws.aws_errors import DENIED, MISSING_FLEET, named
from cloudkon.aws.connection import Connection
from cloudkon.errors import Unavailable

if TYPE_CHECKING:  # the stubs are there for development only
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import BatchStatementRequestTypeDef

T = TypeVar("T")
PAGE_TRIES = 8
"""How often a page is asked for until a reading gives up: 12 s of waits in all."""
_FIRST_WAIT = 0.1
"""Seconds before the second try, doubled for each further one."""
NAMES = {"#shard": "shard"}
"""``shard`` is a reserved word of DynamoDB's expressions."""


class Table:
    """The table's name, and its client, which is made at the first call."""

    def __init__(self, connection: Connection, name: str) -> None:
        """Name the table; nothing is asked yet."""
        self.name = name
        self._connection = connection
        self._client: DynamoDBClient | None = None

    async def client(self) -> "DynamoDBClient":
        """DynamoDB's client."""
        if self._client is None:
            self._client = await self._connection.call(lambda: self._connection.client("dynamodb"))
        return self._client

    async def call(self, call: Callable[[], T]) -> T:
        """Make a call in a thread; its errors come as ``cloudkon.errors``."""
        return await self._connection.call(call)

    async def call_with_retries(self, call: Callable[[], T]) -> T:
        """Make a call that reads; throttling and failures are waited out for a while."""
        wait = _FIRST_WAIT
        for _ in range(PAGE_TRIES - 1):
            try:
                return await self.call(call)
            except Unavailable:
                await trio.sleep(wait * random.uniform(0.5, 1))  # noqa: S311  (jitter)
                wait *= 2
        return await self.call(call)

    async def execute(self, statements: "Sequence[BatchStatementRequestTypeDef]") -> Sequence[Any]:
        """Run a batch and give an answer a statement, as far as there are answers."""
        if not statements:
            return []
        dynamodb = await self.client()
        answer = await self.call(lambda: dynamodb.batch_execute_statement(Statements=statements))
        answers = answer.get("Responses", [])
        for one in answers:
            code = one.get("Error", {}).get("Code", "")
            if code in DENIED | MISSING_FLEET:
                raise named(code, f"table {self.name}: {reason(one)}", self._connection.fleet)
        return answers

    async def read(self, statements: "Sequence[BatchStatementRequestTypeDef]") -> Sequence[Any]:
        """Run a batch of reads. All are answered, or ``Unavailable`` is raised."""
        answers = await self.execute(statements)
        if len(answers) != len(statements):
            raise Unavailable(f"table {self.name}: {len(statements)} items were asked for and {len(answers)} answered")
        for answer in answers:
            if "Error" in answer:
                raise Unavailable(f"table {self.name}: a read failed: {reason(answer)}")
        return answers


def reason(answer: Any) -> str:  # noqa: ANN401  (JSON)
    """What a failed statement of a batch says."""
    error = answer["Error"]
    return f"{error.get('Code')}: {error.get('Message')}"
