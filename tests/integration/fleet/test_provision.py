"""Provisioning on the embedded emulator: create, update in place, repair, and name what is missing."""

import secrets
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import trio

from cloudkon.aws import Connection, connect
from cloudkon.aws.stack import Stack
from cloudkon.errors import ServiceError
from cloudkon.model import Outgoing
from cloudkon.settings import Settings
from fleet.provision import provision, stack_name
from tests.support.emulator import emulator


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with emulator() as url:
        yield url


@pytest.fixture
def settings(endpoint: str) -> Settings:
    return Settings(fleet=f"fleet-{secrets.token_hex(4)}", target="docker", endpoint_url=endpoint)


def _queue(settings: Settings) -> tuple[Any, str]:
    sqs: Any = Connection(settings).client("sqs")
    return sqs, sqs.get_queue_url(QueueName=f"{settings.fleet}-worker")["QueueUrl"]


def _provision(settings: Settings) -> list[str]:
    steps: list[str] = []
    trio.run(provision, settings, steps.append)
    return steps


def test_resources_have_the_documented_attributes(settings: Settings) -> None:
    assert any("WorkerQueue: create complete" in step for step in _provision(settings))
    sqs, url = _queue(settings)
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert attributes["VisibilityTimeout"] == "65"
    assert attributes["MessageRetentionPeriod"] == str(14 * 86_400)
    assert '"maxReceiveCount":1000' in attributes["RedrivePolicy"].replace(" ", "").replace('"1000"', "1000")
    dynamodb: Any = Connection(settings).client("dynamodb")
    expiry = dynamodb.describe_time_to_live(TableName=settings.ledger_table)["TimeToLiveDescription"]
    assert expiry == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires"}


def test_second_provisioning_changes_nothing(settings: Settings) -> None:
    _provision(settings)
    assert _provision(settings) == []


def test_another_lease_changes_the_queue_in_place_and_keeps_its_messages(settings: Settings) -> None:
    _provision(settings)
    trio.run(connect(settings).queues["worker"].send, [Outgoing("kept")])
    steps = _provision(replace(settings, lease_seconds=120))
    assert any("WorkerQueue: update complete" in step for step in steps)
    sqs, url = _queue(settings)
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert attributes["VisibilityTimeout"] == "125"
    assert attributes["ApproximateNumberOfMessages"] == "1"


def test_queue_deleted_by_hand_is_named_with_the_remedy(settings: Settings) -> None:
    _provision(settings)
    sqs, url = _queue(settings)
    sqs.delete_queue(QueueUrl=url)
    with pytest.raises(ServiceError, match=r"was deleted by hand.*down --delete-data"):
        _provision(settings)


def test_deleted_stack_can_be_created_again(settings: Settings) -> None:
    _provision(settings)
    stack = Stack(Connection(settings), stack_name(settings))
    trio.run(stack.delete)
    assert trio.run(stack.state) == ""
    assert any("create complete" in step for step in _provision(settings))
