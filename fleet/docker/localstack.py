"""Runs LocalStack in a container, if nothing answers at the endpoint yet."""

import os
from typing import Final

import trio

from cloudkon.errors import InvalidInput, ServiceError
from cloudkon.programs import command

from ..target import Report
from .container import Container, ContainerPlan
from .docker_errors import NoImage
from .engine import Engine
from .healthcheck import is_ready
from .labels import EMULATOR, FLEET
from .networking import EMULATOR_ALIAS, loopback_port, network_name, publishers

IMAGE_VARIABLE: Final = "LOCALSTACK_IMAGE"
DEFAULT_IMAGE: Final = "localstack/localstack:4.14.0"
"""The last release that runs without an account token."""
READY_SECONDS: Final = 240.0
"""From the start until it is ready; half a minute on an idle machine."""
LOOK_SECONDS: Final = 0.25
STOP_SECONDS: Final = 15
ENVIRONMENT: Final = {
    # Only the services of a fleet, loaded before LocalStack is ready: the first push doesn't wait for DynamoDB's Java.
    "SERVICES": "sqs,dynamodb,s3,cloudformation,sts",
    "EAGER_SERVICE_LOADING": "1",
    "STRICT_SERVICE_LOADING": "1",
    # The ledger is written twice for each chunk; on disk, this would limit the fleet. Nothing is kept either way.
    "DYNAMODB_IN_MEMORY": "1",
    # Queue URLs contain the host of the request: the alias in the network, loopback on this machine.
    "SQS_ENDPOINT_STRATEGY": "dynamic",
    # No internet needed: no DNS server of its own, no usage reports, no certificate download.
    "DNS_ADDRESS": "0",
    "DISABLE_EVENTS": "1",
    "SKIP_SSL_CERT_DOWNLOAD": "1",
}


class LocalStack:
    """The LocalStack of one fleet."""

    def __init__(self, engine: Engine, fleet: str, endpoint_url: str) -> None:
        """``endpoint_url`` is its address on this machine."""
        self._engine, self._fleet, self._endpoint = engine, fleet, endpoint_url

    async def container(self) -> Container | None:
        """Return the container that this target created for LocalStack, running or not."""
        found = await self._engine.containers(("label", f"{FLEET}={self._fleet}"), ("label", EMULATOR))
        return found[0] if found else None

    async def publisher(self) -> Container | None:
        """Return the container that publishes the endpoint's port, of this target or not."""
        port = loopback_port(self._endpoint)
        found = await publishers(self._engine, port) if port else []
        return found[0] if found else None

    async def ensure(self, report: Report) -> None:
        """Make sure that the endpoint is ready: start a LocalStack if nothing answers there.

        Raises ``InvalidInput`` if none can be started for this address, and ``ServiceError`` if it does not start.
        """
        if await is_ready(self._endpoint):
            return
        port = loopback_port(self._endpoint)
        if not port:
            raise ServiceError(
                f"endpoint {self._endpoint}: no answer, and a LocalStack can only be started on this machine. "
                "Nothing was changed. Start it there, or unset AWS_ENDPOINT_URL"
            )
        if not await self.publisher():
            await self._start(port, report)
        await self._wait(report)

    async def remove(self, report: Report) -> bool:
        """Remove the LocalStack that this target created, with its data; return whether there was one."""
        container = await self.container()
        if container:
            report("removing LocalStack, with messages, ledger and stored objects")
            await self._engine.stop(container, STOP_SECONDS)
            await self._engine.remove(container)
        return container is not None

    async def _start(self, port: int, report: Report) -> None:
        container = await self.container()
        if container and container.labels[EMULATOR] != str(port):
            raise InvalidInput(
                f"endpoint {self._endpoint}",
                f"this fleet's LocalStack uses port {container.labels[EMULATOR]}",
                f"Set AWS_ENDPOINT_URL to that, or remove it first with: {command('fleet down --delete-data')}",
            )
        if container:
            report("starting LocalStack again: its data is lost")
            await self._engine.start(container.id, container.name)
            return
        image = os.environ.get(IMAGE_VARIABLE, "") or DEFAULT_IMAGE
        if not await self._engine.image_id(image):
            report(f"pulling {image} (several hundred megabytes, once)")
            await self._pull(image)
        await self._engine.ensure_network(network_name(self._fleet), self._fleet)
        report("starting LocalStack")
        plan = self._plan(image, port)
        identity = await self._engine.create(plan)
        try:
            await self._engine.start(identity, plan.name)
        except ServiceError as error:
            # A container that never ran must not look like a LocalStack that lost its data.
            if made := await self.container():
                await self._engine.remove(made)
            raise ServiceError(
                f"{error}. If the port is in use, free it or set another one in AWS_ENDPOINT_URL"
            ) from error

    async def _pull(self, image: str) -> None:
        try:
            await self._engine.pull(image)
        except (NoImage, ServiceError) as error:
            raise ServiceError(
                f"LocalStack's image {image} is not on this machine and can't be pulled: {error}. Nothing was started. "
                f"Name an available image in {IMAGE_VARIABLE}"
            ) from error

    def _plan(self, image: str, port: int) -> ContainerPlan:
        return ContainerPlan(
            name=f"{self._fleet}.localstack",
            image=image,
            network=network_name(self._fleet),
            # It listens on the published port, so that the addresses in its answers are valid inside and outside.
            environment={**ENVIRONMENT, "GATEWAY_LISTEN": f"0.0.0.0:{port}"},
            labels={FLEET: self._fleet, EMULATOR: str(port)},
            stop_seconds=STOP_SECONDS,
            sealed=False,
            alias=EMULATOR_ALIAS,
            published=port,
        )

    async def _wait(self, report: Report) -> None:
        """Wait until it is ready. Fail if its container has exited once: the engine would restart it for ever."""
        report("waiting for LocalStack")
        with trio.move_on_after(READY_SECONDS):
            while not await is_ready(self._endpoint):
                container = await self.publisher() or await self.container()
                if container and container.paused:
                    raise ServiceError(f"endpoint {self._endpoint}: {container.paused}")
                if container and not container.running:
                    excerpt = " | ".join(await self._engine.log(container, 3)) or "its log is empty"
                    raise ServiceError(f"LocalStack ({container.name}) does not stay up, {container.end}: {excerpt}")
                await trio.sleep(LOOK_SECONDS)
            return
        raise ServiceError(
            f"endpoint {self._endpoint}: not ready after {READY_SECONDS:.0f} s; its log may have the reason. "
            f"See: docker logs {self._fleet}.localstack"
        )
