"""Calls that are made again, and those that are not."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.stub import Stubber

from cloudkon.aws import Connection
from cloudkon.aws.control_plane import ControlPlane
from cloudkon.backoff import Backoff
from cloudkon.errors import NoFleet, ServiceError, Throttled

QUICK = Backoff(tries=3, first=0.001, most=0.001)
"""In real time: the calls run in threads, which a virtual clock would run away from."""


@pytest.fixture
def ecs(connection: Connection) -> Iterator[Stubber]:
    client: Any = connection.client("ecs")
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


async def test_a_throttled_call_is_made_again_and_pages_are_put_together(connection: Connection, ecs: Stubber) -> None:
    ecs.add_client_error("list_tasks", "ThrottlingException")
    ecs.add_response("list_tasks", {"taskArns": ["a", "b"], "nextToken": "more"}, {"cluster": "unit"})
    # Whatever fails, it begins again at the first page: a token may not outlast the failure.
    ecs.add_client_error("list_tasks", "ServerException", http_status_code=500)
    ecs.add_response("list_tasks", {"taskArns": ["a", "b"], "nextToken": "more"}, {"cluster": "unit"})
    ecs.add_response("list_tasks", {"taskArns": ["c"]}, {"cluster": "unit", "nextToken": "more"})
    found = await ControlPlane(connection, QUICK).pages("ecs", "list_tasks", "taskArns", cluster="unit")
    assert found == ["a", "b", "c"]


async def test_a_call_that_stays_throttled_fails_at_last(connection: Connection, ecs: Stubber) -> None:
    for _ in range(QUICK.tries):
        ecs.add_client_error("list_tasks", "ThrottlingException")
    with pytest.raises(Throttled):
        await ControlPlane(connection, QUICK).call("ecs", "list_tasks")


async def test_a_refusal_is_passed_on_at_once_with_the_services_own_word(connection: Connection, ecs: Stubber) -> None:
    ecs.add_client_error("list_tasks", "ClusterNotFoundException", "no such cluster")
    with pytest.raises(ServiceError, match="no such cluster") as caught:
        await ControlPlane(connection, QUICK).call("ecs", "list_tasks")
    assert caught.value.code == "ClusterNotFoundException"
    assert not isinstance(caught.value, NoFleet)
