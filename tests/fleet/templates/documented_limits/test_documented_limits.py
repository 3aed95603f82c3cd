"""The templates and the verbs' calls against the limits in AWS's documentation, and that each kind of rule bites."""

import json
from copy import deepcopy
from typing import Any

import pytest

from tests.fleet.double.template import Template
from tests.fleet.templates.documented_limits.extract import all_renderings, extracted, unread
from tests.fleet.templates.documented_limits.limits import STORED, request_violations, violations
from tests.fleet.templates.documented_limits.rules import broken, rule_of
from tests.fleet.templates.planted_faults import Fault
from tests.support.template_rendering import COMPUTE, DATA_OPTIONS, UPDATED, Resources, render, text_of

LONGEST_FLEET = "a-fleet-with-a-very-long-name"[:28]
_EGRESS = "InstanceSecurityGroup.SecurityGroupEgress[2].Description"
_CONTAINER = "WorkerTask.ContainerDefinitions[0]"
FAULTS = (
    # The description that EC2 would have refused after the data stack was made.
    Fault("IpRange.Description", _EGRESS, "DNS servers not the VPC's"),
    Fault("IpRange.Description", _EGRESS, "x" * 256),
    Fault("CreateSecurityGroupRequest.Description", "InstanceSecurityGroup.GroupDescription", "links → anywhere"),
    Fault("RequestLaunchTemplateData.UserData", "LaunchTemplate.LaunchTemplateData.UserData", ["x" * 16_385]),
    Fault("CreateCapacityProviderRequest.name", "CapacityProvider.Name", "Fargate-capacity"),
    Fault(
        "ManagedScaling.targetCapacity", "CapacityProvider.AutoScalingGroupProvider.ManagedScaling.TargetCapacity", 0
    ),
    Fault("CreateRepositoryRequest.repositoryName", "WorkerRepository.RepositoryName", "1st/worker"),
    Fault("HealthCheck.startPeriod", f"{_CONTAINER}.HealthCheck.StartPeriod", 301),
    Fault("ContainerDefinition.image", f"{_CONTAINER}.Image", "an image"),
    Fault("PutMetricAlarmInput.Period", "WorkerDeadLetterAlarm.Period", 90),
    Fault("RegisterTaskDefinitionRequest.networkMode", "WorkerTask.NetworkMode", "default"),
    Fault("CreateServiceRequest.placementStrategy", "WorkerService.PlacementStrategies", [{"Type": "random"}] * 6),
    Fault("Dimension.Value", "WorkerDeadLetterAlarm.Dimensions[0].Value", "arbeit-für-alle"),
)
"""Values that AWS would refuse, each with the field whose limit it breaks."""


@pytest.fixture(scope="module")
def updated() -> Resources:
    return render(Template(text_of("compute")), UPDATED)


def test_stored_limits_are_those_of_the_installed_botocore() -> None:
    fields = extracted()
    assert unread(fields) == [], "sentences that sound like a limit: add a rule or a reason"
    stored = json.loads(STORED.read_text(encoding="utf-8"))
    renew = "python -m tests.fleet.templates.documented_limits.extract"
    assert stored["fields"] == fields, f"AWS's words or our fields have changed: read the difference, then {renew}"


@pytest.mark.parametrize("fleet", ["cloudkon", LONGEST_FLEET])
def test_every_rendering_keeps_the_documented_limits(fleet: str) -> None:
    found = list[str]()
    for name, options in (("data", DATA_OPTIONS), ("compute", COMPUTE)):
        template = Template(text_of(name))
        for chosen in options.values():
            found += violations(render(template, {**chosen, "Fleet": fleet}))
    assert found == []


@pytest.mark.parametrize("fault", FAULTS, ids=[f"{one.path}={one.value!s:.20}" for one in FAULTS])
def test_planted_fault_is_found_by_the_documented_limits(updated: Resources, fault: Fault) -> None:
    spoilt = deepcopy(updated)
    fault.put(spoilt)
    (found,) = violations(spoilt)
    assert f".{fault.found_by} is " in found


def test_field_that_nobody_has_extracted_is_found(updated: Resources) -> None:
    spoilt = deepcopy(updated)
    spoilt["WorkerTask"]["Properties"]["PidMode"] = "host"
    assert [one.partition(": ")[2] for one in violations(spoilt)] == [
        "ecs.RegisterTaskDefinitionRequest.pidMode is not in limits.json: extract it"
    ]


@pytest.mark.parametrize(
    ("service", "operation", "members", "field"),
    [
        ("ecs", "DescribeServices", {"services": [f"s{number}" for number in range(11)]}, "services"),
        ("autoscaling", "SetInstanceProtection", {"InstanceIds": ["i-1"] * 51}, "InstanceIds"),
        ("sqs", "ReceiveMessage", {"MaxNumberOfMessages": 11}, "MaxNumberOfMessages"),
        ("cloudformation", "CreateChangeSet", {"TemplateBody": "x" * 51_201}, "TemplateBody"),
    ],
)
def test_call_beyond_a_documented_limit_is_found(
    service: str, operation: str, members: dict[str, Any], field: str
) -> None:
    (found,) = request_violations(service, operation, members)
    assert f"Input.{field} is " in found or f"Request.{field} is " in found or f"Query.{field} is " in found


def test_every_rendering_is_held_against_the_limits() -> None:
    assert len([*all_renderings()]) == len(COMPUTE) + len(DATA_OPTIONS)


@pytest.mark.parametrize(
    ("sentence", "good", "bad"),
    [
        ("Allowed characters are a-z, A-Z, 0-9, spaces, and ._-:/()#,@[]+=&;{}!$*", "a, b (c)", "c's"),
        ("Up to 255 letters (uppercase and lowercase), numbers, underscores, and hyphens are allowed.", "A_b-9", "a.b"),
        ("Valid values: alphanumeric characters, hyphens (-), and underscores (_).", "a-B_9", "a.b"),
        ('The name can\'t be prefixed with "aws", "ecs", or "fargate".', "my-aws", "aws-mine"),
        ("Valid values are 10, 20, 30, and any multiple of 60.", "180", "50"),
        ("Valid values: An integer from 60 seconds (1 minute) to 1,209,600 seconds (14 days).", 1_209_600, 59),
        ("The valid values are none, bridge, awsvpc, and host.", "bridge", "default"),
        ("The specified value must be greater than 0 and less than or equal to 100.", 100, 0),
        ("A capacity provider strategy can contain a maximum of 20 capacity providers.", ["a"] * 20, ["a"] * 21),
    ],
)
def test_rule_of_a_sentence_refuses_what_aws_refuses(sentence: str, good: object, bad: object) -> None:
    rule = rule_of(sentence)
    assert list(broken(rule, good)) == []
    assert list(broken(rule, bad)) != []
