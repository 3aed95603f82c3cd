"""Builds what an account answers around one answer, so that the answer's readers come to an end."""

from datetime import UTC, datetime
from typing import Any, Final

from cloudkon.model import PoolRange, Run
from tests.fleet.replay.operations import ROWS
from tests.fleet.replay.served_account import STACK

Answer = dict[str, Any]
RUN: Final = Run("20240101-some-run", 100, 1, "d" * 64, (PoolRange("worker", 0, 100),), 1_700_000_000.0)
AUDITED: Final = ("ec2.DescribeVolumes", "ecs.DescribeClusters", "resourcegroupstaggingapi.GetResources")
LATE: Final = datetime(2100, 1, 1, tzinfo=UTC)
"""After the account's present."""


def answers_around(operation: str, answer: Answer) -> dict[str, Any]:
    """Return the answers of the calls around an operation, by which its readers come to an end."""
    around: dict[str, Any] = {operation: answer}
    if operation == "cloudformation.DescribeStackEvents":
        failed = any(str(event.get("ResourceStatus")).endswith("_FAILED") for event in answer.get("StackEvents", ()))
        state = "ROLLBACK_COMPLETE" if failed else "CREATE_COMPLETE"
        around[operation] = [{"StackEvents": []}, answer]
        around["cloudformation.DescribeStacks"] = {"Stacks": [{**STACK, "StackStatus": state}]}
    if operation == "cloudformation.DescribeChangeSet":
        around[operation] = [answer, {"Status": "CREATE_COMPLETE", "Changes": []}]
    if operation == "cloudformation.DescribeEvents":
        around["cloudformation.DescribeChangeSet"] = {"Status": "FAILED", "StatusReason": "see the events"}
    if operation == "s3.ListObjectVersions":
        # The stack is there while the bucket is emptied, and gone after.
        around[operation] = [answer, {}]
        around["cloudformation.DescribeStacks"] = [{"Stacks": [STACK]}] * 3 + [
            {"Stacks": [{**STACK, "StackStatus": "DELETE_COMPLETE"}]}
        ]
    if operation == "ecs.DescribeTasks":
        # Only recent failures are diagnosed.
        around[operation] = {
            **answer,
            "tasks": [row | ({"createdAt": LATE} if "createdAt" in row else {}) for row in answer.get("tasks", ())],
        }
    if operation in AUDITED:
        # Until the list has caught up: what is there at first is gone at the second look.
        around[operation] = [answer, {**answer, ROWS[operation]: []}]
        around["autoscaling.DescribeAutoScalingGroups"] = {"AutoScalingGroups": []}
    if operation.startswith("sqs.") and operation.endswith("Batch"):
        around[operation] = {key: _numbered(rows) for key, rows in answer.items()}
    if operation in ("dynamodb.Query", "dynamodb.BatchExecuteStatement", "dynamodb.GetItem"):
        around[operation] = _with_our_keys(answer)
    return around


def _numbered(rows: Any) -> Any:  # noqa: ANN401  (entries of a batch, or something else)
    """Give the entries of a batch the ids that our requests have."""
    return [{**one, "Id": str(number)} for number, one in enumerate(rows)] if isinstance(rows, list) else rows


def _with_our_keys(answer: Answer) -> Answer:
    """Give each item the keys that every item of our table has."""

    def keyed(item: Answer) -> Answer:
        return {**item, "shard": {"S": RUN.id}, "chunk": {"N": "1"}}

    found = dict(answer)
    if "Items" in found:
        found["Items"] = [keyed(item) for item in found["Items"]]
    if found.get("Item"):
        found["Item"] = keyed(found["Item"])
    if "Responses" in found:
        found["Responses"] = [
            {**one, "Item": keyed(one["Item"])} if one.get("Item") else one for one in found["Responses"]
        ]
    return {key: one for key, one in found.items() if key != "LastEvaluatedKey"}
