"""Invariants of how ECS tasks are placed, replaced and counted."""

from collections.abc import Iterator

from tests.fleet.templates.invariants.lookup import of_type
from tests.support.template_rendering import Resources


def waiting_ecs_tasks_make_the_group_grow(resources: Resources) -> Iterator[str]:
    """Only ECS tasks of a capacity provider strategy do."""
    for name, service in of_type(resources, "ECS::Service"):
        providers = [one["CapacityProvider"] for one in service.get("CapacityProviderStrategy", [])]
        if "LaunchType" in service or providers != ["<CapacityProvider>"]:
            yield f"{name} does not use the capacity provider"


def deployments_fit_and_roll_back(resources: Resources) -> Iterator[str]:
    """On a full group, new ECS tasks only fit where old ones stop; a broken image must not take over."""
    for name, service in of_type(resources, "ECS::Service"):
        deployment = service["DeploymentConfiguration"]
        if deployment.get("DeploymentCircuitBreaker") != {"Enable": True, "Rollback": True}:
            yield f"{name} has no circuit breaker with rollback"
        if (
            int(deployment.get("MinimumHealthyPercent", 100)) >= 100
            or int(deployment.get("MaximumPercent", 100)) <= 100
        ):
            yield f"{name} can't be deployed on a full group, or stops all workers at once"


def placement_packs(resources: Resources) -> Iterator[str]:
    """Binpack and nothing else, or instances never become empty."""
    for name, service in of_type(resources, "ECS::Service"):
        if [one["Type"] for one in service.get("PlacementStrategies", [])] != ["binpack"]:
            yield f"{name} does not pack its ECS tasks"
        if service.get("AvailabilityZoneRebalancing") != "DISABLED":
            yield f"{name} lets ECS stop work to balance zones"


def ecs_tasks_are_tagged(resources: Resources) -> Iterator[str]:
    """The audit and the bill find them by the fleet's tag."""
    for name, service in of_type(resources, "ECS::Service"):
        if service.get("PropagateTags") != "SERVICE":
            yield f"{name} does not tag its ECS tasks"


ALL = (
    waiting_ecs_tasks_make_the_group_grow,
    deployments_fit_and_roll_back,
    placement_packs,
    ecs_tasks_are_tagged,
)
