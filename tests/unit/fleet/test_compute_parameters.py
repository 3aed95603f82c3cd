"""The compute template's parameters, derived from options, settings and names."""

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
    sizing_parameters,
    worker_parameters,
)
from fleet.aws.resources.compute_stack import TEMPLATE
from fleet.aws.resources.ecr import content_tag
from fleet.aws.resources.instance_types import DEFAULT_SIZES
from fleet.aws.resources.names import ALLOWED, FORBIDDEN, check_fleet
from fleet.target_options import LEAST_MEMORY, LOG_DAYS, NO_SIZING, AutoscaleRange, Sizing

HERE = Account("123456789012", "eu-north-1")


def test_template_has_exactly_the_known_parameters() -> None:
    assert set(loads(TEMPLATE.read_text(encoding="utf-8"))["Parameters"]) == PARAMETERS


def test_unset_option_is_no_parameter() -> None:
    assert sizing_parameters(NO_SIZING) == {}
    assert worker_parameters(Settings(), {}) == {}


def test_options_become_parameters() -> None:
    said = Sizing(spot=70, max_instances=9, cpu={"animoto": 2048}, execute_command=False, alarm_topic="")
    assert sizing_parameters(said) == {
        "OnDemandPercentage": "30",
        "MaxInstances": "9",
        "AnimotoCpu": "2048",
        "ExecuteCommand": "false",
        "AlarmTopic": "",
    }


def test_architecture_sets_its_ami_and_instance_types() -> None:
    found = sizing_parameters(Sizing(architecture="arm64"))
    assert found["AmiId"] == "/aws/service/ecs/optimized-ami/amazon-linux-2023/arm64/recommended/image_id"
    assert found["InstanceTypes"] == "c7g.large"
    assert (
        sizing_parameters(Sizing(architecture="arm64", instance_types=("c8g.xlarge", "c7g.xlarge")))["InstanceTypes"]
        == "c8g.xlarge,c7g.xlarge"
    )


def test_chosen_setting_is_passed_even_if_it_is_the_default() -> None:
    assert worker_parameters(Settings(slots=2, allow_exec=True, link_buckets=("a", "b")), {}) == {
        "Slots": "2",
        "AllowExec": "true",
        "LinkBuckets": "a,b",
    }
    assert worker_parameters(Settings(), {"CLOUDKON_SLOTS": "1", "CLOUDKON_LEASE_SECONDS": "60"}) == {
        "Slots": "1",
        "LeaseSeconds": "60",
    }


def test_empty_variable_is_unset_except_for_link_buckets() -> None:
    assert worker_parameters(Settings(), {"CLOUDKON_SLOTS": "", "CLOUDKON_LINK_BUCKETS": ""}) == {"LinkBuckets": ""}


def test_queues_follow_only_a_chosen_lease() -> None:
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
def test_invalid_sizing_is_refused(sizing: Sizing, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        sizing.check()


def test_alarm_topic_can_be_removed() -> None:
    Sizing(alarm_topic="").check()
    Sizing(alarm_topic="arn:aws-us-gov:sns:us-gov-west-1:123456789012:told").check()


def test_stop_seconds_are_limited_by_the_stop_timeout() -> None:
    check_worker_settings(Settings(stop_seconds=110))
    with pytest.raises(InvalidInput, match=r"CLOUDKON_STOP_SECONDS=111: .*at most 110"):
        check_worker_settings(Settings(stop_seconds=111))


def test_sizing_limits_equal_the_templates() -> None:
    declared = loads(TEMPLATE.read_text(encoding="utf-8"))["Parameters"]
    assert tuple(declared["LogRetentionDays"]["AllowedValues"]) == LOG_DAYS
    assert declared["StopSeconds"]["MaxValue"] == MOST_STOP_SECONDS
    assert declared["VolumeGiB"]["Default"] == DEFAULT_VOLUME
    assert {pool: declared[f"{pool.capitalize()}Memory"]["MinValue"] for pool in LEAST_MEMORY} == LEAST_MEMORY
    assert {name: str(declared[name]["Default"]) for name in DEFAULT_SIZES} == DEFAULT_SIZES
    assert declared["Fleet"]["AllowedPattern"] == f"^(?!{'|'.join(FORBIDDEN)}){ALLOWED.pattern}$"


@pytest.mark.parametrize("wanted", [AutoscaleRange(-1, 4, 1), AutoscaleRange(0, 4, 0), AutoscaleRange(5, 4, 1)])
def test_invalid_range_is_refused(wanted: AutoscaleRange) -> None:
    with pytest.raises(InvalidInput):
        wanted.check()


@pytest.mark.parametrize("name", ["awsome", "ecs-x", "fargate1", "Some", "x", "1st", "a" * 29, "under_score", "some-"])
def test_fleet_name_invalid_for_a_resource_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="CLOUDKON_FLEET"):
        check_fleet(Settings(target="aws", fleet=name))


def test_longest_fleet_name_leaves_room_for_the_store_name() -> None:
    settings = Settings(target="aws", fleet="a" * 28)
    check_fleet(settings)
    assert len(with_store(settings, replace(HERE, region="ap-southeast-2")).store_bucket) <= 63


def test_store_belongs_to_the_account_unless_named() -> None:
    settings = Settings(target="aws", fleet="some")
    assert with_store(settings, HERE).store_bucket == "some-store-123456789012-eu-north-1"
    assert with_store(replace(settings, bucket="mine"), HERE).store_bucket == "mine"


def test_account_record_refuses_other_account_and_region(tmp_path: Path) -> None:
    record = AccountRecord(Settings(target="aws", state_dir=tmp_path / "state"))
    record.check(HERE)
    record.write(HERE)
    record.check(HERE)
    for other in (replace(HERE, number="210987654321"), replace(HERE, region="us-east-1")):
        with pytest.raises(InvalidInput, match=r"brought up on account 123456789012 in eu-north-1.*AWS_PROFILE"):
            record.check(other)
    record.forget()
    record.check(replace(HERE, region="us-east-1"))


def test_image_tag_depends_on_content_and_not_on_build_time() -> None:
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
