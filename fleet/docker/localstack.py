"""Emulator: LocalStack in a container, where nothing answers at the endpoint yet."""

import os
from typing import Final

import trio

from cloudkon.errors import InvalidInput, ServiceError

from ..target import Report
from .container import Container, ContainerPlan
from .docker_errors import NoImage
from .engine import Engine
from .healthcheck import is_ready
from .labels import EMULATOR, FLEET
from .networking import EMULATOR_ALIAS, loopback_port, network_name, publishers

IMAGE_VARIABLE: Final = "LOCALSTACK_IMAGE"
DEFAULT_IMAGE: Final = "localstack/localstack:4.14.0"
"""The last release that runs without an account's token."""
READY_SECONDS: Final = 240.0
"""From its start to its readiness; half a minute on an idle machine."""
LOOK_SECONDS: Final = 0.25
STOP_SECONDS: Final = 15
ENVIRONMENT: Final = {
    # Only what a fleet uses, loaded before it calls itself ready: the first push doesn't wait for DynamoDB's Java.
    "SERVICES": "sqs,dynamodb,s3,cloudformation,sts",
    "EAGER_SERVICE_LOADING": "1",
    "STRICT_SERVICE_LOADING": "1",
    # The ledger is written twice a chunk; on disk that would be the fleet's ceiling. Nothing outlives it either way.
    "DYNAMODB_IN_MEMORY": "1",
    # Queue addresses with the host that was asked: the alias in the network, loopback on this machine.
    "SQS_ENDPOINT_STRATEGY": "dynamic",
    # It works without the internet: no DNS server of its own, no reports to its makers, no certificate to fetch.
    "DNS_ADDRESS": "0",
    "DISABLE_EVENTS": "1",
    "SKIP_SSL_CERT_DOWNLOAD": "1",
}


class LocalStack:
    """The LocalStack of one fleet."""

    def __init__(self, engine: Engine, fleet: str, endpoint_url: str) -> None:
        """``endpoint_url`` is where it is to answer on this machine."""
        self._engine, self._fleet, self._endpoint = engine, fleet, endpoint_url

    async def container(self) -> Container | None:
        """The container that this target made for it, running or not."""
        found = await self._engine.containers(("label", f"{FLEET}={self._fleet}"), ("label", EMULATOR))
        return found[0] if found else None

    async def publisher(self) -> Container | None:
        """The container that has the endpoint's port, whoever made it."""
        port = loopback_port(self._endpoint)
        found = await publishers(self._engine, port) if port else []
        return found[0] if found else None

    async def ensure(self, report: Report) -> None:
        """Have something ready at the endpoint: what answers there already, else a LocalStack of ours.

        Raises ``InvalidInput`` where none can be started for that address, ``ServiceError`` if it does not come up.
        """
        if await is_ready(self._endpoint):
            return
        port = loopback_port(self._endpoint)
        if not port:
            raise ServiceError(
                f"endpoint {self._endpoint}: nothing answers there, and a LocalStack can only be started on this "
                "machine. Nothing was done. Start it there, or unset AWS_ENDPOINT_URL"
            )
        if not await self.publisher():
            await self._start(port, report)
        await self._wait(report)

    async def remove(self, report: Report) -> bool:
        """Remove the one that this target made, with all that it holds; say whether there was one."""
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
                f"this fleet's LocalStack is at port {container.labels[EMULATOR]}",
                "Set AWS_ENDPOINT_URL to that, or remove it first with: python -m fleet down --delete-data",
            )
        if container:
            report("starting LocalStack again: what it held is lost")
            await self._engine.start(container.id, container.name)
            return
        image = os.environ.get(IMAGE_VARIABLE, "") or DEFAULT_IMAGE
        if not await self._engine.image_id(image):
            report(f"pulling {image} (some hundred megabytes, once)")
            await self._pull(image)
        await self._engine.ensure_network(network_name(self._fleet), self._fleet)
        report("starting LocalStack")
        plan = self._plan(image, port)
        identity = await self._engine.create(plan)
        try:
            await self._engine.start(identity, plan.name)
        except ServiceError as error:
            # What never ran must not pass for one that held something.
            if made := await self.container():
                await self._engine.remove(made)
            raise ServiceError(
                f"{error}. If its port is taken: free it, or name another in AWS_ENDPOINT_URL"
            ) from error

    async def _pull(self, image: str) -> None:
        try:
            await self._engine.pull(image)
        except (NoImage, ServiceError) as error:
            raise ServiceError(
                f"LocalStack's image {image} is not here, and can't be pulled: {error}. Nothing was started. "
                f"Name one that is here, or in a registry within reach, in {IMAGE_VARIABLE}"
            ) from error

    def _plan(self, image: str, port: int) -> ContainerPlan:
        return ContainerPlan(
            name=f"{self._fleet}.localstack",
            image=image,
            network=network_name(self._fleet),
            # It listens where it is published, so that every address it gives out is right on both sides.
            environment={**ENVIRONMENT, "GATEWAY_LISTEN": f"0.0.0.0:{port}"},
            labels={FLEET: self._fleet, EMULATOR: str(port)},
            stop_seconds=STOP_SECONDS,
            sealed=False,
            alias=EMULATOR_ALIAS,
            published=port,
        )

    async def _wait(self, report: Report) -> None:
        """Until it is ready. One that died once does not count as coming up: it would be tried for ever."""
        report("waiting for LocalStack")
        with trio.move_on_after(READY_SECONDS):
            while not await is_ready(self._endpoint):
                container = await self.publisher() or await self.container()
                if container and container.paused:
                    raise ServiceError(f"endpoint {self._endpoint}: {container.paused}")
                if container and not container.running:
                    said = " | ".join(await self._engine.log(container, 3))
                    raise ServiceError(
                        f"LocalStack ({container.name}) does not stay up, {container.end}: {said or 'it said nothing'}"
                    )
                await trio.sleep(LOOK_SECONDS)
            return
        raise ServiceError(
            f"endpoint {self._endpoint}: not ready after {READY_SECONDS:.0f} s; its log may say why. "
            f"See: docker logs {self._fleet}.localstack"
        )
