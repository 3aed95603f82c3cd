"""Defines the labels that identify the fleet's containers on the engine."""

from typing import Final

FLEET: Final = "cloudkon.fleet"
"""The fleet's name, on everything that this target creates."""
POOL: Final = "cloudkon.pool"
"""A worker's pool. LocalStack and the network have no such label."""
NUMBER: Final = "cloudkon.number"
"""A worker's number in its pool, from 1 on."""
EMULATOR: Final = "cloudkon.emulator"
"""The port of a LocalStack that this target started. A LocalStack of a compose file has no such label."""
COMPOSE_SERVICE: Final = "com.docker.compose.service"
"""Set by Compose on each of its containers: the service's name in the file."""
COMPOSE_ONE_OFF: Final = "com.docker.compose.oneoff"
"""Set by Compose: ``True`` on containers that ``docker compose run`` started."""
