"""``python -m images.worker`` as ECS starts it, with a web server in place of the ECS agent."""

import json
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from cloudkon.settings import Settings
from tests.integration.worker.programs import Program
from tests.support.emulator_fleet import EmulatedFleet
from tests.support.patience import until
from tests.support.web import Request, Web

STATE = "/api/task-protection/v1/state"


@pytest.fixture
def web() -> Iterator[Web]:
    def reply(request: Request, body: object) -> None:
        request.reply(200, json.dumps(body).encode(), {"Content-Type": "application/json"})

    with Web() as server:
        server.answers["/v4/id/task"] = lambda request: reply(
            request, {"Cluster": "clouds", "TaskARN": "arn:aws:ecs:x:1:task/clouds/f00", "Family": "w", "Revision": "7"}
        )
        server.answers[STATE] = lambda request: reply(
            request, {"protection": {"ProtectionEnabled": json.loads(request.body)["ProtectionEnabled"]}}
        )
        yield server


def test_worker_on_ecs_is_protected_while_it_works_and_logs_its_names_and_metrics(
    web: Web, fleet: EmulatedFleet, settings: Settings, tmp_path: Path
) -> None:
    ecs = {"ECS_AGENT_URI": web.link("/api"), "ECS_CONTAINER_METADATA_URI_V4": web.link("/v4/id")}
    end = tmp_path / "end"
    run = fleet.push(f"exec while [ ! -e {end} ]; do sleep 0.1; done", "sleep 1")
    own = replace(settings, allow_exec=True, log_level="warning").to_environment()
    worker = Program(tmp_path / "worker.log", own | ecs)
    try:
        until(lambda: web.asked(STATE) >= 1, "protection")
        assert not fleet.finished(run), "the run ended before protection was asked for"
        end.touch()
        until(lambda: fleet.finished(run))
        until(lambda: web.asked(STATE) >= 2, "the end of protection")
        worker.signal(signal.SIGTERM)
        assert worker.wait() == 0
    finally:
        worker.process.kill()

    requests = [json.loads(request.body)["ProtectionEnabled"] for request in web.requests if request.path == STATE]
    assert requests == [True, False]
    assert {line.get("ecs_task") for line in worker.lines} == {"f00"}
    (metrics,) = worker.logged("metrics")
    assert (metrics["Tasks"], metrics["Failures"]) == (2, 0)
    assert len(metrics["Wait"]) == 2, "a task's message had no time of sending"
    assert metrics["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "CloudKon"
