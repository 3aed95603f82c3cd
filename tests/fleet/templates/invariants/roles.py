"""Invariants of what instances, the agent and ECS tasks may do on AWS."""

from collections.abc import Iterator
from typing import Any

from tests.fleet.iam_gate.judge import listed
from tests.fleet.iam_gate.lint import mistakes
from tests.fleet.templates.invariants.lookup import of_type
from tests.fleet.templates.permissions import Call, actions, allows
from tests.support.template_rendering import Resources

KNOW_NO_RESOURCE = {
    "ecr:GetAuthorizationToken",
    "ecs:DiscoverPollEndpoint",
    "ssmmessages:CreateControlChannel",
    "ssmmessages:CreateDataChannel",
    "ssmmessages:OpenControlChannel",
    "ssmmessages:OpenDataChannel",
}
"""The only actions that can't be limited (Service Authorization Reference)."""
WORKER_CALLS: tuple[Call, ...] = (
    *(("sqs", f"{one}Batch") for one in ("ChangeMessageVisibility", "DeleteMessage", "SendMessage")),
    *(("sqs", one) for one in ("GetQueueAttributes", "GetQueueUrl", "ReceiveMessage")),
    *(("dynamodb", one) for one in ("BatchExecuteStatement", "GetItem")),
    *(("ecs", one) for one in ("GetTaskProtection", "UpdateTaskProtection")),
    ("s3", "PutObject"),
)
"""The calls of every worker, made directly or through the agent."""
ANIMOTO_CALLS: tuple[Call, ...] = (
    *(("s3", one) for one in ("CreateMultipartUpload", "GetObject", "HeadBucket", "HeadObject", "UploadPart")),
)
AGENT_CALLS: tuple[Call, ...] = (
    *(("ecs", f"Submit{one}") for one in ("AttachmentStateChanges", "ContainerStateChange", "TaskStateChange")),
    *(("ecs", f"{one}ContainerInstance") for one in ("Register", "Deregister")),
    *(("ecs", one) for one in ("DiscoverPollEndpoint", "Poll", "StartTelemetrySession")),
    ("ecs", "UpdateContainerInstancesState"),
)
EXECUTION_CALLS: tuple[Call, ...] = (
    *(("ecr", one) for one in ("BatchCheckLayerAvailability", "BatchGetImage", "GetDownloadUrlForLayer")),
    ("ecr", "GetAuthorizationToken"),
    *(("logs", one) for one in ("CreateLogStream", "PutLogEvents")),
)
CALLS_OF = {
    "InstanceRole": AGENT_CALLS,
    "ExecutionRole": EXECUTION_CALLS,
    "WorkerTaskRole": WORKER_CALLS,
    "AnimotoTaskRole": WORKER_CALLS + ANIMOTO_CALLS,
}


def _statements(role: dict[str, Any]) -> list[dict[str, Any]]:
    return [one for policy in role.get("Policies", []) for one in policy["PolicyDocument"]["Statement"]]


def statements_are_limited(resources: Resources) -> Iterator[str]:
    """Named actions on named resources, and no policies of others."""
    for name, role in of_type(resources, "IAM::Role"):
        if role.get("ManagedPolicyArns"):
            yield f"{name} has a managed policy, which AWS can change"
        for one in _statements(role):
            if "NotAction" in one or "NotResource" in one:
                yield f"{name} {one['Sid']} allows everything except something"
                continue
            yield from (f"{name} {one['Sid']}: {action}" for action in listed(one["Action"]) if "*" in action)
            if "*" in listed(one["Resource"]) and not KNOW_NO_RESOURCE.issuperset(listed(one["Action"])):
                yield f"{name} {one['Sid']} is not limited"


def required_calls_are_allowed(resources: Resources) -> Iterator[str]:
    """The ledger's statements need PartiQL's own actions; a batch has the name of the single call."""
    for name, role in of_type(resources, "IAM::Role"):
        for call in CALLS_OF[name]:
            yield from (f"{name} lacks {one}" for one in actions(call) if not allows(_statements(role), one))


def actions_exist(resources: Resources) -> Iterator[str]:
    """They exist, on resources of a type that they know."""
    for name, role in of_type(resources, "IAM::Role"):
        for one in _statements(role):
            # Resources created here have no ARN yet; cfn-lint checks those.
            if not any(text.startswith("<") for text in listed(one["Resource"])):
                yield from (f"{name} {text}" for text in mistakes([one]))


def pool_reaches_only_its_own_messages(resources: Resources) -> Iterator[str]:
    """A pool's role also can't receive results or delete from a dead-letter queue."""
    for pool, other in (("Worker", "animoto"), ("Animoto", "worker")):
        own = f"cloudkon-{pool.lower()}"
        for one in _statements(resources[f"{pool}TaskRole"]["Properties"]):
            reached = [text.rpartition(":")[2] for text in listed(one["Resource"]) if ":sqs:" in text]
            if any(text.startswith(f"cloudkon-{other}") or "*" in text for text in reached):
                yield f"{pool}TaskRole {one['Sid']} reaches {other}'s queues"
            if "sqs:ReceiveMessage" in one["Action"] and reached != [own, f"{own}-high"]:
                yield f"{pool}TaskRole {one['Sid']} receives messages of {reached}"


def other_accounts_cannot_use_task_roles(resources: Resources) -> Iterator[str]:
    """This prevents the confused deputy problem: ECS acting for another account."""
    for pool in ("Worker", "Animoto"):
        (trust,) = resources[f"{pool}TaskRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        if "aws:SourceAccount" not in trust.get("Condition", {}).get("StringEquals", {}):
            yield f"{pool}TaskRole can be assumed by ECS for any account"


ALL = (
    statements_are_limited,
    required_calls_are_allowed,
    actions_exist,
    pool_reaches_only_its_own_messages,
    other_accounts_cannot_use_task_roles,
)
