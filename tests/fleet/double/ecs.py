"""ECS: what is asked about services, ECS tasks and container instances, and protection from scale-in."""

import itertools
from typing import Any, Final

from tests.fleet.double.cluster import Cluster
from tests.fleet.double.container_instance import ContainerInstance
from tests.fleet.double.ecs_resources import EcsResources
from tests.fleet.double.ecs_task import EcsTask
from tests.fleet.double.group import Group
from tests.fleet.double.instance import Instance
from tests.fleet.double.refusal import Refusal

Asked = dict[str, Any]
LIMITS: Final = {"services": 10, "tasks": 100, "containerInstances": 100}
"""How many one call describes."""
PROTECTED_AT_ONCE: Final = 10
PROTECTED_MINUTES: Final = 120
"""The default of UpdateTaskProtection."""
SEEN_AFTER: Final = 1.0
"""Seconds until ListTasks shows a new ECS task."""
_numbers = itertools.count(1)


class Ecs(EcsResources):
    """The whole service."""

    def describe_services(self, asked: Asked) -> Asked:
        cluster, names = self.cluster(asked), _few(asked, "services")
        found = [cluster.services.get(name.rpartition("/")[2]) for name in names]
        missing = [{"arn": name, "reason": "MISSING"} for name, one in zip(names, found, strict=True) if one is None]
        return {"services": [one.described() for one in found if one is not None], "failures": missing}

    def describe_task_definition(self, asked: Asked) -> Asked:
        named = asked["taskDefinition"]
        return {"taskDefinition": self.definitions.get(named if named.startswith("arn:") else self._active(named))}

    def list_tasks(self, asked: Asked) -> Asked:
        cluster, wanted = self.cluster(asked), asked.get("desiredStatus", "RUNNING")
        before = self._account.timeline.now - SEEN_AFTER
        found = [
            task.arn
            for task in cluster.tasks
            if (task.status in ("STOPPING", "STOPPED")) == (wanted == "STOPPED")
            and asked.get("serviceName", task.service.name).rpartition("/")[2] == task.service.name
            and asked.get("family", task.definition["family"]) == task.definition["family"]
            and task.made <= before
        ]
        return _page(found, asked, "taskArns")

    def describe_tasks(self, asked: Asked) -> Asked:
        found, missing = self._tasks(asked, LIMITS["tasks"])
        return {"tasks": [task.described() for task in found], "failures": missing}

    def stop_task(self, asked: Asked) -> Asked:
        found, _ = self._tasks({"cluster": asked.get("cluster", "default"), "tasks": [asked["task"]]}, 1)
        if not found:
            raise Refusal("InvalidParameterException", "The referenced task was not found.")
        found[0].stop("UserInitiated", asked.get("reason", "Task stopped by user"))
        return {"task": found[0].described()}

    def get_task_protection(self, asked: Asked) -> Asked:
        found, missing = self._tasks(asked, LIMITS["tasks"])
        return {"protectedTasks": [self._protection(task) for task in found if task.live], "failures": missing}

    def update_task_protection(self, asked: Asked) -> Asked:
        found, missing = self._tasks(asked, PROTECTED_AT_ONCE)
        minutes = asked.get("expiresInMinutes", PROTECTED_MINUTES) if asked["protectionEnabled"] else 0
        failures = missing + [
            {"arn": one.arn, "reason": "TASK_NOT_VALID", "detail": "Task is not running"}
            for one in found
            if not one.live
        ]
        kept = [one for one in found if one.live]
        for one in kept:
            one.protected_until = self._account.timeline.now + 60 * minutes
        return {"protectedTasks": [self._protection(task) for task in kept], "failures": failures}

    def list_container_instances(self, asked: Asked) -> Asked:
        found = self.cluster(asked).instances
        wanted = asked.get("status")
        assert "filter" not in asked, "the double does not know filters of container instances"
        return _page([one.arn for one in found if not wanted or one.status == wanted], asked, "containerInstanceArns")

    def describe_container_instances(self, asked: Asked) -> Asked:
        cluster = self.cluster(asked)
        wanted = _few(asked, "containerInstances")
        found = [one for one in cluster.instances if one.arn in wanted]
        return {"containerInstances": [_container_instance(cluster, one) for one in found]}

    def register(self, instance: Instance, group: Group) -> None:
        """Let an instance's agent register with the cluster that its user data names."""
        for cluster in self.clusters:
            if f"ECS_CLUSTER={cluster.name}" in instance.user_data.replace('"', "").split():
                provider = next((one.name for one in self.providers if one.group() is group), "")
                arn = self._account.arn("ecs", f"container-instance/{cluster.name}/{next(_numbers):032x}")
                cluster.instances.append(ContainerInstance(arn, instance, provider))

    def drain(self, instance: Instance) -> None:
        """Let nothing new be placed on an instance, and move what is there."""
        for _, one in self._registered(instance):
            one.status = "DRAINING"

    def lose(self, instance: Instance) -> None:
        """Let an instance be gone, with all that runs on it, protected or not, where its agent can tell."""
        for cluster, one in self._registered(instance):
            if one.connected:
                self._take_off(cluster, one, "SpotInterruption" if instance.spot else "TerminationNotice")

    def deregister_container_instance(self, asked: Asked) -> Asked:
        cluster = self.cluster(asked)
        found = next((one for one in cluster.instances if one.arn == asked["containerInstance"]), None)
        if found is None:
            raise Refusal("InvalidParameterException", "The container instance was not found.")
        if cluster.on(found) and not asked.get("force"):
            raise Refusal("InvalidParameterException", "Found running tasks on the instance.")
        found.connected = True
        self._take_off(cluster, found, "UserInitiated")
        return {"containerInstance": _container_instance(cluster, found) | {"status": "INACTIVE"}}

    def _take_off(self, cluster: Cluster, one: ContainerInstance, code: str) -> None:
        for task in cluster.on(one):
            task.stop(code, "Host EC2 terminated.")
            task.on = None
        cluster.instances.remove(one)

    def busy(self, instance: Instance) -> bool:
        """Whether it still has ECS tasks."""
        return any(cluster.on(one) for cluster, one in self._registered(instance))

    def drains(self, group: Group) -> bool:
        """Whether a capacity provider empties this group's instances before they go."""
        return any(one.drains for one in self.providers if one.group() is group)

    def _registered(self, instance: Instance) -> list[tuple[Cluster, ContainerInstance]]:
        return [(cluster, one) for cluster in self.clusters for one in cluster.instances if one.instance is instance]

    def _tasks(self, asked: Asked, limit: int) -> tuple[list[EcsTask], list[Asked]]:
        cluster = self.cluster(asked)
        names = asked.get("tasks", [])
        if not 0 < len(names) <= limit:
            raise Refusal("InvalidParameterException", f"Tasks cannot be empty or more than {limit}")
        known = {task.arn.rpartition("/")[2]: task for task in cluster.tasks}
        ids = [name.rpartition("/")[2] for name in names]
        missing = [{"arn": name, "reason": "MISSING"} for name in ids if name not in known]
        return [known[name] for name in ids if name in known], missing

    def _protection(self, task: EcsTask) -> Asked:
        found = {"taskArn": task.arn, "protectionEnabled": task.protected}
        until = {"expirationDate": self._account.timeline.moment_at(task.protected_until)}
        return found | (until if task.protected else {})


def _few(asked: Asked, member: str) -> list[str]:
    names: list[str] = asked[member]
    if not 0 < len(names) <= LIMITS[member]:
        raise Refusal("InvalidParameterException", f"{member} cannot be empty or more than {LIMITS[member]}.")
    return names


def _page(arns: list[str], asked: Asked, member: str) -> Asked:
    start, most = int(asked.get("nextToken") or 0), min(asked.get("maxResults", 100), 100)
    page = arns[start : start + most]
    return {member: page} | ({"nextToken": str(start + most)} if start + most < len(arns) else {})


def _container_instance(cluster: Cluster, one: ContainerInstance) -> Asked:
    there = [task.status for task in cluster.on(one)]
    return one.described(there.count("RUNNING"), there.count("PENDING"), *cluster.left(one))
