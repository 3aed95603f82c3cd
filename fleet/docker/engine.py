"""Engine: the Docker engine's API, called from trio. Only this module and ``faults`` import the SDK."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from textwrap import shorten
from typing import Any, Final, TypeVar

import docker
import trio
from docker.errors import DockerException, NotFound

from cloudkon.errors import ServiceError

from .container import Container, ContainerPlan
from .docker_errors import RAISED, Gone, NoImage, as_cloudkon_error, engine_unreachable
from .labels import FLEET

Result = TypeVar("Result")

CALLS: Final = 128
"""Calls under way at a time: as many workers can stop side by side, since each stop lasts as long as its worker."""
PATIENCE_SECONDS: Final = 60
"""How long the engine may take for one answer, on top of what a stopping container is given."""
USER: Final = "65532:65532"
"""Who sealed containers run as, whatever their image says: by number, and nobody on this machine."""
SCRATCH: Final = {"/tmp": "rw,nosuid,nodev,mode=1777,size=4g"}  # noqa: S108  (the container's own, not this machine's)
"""The only place that a sealed container may write to, in memory. 60 pictures from a telephone take some 300 MB."""
STEP_WIDTH: Final = 100
"""Characters of a build's step that are reported."""
LOGS: Final = {"max-size": "8m", "max-file": "2"}
"""A container's log never grows beyond both files."""


class Engine:
    """One connection to an engine. Every call raises ``ServiceError`` or a kind of ``InvalidInput`` from ``faults``."""

    def __init__(self, client: "docker.APIClient") -> None:
        """``open_engine`` makes it and closes the client after use."""
        # As Any: the SDK's stubs leave most of its answers untyped.
        self._client: Any = client
        self._limiter = trio.CapacityLimiter(CALLS)

    async def containers(self, *filters: tuple[str, str]) -> list[Container]:
        """Those to which all filters apply, such as ``("label", "cloudkon.fleet=x")``, stopped ones as well."""
        wanted: dict[str, list[str]] = {}
        for name, value in filters:
            wanted.setdefault(name, []).append(value)
        rows = await self._call("listing containers", self._client.containers, all=True, filters=wanted)
        found: dict[str, Container] = {}

        async def inspect(identity: str) -> None:
            try:
                answer = await self._call("inspecting a container", self._client.inspect_container, identity)
            except Gone:
                return
            found[identity] = Container.described(answer)

        async with trio.open_nursery() as nursery:
            for row in rows:
                nursery.start_soon(inspect, row["Id"])
        return sorted(found.values(), key=lambda one: (one.created, one.number))

    async def create(self, plan: ContainerPlan) -> str:
        """Make a container that does not run yet; give its id. Raises ``NoImage``."""
        make = partial(_create, self._client, plan)
        return str(await self._call(f"making {plan.name}", make))

    async def start(self, identity: str, name: str) -> None:
        """Start a container by its id; nothing where it runs. Raises ``Gone`` if it was removed."""
        await self._call(f"starting {name}", self._client.start, identity)

    async def stop(self, container: Container, seconds: int) -> None:
        """SIGTERM, and SIGKILL after so many seconds; it is not started again. Nothing where it has ended."""
        await self._quietly(f"stopping {container.name}", self._client.stop, container.id, timeout=seconds)

    async def remove(self, container: Container) -> None:
        """Remove it with its anonymous volumes, killing what still runs; nothing where it is gone."""
        remove = partial(self._client.remove_container, container.id, v=True, force=True)
        await self._quietly(f"removing {container.name}", remove)

    async def log(self, container: Container, lines: int, since: float = 0.0) -> list[str]:
        """Its last lines, each behind the time at which the engine took it; ``since`` in epoch seconds, 0.0 for all."""
        read = partial(self._client.logs, container.id, timestamps=True, tail=lines, since=since or None)
        try:
            data = await self._call(f"reading the log of {container.name}", read)
        except Gone:
            return []
        return str(data.decode(errors="replace")).splitlines()

    async def image_id(self, name: str) -> str:
        """What the name stands for now; empty if nothing."""
        try:
            return str((await self._call(f"looking for the image {name}", self._client.inspect_image, name))["Id"])
        except NoImage:
            return ""

    async def inspect_image(self, name: str) -> Mapping[str, Any] | None:
        """The engine's description of an image; ``None`` where it has none of that name."""
        try:
            found: Mapping[str, Any] = await self._call(
                f"looking for the image {name}", self._client.inspect_image, name
            )
        except NoImage:
            return None
        return found

    async def push(self, image: str, repository: str, tag: str, login: tuple[str, str]) -> None:
        """Push an image into a registry as the user and with the password of ``login``; it keeps its names here.

        Raises ``ServiceError`` with the registry's words.
        """
        target = f"{repository}:{tag}"

        def push() -> None:
            self._client.tag(image, repository, tag)
            auth = {"username": login[0], "password": login[1]}
            try:
                for event in self._client.push(repository, tag=tag, auth_config=auth, stream=True, decode=True):
                    trio.from_thread.check_cancelled()
                    if "error" in event:
                        raise ServiceError(f"pushing {target} failed: {event['error']}")
            finally:
                # The engine pushes what bears the registry's name. The image stays under its own.
                self._client.remove_image(target, noprune=True)

        await self._call(f"pushing {target}", push)

    async def pull(self, name: str) -> None:
        """Fetch an image from its registry."""
        repository, _, tag = name.rpartition(":") if ":" in name.rpartition("/")[2] else (name, "", "latest")
        await self._call(f"pulling {name}", partial(self._client.pull, repository, tag=tag))

    async def build(
        self,
        directory: Path,
        dockerfile: str,
        image: str,
        arguments: Mapping[str, str],
        report: Callable[[str], None],
    ) -> None:
        """Build an image, reporting each step; ``arguments`` are the Dockerfile's (ARG).

        Raises ``ServiceError`` with the failing step's last words.
        """
        said: list[str] = []

        def build() -> None:
            for event in self._client.build(
                path=str(directory),
                dockerfile=dockerfile,
                tag=image,
                buildargs=dict(arguments),
                rm=True,
                forcerm=True,
                decode=True,
            ):
                trio.from_thread.check_cancelled()
                line = str(event.get("stream", "")).rstrip()
                if line.startswith("Step "):
                    trio.from_thread.run_sync(report, shorten(line, STEP_WIDTH, placeholder=" …"))
                said.extend(line.splitlines())
                if "error" in event:
                    raise ServiceError(f"building {image} from {dockerfile} failed: {_last(said, event['error'])}")

        await self._call(f"building {image} from {dockerfile}", build)

    async def ensure_network(self, name: str, fleet: str) -> None:
        """Make a network with the fleet's label if there is none of that name."""
        found = await self._call("listing networks", partial(self._client.networks, names=[name]))
        if not any(one["Name"] == name for one in found):
            make = partial(self._client.create_network, name, driver="bridge", labels={FLEET: fleet})
            await self._call(f"making the network {name}", make)

    async def remove_network(self, name: str) -> None:
        """Remove it; nothing where it is gone."""
        await self._quietly(f"removing the network {name}", self._client.remove_network, name)

    async def _quietly(self, doing: str, function: Callable[..., object], *given: object, **named: object) -> None:
        """Call, where it is as well if what it is about is gone."""
        try:
            await self._call(doing, function, *given, **named)
        except Gone:
            return

    async def _call(self, doing: str, function: Callable[..., Result], *given: object, **named: object) -> Result:
        """Run a blocking call in a thread; cancelled, it is left to end by itself."""
        call = partial(function, *given, **named)
        try:
            return await trio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=self._limiter)
        except RAISED as error:
            named_error = as_cloudkon_error(error, doing)
            if isinstance(error, NotFound) and not isinstance(named_error, NoImage):
                raise Gone(str(named_error)) from error
            raise named_error from error


@asynccontextmanager
async def open_engine() -> AsyncIterator[Engine]:
    """Reach the engine that ``docker`` would use, by DOCKER_HOST or its context. Raises ``NoEngine``."""
    opened = partial(docker.from_env, timeout=PATIENCE_SECONDS, max_pool_size=CALLS, version="auto")
    try:
        client = await trio.to_thread.run_sync(opened)
    except (DockerException, OSError) as error:
        raise engine_unreachable(error) from error
    try:
        yield Engine(client.api)
    finally:
        client.close()


def _create(client: Any, plan: ContainerPlan) -> str:  # noqa: ANN401  (the SDK's client: see above)
    sealed: dict[str, Any] = {
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "tmpfs": SCRATCH,
    }
    host = client.create_host_config(
        network_mode=plan.network,
        restart_policy={"Name": "unless-stopped"},
        port_bindings={plan.published: ("127.0.0.1", plan.published)} if plan.published else None,
        log_config={"type": "json-file", "config": LOGS},
        **(sealed if plan.sealed else {}),
    )
    aliases = [plan.alias] if plan.alias else None
    networking = client.create_networking_config({plan.network: client.create_endpoint_config(aliases=aliases)})
    answer = client.create_container(
        plan.image,
        name=plan.name,
        environment=dict(plan.environment),
        labels=dict(plan.labels),
        user=USER if plan.sealed else None,
        ports=[plan.published] if plan.published else None,
        stop_timeout=plan.stop_seconds,
        host_config=host,
        networking_config=None if plan.network == "host" else networking,
    )
    return str(answer["Id"])


def _last(said: list[str], error: object) -> str:
    """A failing step's own last words tell more than the builder's, which only names its exit code."""
    words: Iterator[str] = (line.strip() for line in reversed(said) if line.strip() and not line.startswith("Step "))
    last = next(words, "")
    return f"{error} ({last})" if last else str(error)
