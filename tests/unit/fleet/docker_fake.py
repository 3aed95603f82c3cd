"""An engine in memory with the interface of ``fleet.docker.engine.Engine``, controlled by the test."""

import itertools
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import trio

from cloudkon.errors import ServiceError
from cloudkon.settings import Settings
from fleet.docker.container import Container, ContainerPlan
from fleet.docker.docker_errors import Gone, NoImage
from fleet.docker.engine import Engine
from fleet.docker.labels import COMPOSE_SERVICE
from fleet.target import Report

STARTED = '2026-01-01T00:00:00.000000000Z {"action": "started"}'


class FakeEngine(Engine):
    """``held`` are its containers by id; a container of an image in ``broken`` dies as soon as it starts."""

    def __init__(self, *images: str) -> None:
        self.images = {image: f"sha256:{image}" for image in images}
        self.broken: dict[str, str] = {}
        self.held: dict[str, Container] = {}
        self.plans: dict[str, ContainerPlan] = {}
        self.log_lines: dict[str, list[str]] = {}
        self.networks: set[str] = set()
        self.stopped: list[tuple[str, int]] = []
        self.built: list[tuple[str, str]] = []
        self.revisions: list[str] = []
        self.platforms: list[str] = []
        self.pulled: list[str] = []
        self.registry = True
        """Whether images can be pulled."""
        self.ports_free = True
        self.stopping = 0
        self.most_stopping = 0
        self._numbers = itertools.count(1)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Engine]:
        yield self

    @property
    def names(self) -> list[str]:
        return sorted(one.name for one in self.held.values())

    def named(self, name: str) -> Container:
        return next(one for one in self.held.values() if one.name == name)

    def change(self, name: str, change: Callable[[Container], Container]) -> None:
        found = self.named(name)
        self.held[found.id] = change(found)

    def add(self, container: Container) -> None:
        self.held[container.id] = container

    async def containers(self, *filters: tuple[str, str]) -> list[Container]:
        await trio.lowlevel.checkpoint()
        states = {value for kind, value in filters if kind == "status"}
        found = [
            one
            for one in self.held.values()
            if (one.state in states or not states) and all(_applies(one, *each) for each in filters)
        ]
        return sorted(found, key=lambda one: (one.created, one.number))

    async def create(self, plan: ContainerPlan) -> str:
        await trio.lowlevel.checkpoint()
        if plan.image not in self.images:
            raise NoImage("Docker image", f"no such image {plan.image}")
        assert plan.name not in self.names
        identity = f"id-{next(self._numbers)}"
        self.plans[plan.name] = plan
        self.held[identity] = Container(
            id=identity,
            name=plan.name,
            state="created",
            image=self.images[plan.image],
            created=float(len(self.plans)),
            labels=plan.labels,
            environment=plan.environment,
            networks={plan.network: (plan.alias or plan.name, "172.18.0.9")},
        )
        return identity

    async def start(self, identity: str, name: str) -> None:
        await trio.lowlevel.checkpoint()
        if identity not in self.held:
            raise Gone(name)
        plan = self.plans[name]
        if plan.published and not self.ports_free:
            raise ServiceError(f"starting {name} failed: address already in use")
        if plan.image in self.broken:
            self.log_lines[name] = [f"2026-01-01T00:00:00.000000000Z {self.broken[plan.image]}"]
            died = replace(self.held[identity], state="restarting", restarts=1, exit_code=2)
            self.held[identity] = died
        else:
            self.log_lines[name] = [STARTED]
            ports = {plan.published: plan.published} if plan.published else {}
            running = replace(self.held[identity], state="running", pid=100, started=1.0, published=ports)
            self.held[identity] = running

    async def stop(self, container: Container, seconds: int) -> None:
        self.stopping += 1
        self.most_stopping = max(self.most_stopping, self.stopping)
        await trio.sleep(1.0)
        self.stopping -= 1
        self.stopped.append((container.name, seconds))
        self.held[container.id] = replace(container, state="exited", pid=0)

    async def remove(self, container: Container) -> None:
        await trio.lowlevel.checkpoint()
        self.held.pop(container.id, None)

    async def log(self, container: Container, lines: int, since: float = 0.0) -> list[str]:  # noqa: ARG002  (the engine's)
        await trio.lowlevel.checkpoint()
        return self.log_lines.get(container.name, [])[-lines:] if lines else []

    async def image_id(self, name: str) -> str:
        await trio.lowlevel.checkpoint()
        return self.images.get(name, "")

    async def pull(self, name: str) -> None:
        await trio.lowlevel.checkpoint()
        if not self.registry:
            raise ServiceError(f"pulling {name} failed: no such host")
        self.pulled.append(name)
        self.images[name] = f"sha256:{name}"

    async def build(
        self,
        directory: Path,
        dockerfile: str,
        image: str,
        arguments: Mapping[str, str],
        report: Callable[[str], None],
        platform: str = "",
    ) -> None:
        await trio.lowlevel.checkpoint()
        self.platforms.append(platform)
        report(f"Step 1/1 : LABEL {directory.name} {arguments['VERSION']}")
        self.built.append((dockerfile, image))
        self.revisions.append(arguments["REVISION"])

    async def ensure_network(self, name: str, fleet: str) -> None:  # noqa: ARG002  (the engine's)
        await trio.lowlevel.checkpoint()
        self.networks.add(name)

    async def remove_network(self, name: str, fleet: str) -> None:  # noqa: ARG002  (the engine's)
        await trio.lowlevel.checkpoint()
        self.networks.discard(name)


class FakeEndpoint:
    """The endpoint: whether it answers, and what was provisioned there."""

    def __init__(self, engine: FakeEngine) -> None:
        self.engine = engine
        self.elsewhere = False
        """Whether something other than a container answers."""
        self.provisioned: list[str] = []
        self.deleted: list[str] = []

    async def is_ready(self, _endpoint: str) -> bool:
        await trio.lowlevel.checkpoint()
        return self.elsewhere or any(one.running and one.published for one in self.engine.held.values())

    async def provision(self, settings: Settings, report: Report) -> None:
        await trio.lowlevel.checkpoint()
        report("WorkerQueue: create complete")
        self.provisioned.append(settings.fleet)

    async def delete_data(self, settings: Settings) -> None:
        await trio.lowlevel.checkpoint()
        self.deleted.append(settings.fleet)


def composed(name: str, service: str, network: str = "cloudkon-fleet", **environment: str) -> Container:
    """Return a running container of a compose file, in LocalStack's network."""
    return Container(
        id=name,
        name=name,
        state="running",
        pid=50,
        labels={COMPOSE_SERVICE: service},
        environment={"CLOUDKON_TARGET": "docker", **environment},
        networks={network: (name, "172.18.0.7")},
    )


def _applies(container: Container, kind: str, value: str) -> bool:
    if kind == "label":
        name, equals, wanted = value.partition("=")
        return name in container.labels and (not equals or container.labels[name] == wanted)
    if kind == "publish":
        return int(value) in container.published
    # The engine treats several states as alternatives.
    assert kind == "status"
    return True
