"""Calls the Docker engine's API from trio. Beside it, ``docker_context`` and ``docker_errors`` import the SDK."""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from textwrap import shorten
from typing import Any, Final, TypeVar

import docker
import trio
from docker.errors import DockerException, NotFound

from cloudkon.errors import InvalidInput, ServiceError

from .container import Container, ContainerPlan
from .docker_context import check_context
from .docker_errors import RAISED, Gone, NoImage, as_cloudkon_error, engine_unreachable
from .image_platform import NOT_RUNNABLE, no_emulation
from .labels import FLEET

Result = TypeVar("Result")

MOST_CALLS: Final = 128
"""Calls at a time. As many workers can stop side by side, because each stop call lasts until its worker ends."""
CALL_SECONDS: Final = 60
"""How long the engine may take for one answer, added to the grace of a stopping container."""
USER: Final = "65532:65532"
"""The user of sealed containers, whatever their image says: a number without an account on this machine."""
SCRATCH: Final = {"/tmp": "rw,nosuid,nodev,mode=1777,size=4g"}  # noqa: S108  (the container's own, not this machine's)
"""The only directory that a sealed container can write to, in memory. 60 phone pictures take some 300 MB."""
STEP_WIDTH: Final = 100
"""Characters of a build step that are reported."""
LOGS: Final = {"max-size": "8m", "max-file": "2"}
"""The size limit of a container's log: two files."""


class Engine:
    """One connection to an engine. Every call raises the errors of ``docker_errors``."""

    def __init__(self, client: "docker.APIClient") -> None:
        """``open_engine`` creates it, and closes the client after use."""
        # Any, because the SDK's stubs leave most of its answers untyped.
        self._client: Any = client
        self._limiter = trio.CapacityLimiter(MOST_CALLS)

    async def containers(self, *filters: tuple[str, str]) -> list[Container]:
        """Return all containers that match the filters, such as ``("label", "cloudkon.fleet=x")``, stopped ones too."""
        by_name: dict[str, list[str]] = {}
        for name, value in filters:
            by_name.setdefault(name, []).append(value)
        rows = await self._call("listing containers", self._client.containers, all=True, filters=by_name)
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
        """Create a container without starting it; return its id. Raises ``NoImage``."""
        make = partial(_create, self._client, plan)
        return str(await self._call(f"making {plan.name}", make))

    async def start(self, identity: str, name: str) -> None:
        """Start a container by its id, unless it runs. Raises ``Gone`` if it was removed."""
        await self._call(f"starting {name}", self._client.start, identity)

    async def stop(self, container: Container, seconds: int) -> None:
        """Send SIGTERM, and SIGKILL after ``seconds``; the engine does not restart it. An ended one is no error."""
        await self._unless_gone(f"stopping {container.name}", self._client.stop, container.id, timeout=seconds)

    async def remove(self, container: Container) -> None:
        """Kill the container if it runs, and remove it with its anonymous volumes. A missing container is no error."""
        remove = partial(self._client.remove_container, container.id, v=True, force=True)
        await self._unless_gone(f"removing {container.name}", remove)

    async def log(self, container: Container, lines: int, since: float = 0.0) -> list[str]:
        """Return the last lines of the log, each behind its time; ``since`` is in epoch seconds, 0.0 for all."""
        read = partial(self._client.logs, container.id, timestamps=True, tail=lines, since=since or None)
        try:
            data = await self._call(f"reading the log of {container.name}", read)
        except Gone:
            return []
        return str(data.decode(errors="replace")).splitlines()

    async def image_id(self, name: str) -> str:
        """Return the id of the image that has this name now; empty if there is none."""
        try:
            return str((await self._call(f"looking for the image {name}", self._client.inspect_image, name))["Id"])
        except NoImage:
            return ""

    async def inspect_image(self, name: str) -> Mapping[str, Any] | None:
        """Return the engine's description of an image; ``None`` for an unknown name."""
        try:
            found: Mapping[str, Any] = await self._call(
                f"looking for the image {name}", self._client.inspect_image, name
            )
        except NoImage:
            return None
        return found

    async def push(self, image: str, repository: str, tag: str, login: tuple[str, str]) -> None:
        """Push an image to a registry with the user and password of ``login``. Its local names stay.

        Raises ``ServiceError`` with the registry's message.
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
                # The engine pushes by the registry's name. The image stays under its own.
                self._client.remove_image(target, noprune=True)

        await self._call(f"pushing {target}", push)

    async def pull(self, name: str) -> None:
        """Pull an image from its registry."""
        repository, _, tag = name.rpartition(":") if ":" in name.rpartition("/")[2] else (name, "", "latest")
        await self._call(f"pulling {name}", partial(self._client.pull, repository, tag=tag))

    async def build(
        self,
        directory: Path,
        dockerfile: str,
        image: str,
        arguments: Mapping[str, str],
        report: Callable[[str], None],
        platform: str = "",
    ) -> None:
        """Build an image and report each step; ``arguments`` are the Dockerfile's (ARG).

        ``platform`` is as ``linux/arm64``, empty for the engine's own. Raises ``InvalidInput`` for one whose programs
        the engine can't run, and ``ServiceError`` with the last output of the failing step.
        """
        output: list[str] = []

        def build() -> None:
            for event in self._client.build(
                path=str(directory),
                dockerfile=dockerfile,
                tag=image,
                buildargs=dict(arguments),
                rm=True,
                forcerm=True,
                decode=True,
                platform=platform or None,
            ):
                trio.from_thread.check_cancelled()
                line = str(event.get("stream", "")).rstrip()
                if line.startswith("Step "):
                    trio.from_thread.run_sync(report, shorten(line, STEP_WIDTH, placeholder=" …"))
                output.extend(line.splitlines())
                if "error" in event:
                    if platform and any(NOT_RUNNABLE in one for one in (*output, str(event["error"]))):
                        raise no_emulation(platform, image)
                    raise ServiceError(
                        f"building {image} from {dockerfile} failed: {_with_last_line(output, event['error'])}"
                    )

        await self._call(f"building {image} from {dockerfile}", build)

    async def ensure_network(self, name: str, fleet: str) -> None:
        """Create a network of this name with the fleet's label, unless it exists.

        Raises ``InvalidInput`` if it is not this fleet's: workers must not join another one's network.
        """
        owner = await self._network_owner(name)
        if owner is None:
            make = partial(self._client.create_network, name, driver="bridge", labels={FLEET: fleet})
            await self._call(f"making the network {name}", make)
        elif owner != fleet:
            remedy = f"Remove it with: docker network rm {name}; or choose another name in CLOUDKON_FLEET"
            raise InvalidInput(f"Docker network {name!r}", f"it does not belong to the fleet {fleet!r}", remedy)

    async def remove_network(self, name: str, fleet: str) -> None:
        """Remove the fleet's network. A missing network, or another one of this name, is no error."""
        if await self._network_owner(name) == fleet:
            await self._unless_gone(f"removing the network {name}", self._client.remove_network, name)

    async def _network_owner(self, name: str) -> str | None:
        """Return the fleet in a network's label, empty without a label; ``None`` if there is no such network."""
        found = await self._call("listing networks", partial(self._client.networks, names=[name]))
        owners = [str((one.get("Labels") or {}).get(FLEET, "")) for one in found if one["Name"] == name]
        return owners[0] if owners else None

    async def _unless_gone(self, doing: str, function: Callable[..., object], *given: object, **named: object) -> None:
        """Call, and ignore that the object of the call is gone."""
        try:
            await self._call(doing, function, *given, **named)
        except Gone:
            return

    async def _call(self, doing: str, function: Callable[..., Result], *given: object, **named: object) -> Result:
        """Run a blocking call in a thread. A cancelled call goes on in its thread."""
        call = partial(function, *given, **named)
        try:
            return await trio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=self._limiter)
        except RAISED as error:
            ours = as_cloudkon_error(error, doing)
            if isinstance(error, NotFound) and not isinstance(ours, NoImage):
                raise Gone(str(ours)) from error
            raise ours from error


@asynccontextmanager
async def open_engine() -> AsyncIterator[Engine]:
    """Connect to the engine that ``docker`` would use, by DOCKER_HOST or its context.

    Raises ``NoEngine``, or ``InvalidInput`` for a context that can't be used.
    """
    check_context()
    opened = partial(docker.from_env, timeout=CALL_SECONDS, max_pool_size=MOST_CALLS, version="auto")
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


def _with_last_line(output: list[str], error: object) -> str:
    """Add the failing step's last line: the builder's own error only names the exit code."""
    lines: Iterator[str] = (line.strip() for line in reversed(output) if line.strip() and not line.startswith("Step "))
    last = next(lines, "")
    return f"{error} ({last})" if last else str(error)
