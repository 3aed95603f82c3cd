"""Checks whether a person with one of ``fleet/policies`` may make the calls of a verb.

    missing("scale", [("ecs", "UpdateService"), …])        the actions that the verb's policies lack

Which actions exist, and whether they can be limited to resources, comes from the Service Authorization Reference, which
cfn-lint ships.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

POLICIES: Final = Path(__file__).parents[3] / "fleet/policies"
POLICIES_OF: Final[Mapping[str, tuple[str, ...]]] = {
    "up": ("up",),
    "deploy": ("up", "publish"),
    "autoscale": ("up",),
    "publish": ("publish",),
    "scale": ("scale",),
    "status": ("status",),
    "logs": ("status",),
    "down": ("down",),
    "down --delete-data": ("down", "delete-data"),
    "client": ("client",),
}
"""The files that a person needs for each verb of the fleet; ``client`` covers all commands of the client."""

Call = tuple[str, str]
"""A service and an operation, both as botocore names them: ``("ecs", "UpdateService")``."""

READ: Final = "BatchExecuteStatement of SELECT"
"""The operation name for a batch of statements that only read: such a batch never writes."""

_READ: Final = "dynamodb:PartiQLSelect"
_PREFIXES: Final = {
    "elbv2": "elasticloadbalancing",
    "resourcegroupstaggingapi": "tag",
    "service-quotas": "servicequotas",
}
_WRITES: Final = ("dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate")
_ACTIONS: Final[Mapping[Call, tuple[str, ...]]] = {
    ("dynamodb", "BatchExecuteStatement"): (*_WRITES, _READ),
    ("dynamodb", READ): (_READ,),
    ("s3", "CompleteMultipartUpload"): ("s3:PutObject",),
    ("s3", "CreateMultipartUpload"): ("s3:PutObject",),
    ("s3", "DeleteObjects"): ("s3:DeleteObject", "s3:DeleteObjectVersion"),
    ("s3", "HeadBucket"): ("s3:ListBucket",),
    ("s3", "HeadObject"): ("s3:GetObject",),
    ("s3", "ListObjectVersions"): ("s3:ListBucketVersions",),
    ("s3", "ListObjectsV2"): ("s3:ListBucket",),
    ("s3", "UploadPart"): ("s3:PutObject",),
    ("sqs", "ChangeMessageVisibilityBatch"): ("sqs:ChangeMessageVisibility",),
    ("sqs", "DeleteMessageBatch"): ("sqs:DeleteMessage",),
    ("sqs", "SendMessageBatch"): ("sqs:SendMessage",),
}
"""Operations whose action has another name or that need several (each service's list of API permissions)."""


def call_of(service: str, operation: str, request: Mapping[str, Any]) -> Call:
    """Return a request's call as it is checked here: PartiQL's actions depend on the statement."""
    texts = [one["Statement"] for one in request.get("Statements", [])]
    reads = texts and all(text.startswith("SELECT") for text in texts)
    return service, READ if reads else operation


def actions(call: Call) -> tuple[str, ...]:
    """Return the IAM actions that a call needs."""
    service, operation = call
    return _ACTIONS.get(call, (f"{_PREFIXES.get(service, service)}:{operation}",))


def policy(name: str) -> dict[str, Any]:
    """Return one file of ``fleet/policies``."""
    found: dict[str, Any] = json.loads((POLICIES / f"{name}.json").read_text(encoding="utf-8"))
    return found


def listed(value: str | Sequence[str]) -> list[str]:
    """Return a list; IAM lets a list of one be written without brackets."""
    return [value] if isinstance(value, str) else list(value)


def allows(statements: Iterable[Mapping[str, Any]], action: str) -> bool:
    """Whether a statement allows the action on any resource."""
    return any(
        one["Effect"] == "Allow" and any(fnmatchcase(action, pattern) for pattern in listed(one["Action"]))
        for one in statements
    )


def missing(verb: str, calls: Iterable[Call]) -> list[str]:
    """Return the actions that these calls need and the verb's policies lack."""
    statements = [one for name in POLICIES_OF[verb] for one in policy(name)["Statement"]]
    return sorted({action for call in calls for action in actions(call) if not allows(statements, action)})


def mistakes(statements: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what IAM would accept and never match: unknown actions, and resources of a type that no action knows."""
    for statement in statements:
        for action in listed(statement["Action"]):
            service, _, name = action.partition(":")
            about = _known()[service]
            known = [one for one in about["Actions"] if fnmatchcase(one, name.lower())]
            if not known:
                yield f"{statement['Sid']}: there is no action {action}"
            for one in known:
                if statement["Resource"] != "*" and not _fits(about, one, listed(statement["Resource"])):
                    yield f"{statement['Sid']}: {action} can't be limited to {statement['Resource']}"


def _fits(about: Mapping[str, Any], action: str, limits: Sequence[str]) -> bool:
    """Whether one of the resources has a type that the action knows."""
    kinds = about["Actions"][action].get("Resources", [])
    formats = [
        text for kind in listed(kinds) for text in about["Resources"].get(kind.lower(), {}).get("ARNFormats", [])
    ]
    return any(_same_kind(text, limit) for text in formats for limit in limits)


def _same_kind(form: str, limit: str) -> bool:
    """Whether an ARN has a form such as ``arn:${Partition}:ecs:${Region}:${Account}:cluster/.*``."""
    _, _, service, _, _, resource = form.split(":", 5)
    _, _, own_service, _, _, own_resource = limit.split(":", 5)
    return own_service == service and own_resource.startswith(resource.partition(".*")[0])


@cache
def _known() -> dict[str, Any]:
    text = (resources.files("cfnlint") / "data/AdditionalSpecs/Policies.json").read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found
