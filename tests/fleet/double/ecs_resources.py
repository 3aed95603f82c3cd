"""Implements ECS clusters, capacity providers, task definitions and services, and the order of their deletion."""

from typing import TYPE_CHECKING, Any, Final

from tests.fleet.double import capacity_provider, cluster
from tests.fleet.double.api_error import ApiError
from tests.fleet.double.capacity_provider import CapacityProvider
from tests.fleet.double.cluster import Cluster
from tests.fleet.double.ecs_service import Deployment, EcsService
from tests.fleet.double.resource_table import ResourceTable
from tests.fleet.double.tags import as_dict

if TYPE_CHECKING:
    from tests.fleet.double.account import Account

Document = dict[str, Any]
LATE_SECONDS: Final = 12.0
"""From a cluster's deletion to the last metrics that Container Insights writes."""
FOR_EVER: Final = 1e9
"""Seconds."""
INACTIVE_SECONDS: Final = 3600.0
"""How long INACTIVE resources stay listed, by the tagging service too."""
RESERVED: Final = ("aws", "ecs", "fargate")
"""Prefixes that a capacity provider's name must not have."""
LONG_ARNS: Final = ("serviceLongArnFormat", "taskLongArnFormat", "containerInstanceLongArnFormat")
"""The account settings without which ECS refuses tags."""


class EcsResources:
    """Each operation accepts a request and returns an answer, as botocore writes them."""

    def __init__(self, account: "Account") -> None:
        self._account = account
        self.late_insights = False
        """Whether Container Insights writes again after a cluster is deleted."""
        self.long_arns = dict.fromkeys(LONG_ARNS, "enabled")
        """The account's settings of long ARNs."""
        self.chooser = account.iam_arn("root")
        """Who these settings belong to: the account's root, or one user."""
        timeline = account.timeline
        self.clusters: ResourceTable[Cluster] = ResourceTable(
            timeline, lambda _: ApiError("ClusterNotFoundException", "Cluster not found.")
        )
        self.providers: ResourceTable[CapacityProvider] = ResourceTable(
            timeline, lambda name: _client_error(f"The specified capacity provider {name} does not exist.")
        )
        self.definitions: ResourceTable[Document] = ResourceTable(
            timeline, lambda _: _client_error("Unable to describe task definition.")
        )
        self._revisions: dict[str, int] = {}

    def tags_of(self, arn: str) -> list[dict[str, str]]:
        """Return a resource's tags as ECS writes them."""
        return [{"key": key, "value": value} for key, value in self._account.tags.of(arn).items()]

    def cluster(self, request: Document) -> Cluster:
        """Return the cluster that a request names by ARN or name."""
        return self.clusters.get(str(request.get("cluster", "default")).rpartition("/")[2])

    def create_cluster(self, request: Document) -> Document:
        name = request["clusterName"]
        arn = self._account.arn("ecs", f"cluster/{name}")
        if name in self.clusters:
            return {"cluster": {"clusterArn": arn, "clusterName": name, "status": "ACTIVE"}}
        made = self.clusters.add(name, Cluster(self._account, request, arn))
        self._account.tags.put(arn, as_dict(request.get("tags", [])))
        self._account.timeline.every(cluster.POLL_SECONDS, made.reconcile, lambda: made.status == "ACTIVE")
        return {"cluster": {"clusterArn": arn, "clusterName": name, "status": "ACTIVE"}}

    def describe_clusters(self, request: Document) -> Document:
        found = [one for name in request["clusters"] if (one := self.clusters.find(name.rpartition("/")[2]))]
        rows = [
            {"clusterArn": one.arn, "clusterName": one.name, "status": one.status}
            | ({"tags": self.tags_of(one.arn)} if "TAGS" in request.get("include", ()) else {})
            for one in found
        ]
        return {"clusters": rows, "failures": []}

    def delete_cluster(self, request: Document) -> Document:
        found = self.cluster(request)
        if any(one.status != "INACTIVE" for one in found.services.values()):
            raise ApiError(
                "ClusterContainsServicesException", "The Cluster cannot be deleted while Services are active."
            )
        if any(task.status != "STOPPED" for task in found.tasks):
            raise ApiError("ClusterContainsTasksException", "The Cluster cannot be deleted while Tasks are active.")
        if found.instances:
            message = "The Cluster cannot be deleted while Container Instances are active or draining."
            raise ApiError("ClusterContainsContainerInstancesException", message)
        if found.providers:
            raise ApiError("ResourceInUseException", "The cluster still has capacity providers.")
        found.status = "INACTIVE"
        if self.late_insights:
            self._account.timeline.after(LATE_SECONDS, lambda: self._write_insights(found.name))
        self.clusters.remove(found.name)
        self._account.tags.remove(found.arn, INACTIVE_SECONDS)
        return {"cluster": {"clusterArn": found.arn, "clusterName": found.name, "status": "INACTIVE"}}

    def _write_insights(self, cluster: str) -> None:
        """Write metrics as Container Insights does: it creates a missing log group, without tags or retention."""
        name = f"/aws/ecs/containerinsights/{cluster}/performance"
        if name not in self._account.logs.groups:
            self._account.logs.create(name, {})

    def create_capacity_provider(self, request: Document) -> Document:
        name = request["name"]
        if name.lower().startswith(RESERVED):
            raise _client_error(f"The specified capacity provider name is invalid: it begins with one of {RESERVED}")
        if name in self.providers:
            raise _client_error(f"The specified capacity provider already exists: {name}")
        arn = self._account.arn("ecs", f"capacity-provider/{name}")
        made = CapacityProvider(self._account, name, arn, request["autoScalingGroupProvider"])
        group = made.group()
        if group is None:
            raise _client_error("The specified Auto Scaling group ARN is invalid or does not exist.")
        if made.protects and not group.protects_new:
            raise _client_error(
                "The managed termination protection setting for the capacity provider is invalid. To enable it, the "
                "Auto Scaling group must have instance protection from scale in enabled."
            )
        if any(one.group() is group for one in self.providers):
            raise _client_error("The specified Auto Scaling group is in use by another capacity provider.")
        self.providers.add(name, made)
        self._account.tags.put(arn, as_dict(request.get("tags", [])))
        self._account.timeline.every(capacity_provider.POLL_SECONDS, made.reconcile, lambda: made.status == "ACTIVE")
        return {"capacityProvider": {"capacityProviderArn": arn, "name": name, "status": "ACTIVE"}}

    def delete_capacity_provider(self, request: Document) -> Document:
        found = self.providers.get(request["capacityProvider"].rpartition("/")[2])
        if any(found.name in one.providers for one in self.clusters):
            message = "The specified capacity provider is in use and cannot be removed."
            raise ApiError("ResourceInUseException", message)
        found.status = "INACTIVE"
        self.providers.remove(found.name)
        self._account.tags.remove(found.arn, INACTIVE_SECONDS)
        return {"capacityProvider": {"capacityProviderArn": found.arn, "name": found.name, "status": "INACTIVE"}}

    def put_cluster_capacity_providers(self, request: Document) -> Document:
        found = self.cluster(request)
        for name in request["capacityProviders"]:
            self.providers.get(name)
        removed = set(found.providers) - set(request["capacityProviders"])
        if any(one.status != "INACTIVE" and one.provider in removed for one in found.services.values()):
            message = "The specified capacity provider is in use and cannot be removed."
            raise ApiError("ResourceInUseException", message)
        for name in removed:
            self._account.cloudwatch.delete_tracking_alarms(self._group_name(name))
        for name in set(request["capacityProviders"]) - set(found.providers):
            self._account.cloudwatch.create_tracking_alarms(self._group_name(name))
        found.providers, found.strategy = request["capacityProviders"], request["defaultCapacityProviderStrategy"]
        return {"cluster": {"clusterArn": found.arn, "clusterName": found.name, "status": "ACTIVE"}}

    def _group_name(self, provider: str) -> str:
        """Return the name of the group that a capacity provider scales."""
        return str(self.providers.get(provider).properties["autoScalingGroupArn"]).rpartition("/")[2]

    def register_task_definition(self, request: Document) -> Document:
        family = request["family"]
        self._revisions[family] = revision = self._revisions.get(family, 0) + 1
        arn = self._account.arn("ecs", f"task-definition/{family}:{revision}")
        made = {key: value for key, value in request.items() if key != "tags"}
        _check_memory(made)
        self.definitions.add(arn, made | {"taskDefinitionArn": arn, "revision": revision, "status": "ACTIVE"})
        self._account.tags.put(arn, as_dict(request.get("tags", [])))
        return {"taskDefinition": self.definitions.get(arn)}

    def deregister_task_definition(self, request: Document) -> Document:
        found = self.definitions.get(request["taskDefinition"])
        found["status"] = "INACTIVE"
        # An INACTIVE revision stays for ever, with its tags.
        self._account.tags.remove(found["taskDefinitionArn"], FOR_EVER)
        return {"taskDefinition": found}

    def create_service(self, request: Document) -> Document:
        found, name = self.cluster(request), request["serviceName"]
        tagged = request.get("tags") or request.get("propagateTags") or request.get("enableECSManagedTags")
        if tagged and "disabled" in self.long_arns.values():
            raise _invalid("The new ARN and resource ID format must be enabled to add tags to the service.")
        if request.get("launchType") and request.get("capacityProviderStrategy"):
            raise _invalid("Specifying both a launch type and capacity provider strategy is not supported.")
        for one in request.get("capacityProviderStrategy", []):
            if one["capacityProvider"] not in found.providers:
                raise _invalid(f"The specified capacity provider was not found: {one['capacityProvider']}")
        if name in found.services and found.services[name].status != "INACTIVE":
            raise _invalid("Creation of service was not idempotent.")
        definition = self._active(request["taskDefinition"])
        arn = self._account.arn("ecs", f"service/{found.name}/{name}")
        first = Deployment(definition, self._account.timeline.now)
        made = EcsService(found, request, request.get("desiredCount", 1), arn, [first])
        found.services[name] = made
        self._account.tags.put(arn, as_dict(request.get("tags", [])))
        made.reconcile()
        return {"service": made.to_answer()}

    def update_service(self, request: Document) -> Document:
        service = self.service(request)
        service.desired = request.get("desiredCount", service.desired)
        definition = self._active(request.get("taskDefinition", service.deployments[0].definition))
        own = ("cluster", "service", "desiredCount", "taskDefinition", "forceNewDeployment")
        service.properties = service.properties | {key: value for key, value in request.items() if key not in own}
        if request.get("forceNewDeployment") or definition != service.deployments[0].definition:
            service.deploy(definition)
        return {"service": service.to_answer()}

    def delete_service(self, request: Document) -> Document:
        service = self.service(request)
        if service.desired and not request.get("force"):
            raise _invalid("The service cannot be stopped while it is scaled above 0.")
        service.desired, service.status = 0, "DRAINING"
        self._account.tags.remove(service.arn, INACTIVE_SECONDS)
        return {"service": service.to_answer()}

    def service(self, request: Document) -> EcsService:
        """Return the active service that a request names."""
        service = self.cluster(request).services.get(request["service"].rpartition("/")[2])
        if service is None:
            raise ApiError("ServiceNotFoundException", "Service not found.")
        if service.status != "ACTIVE":
            raise ApiError("ServiceNotActiveException", "Service was not ACTIVE.")
        return service

    def _active(self, named: str) -> str:
        """Return the ARN of a task definition named by ARN, ``family:revision`` or ``family``."""
        family, _, revision = named.rpartition("/")[2].partition(":")
        arn = self._account.arn("ecs", f"task-definition/{family}:{revision or self._revisions.get(family, 0)}")
        if self.definitions.get(arn)["status"] != "ACTIVE":
            raise _client_error("TaskDefinition is inactive")
        return arn


def _check_memory(definition: Document) -> None:
    for one in definition["containerDefinitions"]:
        if not definition.get("memory") and not one.get("memory") and not one.get("memoryReservation"):
            raise _client_error("Invalid setting for container: at least one of memory or memoryReservation")
        if one.get("memory") and one.get("memoryReservation", 0) > one["memory"]:
            raise _client_error("Invalid setting for container: memoryReservation must be less than memory")


def _client_error(message: str) -> ApiError:
    return ApiError("ClientException", message)


def _invalid(message: str) -> ApiError:
    return ApiError("InvalidParameterException", message)
