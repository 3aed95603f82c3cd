"""Names the fleet's resources on AWS as the compute template does, and checks that a fleet's name allows that."""

import re
from typing import Final

from cloudkon.errors import InvalidInput
from cloudkon.model import Pool
from cloudkon.settings import Settings

TAG: Final = "cloudkon:fleet"
"""The tag of everything that the fleet owns; its value is the fleet's name."""
UNPUBLISHED: Final = "none"
"""The image parameter of a pool without a deployed image."""
ALLOWED: Final = re.compile("[a-z][a-z0-9-]{0,26}[a-z0-9]")
"""A part of a repository's path can't end with a hyphen (ECR API reference, CreateRepository)."""
FORBIDDEN: Final = ("aws", "ecs", "fargate")
"""The capacity provider has the fleet's name, which can't begin so (ECS API reference, CreateCapacityProvider)."""

SERVICES: Final = (
    *("api.ecr", "application-autoscaling", "autoscaling", "cloudformation", "dynamodb", "ec2", "ecs", "iam", "logs"),
    *("monitoring", "s3", "sqs", "ssm", "sts"),
)
"""The services without which there is no fleet, by the first part of their host names."""


def compute_stack(fleet: str) -> str:
    """Return the name of the stack that runs the workers."""
    return f"{fleet}-compute"


def repository(fleet: str, pool: Pool) -> str:
    """Return the name of a pool's image repository in ECR."""
    return f"{fleet}/{pool.name}"


def log_group(fleet: str, pool: Pool) -> str:
    """Return the name of a pool's log group in CloudWatch Logs."""
    return f"/cloudkon/{fleet}/{pool.name}"


def insights_group(fleet: str) -> str:
    """Return the name of the log group that Container Insights writes the cluster's metrics to."""
    return f"/aws/ecs/containerinsights/{fleet}/performance"


def parameter(pool: Pool, what: str) -> str:
    """Return a pool's parameter of the compute template, such as ``WorkerImage``."""
    return f"{pool.name.capitalize()}{what}"


def check_fleet(settings: Settings, remedy: str = "Choose another name in CLOUDKON_FLEET") -> None:
    """Raise ``InvalidInput`` for a fleet name that is not valid for all its resources on AWS."""
    name = settings.fleet
    if not ALLOWED.fullmatch(name):
        reason = "on AWS it has 2 to 28 small letters, digits and hyphens, begins with a letter and ends with no hyphen"
        raise InvalidInput(f"fleet {name!r}", reason, remedy)
    if name.startswith(FORBIDDEN):
        raise InvalidInput(f"fleet {name!r}", f"on AWS it can't begin with {', '.join(FORBIDDEN)}", remedy)
