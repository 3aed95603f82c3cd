"""The compute template's parameters that follow from options, settings and names."""

from dataclasses import replace
from pathlib import Path

import pytest
from cfnlint.decode.cfn_yaml import loads  # type: ignore[import-untyped]  # it ships no types

from cloudkon.aws.account import Account, with_store
from cloudkon.errors import InvalidInput
from cloudkon.settings import Settings
from fleet.aws.resources.account_record import AccountRecord
from fleet.aws.resources.compute_parameters import (
    DEFAULT_VOLUME,
    MOST_STOP_SECONDS,
    PARAMETERS,
    check_worker_settings,
    lease_is_chosen,
    machine_parameters,
    worker_parameters,
)
from fleet.aws.resources.compute_stack import TEMPLATE
from fleet.aws.resources.ecr import content_tag
from fleet.aws.resources.instance_types import DEFAULT_SIZES
from fleet.aws.resources.names import ALLOWED, FORBIDDEN, check_fleet
from fleet.target_options import LEAST_MEMORY, LOG_DAYS, NO_SIZING, AutoscaleRange, Sizing

HERE = Account("123456789012", "eu-north-1")
LARGEST_TEMPLATE = 51_200
"""Bytes that one call takes (CloudFormation quotas)."""


def test_the_template_has_the_parameters_that_the_tool_knows_and_no_others() -> None:
    assert set(loads(TEMPLATE.read_text(encoding="utf-8"))["Parameters"]) == PARAMETERS


def test_the_template_fits_into_one_call() -> None:
    assert TEMPLATE.stat().st_size <= LARGEST_TEMPLATE


def test_what_was_not_said_is_no_parameter() -> None:
    assert machine_parameters(NO_SIZING) == {}
    assert worker_parameters(Settings(), {}) == {}


def test_options_become_parameters() -> None:
    said = Sizing(spot=70, max_instances=9, cpu={"animoto": 2048}, execute_command=False, alarm_topic="")
    assert machine_parameters(said) == {
        "OnDemandPercentage": "30",
        "MaxInstances": "9",
        "AnimotoCpu": "2048",
        "ExecuteCommand": "false",
        "AlarmTopic": "",
    }


def test_an_architecture_brings_its_machine_image_and_its_instances() -> None:
    found = machine_parameters(Sizing(architecture="arm64"))
    assert found["AmiId"] == "/aws/service/ecs/optimized-ami/amazon-linux-2023/arm64/recommended/image_id"
    assert found["InstanceTypes"] == "c7g.large"
    assert (
        machine_parameters(Sizing(architecture="arm64", instance_types=("c8g.xlarge", "c7g.xlarge")))["InstanceTypes"]
        == "c8g.xlarge,c7g.xlarge"
    )


def test_a_setting_is_given_where_it_was_chosen_even_if_it_is_the_default() -> None:
    assert worker_parameters(Settings(slots=2, allow_exec=True, link_buckets=("a", "b")), {}) == {
        "Slots": "2",
        "AllowExec": "true",
        "LinkBuckets": "a,b",
    }
    assert worker_parameters(Settings(), {"CLOUDKON_SLOTS": "1", "CLOUDKON_LEASE_SECONDS": "60"}) == {
        "Slots": "1",
        "LeaseSeconds": "60",
    }


def test_an_empty_variable_says_nothing_but_that_no_buckets_are_linked_to() -> None:
    assert worker_parameters(Settings(), {"CLOUDKON_SLOTS": "", "CLOUDKON_LINK_BUCKETS": ""}) == {"LinkBuckets": ""}


def test_the_queues_follow_a_lease_that_was_chosen_only() -> None:
    assert not lease_is_chosen(Settings(slots=4), {})
    assert lease_is_chosen(Settings(skew_seconds=2.5), {})


@pytest.mark.parametrize(
    ("sizing", "words"),
    [
        (Sizing(spot=101), "percentage"),
        (Sizing(max_instances=0), "at least 1"),
        (Sizing(instance_types=("a", "b", "c", "d", "e")), "up to 4"),
        (Sizing(max_instances=10_001), "at most 10,000"),
        (Sizing(volume=20_000), "at most 16,384 GiB"),
        (Sizing(log_days=31), "Give one of 1, 3, 5"),
        (Sizing(memory={"animoto": 400}), "at least 512 MiB"),
        (Sizing(alarm_topic="my-topic"), "not the ARN of an SNS topic"),
    ],
)
def test_what_can_not_be_is_refused(sizing: Sizing, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        sizing.check()


def test_what_is_said_of_a_topic_may_be_that_there_is_none_any_more() -> None:
    Sizing(alarm_topic="").check()
    Sizing(alarm_topic="arn:aws-us-gov:sns:us-gov-west-1:123456789012:told").check()


def test_workers_can_not_stop_for_longer_than_they_are_let() -> None:
    check_worker_settings(Settings(stop_seconds=110))
    with pytest.raises(InvalidInput, match=r"CLOUDKON_STOP_SECONDS=111: .*at most 110"):
        check_worker_settings(Settings(stop_seconds=111))


def test_what_is_refused_here_is_what_the_template_would_refuse() -> None:
    declared = loads(TEMPLATE.read_text(encoding="utf-8"))["Parameters"]
    assert tuple(declared["LogRetentionDays"]["AllowedValues"]) == LOG_DAYS
    assert declared["StopSeconds"]["MaxValue"] == MOST_STOP_SECONDS
    assert declared["VolumeGiB"]["Default"] == DEFAULT_VOLUME
    assert {pool: declared[f"{pool.capitalize()}Memory"]["MinValue"] for pool in LEAST_MEMORY} == LEAST_MEMORY
    assert {name: str(declared[name]["Default"]) for name in DEFAULT_SIZES} == DEFAULT_SIZES
    assert declared["Fleet"]["AllowedPattern"] == f"^(?!{'|'.join(FORBIDDEN)}){ALLOWED.pattern}$"


@pytest.mark.parametrize("wanted", [AutoscaleRange(-1, 4, 1), AutoscaleRange(0, 4, 0), AutoscaleRange(5, 4, 1)])
def test_a_range_that_can_not_be_is_refused(wanted: AutoscaleRange) -> None:
    with pytest.raises(InvalidInput):
        wanted.check()


@pytest.mark.parametrize("name", ["awsome", "ecs-x", "fargate1", "Some", "x", "1st", "a" * 29, "under_score", "some-"])
def test_names_that_some_resource_can_not_have_are_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="CLOUDKON_FLEET"):
        check_fleet(Settings(target="aws", fleet=name))


def test_the_longest_fleets_name_leaves_room_for_the_stores() -> None:
    settings = Settings(target="aws", fleet="a" * 28)
    check_fleet(settings)
    assert len(with_store(settings, replace(HERE, region="ap-southeast-2")).store_bucket) <= 63


def test_the_store_is_the_accounts_own_unless_it_is_named() -> None:
    settings = Settings(target="aws", fleet="some")
    assert with_store(settings, HERE).store_bucket == "some-store-123456789012-eu-north-1"
    assert with_store(replace(settings, bucket="mine"), HERE).store_bucket == "mine"


def test_a_record_refuses_another_account_and_another_region(tmp_path: Path) -> None:
    record = AccountRecord(Settings(target="aws", state_dir=tmp_path / "state"))
    record.check(HERE)
    record.write(HERE)
    record.check(HERE)
    for other in (replace(HERE, number="210987654321"), replace(HERE, region="us-east-1")):
        with pytest.raises(InvalidInput, match=r"brought up on account 123456789012 in eu-north-1.*AWS_PROFILE"):
            record.check(other)
    record.forget()
    record.check(replace(HERE, region="us-east-1"))


def test_a_tag_follows_from_what_an_image_does_and_not_from_when_it_was_made() -> None:
    image = {
        "Id": "sha256:1",
        "Created": "2026-01-01",
        "Architecture": "amd64",
        "RootFS": {"Layers": ["sha256:a", "sha256:b"]},
        "Config": {"Cmd": ["run"], "Labels": {"made": "today"}},
    }
    again = image | {"Id": "sha256:2", "Created": "2026-01-02", "Config": {"Cmd": ["run"], "Labels": {}}}
    assert content_tag(image) == content_tag(again)
    assert content_tag(image) != content_tag(image | {"RootFS": {"Layers": ["sha256:a"]}})
    assert content_tag(image) != content_tag(image | {"Config": {"Cmd": ["walk"]}})
    assert content_tag(image) != content_tag(image | {"Architecture": "arm64"})
