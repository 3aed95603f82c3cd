"""Resource types of ECS. CloudFormation capitalises their properties, otherwise they are the API's."""

from typing import Any

from tests.fleet.double.property_coercion import request_from_properties
from tests.fleet.double.resource import Resource, ResourceType, unstable


class ClusterType(ResourceType):
    replaces = frozenset({"ClusterName"})

    def create(self, one: Resource) -> None:
        given = {("settings" if key == "ClusterSettings" else key): value for key, value in one.properties.items()}
        request = request_from_properties("ecs", "CreateCluster", given | {"tags": one.tag_list})
        found = one.account.ecs.create_cluster(request)["cluster"]
        one.physical, one.attributes = found["clusterName"], {"Arn": found["clusterArn"]}

    def delete(self, one: Resource) -> None:
        one.account.ecs.delete_cluster({"cluster": one.physical})


class CapacityProviderType(ResourceType):
    replaces = frozenset({"Name"})

    def create(self, one: Resource) -> None:
        request = request_from_properties("ecs", "CreateCapacityProvider", one.properties | {"Tags": one.tag_list})
        one.account.ecs.create_capacity_provider(request)
        one.physical = request["name"]

    def update(self, one: Resource) -> None:
        changed = request_from_properties("ecs", "CreateCapacityProvider", one.properties)
        one.account.ecs.providers.get(one.physical).properties = changed["autoScalingGroupProvider"]

    def delete(self, one: Resource) -> None:
        one.account.ecs.delete_capacity_provider({"capacityProvider": one.physical})


class CapacityProviderAssociationsType(ResourceType):
    seconds = 45.0
    """Slower than all other dependencies of a service, so a service without ``DependsOn`` always starts too early."""

    def create(self, one: Resource) -> None:
        request = request_from_properties("ecs", "PutClusterCapacityProviders", one.properties)
        one.account.ecs.put_cluster_capacity_providers(request)
        one.physical = request["cluster"]

    update = create

    def delete(self, one: Resource) -> None:
        none: dict[str, Any] = {"capacityProviders": [], "defaultCapacityProviderStrategy": []}
        one.account.ecs.put_cluster_capacity_providers({"cluster": one.physical} | none)


class TaskDefinitionType(ResourceType):
    replaces = frozenset({"*"})

    def create(self, one: Resource) -> None:
        request = request_from_properties("ecs", "RegisterTaskDefinition", one.properties | {"Tags": one.tag_list})
        found = one.account.ecs.register_task_definition(request)["taskDefinition"]
        one.physical = found["taskDefinitionArn"]

    def delete(self, one: Resource) -> None:
        one.account.ecs.deregister_task_definition({"taskDefinition": one.physical})


class ServiceType(ResourceType):
    """CloudFormation waits for a deployment's end and, on deletion, for the service's last ECS task to stop."""

    timeout = 3 * 3600.0
    replaces = frozenset({"ServiceName", "Cluster", "LaunchType"})

    def create(self, one: Resource) -> None:
        request = request_from_properties(
            "ecs", "CreateService", self._renamed(one.properties) | {"Tags": one.tag_list}
        )
        one.physical = one.account.ecs.create_service(request)["service"]["serviceArn"]
        one.attributes = {"Name": request["serviceName"], "ServiceArn": one.physical}

    def update(self, one: Resource) -> None:
        left_out = ("ServiceName", "PropagateTags", "EnableECSManagedTags", "Tags", "Role", "SchedulingStrategy")
        given = {key: value for key, value in self._renamed(one.properties).items() if key not in left_out}
        request = request_from_properties("ecs", "UpdateService", given | {"Service": one.attributes["Name"]})
        one.account.ecs.update_service(request)

    def delete(self, one: Resource) -> None:
        found = one.account.ecs.cluster({"cluster": one.properties["Cluster"]}).services[one.attributes["Name"]]
        if found.status == "ACTIVE":
            named = {"cluster": one.properties["Cluster"], "service": one.attributes["Name"], "force": True}
            one.account.ecs.delete_service(named)

    def settled(self, one: Resource) -> bool:
        cluster = one.account.ecs.cluster({"cluster": one.properties["Cluster"]})
        service = cluster.services[one.attributes["Name"]]
        wanted = one.properties["TaskDefinition"]
        if any(each.state == "FAILED" and each.definition == wanted for each in service.deployments):
            message = "Error occurred during operation 'ECS Deployment Circuit Breaker was triggered'."
            raise unstable(message)
        return service.deployments[0].state == "COMPLETED"

    def gone(self, one: Resource) -> bool:
        cluster = one.account.ecs.cluster({"cluster": one.properties["Cluster"]})
        return cluster.services[one.attributes["Name"]].status == "INACTIVE"

    def _renamed(self, properties: dict[str, Any]) -> dict[str, Any]:
        return {("placementStrategy" if key == "PlacementStrategies" else key): one for key, one in properties.items()}
