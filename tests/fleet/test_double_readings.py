"""Each reading changes what the double does, and ends well or is named. A naive fleet would fail under it."""

from pathlib import Path

import pytest
import trio
import trio.testing

from cloudkon.aws.control_plane import ControlPlane
from cloudkon.errors import InvalidInput, ServiceError
from cloudkon.model import WORKER
from cloudkon.settings import Settings
from fleet.aws.resources.auto_scaling_group import find_group
from fleet.aws.target import AwsTarget
from fleet.target_options import AutoscaleRange, Sizing
from tests.fleet.double import readings
from tests.fleet.double.account import NUMBER, Account, Call
from tests.fleet.double.api_error import ApiError
from tests.fleet.double.clients import client
from tests.fleet.double.connection import DoubleConnection
from tests.fleet.double.ecs_resources import LONG_ARNS
from tests.fleet.double.ecs_task import SLOW_PULL_SECONDS
from tests.fleet.double.readings import (
    ANY_UNTAGGED_CREATION_DENIED,
    CREATION_WITH_RESOURCE,
    CREATION_WITHOUT_RESOURCE,
    DRAINING_STOPS_PROTECTED,
    EARLY_VALIDATION,
    NO_POINTS_NO_RESULT,
    QUEUE_METRICS_LATE,
    ROLES_SEEN_LATE,
    SHORT_ARNS,
    TAGS_SEEN_LATE,
    TASKS_PENDING_FOR_MINUTES,
    UNTAGGED_CREATION_DENIED,
    ZEROS_LEFT_OUT,
    Reading,
)
from tests.fleet.double.real_templates import NAME
from tests.fleet.double.tags import LATE_SECONDS
from tests.fleet.fleet_steps import IGNORE_REPORT, deploy_fleet, left, running, start_workers, worker_service
from tests.fleet.iam_gate import stack_steps
from tests.fleet.iam_gate.gate import running_policies
from tests.fleet.iam_gate.judge import ON_ANY, ON_ARN, UNCERTAIN, Request, Statement, refusals
from tests.fleet.iam_gate.place import Place
from tests.fleet.iam_gate.stack_steps import DEMANDED, judge_step

PLACE = Place(NAME, "aws", "us-east-1", NUMBER)


async def stay_at_zero(account: Account, target: AwsTarget) -> None:
    """Bring up a pool at zero that follows its backlog."""
    await deploy_fleet(account, target)
    await target.autoscale(WORKER, AutoscaleRange(0, 4, 10), IGNORE_REPORT)


def minutes_until_awake(account: Account) -> float:
    """Put messages on the queue and return the minutes until the pool has a worker; infinite after an hour."""
    account.sqs.queues.get(f"{NAME}-worker").visible = 25
    service = account.ecs.clusters.get(NAME).services["worker"]
    for minute in range(60):
        if service.desired:
            return minute
        account.pass_time(60)
    return float("inf")


async def test_pool_wakes_five_minutes_after_its_messages(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await stay_at_zero(account, target)
    assert 4 <= minutes_until_awake(account) <= 6


async def test_late_metrics_wake_the_pool_within_what_status_says(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await stay_at_zero(account, target)
    account.adopt(QUEUE_METRICS_LATE)
    assert 19 <= minutes_until_awake(account) <= 21


@pytest.mark.parametrize("adopted", [(NO_POINTS_NO_RESULT,), (ZEROS_LEFT_OUT,)])
async def test_alarm_needs_no_metric_that_may_be_missing(
    account: Account, target: AwsTarget, adopted: tuple[Reading, ...], autojump_clock: trio.testing.MockClock
) -> None:
    await stay_at_zero(account, target)
    account.adopt(*adopted)
    assert minutes_until_awake(account) <= 6


@pytest.mark.parametrize(("adopted", "latest"), [((), 6.0), ((NO_POINTS_NO_RESULT,), float("inf"))])
async def test_alarm_that_fills_a_metric_without_points_is_found(
    account: Account,
    target: AwsTarget,
    adopted: tuple[Reading, ...],
    latest: float,
    autojump_clock: trio.testing.MockClock,
) -> None:
    """The alarm of an earlier release: Container Insights sends nothing for a service without ECS tasks."""
    await stay_at_zero(account, target)
    account.adopt(*adopted)
    alarm = account.cloudwatch.alarms.get(f"{NAME}-worker-wake")
    insights = {"MetricName": "RunningTaskCount", "Dimensions": [{"Name": "ClusterName", "Value": NAME}]}
    alarm["Metrics"] = [
        *(one for one in alarm["Metrics"] if one["Id"] == "visible"),
        {"Id": "running", "MetricStat": {"Metric": insights}},
        {"Id": "asleep", "Expression": "IF(FILL(running, 0) < 1, visible)"},
    ]
    assert 4 <= minutes_until_awake(account) <= latest
    assert (minutes_until_awake(account) == 0) == (not adopted)


async def test_zeros_left_out_silence_the_alarm_if_no_points_give_no_result(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await stay_at_zero(account, target)
    account.adopt(NO_POINTS_NO_RESULT, ZEROS_LEFT_OUT)
    assert minutes_until_awake(account) == float("inf")
    assert [note for note in (await target.status()).notes if "If it does not, run: " in note]


async def test_status_names_a_pool_that_waits_for_its_alarm(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    await stay_at_zero(account, target)
    account.sqs.queues.get(f"{NAME}-worker").visible = 25
    assert [note for note in (await target.status()).notes if "25 messages wait and it has no workers" in note]
    await target.scale(WORKER, 1, IGNORE_REPORT)
    assert not [note for note in (await target.status()).notes if "messages wait" in note]


@pytest.mark.parametrize(("adopted", "stay"), [((), 4), ((DRAINING_STOPS_PROTECTED,), 2)])
async def test_draining_stops_protected_tasks_down_to_the_healthy_minimum(
    account: Account,
    target: AwsTarget,
    adopted: tuple[Reading, ...],
    stay: int,
    autojump_clock: trio.testing.MockClock,
) -> None:
    await start_workers(account, target, 4)
    tasks = [task.arn for task in running(account)]
    client("ecs").update_task_protection(cluster=NAME, tasks=tasks, protectionEnabled=True, expiresInMinutes=10)
    account.adopt(*adopted)
    (cluster,) = account.ecs.clusters
    for one in cluster.instances:
        account.ecs.drain(one.instance)
    account.pass_time(10)
    assert len([task for task in running(account) if task.arn in tasks]) == stay


async def test_task_stays_pending_for_minutes(
    account: Account, target: AwsTarget, reports: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    account.adopt(TASKS_PENDING_FOR_MINUTES)
    await deploy_fleet(account, target)
    begun = trio.current_time()
    await target.scale(WORKER, 1, reports.append)
    assert trio.current_time() - begun > SLOW_PULL_SECONDS
    assert not [line for line in reports if "can't" in line or "failed" in line]


async def test_filter_by_tag_does_not_find_a_new_group(
    account: Account, target: AwsTarget, settings: Settings, autojump_clock: trio.testing.MockClock
) -> None:
    account.adopt(TAGS_SEEN_LATE)
    await target.up(IGNORE_REPORT)
    control = ControlPlane(DoubleConnection(settings))
    assert await find_group(control, NAME) is None
    await trio.sleep(LATE_SECONDS)
    assert await find_group(control, NAME) is not None


async def test_new_service_linked_role_is_waited_for(
    account: Account, target: AwsTarget, reports: list[str], autojump_clock: trio.testing.MockClock
) -> None:
    account.adopt(ROLES_SEEN_LATE)
    await target.up(reports.append)
    assert [line for line in reports if line.startswith("an IAM role is not yet known everywhere")]
    assert worker_service(account).status == "ACTIVE"


@pytest.mark.parametrize("action", sorted(UNCERTAIN))
def test_action_limited_by_an_arn_is_refused_where_it_has_no_resource(action: str) -> None:
    kind = {"ecs:CreateCluster": "cluster", "ecs:CreateCapacityProvider": "capacity-provider"}.get(action)
    names = (NAME,) if kind else (NAME, "1")
    made = PLACE.target("ecs", kind or "task-definition", *names)
    limited = {"Effect": "Allow", "Action": action, "Resource": made.arn}
    other = {"Effect": "Allow", "Action": action, "Resource": f"{made.arn}-other"}
    request = Request(action, (made,))
    assert list(refusals([limited], request, frozenset({ON_ANY}))) == [f"{action} on *"]
    assert list(refusals([limited], request, frozenset({ON_ARN}))) == []
    assert list(refusals([other], request, frozenset({ON_ARN}))) == [f"{action} on {made.arn}"]


@pytest.mark.parametrize(
    ("reading", "cluster", "resource"),
    [(CREATION_WITHOUT_RESOURCE, NAME, r"\*"), (CREATION_WITH_RESOURCE, "another", "arn:aws:ecs:.*:cluster/some")],
)
async def test_refused_creation_of_the_cluster_is_named_and_rolled_back(
    account: Account,
    target: AwsTarget,
    reading: Reading,
    cluster: str,
    resource: str,
    monkeypatch: pytest.MonkeyPatch,
    autojump_clock: trio.testing.MockClock,
) -> None:
    account.judge_step = judge_step
    account.adopt(reading)
    limited = {"Sid": "MakeEcsResourcesWithTheFleetsTag", "Resource": PLACE.target("ecs", "cluster", cluster).arn}

    def planted(account: Account) -> tuple[str, list[Statement], Place] | None:
        running = running_policies(account)
        if running is None:
            return None
        verb, statements, place = running
        return verb, [{**one, **limited} if one["Sid"] == limited["Sid"] else one for one in statements], place

    monkeypatch.setattr(stack_steps, "running_policies", planted)
    words = rf"not authorized to perform: ecs:CreateCluster on {resource} .*Nothing of this stack is left"
    with pytest.raises(ServiceError, match=words):
        await target.up(IGNORE_REPORT)


@pytest.mark.parametrize(("tells_events", "words"), [(True, "WorkerLogs.*already exists"), (False, "ExistenceCheck")])
async def test_name_that_exists_is_named_by_early_validation(
    account: Account, target: AwsTarget, tells_events: bool, words: str, autojump_clock: trio.testing.MockClock
) -> None:
    await deploy_fleet(account, target)
    await target.down(IGNORE_REPORT, delete_data=False)
    account.adopt(EARLY_VALIDATION)
    account.cloudformation.tells_events = tells_events
    account.logs.create(f"/cloudkon/{NAME}/worker", {})
    with pytest.raises(ServiceError, match=words):
        await target.up(IGNORE_REPORT)
    account.logs.remove(f"/cloudkon/{NAME}/worker")
    await target.up(IGNORE_REPORT)
    assert worker_service(account).status == "ACTIVE"


async def test_stack_that_fails_while_its_tags_are_unseen_is_rolled_back(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    account.judge_step = judge_step
    account.adopt(TAGS_SEEN_LATE)
    account.cloudformation.failures["CREATE", "Group"] = "no luck"
    with pytest.raises(ServiceError, match=r"no luck.*Nothing of this stack is left"):
        await target.up(IGNORE_REPORT)
    account.cloudformation.failures.clear()
    await target.up(IGNORE_REPORT)
    assert worker_service(account).status == "ACTIVE"


async def test_down_at_once_after_up_finishes_at_the_latest_in_a_second_run(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    account.judge_step = judge_step
    account.adopt(TAGS_SEEN_LATE)
    await target.up(IGNORE_REPORT)
    await target.down(IGNORE_REPORT, delete_data=True)
    assert left(account) == []


async def test_missing_tag_of_an_organization_is_named_with_the_option_that_gives_it(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    account.judge_step = judge_step
    account.adopt(UNTAGGED_CREATION_DENIED)
    with pytest.raises(ServiceError, match=r"explicit deny.*fleet up --tags KEY=VALUE"):
        await target.up(IGNORE_REPORT)
    assert left(account) == []
    await target.up(IGNORE_REPORT, Sizing(tags={DEMANDED: "seven"}))
    assert worker_service(account).status == "ACTIVE"


async def test_type_that_can_not_be_tagged_is_named_as_such(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    account.judge_step = judge_step
    account.adopt(ANY_UNTAGGED_CREATION_DENIED)
    tagged = Sizing(tags={DEMANDED: "seven"})
    with pytest.raises(
        ServiceError, match=r"InstanceProfile .*exempt iam:CreateInstanceProfile.*Nothing of this stack"
    ):
        await target.up(IGNORE_REPORT, tagged)
    account.readings = frozenset()
    await target.up(IGNORE_REPORT, tagged)
    assert worker_service(account).status == "ACTIVE"


async def test_account_opted_out_of_long_arns_is_named_before_anything_is_made(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    account.adopt(SHORT_ARNS)
    with pytest.raises(InvalidInput, match="put-account-setting"):
        await target.up(IGNORE_REPORT)
    assert left(account) == []


async def test_account_opted_out_of_long_arns_is_named_in_the_words_of_ecs_if_its_settings_are_secret(
    account: Account, target: AwsTarget, autojump_clock: trio.testing.MockClock
) -> None:
    account.adopt(SHORT_ARNS)

    def deny(_: int, call: Call) -> None:
        if call.operation == "ListAccountSettings":
            raise ApiError("AccessDeniedException", "not authorized")

    account.before = deny
    with pytest.raises(
        ServiceError, match=r"Service .*The new ARN and resource ID format.*Nothing of this stack is left"
    ):
        await target.up(IGNORE_REPORT)
    account.ecs.long_arns = dict.fromkeys(LONG_ARNS, "enabled")
    await target.up(IGNORE_REPORT)
    assert worker_service(account).status == "ACTIVE"


def test_every_reading_names_its_sources_and_is_tested_here() -> None:
    text = Path(__file__).read_text(encoding="utf-8")
    constants = {one: name for name, one in vars(readings).items() if isinstance(one, readings.Reading)}
    assert {*readings.SURVIVED, *readings.NAMED} == constants.keys()
    for one, name in constants.items():
        assert one.source
        assert one.otherwise
        assert text.count(name) > 1, name
