"""Finds the network and the address through which a worker's container reaches the endpoint."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from cloudkon.errors import InvalidSetting

from .container import Container
from .engine import Engine

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
HOST_NETWORK: Final = "host"
"""The engine's name for this machine's own network."""
EMULATOR_ALIAS: Final = "localstack"
"""LocalStack's name in its network, here and in the compose file."""


@dataclass(frozen=True, slots=True)
class WorkerNetwork:
    """The network that a worker joins, and the endpoint's address in it."""

    endpoint_url: str
    network: str


def network_name(fleet: str) -> str:
    """Return the name of the network that this target creates. Compose refuses to share a network, so it differs."""
    return f"{fleet}-fleet"


def loopback_port(endpoint_url: str) -> int:
    """Return the endpoint's port on this machine's loopback, else 0. Raises ``InvalidSetting`` for an invalid URL."""
    try:
        parts = urlsplit(endpoint_url)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    except (KeyError, ValueError):
        raise InvalidSetting(f"endpoint {endpoint_url!r}", "not an http address", "Correct AWS_ENDPOINT_URL") from None
    return port if parts.hostname in LOOPBACK else 0


async def publishers(engine: Engine, port: int) -> list[Container]:
    """Return the running and paused containers that publish a port of this machine."""
    found = await engine.containers(("publish", str(port)), ("status", "running"), ("status", "paused"))
    return [one for one in found if port in one.published]


async def find_worker_network(engine: Engine, fleet: str, endpoint_url: str) -> WorkerNetwork:
    """Return the network of the container that publishes the endpoint, else this machine's own network.

    An address that is not on loopback is the same everywhere; then workers only need a network of their own.
    """
    port = loopback_port(endpoint_url)
    if not port:
        await engine.ensure_network(network_name(fleet), fleet)
        return WorkerNetwork(endpoint_url, network_name(fleet))
    for container in await publishers(engine, port):
        # The default network "bridge" does not resolve names, so it is the last choice.
        for network, names in sorted(container.networks.items(), key=lambda item: (item[0] == "bridge", item[0])):
            if names:
                name = EMULATOR_ALIAS if EMULATOR_ALIAS in names else names[0]
                return WorkerNetwork(f"{urlsplit(endpoint_url).scheme}://{name}:{container.published[port]}", network)
    return WorkerNetwork(endpoint_url, HOST_NETWORK)
