"""Creates the service-linked roles that an account does not have before its first use of a service."""

from typing import Final

from cloudkon.aws.control_plane import ControlPlane
from cloudkon.errors import AccessDenied, ServiceError

from ...target import Report

SERVICE_ROLES: Final = (
    "ecs.amazonaws.com",
    "autoscaling.amazonaws.com",
    "ecs.application-autoscaling.amazonaws.com",
    "spot.amazonaws.com",
)
"""Services that act for the fleet through a service-linked role. An account has the role from the first use on."""


async def ensure_service_roles(control: ControlPlane, report: Report) -> None:
    """Create the roles without which a first use of these services fails. They are never deleted."""
    for service in SERVICE_ROLES:
        try:
            await control.call("iam", "create_service_linked_role", AWSServiceName=service)
            report(f"created the service-linked role of {service}")
        except AccessDenied:
            report(f"not allowed to create the service-linked role of {service}: continuing, since it may exist")
        except ServiceError as error:
            if error.code != "InvalidInput" or "has been taken" not in str(error):
                raise
