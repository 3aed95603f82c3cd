"""One stack in each of CloudFormation's states, including the failed ones."""

from collections.abc import Callable
from typing import Any, cast

import pytest
import trio
import trio.testing

from cloudkon.aws.connection import Connection
from cloudkon.aws.stack import Stack
from cloudkon.aws.stack_facts import StackPlan
from cloudkon.errors import ServiceError, Throttled
from cloudkon.settings import Settings
from fleet.provision import parameters, stack_name


class CloudFormation:
    """Answers as CloudFormation does, from lists that the test fills."""

    def __init__(self, *states: str) -> None:
        self.states = list(states)
        self.change_set = {"Status": "CREATE_COMPLETE", "Changes": list[Any]()}
        self.parameters: dict[str, str] = {}
        self.tags: dict[str, str] = {}
        self.pages: list[dict[str, Any]] = []
        self.events: list[dict[str, str]] = []
        self.validations: list[dict[str, str]] | ServiceError = []
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.after_execute: Callable[[], None] = lambda: None
        self.after_delete: Callable[[], None] = lambda: None

    def describe_stacks(self, **_: object) -> dict[str, Any]:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        if not state:
            raise ServiceError("AWS refused DescribeStacks: ValidationError: Stack with id x does not exist")
        parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in self.parameters.items()]
        tags = [{"Key": key, "Value": value} for key, value in self.tags.items()]
        return {"Stacks": [{"StackStatus": state, "Parameters": parameters, "Tags": tags}]}

    def create_change_set(self, **arguments: object) -> dict[str, str]:
        self.calls.append(("create", arguments))
        return {"Id": "arn:1"}

    def describe_change_set(self, **arguments: object) -> dict[str, Any]:
        return self.pages.pop(0) if "NextToken" in arguments else self.change_set

    def execute_change_set(self, **arguments: object) -> None:
        self.calls.append(("execute", arguments))
        self.after_execute()

    def delete_change_set(self, **arguments: object) -> None:
        self.calls.append(("discard", arguments))

    def delete_stack(self, **arguments: object) -> None:
        self.calls.append(("delete", arguments))
        self.after_delete()

    def describe_stack_events(self, **_: object) -> dict[str, Any]:
        return {"StackEvents": list(reversed(self.events))}

    def describe_events(self, **arguments: object) -> dict[str, Any]:
        self.calls.append(("validations", arguments))
        if isinstance(self.validations, ServiceError):
            raise self.validations
        return {"OperationEvents": self.validations}

    def event(self, resource: str, status: str, reason: str = "") -> None:
        self.events.append(
            {
                "EventId": str(len(self.events)),
                "LogicalResourceId": resource,
                "ResourceType": "AWS::SQS::Queue",
                "ResourceStatus": status,
                "ResourceStatusReason": reason,
            }
        )

    @property
    def done(self) -> list[str]:
        return [name for name, _ in self.calls]


class FakeConnection:
    def __init__(self, cloudformation: CloudFormation) -> None:
        self._cloudformation = cloudformation

    def client(self, service: str) -> CloudFormation:
        assert service == "cloudformation"
        return self._cloudformation

    async def call(self, function: Callable[..., object], **arguments: object) -> object:
        await trio.lowlevel.checkpoint()
        return function(**arguments)


def _stack(cloudformation: CloudFormation) -> Stack:
    return Stack(cast("Connection", FakeConnection(cloudformation)), "some-data")


@pytest.mark.parametrize(
    ("state", "kind"),
    [("", "CREATE"), ("REVIEW_IN_PROGRESS", "CREATE"), ("DELETE_COMPLETE", "CREATE"), ("UPDATE_COMPLETE", "UPDATE")],
)
async def test_plan_creates_or_updates(state: str, kind: str) -> None:
    cloudformation = CloudFormation(state)
    await _stack(cloudformation).plan("template", {"Fleet": "some"})
    ((_, arguments),) = cloudformation.calls
    assert arguments["ChangeSetType"] == kind
    assert arguments["Parameters"] == [{"ParameterKey": "Fleet", "ParameterValue": "some"}]


async def test_plan_names_every_change_of_every_page() -> None:
    def page(name: str, replacement: str) -> dict[str, Any]:
        change = {
            "Action": "Modify",
            "LogicalResourceId": name,
            "ResourceType": "AWS::DynamoDB::Table",
            "Replacement": replacement,
        }
        return {"Status": "CREATE_COMPLETE", "Changes": [{"ResourceChange": change}]}

    cloudformation = CloudFormation("CREATE_COMPLETE")
    cloudformation.change_set = page("Ledger", "Conditional") | {"NextToken": "2"}
    cloudformation.pages = [page("Other", "False")]
    plan = await _stack(cloudformation).plan("template", {})
    assert [str(change) for change in plan.changes] == [
        "modify Ledger (AWS::DynamoDB::Table), replacing it",
        "modify Other (AWS::DynamoDB::Table)",
    ]


async def test_unchanged_stack_gives_an_empty_plan_and_no_change_set() -> None:
    cloudformation = CloudFormation("CREATE_COMPLETE")
    cloudformation.change_set = {
        "Status": "FAILED",
        "StatusReason": "The submitted information didn't contain changes.",
    }
    stack = _stack(cloudformation)
    plan = await stack.plan("template", {})
    await stack.execute(plan, lambda _: None)
    assert plan.empty
    assert cloudformation.done == ["create", "discard"]


async def test_refused_plan_says_why() -> None:
    cloudformation = CloudFormation("CREATE_COMPLETE")
    cloudformation.change_set = {"Status": "FAILED", "StatusReason": "Parameter Fleet must match [a-z]"}
    with pytest.raises(ServiceError, match="was not: Parameter Fleet must match"):
        await _stack(cloudformation).plan("template", {})


VALIDATION_FAILED = (
    "The following hook(s)/validation failed: [AWS::EarlyValidation::ResourceExistenceCheck]. To troubleshoot Early "
    "Validation errors, use the DescribeEvents API for detailed failure information."
)


async def test_failed_early_validation_names_resource_and_reason_before_the_change_set_is_deleted() -> None:
    cloudformation = CloudFormation("CREATE_COMPLETE")
    cloudformation.change_set = {"Status": "FAILED", "StatusReason": VALIDATION_FAILED}
    refused = {
        "EventType": "VALIDATION_ERROR",
        "LogicalResourceId": "InsightsLogs",
        "ResourceType": "AWS::Logs::LogGroup",
        "ValidationName": "NAME_CONFLICT_VALIDATION",
        "ValidationFailureMode": "FAIL",
        "ValidationStatus": "FAILED",
        "ValidationPath": "/Resources/InsightsLogs/Properties/LogGroupName",
        "ValidationStatusReason": "Resource of this name already exists",
    }
    warned = refused | {"LogicalResourceId": "Store", "ValidationFailureMode": "WARN"}
    hook = {
        "EventType": "HOOK_INVOCATION_ERROR",
        "LogicalResourceId": "WorkerQueue",
        "ResourceType": "AWS::SQS::Queue",
        "HookFailureMode": "FAIL",
        "HookStatusReason": "queues need a customer key",
    }
    progress = {"EventType": "STACK_EVENT", "LogicalResourceId": "some-data"}
    cloudformation.validations = [progress, refused, warned, hook, refused]
    with pytest.raises(ServiceError) as raised:
        await _stack(cloudformation).plan("template", {})
    assert str(raised.value) == (
        "stack 'some-data' can't be changed as asked, and was not: InsightsLogs (AWS::Logs::LogGroup) at "
        "/Resources/InsightsLogs/Properties/LogGroupName: Resource of this name already exists; "
        "WorkerQueue (AWS::SQS::Queue): queues need a customer key"
    )
    assert cloudformation.done == ["create", "validations", "discard"]
    name = cloudformation.calls[0][1]["ChangeSetName"]
    assert cloudformation.calls[1][1] == {"StackName": "some-data", "ChangeSetName": name}


@pytest.mark.parametrize(
    "answer", [[], ServiceError("AWS refused DescribeEvents: AccessDenied"), ServiceError("unknown operation")]
)
async def test_without_events_of_the_validation_its_name_is_shown(answer: list[dict[str, str]] | ServiceError) -> None:
    cloudformation = CloudFormation("CREATE_COMPLETE")
    cloudformation.change_set = {"Status": "FAILED", "StatusReason": VALIDATION_FAILED}
    cloudformation.validations = answer
    with pytest.raises(ServiceError, match="ResourceExistenceCheck"):
        await _stack(cloudformation).plan("template", {})
    assert cloudformation.done[-1] == "discard"


async def test_tags_of_the_stack_stay_unless_they_are_changed_or_emptied() -> None:
    cloudformation = CloudFormation("CREATE_COMPLETE")
    cloudformation.tags = {"cloudkon:fleet": "some", "team": "old", "stage": "test", "owner": "me"}
    template = 'Tags: [{ Key: "cloudkon:fleet", Value: !Ref Fleet }]\n'
    await _stack(cloudformation).plan(template, {}, tags={"team": "new", "stage": "", "cloudkon:fleet": "some"})
    sent = cloudformation.calls[0][1]
    assert {one["Key"]: one["Value"] for one in sent["Tags"]} == {
        "cloudkon:fleet": "some",
        "team": "new",
        "owner": "me",
    }
    # CloudFormation does not put a stack's tags on launch templates and volumes.
    assert '{"Key": "team", "Value": "new"}, {"Key": "owner", "Value": "me"}]' in sent["TemplateBody"]


async def test_template_is_sent_without_comments() -> None:
    cloudformation = CloudFormation("CREATE_COMPLETE")
    await _stack(cloudformation).plan("# why\nResources: {}\n", {})
    assert cloudformation.calls[0][1]["TemplateBody"] == "Resources: {}\n"


async def test_rolled_back_creation_is_deleted_and_created_again() -> None:
    cloudformation = CloudFormation("ROLLBACK_COMPLETE", "ROLLBACK_COMPLETE", "DELETE_IN_PROGRESS", "")
    await _stack(cloudformation).plan("template", {})
    assert cloudformation.done == ["delete", "create"]
    assert cloudformation.calls[1][1]["ChangeSetType"] == "CREATE"


@pytest.mark.parametrize(
    ("state", "remedy"),
    [
        ("UPDATE_ROLLBACK_FAILED", "aws cloudformation continue-update-rollback --stack-name"),
        ("DELETE_FAILED", "Take it down first"),
        ("CREATE_FAILED", "Take it down first"),
    ],
)
async def test_unchangeable_stack_is_left_alone(state: str, remedy: str) -> None:
    cloudformation = CloudFormation(state)
    with pytest.raises(ServiceError, match=rf"{state} and can't be changed: nothing was done.*{remedy}"):
        await _stack(cloudformation).plan("template", {})
    assert cloudformation.calls == []


async def test_other_change_in_progress_is_awaited(autojump_clock: trio.testing.MockClock) -> None:
    cloudformation = CloudFormation("UPDATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE")
    await _stack(cloudformation).plan("template", {})
    assert cloudformation.done == ["create"]


async def test_execution_reports_each_step_once(autojump_clock: trio.testing.MockClock) -> None:
    cloudformation = CloudFormation("REVIEW_IN_PROGRESS", "CREATE_IN_PROGRESS", "CREATE_COMPLETE")
    cloudformation.event("some-data", "REVIEW_IN_PROGRESS")

    def begin() -> None:
        cloudformation.event("WorkerQueue", "CREATE_IN_PROGRESS")
        cloudformation.event("WorkerQueue", "CREATE_COMPLETE")

    cloudformation.after_execute = begin
    said: list[str] = []
    await _stack(cloudformation).execute(StackPlan("arn:1"), said.append)
    assert said == ["WorkerQueue: create in progress", "WorkerQueue: create complete"]


async def test_failed_execution_names_the_first_failure_only(
    autojump_clock: trio.testing.MockClock,
) -> None:
    cloudformation = CloudFormation("CREATE_IN_PROGRESS", "ROLLBACK_IN_PROGRESS", "ROLLBACK_COMPLETE")

    def begin() -> None:
        cloudformation.event("Ledger", "CREATE_FAILED", "Resource creation cancelled")
        cloudformation.event("Store", "CREATE_FAILED", "the name is taken")
        cloudformation.event("WorkerQueue", "DELETE_FAILED", "later")

    cloudformation.after_execute = begin
    with pytest.raises(ServiceError, match=r"ROLLBACK_COMPLETE: Store \(AWS::SQS::Queue\): the name is taken$"):
        await _stack(cloudformation).execute(StackPlan("arn:1"), lambda _: None)


async def test_failed_deletion_names_what_is_left(autojump_clock: trio.testing.MockClock) -> None:
    cloudformation = CloudFormation("DELETE_FAILED", "DELETE_FAILED", "DELETE_IN_PROGRESS", "DELETE_FAILED")
    cloudformation.event("Ledger", "DELETE_FAILED", "of the first time")

    def fail() -> None:
        cloudformation.event("Store", "DELETE_FAILED", "the bucket is not empty")

    cloudformation.after_delete = fail
    with pytest.raises(ServiceError, match=r"not deleted: Store .*: the bucket is not empty$"):
        await _stack(cloudformation).delete()


async def test_plan_keeps_requested_parameters_that_the_stack_has() -> None:
    cloudformation = CloudFormation("UPDATE_COMPLETE")
    cloudformation.parameters = {"MaxInstances": "9"}
    await _stack(cloudformation).plan(
        "template", {"MaxInstances": "4", "New": "1", "Fleet": "some"}, keep={"MaxInstances", "New"}, tags={"of": "x"}
    )
    ((_, arguments),) = cloudformation.calls
    assert arguments["Parameters"] == [
        {"ParameterKey": "New", "ParameterValue": "1"},
        {"ParameterKey": "Fleet", "ParameterValue": "some"},
        {"ParameterKey": "MaxInstances", "UsePreviousValue": True},
    ]
    assert arguments["Tags"] == [{"Key": "of", "Value": "x"}]


async def test_discarded_plan_of_a_new_stack_leaves_nothing(autojump_clock: trio.testing.MockClock) -> None:
    cloudformation = CloudFormation("", "REVIEW_IN_PROGRESS", "REVIEW_IN_PROGRESS", "")
    stack = _stack(cloudformation)
    await stack.discard(await stack.plan("template", {}))
    assert cloudformation.done == ["create", "delete"]


async def test_update_is_awaited_while_the_old_status_is_still_shown(
    autojump_clock: trio.testing.MockClock,
) -> None:
    cloudformation = CloudFormation(
        "UPDATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_IN_PROGRESS", "UPDATE_ROLLBACK_COMPLETE"
    )
    with pytest.raises(ServiceError, match="UPDATE_ROLLBACK_COMPLETE"):
        await _stack(cloudformation).execute(StackPlan("arn:1"), lambda _: None)


async def test_throttled_call_is_repeated(autojump_clock: trio.testing.MockClock) -> None:
    cloudformation = CloudFormation("CREATE_COMPLETE")
    answers = [Throttled("slow down"), Throttled("slow down")]
    describe = cloudformation.describe_stacks

    def throttled(**arguments: object) -> dict[str, Any]:
        if answers:
            raise answers.pop()
        return describe(**arguments)

    cloudformation.describe_stacks = throttled  # type: ignore[method-assign]  # a fake of this one test
    assert await _stack(cloudformation).state() == "CREATE_COMPLETE"


async def test_other_error_than_missing_stack_is_raised() -> None:
    cloudformation = CloudFormation("")

    def refuse(**_: object) -> dict[str, Any]:
        raise ServiceError("AWS refused DescribeStacks: Throttling")

    cloudformation.describe_stacks = refuse  # type: ignore[method-assign]  # a fake of this one test
    with pytest.raises(ServiceError, match="Throttling"):
        await _stack(cloudformation).plan("template", {})


def test_visibility_is_lease_plus_skew_in_whole_seconds() -> None:
    settings = Settings(fleet="some", lease_seconds=60.2, skew_seconds=5)
    assert parameters(settings) == {"Fleet": "some", "BucketName": "some-store", "VisibilitySeconds": "66"}
    assert stack_name(settings) == "some-data"
