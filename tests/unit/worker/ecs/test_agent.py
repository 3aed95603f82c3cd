"""How the worker reads the ECS agent's answers, over a real socket."""

import json
from collections.abc import Iterator

import pytest

from images.worker.ecs import Agent, AgentFault, EcsTask
from tests.support.web import Request, Web

TASK = {
    "Cluster": "arn:aws:ecs:eu-west-1:123456789012:cluster/cloudkon",
    "TaskARN": "arn:aws:ecs:eu-west-1:123456789012:task/cloudkon/158d1c8083dd49d6b527399fd6414f5c",
    "Family": "cloudkon-worker",
    "Revision": "26",
}
STATE = "/task-protection/v1/state"


@pytest.fixture
def web() -> Iterator[Web]:
    with Web() as server:
        yield server


@pytest.fixture
def agent(web: Web) -> Agent:
    agent = Agent.of_environment({"ECS_AGENT_URI": web.link(""), "ECS_CONTAINER_METADATA_URI_V4": web.link("/v4/id")})
    assert agent
    return agent


def answer(web: Web, path: str, body: object, status: int = 200) -> None:
    def reply(request: Request) -> None:
        request.reply(status, json.dumps(body).encode(), {"Content-Type": "application/json"})

    web.answers[path] = reply


def test_no_agent_outside_of_ecs() -> None:
    assert Agent.of_environment({}) is None


async def test_ecs_task_has_short_names(web: Web, agent: Agent) -> None:
    answer(web, "/v4/id/task", TASK)

    task = await agent.task()

    assert task == EcsTask("cloudkon", "158d1c8083dd49d6b527399fd6414f5c", "cloudkon-worker", "26")
    assert task.facts()["ecs_definition"] == "cloudkon-worker:26"


async def test_protection_requests_have_the_documented_form(web: Web, agent: Agent) -> None:
    answer(web, STATE, {"protection": {"ProtectionEnabled": True, "ExpirationDate": "2026-11-22T21:00:00Z"}})

    await agent.protect(60)
    await agent.expose()

    assert [json.loads(request.body) for request in web.requests] == [
        {"ProtectionEnabled": True, "ExpiresInMinutes": 60},
        {"ProtectionEnabled": False},
    ]
    assert {request.command for request in web.requests} == {"PUT"}


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (200, {"failure": {"Arn": "a", "Reason": "DEPLOYMENT_BLOCKED", "Detail": ""}}, "DEPLOYMENT_BLOCKED"),
        (400, {"error": {"Code": "AccessDeniedException", "Message": "not allowed"}}, "AccessDeniedException"),
        (500, {}, "HTTP 500"),
        (200, {"what": "else"}, "the answer has no protection state"),
        (200, [], "the answer is not an object"),
    ],
)
async def test_refusal_is_a_fault_whatever_its_http_status(
    web: Web, agent: Agent, status: int, body: object, reason: str
) -> None:
    answer(web, STATE, body, status)

    with pytest.raises(AgentFault) as caught:
        await agent.protect(60)

    assert caught.value.reason == reason


async def test_unreadable_or_missing_answer_is_a_fault(web: Web) -> None:
    address = web.link("")
    agent = Agent(address, address)
    answer(web, "/task", "not the JSON that it should be")
    with pytest.raises(AgentFault, match="not an object"):
        await agent.task()

    with pytest.raises(AgentFault, match="no readable answer"):
        await Agent("http://127.0.0.1:9", "http://127.0.0.1:9").protect(1)
