"""Invariants of task definitions: what a container may do, and how it ends."""

from collections.abc import Iterator
from typing import Any

from tests.fleet.templates.invariants.lookup import of_type, the
from tests.support.template_rendering import Resources

SECRET_WORDS = ("SECRET", "PASSWORD", "TOKEN", "ACCESS_KEY")


def _containers(resources: Resources) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Yield each container with its task definition's logical id and properties."""
    for name, task in of_type(resources, "ECS::TaskDefinition"):
        for container in task["ContainerDefinitions"]:
            yield name, task, container


def worker_stops_before_sigkill(resources: Resources) -> Iterator[str]:
    """ECS sends SIGKILL after the stop timeout."""
    for name, _, container in _containers(resources):
        given = {one["Name"]: one["Value"] for one in container["Environment"]}
        if int(container.get("StopTimeout", 30)) <= float(given["CLOUDKON_STOP_SECONDS"]):
            yield f"{name} is killed before its worker has stopped"


def memory_fits(resources: Resources) -> Iterator[str]:
    """There is a limit, and the reservation is within it: ECS refuses anything else."""
    for name, _, container in _containers(resources):
        if "Memory" not in container or int(container.get("MemoryReservation", 0)) > int(container["Memory"]):
            yield f"{name} reserves more memory than its limit, or has no limit"


def containers_have_least_privilege(resources: Resources) -> Iterator[str]:
    """An unprivileged user, on a read-only root, except for ECS Exec's agent."""
    exec_on = any(service.get("EnableExecuteCommand") for _, service in of_type(resources, "ECS::Service"))
    for name, _, container in _containers(resources):
        linux = container.get("LinuxParameters", {})
        if not container.get("ReadonlyRootFilesystem") and not exec_on:
            yield f"{name} can write its root"
        if container.get("ReadonlyRootFilesystem") and exec_on:
            yield f"{name} has a root on which ECS Exec does not work"
        if container.get("Privileged") or container.get("User", "root").startswith(("root", "0")):
            yield f"{name} runs as root"
        if linux.get("Capabilities", {}).get("Drop") != ["ALL"]:
            yield f"{name} keeps capabilities"
        if "no-new-privileges" not in container.get("DockerSecurityOptions", []):
            yield f"{name} may gain privileges"
        if linux.get("InitProcessEnabled"):
            yield f"{name} has an init process with an environment that tasks can read; the image's own has none"


def instances_register_for_security_options(resources: Resources) -> Iterator[str]:
    """An instance registers as capable of security options (Amazon ECS API Reference, ContainerDefinition)."""
    data = the(resources, "EC2::LaunchTemplate")["LaunchTemplateData"]["UserData"]
    for name, _, container in _containers(resources):
        if container.get("DockerSecurityOptions") and "ECS_SELINUX_CAPABLE=true" not in data:
            yield f"{name} has security options that its instance may not be registered for"


def tmp_is_writable(resources: Resources) -> Iterator[str]:
    """The worker's directory is under /tmp, and the root is read-only."""
    for name, task, container in _containers(resources):
        volumes = {one["Name"] for one in task.get("Volumes", [])}
        writable = {one["ContainerPath"]: one["SourceVolume"] for one in container.get("MountPoints", [])}
        if writable.get("/tmp") not in volumes:
            yield f"{name} has no writable /tmp"


def health_check_is_set(resources: Resources) -> Iterator[str]:
    """ECS uses only the health check of the container definition."""
    for name, _, container in _containers(resources):
        if "images.worker.health" not in container.get("HealthCheck", {}).get("Command", []):
            yield f"{name} has no health check"


def logs_never_block_a_worker(resources: Resources) -> Iterator[str]:
    """The mode is set, the stack owns the group, and the agent may use the role that can write it."""
    data = the(resources, "EC2::LaunchTemplate")["LaunchTemplateData"]["UserData"]
    if "ECS_ENABLE_AWSLOGS_EXECUTIONROLE_OVERRIDE=true" not in data:
        yield "no instance can place an ECS task that logs by its execution role"
    owned = {f"<{name}>" for name, _ in of_type(resources, "Logs::LogGroup")}
    for name, _, container in _containers(resources):
        options = container["LogConfiguration"]["Options"]
        if options.get("mode") != "non-blocking" or "max-buffer-size" not in options:
            yield f"{name} leaves the log mode to ECS's default"
        if options["awslogs-group"] not in owned or "awslogs-create-group" in options:
            yield f"{name} logs to a group that outlives the stack"


def networking_is_bridge(resources: Resources) -> Iterator[str]:
    """awsvpc needs a network interface for each ECS task; small instances have two to spare."""
    for name, task in of_type(resources, "ECS::TaskDefinition"):
        if task.get("NetworkMode") != "bridge":
            yield f"{name} is not on the bridge"
        for container in task["ContainerDefinitions"]:
            if container.get("PortMappings"):
                yield f"{name} opens ports"


def environment_has_no_secrets(resources: Resources) -> Iterator[str]:
    """Everyone who may describe a task definition can read them."""
    for name, _, container in _containers(resources):
        for one in container["Environment"]:
            if any(word in one["Name"] for word in SECRET_WORDS):
                yield f"{name} has {one['Name']} in its environment"


ALL = (
    worker_stops_before_sigkill,
    memory_fits,
    containers_have_least_privilege,
    instances_register_for_security_options,
    tmp_is_writable,
    health_check_is_set,
    logs_never_block_a_worker,
    networking_is_bridge,
    environment_has_no_secrets,
)
