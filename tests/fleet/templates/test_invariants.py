"""The invariants hold for each option, and each of them finds its planted faults."""

from copy import deepcopy

import pytest

from tests.fleet.double.template import Template
from tests.fleet.templates.invariants import INVARIANTS
from tests.fleet.templates.invariants.lookup import of_type
from tests.fleet.templates.planted_faults import PLANTED_FAULTS, Fault
from tests.support.template_rendering import AUTOSCALED, COMPUTE, DATA, UPDATED, Resources, render, text_of


@pytest.fixture(scope="module")
def compute() -> Template:
    return Template(text_of("compute"))


@pytest.fixture(scope="module")
def rendered(compute: Template) -> dict[str, Resources]:
    return {options: render(compute, chosen) for options, chosen in COMPUTE.items()}


@pytest.fixture(scope="module")
def autoscaled(compute: Template) -> Resources:
    return render(compute, {**UPDATED, **AUTOSCALED})


@pytest.mark.parametrize("options", COMPUTE)
@pytest.mark.parametrize("invariant", INVARIANTS)
def test_invariant_holds_for_each_option(rendered: dict[str, Resources], options: str, invariant: str) -> None:
    assert list(INVARIANTS[invariant](rendered[options])) == []


@pytest.mark.parametrize("fault", PLANTED_FAULTS, ids=[f"{one.path}={one.value!s:.20}" for one in PLANTED_FAULTS])
def test_planted_fault_is_found(autoscaled: Resources, fault: Fault) -> None:
    spoilt = deepcopy(autoscaled)
    fault.put(spoilt)
    assert spoilt != autoscaled
    assert list(INVARIANTS[fault.found_by](spoilt)) != []


def test_every_invariant_has_a_planted_fault() -> None:
    assert {fault.found_by for fault in PLANTED_FAULTS} == INVARIANTS.keys()


def test_desired_count_is_set_only_at_creation(rendered: dict[str, Resources]) -> None:
    for options, resources in rendered.items():
        counts = [one.get("DesiredCount") for _, one in of_type(resources, "ECS::Service")]
        assert counts == ([0, 0] if options == "created" else [None, None]), options


def test_pool_with_maximum_zero_has_no_scaling(compute: Template) -> None:
    resources = render(compute, {**UPDATED, **AUTOSCALED, "WorkerMax": "0"})
    scaling = {name for name, one in resources.items() if "ApplicationAutoScaling" in one["Type"] or "Wake" in name}
    alarms = {"AnimotoWakeAlarm", "AnimotoHighWakeAlarm"}
    assert scaling == {"AnimotoScaling", "AnimotoBacklogPolicy", "AnimotoWakePolicy", *alarms}


def test_queues_and_store_refuse_unencrypted_connections() -> None:
    resources = render(Template(text_of("data")), DATA)
    refused: set[str] = set()
    for kind in ("SQS::QueuePolicy", "S3::BucketPolicy"):
        for _, policy in of_type(resources, kind):
            (statement,) = policy["PolicyDocument"]["Statement"]
            assert (statement["Effect"], statement["Principal"]) == ("Deny", "*")
            assert statement["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
            refused.update(policy["Queues"] if "Queues" in policy else [policy["Bucket"]])
    assert refused == {f"<{name}>" for name, one in resources.items() if one["Type"].endswith(("Queue", "Bucket"))}


def test_replaced_data_resources_are_retained() -> None:
    for name, one in render(Template(text_of("data")), DATA).items():
        if one["Type"] in ("AWS::SQS::Queue", "AWS::DynamoDB::Table", "AWS::S3::Bucket"):
            assert one["UpdateReplacePolicy"] == "Retain", name
