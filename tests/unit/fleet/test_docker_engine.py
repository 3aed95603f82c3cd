"""The adapter reads the engine's answers, explains its errors, and gives workers only the rights that they need."""

import copy
from pathlib import Path
from typing import Any

import pytest
import requests
from docker.errors import APIError, DockerException, ImageNotFound, NotFound

from cloudkon.errors import InvalidInput, InvalidSetting, ServiceError
from cloudkon.model import ANIMOTO, WORKER
from cloudkon.settings import Settings
from fleet.docker.container import Container, ContainerPlan
from fleet.docker.docker_errors import EngineRefuses, NoEngine, engine_unreachable
from fleet.docker.engine import Engine
from fleet.docker.image_platform import parse_platform
from fleet.docker.networking import WorkerNetwork, find_worker_network
from tests.unit.fleet.docker_fake import FakeEngine

INSPECTED: dict[str, Any] = {
    "Id": "106e72ff8cec0a",
    "Name": "/cloudkon-worker-1",
    "Created": "2026-11-22T17:38:07.123456789Z",
    "Image": "sha256:840d",
    "RestartCount": 2,
    "State": {
        "Status": "running",
        "Pid": 812,
        "ExitCode": 0,
        "OOMKilled": False,
        "Error": "",
        "StartedAt": "2026-11-22T17:38:09.5Z",
        "Health": {"Status": "healthy"},
    },
    "Config": {
        "Labels": {"com.docker.compose.service": "worker", "com.docker.compose.oneoff": "False"},
        "Env": ["CLOUDKON_TARGET=docker", "CLOUDKON_FLEET=", "PATH=/usr/bin:/bin=x"],
    },
    "NetworkSettings": {
        "Networks": {"cloudkon": {"Aliases": ["106e72ff8cec", "worker"], "IPAddress": "172.18.0.3"}},
        "Ports": {"4566/tcp": [{"HostIp": "127.0.0.1", "HostPort": "4999"}], "5678/tcp": None},
    },
}
PLAN = ContainerPlan(
    "c.worker.1", "cloudkon/worker:latest", "c-fleet", {"CLOUDKON_FLEET": "c"}, {"cloudkon.fleet": "c"}, 35
)


class Client:
    """The SDK's low-level client: records its calls, and returns or raises ``answer``."""

    def __init__(self, answer: object = None) -> None:
        self.answer = answer
        self.calls: dict[str, tuple[tuple[object, ...], dict[str, Any]]] = {}

    def __getattr__(self, name: str) -> object:
        def call(*given: object, **named: Any) -> object:  # noqa: ANN401  (whatever the SDK takes)
            self.calls[name] = (given, named)
            if name.startswith("create_") and name != "create_container":
                return named
            if isinstance(self.answer, Exception):
                raise self.answer
            return self.answer

        return call


def engine_of(client: Client) -> Engine:
    return Engine(client)  # type: ignore[arg-type]  # stands in for the SDK's


def api_error(kind: type[APIError], status: int, explanation: str) -> APIError:
    response = requests.Response()
    response.status_code = status
    return kind("refused", response=response, explanation=explanation)


def test_container_is_read_from_the_engines_answer() -> None:
    found = Container.described(INSPECTED)
    assert (found.name, found.state, found.running, found.pid) == ("cloudkon-worker-1", "running", True, 812)
    assert found.started - found.created == pytest.approx(2.376543)
    assert (found.restarts, found.health) == (2, "healthy")
    assert found.networks == {"cloudkon": ("worker", "172.18.0.3")}
    assert found.published == {4999: 4566}
    assert found.environment["PATH"] == "/usr/bin:/bin=x"


def test_container_that_never_ran_has_no_network() -> None:
    answer = copy.deepcopy(INSPECTED)
    answer["State"] |= {"Status": "created", "StartedAt": "0001-01-01T00:00:00Z", "Health": None}
    answer["NetworkSettings"] = {"Networks": None}
    answer["Config"] |= {"Labels": None, "Env": None}
    found = Container.described(answer)
    assert (found.started, found.health, found.networks, found.published) == (0.0, "", {}, {})
    assert (found.number, found.running) == (0, False)


def test_compose_worker_belongs_to_its_fleet_and_pool() -> None:
    found = Container.described(INSPECTED)
    assert found.is_composed("cloudkon", WORKER)  # an empty variable counts as unset
    assert not found.is_composed("cloudkon", ANIMOTO)
    assert not found.is_composed("other", WORKER)
    one_off = copy.deepcopy(INSPECTED)
    one_off["Config"]["Labels"]["com.docker.compose.oneoff"] = "True"
    assert not Container.described(one_off).is_composed("cloudkon", WORKER)


async def test_worker_container_has_only_the_rights_it_needs() -> None:
    client = Client({"Id": "abc"})
    assert await engine_of(client).create(PLAN) == "abc"
    named = client.calls["create_container"][1]
    host = named["host_config"]
    user = named["user"].partition(":")[0]
    assert user.isdigit()
    assert int(user) > 0
    assert (host["read_only"], host["cap_drop"]) == (True, ["ALL"])
    assert host["security_opt"] == ["no-new-privileges:true"]
    assert list(host["tmpfs"]) == ["/tmp"]
    assert host["restart_policy"] == {"Name": "unless-stopped"}
    assert named["stop_timeout"] == 35


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (api_error(ImageNotFound, 404, "No such image: x"), InvalidInput, "No such image: x. Build the images with"),
        (api_error(APIError, 500, "port is already allocated"), ServiceError, "making c.worker.1 failed: port is"),
        (
            requests.ConnectionError(("aborted", PermissionError(13, "Permission denied"))),
            NoEngine,
            "may not use its socket",
        ),
        (requests.ConnectionError("refused"), NoEngine, "none answers"),
        (requests.ReadTimeout("60 s"), ServiceError, "making c.worker.1: .* did not answer in time"),
        (DockerException("no such option"), ServiceError, "making c.worker.1 failed: no such option"),
    ],
)
async def test_engine_errors_become_errors_of_the_fleet(error: Exception, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words):
        await engine_of(Client(error)).create(PLAN)


async def test_stopping_or_removing_a_missing_container_is_no_error() -> None:
    engine = engine_of(Client(api_error(NotFound, 404, "No such container: x")))
    found = Container.described(INSPECTED)
    await engine.stop(found, 35)
    await engine.remove(found)
    assert await engine.log(found, 3) == []


@pytest.mark.parametrize("labels", [None, {}, {"cloudkon.fleet": "other"}])
async def test_network_of_others_is_neither_used_nor_removed(labels: dict[str, str] | None) -> None:
    client = Client([{"Name": "c-fleet", "Labels": labels}])
    with pytest.raises(InvalidInput, match="'c-fleet': it does not belong to the fleet 'c'"):
        await engine_of(client).ensure_network("c-fleet", "c")
    await engine_of(client).remove_network("c-fleet", "c")
    assert list(client.calls) == ["networks"]


async def test_network_of_the_fleet_is_used_and_removed() -> None:
    client = Client([{"Name": "c-fleet-2", "Labels": {}}, {"Name": "c-fleet", "Labels": {"cloudkon.fleet": "c"}}])
    await engine_of(client).ensure_network("c-fleet", "c")
    assert list(client.calls) == ["networks"]
    await engine_of(client).remove_network("c-fleet", "c")
    assert client.calls["remove_network"] == (("c-fleet",), {})


async def test_missing_image_has_no_id() -> None:
    assert await engine_of(Client(api_error(ImageNotFound, 404, "No such image: x"))).image_id("x") == ""
    assert await engine_of(Client({"Id": "sha256:1"})).image_id("x") == "sha256:1"


async def test_pull_distinguishes_a_tag_from_a_registry_port() -> None:
    client = Client()
    await engine_of(client).pull("registry.example:5000/some/image")
    assert client.calls["pull"] == (("registry.example:5000/some/image",), {"tag": "latest"})
    await engine_of(client).pull("some/image:1.2")
    assert client.calls["pull"] == (("some/image",), {"tag": "1.2"})


async def test_failing_build_reports_the_last_output_of_its_step() -> None:
    events = [
        {"stream": "Step 1/2 : FROM x\n"},
        {"stream": "Step 2/2 : RUN pip install\n"},
        {"stream": "No matching distribution\n"},
        {"errorDetail": {}, "error": "returned a non-zero code: 1"},
    ]
    reported: list[str] = []
    with pytest.raises(ServiceError, match=r"Dockerfile.worker failed: returned.*\(No matching distribution\)"):
        await engine_of(Client(events)).build(
            Path(), "Dockerfile.worker", "cloudkon/worker:latest", {}, reported.append
        )
    assert reported == ["Step 1/2 : FROM x", "Step 2/2 : RUN pip install"]


@pytest.mark.parametrize(
    "said",
    [
        # With containerd's runtime, and with an older runc.
        "exec /bin/sh: exec format error\n",
        'standard_init_linux.go:228: exec user process caused "exec format error"\n',
    ],
)
async def test_platform_that_the_engine_cannot_run_is_named_with_the_remedies(said: str) -> None:
    events = [{"stream": "Step 2/9 : RUN apt-get update\n"}, {"stream": said}, {"error": "returned a non-zero code: 1"}]
    client = Client(events)
    with pytest.raises(InvalidInput) as refused:
        await engine_of(client).build(
            Path(), "Dockerfile.worker", "cloudkon/worker:latest", {}, lambda _: None, "linux/arm64"
        )
    text = str(refused.value)
    assert "can't run programs of linux/arm64" in text
    assert "tonistiigi/binfmt --install arm64" in text
    assert "python -m fleet up --x86" in text
    assert client.calls["build"][1]["platform"] == "linux/arm64"


async def test_build_leaves_the_platform_to_the_engine_by_default() -> None:
    client = Client([])
    await engine_of(client).build(Path(), "Dockerfile.worker", "cloudkon/worker:latest", {}, lambda _: None)
    assert client.calls["build"][1]["platform"] is None


@pytest.mark.parametrize(
    ("text", "platform"),
    [
        ("linux/amd64", "linux/amd64"),
        ("linux/arm64", "linux/arm64"),
        ("arm64", "linux/arm64"),
        ("aarch64", "linux/arm64"),
        ("x86_64", "linux/amd64"),
        ("AMD64", "linux/amd64"),
    ],
)
def test_platforms_have_several_spellings(text: str, platform: str) -> None:
    assert parse_platform(text) == platform


@pytest.mark.parametrize("text", ["linux/386", "windows/amd64", "linux/arm/v7", "gpu", "linux/"])
def test_platform_without_workers_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"workers run on no such platform\. Give linux/amd64 or linux/arm64"):
        parse_platform(text)


def test_unreachable_engine_and_missing_permission_are_different_errors() -> None:
    wrapped = DockerException("Error while fetching server API version: PermissionError(13, 'Permission denied')")
    assert isinstance(engine_unreachable(wrapped), EngineRefuses)
    assert not isinstance(engine_unreachable(FileNotFoundError(2, "No such file")), EngineRefuses)


def test_docker_host_that_does_not_answer_is_named_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    refused = DockerException("Error while fetching server API version")
    refused.__cause__ = ConnectionRefusedError(111, "Connection refused")
    assert "at tcp://127.0.0.1:1 (Connection refused)" in str(engine_unreachable(refused))
    monkeypatch.setenv("DOCKER_HOST", "nonsense")
    assert "at nonsense (port is required). " in str(engine_unreachable(DockerException("port is required")))


def emulator_in(**networks: tuple[str, ...]) -> FakeEngine:
    engine = FakeEngine()
    engine.add(Container(id="e", name="emu", state="running", networks=networks, published={4999: 4566}))
    return engine


@pytest.mark.parametrize(
    ("engine", "endpoint", "worker_network"),
    [
        (
            emulator_in(bridge=("172.17.0.2",), net=("emu", "localstack", "172.18.0.2")),
            "http://127.0.0.1:4999",
            WorkerNetwork("http://localstack:4566", "net"),
        ),
        (emulator_in(net=("emu", "172.18.0.2")), "http://localhost:4999", WorkerNetwork("http://emu:4566", "net")),
        (
            emulator_in(bridge=("172.17.0.2",)),
            "http://127.0.0.1:4999",
            WorkerNetwork("http://172.17.0.2:4566", "bridge"),
        ),
        (emulator_in(net=("emu",)), "http://127.0.0.1:5000", WorkerNetwork("http://127.0.0.1:5000", "host")),
        (emulator_in(), "http://elsewhere:4566", WorkerNetwork("http://elsewhere:4566", "c-fleet")),
    ],
)
async def test_workers_get_a_network_that_reaches_the_endpoint(
    engine: FakeEngine, endpoint: str, worker_network: WorkerNetwork
) -> None:
    assert await find_worker_network(engine, "c", endpoint) == worker_network
    assert engine.networks == ({"c-fleet"} if worker_network.network == "c-fleet" else set())


async def test_invalid_endpoint_address_is_named() -> None:
    settings = Settings(target="docker", endpoint_url="localstack")
    with pytest.raises(InvalidSetting, match=r"'localstack': not an http address"):
        await find_worker_network(FakeEngine(), "c", settings.service_endpoint())
