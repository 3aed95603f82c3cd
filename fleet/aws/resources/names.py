"""Names: what the fleet's resources on AWS are called, by the compute template, and which fleets can be so called."""

import re
from typing import Final

from cloudkon.errors import InvalidInput
from cloudkon.model import Pool
from cloudkon.settings import Settings

TAG: Final = "cloudkon:fleet"
"""On everything the fleet owns, with the fleet's name."""
UNPUBLISHED: Final = "none"
"""The image of a pool for which none was ever deployed."""
ALLOWED: Final = re.compile("[a-z][a-z0-9-]{0,26}[a-z0-9]")
"""A repository's path can't have a hyphen at the end of a part (ECR API reference, CreateRepository)."""
FORBIDDEN: Final = ("aws", "ecs", "fargate")
"""How the capacity provider's name, and so the fleet's, must not begin (ECS API reference, CreateCapacityProvider)."""


def compute_stack(fleet: str) -> str:
    """The stack of all that runs the workers."""
    return f"{fleet}-compute"


def repository(fleet: str, pool: Pool) -> str:
    """A pool's image repository in ECR."""
    return f"{fleet}/{pool.name}"


def log_group(fleet: str, pool: Pool) -> str:
    """A pool's log group in CloudWatch Logs."""
    return f"/cloudkon/{fleet}/{pool.name}"


def insights_group(fleet: str) -> str:
    """The log group that Container Insights writes the cluster's metrics to."""
    return f"/aws/ecs/containerinsights/{fleet}/performance"


def parameter(pool: Pool, what: str) -> str:
    """A pool's parameter of the compute template, such as ``WorkerImage``."""
    return f"{pool.name.capitalize()}{what}"


def check_fleet(settings: Settings) -> None:
    """Raise ``InvalidInput`` for a fleet whose name can't be all of its resources' on AWS."""
    name = settings.fleet
    remedy = "Choose another one in CLOUDKON_FLEET"
    if not ALLOWED.fullmatch(name):
        reason = "on AWS it has 2 to 28 small letters, digits and hyphens, begins with a letter and ends with no hyphen"
        raise InvalidInput(f"fleet {name!r}", reason, remedy)
    if name.startswith(FORBIDDEN):
        raise InvalidInput(f"fleet {name!r}", f"on AWS it can't begin with {', '.join(FORBIDDEN)}", remedy)
