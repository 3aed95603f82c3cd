"""Sends an answer through everything in the fleet, the workers and the client that reads an answer of its operation."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final

from cloudkon.aws import connect
from cloudkon.aws.account import find_account
from cloudkon.aws.ledger import DynamoLedger
from cloudkon.aws.queue import SqsQueue
from cloudkon.aws.stack_facts import StackPlan
from cloudkon.aws.store import S3Store
from cloudkon.aws.waker import EcsWaker, find_scaling
from cloudkon.errors import CloudKonError
from cloudkon.log import Log
from cloudkon.model import WORKER, ChunkKey, Delivery, Outgoing
from cloudkon.prices import prices
from cloudkon.settings import Settings
from fleet.aws.audit import audit
from fleet.aws.cost import Rate, fleet_cost
from fleet.aws.diagnosis import diagnose, gather_evidence
from fleet.aws.logs import LogReader
from fleet.aws.preflights.account_plan import check_account_plan, free_tier_types
from fleet.aws.preflights.alarm_topic import check_alarm_topic
from fleet.aws.preflights.cluster_name import check_cluster
from fleet.aws.preflights.inquiry import Inquiry
from fleet.aws.preflights.long_arns import check_long_arns
from fleet.aws.preflights.public_access import find_public_access
from fleet.aws.preflights.quotas import InstanceMix, check_quotas
from fleet.aws.preflights.volume_key import report_volume_key
from fleet.aws.resources.account_stacks import AccountStacks
from fleet.aws.resources.alarms import scaling_alarms
from fleet.aws.resources.auto_scaling_group import failed_launches, find_group, find_instances, restore_group_settings
from fleet.aws.resources.auto_scaling_group import unprotect as unprotect_instances
from fleet.aws.resources.ecr import newest_image
from fleet.aws.resources.ecs_service import container_instances, ecs_tasks, image_of, protected_tasks, read_services
from fleet.aws.resources.insights import insights_groups
from fleet.aws.resources.instance_types import InstanceType, describe_instance_types
from fleet.aws.resources.network import find_network
from fleet.aws.snapshot import snapshot
from fleet.data_deletion import delete_data
from tests.fleet.replay.served_account import serve
from tests.fleet.replay.surroundings import RUN, Answer, answers_around

Reader = Callable[[AccountStacks], Awaitable[object]]
TYPE: Final = InstanceType("c7i.large", 2, 4096)
DELIVERY: Final = Delivery("id", "handle", "{}", 1)
UNREAD: Final = frozenset(
    {
        *("CreateChangeSet", "CreateServiceLinkedRole", "DeleteAlarms", "DeleteChangeSet", "DeleteLogGroup"),
        *("DeleteAutoScalingGroup", "DeregisterContainerInstance", "StopTask"),
        *("DeleteStack", "ExecuteChangeSet", "HeadBucket", "PurgeQueue", "PutItem", "RegisterScalableTarget"),
        *("SetInstanceProtection", "SuspendProcesses", "UpdateAutoScalingGroup", "UpdateItem", "UpdateService"),
        *("CancelUpdateStack", "TerminateInstanceInAutoScalingGroup", "UpdateContainerInstancesState"),
        *("UpdateTaskProtection", "UpdateTerminationProtection", "UpdateTimeToLive", "DescribeTimeToLive"),
        # The token is a secret, so that a recording has a stand-in. The object's body is a stream.
        *("GetAuthorizationToken", "GetObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"),
    }
)
"""Operations of which nothing is read but whether they succeed; and those whose content no recording has."""


async def read(operation: str, answer: Answer) -> list[object]:
    """Return what each reader makes of an answer; a ``CloudKonError`` is a result too, since users read it."""
    found: list[object] = []
    for reader in readers_of(operation):
        stacks = serve(answers_around(operation, answer))
        try:
            found.append(await reader(stacks))
        except CloudKonError as error:
            found.append(error)
    return found


def readers_of(operation: str) -> Sequence[Reader]:
    """Return the readers of an operation's answers. Raises ``KeyError`` for one that nothing is known to read."""
    return () if operation.partition(".")[2] in UNREAD else READERS[operation]


async def _execute(stacks: AccountStacks) -> list[str]:
    steps: list[str] = []
    await stacks.compute().execute(StackPlan("set"), steps.append)
    return steps


async def _plan(stacks: AccountStacks) -> object:
    return await stacks.compute().plan("Resources: {}", {})


async def _diagnosed(stacks: AccountStacks) -> object:
    """Diagnose the pool, as ``scale`` and ``status`` do while a count is not reached."""
    services = await read_services(stacks)
    found = []
    for service in services.values():
        for wanted in (0, service.running + 1):
            found += diagnose(await gather_evidence(stacks, replace(service, desired=wanted)))
    return found


async def _wake(stacks: AccountStacks) -> object:
    return await EcsWaker(stacks.control.connection).wake({"worker": 5})


async def _images(stacks: AccountStacks) -> object:
    return [await image_of(stacks, service) for service in (await read_services(stacks)).values()]


async def _group(stacks: AccountStacks) -> object:
    await restore_group_settings(stacks.control, stacks.fleet, lambda _line: None)
    group = await find_group(stacks.control, stacks.fleet)
    return group and (group, await unprotect_instances(stacks.control, group))


async def _launches(stacks: AccountStacks) -> object:
    group = await find_group(stacks.control, stacks.fleet)
    return group and await failed_launches(stacks.control, group, 0.0)


async def _cost(stacks: AccountStacks) -> object:
    return fleet_cost(await find_instances(stacks.control, stacks.fleet), 30, Rate(1.0, 1.0), prices())


async def _network(stacks: AccountStacks) -> object:
    return await find_network(stacks.control, "", (), ["c7i.large"])


async def _quotas(stacks: AccountStacks) -> list[str]:
    lines: list[str] = []
    mix = InstanceMix.of({"OnDemandPercentage": "50"})
    await check_quotas(Inquiry(stacks.control), [TYPE], 16, mix, lines.append)
    return lines


async def _volume_key(stacks: AccountStacks) -> list[str]:
    lines: list[str] = []
    await report_volume_key(Inquiry(stacks.control), stacks.account, lines.append)
    return lines


async def _account_plan(stacks: AccountStacks) -> None:
    await check_account_plan(Inquiry(stacks.control), stacks.account, [TYPE], "x86_64")


async def _public_access(stacks: AccountStacks) -> object:
    return await find_public_access(Inquiry(stacks.control))


async def _alarm_topic(stacks: AccountStacks) -> None:
    topic = f"arn:aws:sns:{stacks.account.region}:{stacks.account.number}:topic"
    await check_alarm_topic(Inquiry(stacks.control), stacks.account, topic)


async def _logs(stacks: AccountStacks, task: str = "") -> list[tuple[str, str]]:
    lines: list[tuple[str, str]] = []
    await LogReader(stacks, WORKER, task).read(
        10, follow=False, write=lambda source, text: lines.append((source, text))
    )
    return lines


async def _task_logs(stacks: AccountStacks) -> object:
    return await _logs(stacks, f"{RUN.id}/7")


def _ledger(stacks: AccountStacks) -> DynamoLedger:
    return DynamoLedger(stacks.control.connection, "some-ledger", Log(level="error"))


async def _pages(stacks: AccountStacks) -> object:
    return await _ledger(stacks).page(RUN, 0), await _ledger(stacks).summaries(RUN, 0)


async def _runs(stacks: AccountStacks) -> object:
    return [run async for run in _ledger(stacks).runs()]


async def _records(stacks: AccountStacks) -> object:
    return await _ledger(stacks).read([ChunkKey(RUN.id, 1, 1)])


async def _run(stacks: AccountStacks) -> object:
    return await _ledger(stacks).read_run(RUN.id)


def _queue(stacks: AccountStacks) -> SqsQueue:
    return SqsQueue(stacks.control.connection, "some-worker")


async def _sent(stacks: AccountStacks) -> object:
    return await _queue(stacks).send([Outgoing("{}")] * 10)


async def _deleted(stacks: AccountStacks) -> object:
    return await _queue(stacks).delete([DELIVERY] * 10)


async def _hidden(stacks: AccountStacks) -> object:
    return await _queue(stacks).set_visibility([DELIVERY] * 10, [1.0] * 10)


async def _received(stacks: AccountStacks) -> object:
    return await _queue(stacks).receive(10, 0, 30)


async def _depth(stacks: AccountStacks) -> object:
    return await _queue(stacks).depth()


def _store(stacks: AccountStacks) -> S3Store:
    return S3Store(stacks.control.connection, "some-bucket")


async def _listed(stacks: AccountStacks) -> object:
    return [one async for one in _store(stacks).list("")]


async def _headed(stacks: AccountStacks) -> object:
    return await _store(stacks).head("s3://some-bucket/key")


async def _put(stacks: AccountStacks) -> object:
    return await _store(stacks).put("key", b"content", "text/plain", {})


async def _removed(stacks: AccountStacks) -> None:
    await _store(stacks).delete(["key"])


async def _emptied(stacks: AccountStacks) -> None:
    await delete_data(stacks.settings, stacks.control.connection)


async def _account(stacks: AccountStacks) -> object:
    return find_account(stacks.control.connection), connect(
        Settings(target="aws", fleet="some", region="us-east-1"), connection=stacks.control.connection
    )


READERS: Final[dict[str, Sequence[Reader]]] = {
    "application-autoscaling.DescribeScalableTargets": (
        lambda stacks: find_scaling(stacks.control, stacks.fleet, "worker"),
        snapshot,
    ),
    "application-autoscaling.DescribeScalingPolicies": (_wake,),
    "autoscaling.DescribeAutoScalingGroups": (_group, _diagnosed),
    "autoscaling.DescribeScalingActivities": (_launches, _diagnosed),
    "cloudformation.DescribeChangeSet": (_plan,),
    "cloudformation.DescribeEvents": (_plan,),
    "cloudformation.DescribeStackEvents": (_execute,),
    "cloudformation.DescribeStacks": (lambda stacks: stacks.compute().facts(),),
    "cloudwatch.DescribeAlarms": (scaling_alarms,),
    "cloudwatch.GetMetricData": (snapshot,),
    "dynamodb.BatchExecuteStatement": (_records, _runs),
    "dynamodb.GetItem": (_run,),
    "dynamodb.Query": (_pages, _runs),
    "ec2.DescribeInstanceTypeOfferings": (_network,),
    "ec2.DescribeInstanceTypes": (
        lambda stacks: describe_instance_types(stacks.control, ["c7i.large"]),
        lambda stacks: free_tier_types(Inquiry(stacks.control)),
    ),
    "ec2.DescribeInstances": (_cost, _diagnosed),
    "ec2.DescribeRouteTables": (_network,),
    "ec2.DescribeSubnets": (_network,),
    "ec2.DescribeVolumes": (lambda stacks: audit(stacks, with_data=True),),
    "ec2.DescribeVpcBlockPublicAccessExclusions": (_public_access,),
    "ec2.DescribeVpcBlockPublicAccessOptions": (_public_access,),
    "ec2.DescribeVpcEndpoints": (_network,),
    "ec2.DescribeVpcs": (_network,),
    "ec2.GetEbsDefaultKmsKeyId": (_volume_key,),
    "ecr.DescribeImages": (lambda stacks: newest_image(stacks, WORKER),),
    "ecs.DescribeClusters": (
        lambda stacks: check_cluster(stacks.control, stacks.fleet),
        lambda stacks: audit(stacks, with_data=True),
    ),
    "ecs.DescribeContainerInstances": (container_instances, _diagnosed),
    "ecs.DescribeServices": (read_services, _diagnosed, _wake),
    "ecs.DescribeTaskDefinition": (_images,),
    "ecs.DescribeTasks": (lambda stacks: ecs_tasks(stacks, "worker", "STOPPED"), _diagnosed),
    "ecs.GetTaskProtection": (lambda stacks: protected_tasks(stacks, "worker"),),
    "ecs.ListAccountSettings": (lambda stacks: check_long_arns(Inquiry(stacks.control), stacks.account.region),),
    "ecs.ListContainerInstances": (container_instances,),
    "ecs.ListTasks": (lambda stacks: ecs_tasks(stacks, "worker"),),
    "freetier.GetAccountPlanState": (_account_plan,),
    "logs.DescribeLogGroups": (insights_groups,),
    "logs.DescribeLogStreams": (_logs,),
    "logs.FilterLogEvents": (_task_logs,),
    "logs.GetLogEvents": (_logs,),
    "resourcegroupstaggingapi.GetResources": (lambda stacks: audit(stacks, with_data=True),),
    "s3.DeleteObjects": (_removed,),
    "s3.HeadObject": (_headed,),
    "s3.ListObjectVersions": (_emptied,),
    "s3.ListObjectsV2": (_listed,),
    "s3.PutObject": (_put,),
    "service-quotas.GetServiceQuota": (_quotas,),
    "sns.GetTopicAttributes": (_alarm_topic,),
    "sqs.ChangeMessageVisibilityBatch": (_hidden,),
    "sqs.DeleteMessageBatch": (_deleted,),
    "sqs.GetQueueAttributes": (_depth,),
    "sqs.GetQueueUrl": (_depth,),
    "sqs.ReceiveMessage": (_received,),
    "sqs.SendMessageBatch": (_sent,),
    "sts.GetCallerIdentity": (_account,),
}
"""By operation. Whoever makes the fleet read another one adds it here: a test compares this with the code's calls."""
