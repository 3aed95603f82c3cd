"""The double's clients refuse what AWS's own model does not know."""

import pytest
from botocore.exceptions import ClientError

from tests.fleet.double.account import Account
from tests.fleet.double.api_error import ApiError
from tests.fleet.double.clients import client
from tests.fleet.double.property_coercion import request_from_properties


def test_unknown_parameter_fails_the_test(account: Account) -> None:
    with pytest.raises(AssertionError, match="Unknown parameter"):
        client("ecs").describe_services(cluster="some", services=["worker"], Nonsense=1)


def test_parameter_of_wrong_type_fails_the_test(account: Account) -> None:
    with pytest.raises(AssertionError, match="Invalid type for parameter desiredCount"):
        client("ecs").update_service(cluster="some", service="worker", desiredCount="3")


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"repositoryName": "some-/worker"}, "does not match"),
        ({"repositoryName": "some/worker", "filter": {"tagStatus": "SOME"}}, "not one of TAGGED, UNTAGGED, ANY"),
        ({"repositoryName": "some/worker", "maxResults": 5000}, "at most 1000"),
        ({"repositoryName": "a" * 300}, "at most 256"),
    ],
)
def test_invalid_values_that_botocore_accepts_fail_the_test(
    account: Account, parameters: dict[str, object], words: str
) -> None:
    with pytest.raises(AssertionError, match=words):
        client("ecr").describe_images(**parameters)


def test_template_property_with_invalid_value_is_refused() -> None:
    service = {"ServiceName": "worker", "AvailabilityZoneRebalancing": "SOMETIMES"}
    with pytest.raises(ApiError, match="availabilityZoneRebalancing is 'SOMETIMES', not one of ENABLED"):
        request_from_properties("ecs", "CreateService", service)


def test_unimplemented_operation_is_named(account: Account) -> None:
    with pytest.raises(AssertionError, match=r"does not know ecs\.DeleteAttributes"):
        client("ecs").delete_attributes(attributes=[{"name": "a"}])


def test_answer_that_does_not_fit_the_model_fails_the_test(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account.sts, "get_caller_identity", lambda _: {"Acount": "1"})
    with pytest.raises(AssertionError, match="answer to GetCallerIdentity does not fit"):
        client("sts").get_caller_identity()


def test_api_error_is_raised_as_client_error(account: Account) -> None:
    with pytest.raises(ClientError) as refused:
        client("ecs").describe_services(cluster="some", services=["worker"])
    assert refused.value.response["Error"]["Code"] == "ClusterNotFoundException"
