"""Labels: how the fleet's containers are told from all others on the engine."""

from typing import Final

FLEET: Final = "cloudkon.fleet"
"""The fleet's name, on everything that this target makes."""
POOL: Final = "cloudkon.pool"
"""A worker's pool; LocalStack and the network have none."""
NUMBER: Final = "cloudkon.number"
"""A worker's number in its pool, from 1 on."""
EMULATOR: Final = "cloudkon.emulator"
"""On the LocalStack that this target started; never on one of a compose file."""
COMPOSE_SERVICE: Final = "com.docker.compose.service"
"""Compose's own, on each of its containers: the service's name in the file."""
COMPOSE_ONE_OFF: Final = "com.docker.compose.oneoff"
"""Compose's own: ``True`` on what ``docker compose run`` started."""
