"""Each role of the compute template allows what its user asks IAM, on the resources that the stack has really made."""

from pathlib import Path

import trio.testing

from cloudkon.settings import Settings
from fleet.aws.target import AwsTarget
from tests.fleet.double.account import Account
from tests.fleet.double.connection import DoubleClock, DoubleConnection
from tests.fleet.iam_gate.judge import Request, Statement, Target, refusals
from tests.fleet.iam_gate.place import SOME, Place

LINKED = ("pictures", "more-pictures")


def roles_of(account: Account, fleet: str) -> dict[str, list[Statement]]:
    """Return the statements of each role of the compute stack, by its name in the template."""
    return {
        resource.logical: [
            statement
            for policy in resource.properties["Policies"]
            for statement in policy["PolicyDocument"]["Statement"]
        ]
        for resource in account.cloudformation.stacks[f"{fleet}-compute"].resources.values()
        if resource.kind == "AWS::IAM::Role"
    }


def uses_of(place: Place, pool: str) -> list[tuple[str, Target]]:
    """Return what a worker's task role is used for: actions with their resources."""
    fleet, bucket = place.fleet, f"{place.fleet}-store-{place.account}-{place.region}"
    queue = place.target("sqs", "queue", f"{fleet}-{pool}-high")
    return [
        *((f"sqs:{one}", queue) for one in ("ChangeMessageVisibility", "DeleteMessage", "ReceiveMessage")),
        ("sqs:SendMessage", place.target("sqs", "queue", f"{fleet}-results")),
        ("sqs:SendMessage", place.target("sqs", "queue", f"{fleet}-{pool}-dead")),
        *(
            (f"dynamodb:{one}", place.target("dynamodb", "table", f"{fleet}-ledger"))
            for one in ("GetItem", "PartiQLInsert", "PartiQLSelect", "PartiQLUpdate")
        ),
        *(
            (f"ecs:{one}", place.target("ecs", "task", fleet, SOME))
            for one in ("GetTaskProtection", "UpdateTaskProtection")
        ),
        ("s3:PutObject", place.target("s3", "object", bucket, "outputs/some")),
        ("s3:GetObject", place.target("s3", "object", bucket, f"payloads/{pool}/some")),
    ]


def uses_of_links(place: Place) -> list[tuple[str, Target]]:
    return [
        use
        for bucket in LINKED
        for use in (
            ("s3:GetObject", place.target("s3", "object", bucket, "one.jpg")),
            ("s3:ListBucket", place.target("s3", "bucket", bucket)),
        )
    ]


def uses_of_the_agent(place: Place) -> list[tuple[str, Target]]:
    cluster = place.target("ecs", "cluster", place.fleet)
    instance = place.target("ecs", "container-instance", place.fleet, SOME)
    return [
        *((f"ecs:{one}ContainerInstance", cluster) for one in ("Register", "Deregister")),
        *(
            (f"ecs:Submit{one}", cluster)
            for one in ("AttachmentStateChanges", "ContainerStateChange", "TaskStateChange")
        ),
        *((f"ecs:{one}", instance) for one in ("Poll", "StartTelemetrySession", "UpdateContainerInstancesState")),
    ]


def uses_of_execution(place: Place) -> list[tuple[str, Target]]:
    return [
        ("logs:CreateLogStream", place.target("logs", "log-stream", f"/cloudkon/{place.fleet}/worker", "worker/some")),
        ("logs:PutLogEvents", place.target("logs", "log-stream", f"/cloudkon/{place.fleet}/worker", "worker/some")),
        *(
            (f"ecr:{one}", place.target("ecr", "repository", f"{place.fleet}/animoto"))
            for one in ("BatchCheckLayerAvailability", "BatchGetImage", "GetDownloadUrlForLayer")
        ),
    ]


async def test_each_role_allows_what_its_user_does_for_its_own_fleet(
    account: Account, place: Place, tmp_path: Path, autojump_clock: trio.testing.MockClock
) -> None:
    settings = Settings(target="aws", fleet=place.fleet, region=place.region, state_dir=tmp_path, link_buckets=LINKED)
    await AwsTarget(settings, DoubleConnection(settings, place.region), DoubleClock()).up(lambda _: None)
    roles = roles_of(account, place.fleet)
    uses = {
        "InstanceRole": uses_of_the_agent(place),
        "ExecutionRole": uses_of_execution(place),
        "WorkerTaskRole": uses_of(place, "worker"),
        "AnimotoTaskRole": [*uses_of(place, "animoto"), *uses_of_links(place)],
    }
    assert uses.keys() == roles.keys()
    for role, pairs in uses.items():
        for action, target in pairs:
            assert list(refusals(roles[role], Request(action, (target,)))) == [], role
    other = Place("pictures", place.partition, place.region, place.account)
    for role in ("WorkerTaskRole", "AnimotoTaskRole"):
        for action, target in uses_of(other, "worker"):
            assert list(refusals(roles[role], Request(action, (target,)))) != [], (role, action)
