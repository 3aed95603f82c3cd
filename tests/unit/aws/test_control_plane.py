"""Which calls of the control plane are repeated, and which are not."""

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.stub import Stubber

from cloudkon.aws import Connection
from cloudkon.aws.control_plane import ControlPlane
from cloudkon.backoff import Backoff
from cloudkon.errors import NoFleet, ServiceError, Throttled

QUICK = Backoff(tries=3, first=0.001, most=0.001)
"""In real time: the calls run in threads, for which a virtual clock would not wait."""


@pytest.fixture
def ecs(connection: Connection) -> Iterator[Stubber]:
    client: Any = connection.client("ecs")
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


async def test_throttled_calls_are_repeated_and_pages_are_joined(connection: Connection, ecs: Stubber) -> None:
    ecs.add_client_error("list_tasks", "ThrottlingException")
    ecs.add_response("list_tasks", {"taskArns": ["a", "b"], "nextToken": "more"}, {"cluster": "unit"})
    # After any failure it starts again at the first page, because a token may expire during the failure.
    ecs.add_client_error("list_tasks", "ServerException", http_status_code=500)
    ecs.add_response("list_tasks", {"taskArns": ["a", "b"], "nextToken": "more"}, {"cluster": "unit"})
    ecs.add_response("list_tasks", {"taskArns": ["c"]}, {"cluster": "unit", "nextToken": "more"})
    found = await ControlPlane(connection, QUICK).pages("ecs", "list_tasks", "taskArns", cluster="unit")
    assert found == ["a", "b", "c"]


async def test_call_that_stays_throttled_fails_in_the_end(connection: Connection, ecs: Stubber) -> None:
    for _ in range(QUICK.tries):
        ecs.add_client_error("list_tasks", "ThrottlingException")
    with pytest.raises(Throttled):
        await ControlPlane(connection, QUICK).call("ecs", "list_tasks")


async def test_refused_call_fails_at_once_with_the_services_code(connection: Connection, ecs: Stubber) -> None:
    ecs.add_client_error("list_tasks", "ClusterNotFoundException", "no such cluster")
    with pytest.raises(ServiceError, match="no such cluster") as caught:
        await ControlPlane(connection, QUICK).call("ecs", "list_tasks")
    assert caught.value.code == "ClusterNotFoundException"
    assert not isinstance(caught.value, NoFleet)
