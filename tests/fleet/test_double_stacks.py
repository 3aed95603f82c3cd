"""The double's CloudFormation executes the real templates and refuses what CloudFormation would."""

import pytest
from botocore.exceptions import ClientError

from tests.fleet.double.account import Account
from tests.fleet.double.clients import client
from tests.fleet.double.real_templates import (
    NAME,
    TAG,
    change,
    compute_parameters,
    create_fleet,
    delete,
    failures,
    template,
)
from tests.fleet.double.resource_types import RESOURCE_TYPES
from tests.fleet.double.template import Template

COMPUTE = f"{NAME}-compute"
RESOURCES = sorted(Template(template("compute")).resources)


def test_both_templates_are_created_and_deleted_completely(account: Account) -> None:
    compute = create_fleet(account, WorkerMax="4", AnimotoMax="2")
    assert compute.status == "CREATE_COMPLETE"
    assert set(compute.resources) == set(RESOURCES)
    assert compute.outputs["Cluster"] == NAME
    assert delete(account, COMPUTE).status == "DELETE_COMPLETE"
    assert delete(account, f"{NAME}-data").status == "DELETE_COMPLETE"
    assert account.tags.arns(TAG, NAME) == []


@pytest.mark.parametrize("resource", RESOURCES)
def test_failed_creation_of_any_resource_is_named_and_rolled_back(account: Account, resource: str) -> None:
    account.cloudformation.failures["CREATE", resource] = "no luck"
    compute = create_fleet(account, WorkerMax="4", AnimotoMax="2")
    assert compute.status == "ROLLBACK_COMPLETE"
    assert failures(compute)[resource] == "no luck"
    assert not any(f"/{NAME}/" in arn for arn in account.tags.arns(TAG, NAME) if ":ecs:" in arn)
    with pytest.raises(ClientError, match="ROLLBACK_COMPLETE state and can not be updated"):
        change(account, COMPUTE, template("compute"), compute_parameters())


def test_update_changes_only_differences_and_keeps_live_counts(account: Account) -> None:
    create_fleet(account)
    client("ecs").update_service(cluster=NAME, service="worker", desiredCount=3)
    account.autoscaling.capacity = False
    compute = change(account, COMPUTE, template("compute"), compute_parameters(Creating="false", MaxInstances="7"))
    # The new ECS tasks can't start here, so the deployment does not end and CloudFormation waits.
    assert account.ecs.clusters.get(NAME).services["worker"].desired == 3
    assert account.autoscaling.groups.get(compute.resources["Group"].physical).maximum == 7


def test_failed_update_is_rolled_back(account: Account) -> None:
    create_fleet(account)
    account.cloudformation.failures["UPDATE", "Group"] = "no luck"
    compute = change(account, COMPUTE, template("compute"), compute_parameters(MaxInstances="7", WorkerMax="3"))
    assert compute.status == "UPDATE_ROLLBACK_COMPLETE"
    assert "WorkerScaling" not in compute.resources
    assert account.autoscaling.groups.get(compute.resources["Group"].physical).maximum == 4


def test_change_set_without_changes_fails(account: Account) -> None:
    create_fleet(account)
    with pytest.raises(ClientError, match="cannot be executed"):
        change(account, COMPUTE, template("compute"), compute_parameters())
    answer = client("cloudformation").describe_change_set(StackName=COMPUTE, ChangeSetName="change")
    assert answer["Status"] == "FAILED"
    assert "didn't contain changes" in answer["StatusReason"]


def test_full_bucket_fails_the_deletion_and_a_second_deletion_completes_it(account: Account) -> None:
    create_fleet(account)
    account.s3.buckets.get(f"{NAME}-store").add("videos/1.mp4")
    data = delete(account, f"{NAME}-data")
    assert data.status == "DELETE_FAILED"
    assert list(data.resources) == ["Store"]
    assert "not empty" in failures(data)["Store"]
    account.s3.buckets.get(f"{NAME}-store").clear()
    assert delete(account, f"{NAME}-data").status == "DELETE_COMPLETE"


def test_service_without_depends_on_is_created_too_early(account: Account) -> None:
    planted = template("compute").replace("    DependsOn: ProviderAssociation\n", "")
    compute = change(account, COMPUTE, planted, compute_parameters())
    assert compute.status == "ROLLBACK_COMPLETE"
    assert "capacity provider was not found" in " ".join(failures(compute).values())


@pytest.mark.parametrize(
    ("right", "wrong", "words"),
    [
        ("NewInstancesProtectedFromScaleIn: true", "NewInstancesProtectedFromScaleIn: false", "protection from scale"),
        ("MaxSize: !Ref MaxInstances", "MaximalSize: !Ref MaxInstances", "unsupported property MaximalSize"),
        ('Name: !Sub "${Fleet}-capacity"', 'Name: !Sub "ecs-${Fleet}"', "name is invalid"),
        ("VolumeSize: !Ref VolumeGiB", "VolumeSize: large", "must be integer"),
    ],
)
def test_property_that_a_service_would_refuse_is_refused(account: Account, right: str, wrong: str, words: str) -> None:
    planted = template("compute").replace(right, wrong)
    assert planted != template("compute")
    compute = change(account, COMPUTE, planted, compute_parameters())
    assert compute.status == "ROLLBACK_COMPLETE"
    assert words in " ".join(failures(compute).values())


def test_parameters_are_checked_against_their_declarations(account: Account) -> None:
    for wrong in ({"Fleet": "ecs-some"}, {"MaxInstances": "0"}, {"Architecture": "mips"}, {"Nothing": "1"}):
        with pytest.raises(ClientError, match="ValidationError"):
            change(account, COMPUTE, template("compute"), compute_parameters(**wrong))
    assert account.cloudformation.stacks == {}


def test_every_resource_type_of_the_double_is_in_a_template() -> None:
    used = {one["Type"] for name in ("data", "compute") for one in Template(template(name)).resources.values()}
    assert used == set(RESOURCE_TYPES)
