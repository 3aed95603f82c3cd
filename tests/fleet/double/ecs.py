"""Implements ECS queries about services, ECS tasks and container instances, and task protection."""

import itertools
from typing import Any, Final

from tests.fleet.double.api_error import ApiError
from tests.fleet.double.auto_scaling_group import AutoScalingGroup
from tests.fleet.double.cluster import Cluster
from tests.fleet.double.container_instance import ContainerInstance
from tests.fleet.double.ecs_resources import EcsResources
from tests.fleet.double.ecs_task import EcsTask
from tests.fleet.double.instance import Instance

Document = dict[str, Any]
LIMITS: Final = {"services": 10, "tasks": 100, "containerInstances": 100}
"""How many items one call describes."""
PROTECTED_AT_ONCE: Final = 10
PROTECTED_MINUTES: Final = 120
"""The default of UpdateTaskProtection."""
SEEN_AFTER: Final = 1.0
"""Seconds until ListTasks shows a new ECS task."""
_numbers = itertools.count(1)


class Ecs(EcsResources):
    """The whole ECS API of the double."""

    def describe_services(self, request: Document) -> Document:
        cluster, names = self.cluster(request), _few(request, "services")
        found = [cluster.services.get(name.rpartition("/")[2]) for name in names]
        missing = [{"arn": name, "reason": "MISSING"} for name, one in zip(names, found, strict=True) if one is None]
        return {"services": [one.to_answer() for one in found if one is not None], "failures": missing}

    def list_account_settings(self, request: Document) -> Document:
        assert request["effectiveSettings"], "the double has the effective settings only"
        others = {"containerInsights": "disabled", "tagResourceAuthorization": "on"}
        rows = [
            {"name": name, "value": value, "principalArn": self.chooser, "type": "user"}
            for name, value in (others | self.long_arns).items()
        ]
        # Two pages: the real one has at most ten settings.
        first = int(request.get("nextToken", "0"))
        return {"settings": rows[first : first + 3]} | ({"nextToken": "3"} if first == 0 else {})

    def describe_task_definition(self, request: Document) -> Document:
        named = request["taskDefinition"]
        return {"taskDefinition": self.definitions.get(named if named.startswith("arn:") else self._active(named))}

    def list_tasks(self, request: Document) -> Document:
        cluster, wanted = self.cluster(request), request.get("desiredStatus", "RUNNING")
        before = self._account.timeline.now - SEEN_AFTER
        found = [
            task.arn
            for task in cluster.tasks
            if (task.status in ("STOPPING", "STOPPED")) == (wanted == "STOPPED")
            and request.get("serviceName", task.service.name).rpartition("/")[2] == task.service.name
            and request.get("family", task.definition["family"]) == task.definition["family"]
            and task.made <= before
        ]
        return _page(found, request, "taskArns")

    def describe_tasks(self, request: Document) -> Document:
        found, missing = self._tasks(request, LIMITS["tasks"])
        return {"tasks": [task.to_answer() for task in found], "failures": missing}

    def stop_task(self, request: Document) -> Document:
        found, _ = self._tasks({"cluster": request.get("cluster", "default"), "tasks": [request["task"]]}, 1)
        if not found:
            raise ApiError("InvalidParameterException", "The referenced task was not found.")
        found[0].stop("UserInitiated", request.get("reason", "Task stopped by user"))
        return {"task": found[0].to_answer()}

    def get_task_protection(self, request: Document) -> Document:
        found, missing = self._tasks(request, LIMITS["tasks"])
        return {"protectedTasks": [self._protection(task) for task in found if task.live], "failures": missing}

    def update_task_protection(self, request: Document) -> Document:
        found, missing = self._tasks(request, PROTECTED_AT_ONCE)
        minutes = request.get("expiresInMinutes", PROTECTED_MINUTES) if request["protectionEnabled"] else 0
        failures = missing + [
            {"arn": one.arn, "reason": "TASK_NOT_VALID", "detail": "Task is not running"}
            for one in found
            if not one.live
        ]
        kept = [one for one in found if one.live]
        for one in kept:
            one.protected_until = self._account.timeline.now + 60 * minutes
        return {"protectedTasks": [self._protection(task) for task in kept], "failures": failures}

    def list_container_instances(self, request: Document) -> Document:
        found = self.cluster(request).instances
        wanted = request.get("status")
        assert "filter" not in request, "the double does not know filters of container instances"
        return _page([one.arn for one in found if not wanted or one.status == wanted], request, "containerInstanceArns")

    def describe_container_instances(self, request: Document) -> Document:
        cluster = self.cluster(request)
        wanted = _few(request, "containerInstances")
        found = [one for one in cluster.instances if one.arn in wanted]
        return {"containerInstances": [_container_instance(cluster, one) for one in found]}

    def register(self, instance: Instance, group: AutoScalingGroup) -> None:
        """Register an instance with the cluster that its user data names."""
        for cluster in self.clusters:
            if f"ECS_CLUSTER={cluster.name}" in instance.user_data.replace('"', "").split():
                provider = next((one.name for one in self.providers if one.group() is group), "")
                arn = self._account.arn("ecs", f"container-instance/{cluster.name}/{next(_numbers):032x}")
                cluster.instances.append(ContainerInstance(arn, instance, provider))

    def drain(self, instance: Instance) -> None:
        """Place nothing new on an instance and move its ECS tasks."""
        for _, one in self._registered(instance):
            one.status = "DRAINING"

    def remove_instance(self, instance: Instance) -> None:
        """Remove a terminated instance and all its ECS tasks, protected or not, if its agent is connected."""
        for cluster, one in self._registered(instance):
            if one.connected:
                self._take_off(cluster, one, "SpotInterruption" if instance.spot else "TerminationNotice")

    def deregister_container_instance(self, request: Document) -> Document:
        cluster = self.cluster(request)
        found = next((one for one in cluster.instances if one.arn == request["containerInstance"]), None)
        if found is None:
            raise ApiError("InvalidParameterException", "The container instance was not found.")
        if cluster.on(found) and not request.get("force"):
            raise ApiError("InvalidParameterException", "Found running tasks on the instance.")
        found.connected = True
        self._take_off(cluster, found, "UserInitiated")
        return {"containerInstance": _container_instance(cluster, found) | {"status": "INACTIVE"}}

    def _take_off(self, cluster: Cluster, one: ContainerInstance, code: str) -> None:
        for task in cluster.on(one):
            task.stop(code, "Host EC2 terminated.")
            task.on = None
        cluster.instances.remove(one)

    def busy(self, instance: Instance) -> bool:
        """Whether the instance still has ECS tasks."""
        return any(cluster.on(one) for cluster, one in self._registered(instance))

    def drains(self, group: AutoScalingGroup) -> bool:
        """Whether a capacity provider drains this group's instances before they terminate."""
        return any(one.drains for one in self.providers if one.group() is group)

    def _registered(self, instance: Instance) -> list[tuple[Cluster, ContainerInstance]]:
        return [(cluster, one) for cluster in self.clusters for one in cluster.instances if one.instance is instance]

    def _tasks(self, request: Document, limit: int) -> tuple[list[EcsTask], list[Document]]:
        cluster = self.cluster(request)
        names = request.get("tasks", [])
        if not 0 < len(names) <= limit:
            raise ApiError("InvalidParameterException", f"Tasks cannot be empty or more than {limit}")
        known = {task.arn.rpartition("/")[2]: task for task in cluster.tasks}
        ids = [name.rpartition("/")[2] for name in names]
        missing = [{"arn": name, "reason": "MISSING"} for name in ids if name not in known]
        return [known[name] for name in ids if name in known], missing

    def _protection(self, task: EcsTask) -> Document:
        found = {"taskArn": task.arn, "protectionEnabled": task.protected}
        until = {"expirationDate": self._account.timeline.moment_at(task.protected_until)}
        return found | (until if task.protected else {})


def _few(request: Document, member: str) -> list[str]:
    names: list[str] = request[member]
    if not 0 < len(names) <= LIMITS[member]:
        raise ApiError("InvalidParameterException", f"{member} cannot be empty or more than {LIMITS[member]}.")
    return names


def _page(arns: list[str], request: Document, member: str) -> Document:
    start, most = int(request.get("nextToken") or 0), min(request.get("maxResults", 100), 100)
    page = arns[start : start + most]
    return {member: page} | ({"nextToken": str(start + most)} if start + most < len(arns) else {})


def _container_instance(cluster: Cluster, one: ContainerInstance) -> Document:
    there = [task.status for task in cluster.on(one)]
    return one.to_answer(there.count("RUNNING"), there.count("PENDING"), *cluster.left(one))
