"""Resource types of instances and scaling: roles, security group, launch template, group, alarms."""

from typing import Any

from tests.fleet.double.property_coercion import request_from_properties
from tests.fleet.double.resource import Resource, ResourceType
from tests.fleet.double.tags import as_dict

LONGEST_ROLE_NAME = 64
"""IAM API reference, CreateRole."""


class RoleType(ResourceType):
    seconds = 10.0

    def create(self, one: Resource) -> None:
        name = one.properties.get("RoleName", one.generated(LONGEST_ROLE_NAME))
        arn = one.account.iam.create_role(name, one.properties, as_dict(one.tag_list))
        one.physical, one.attributes = name, {"Arn": arn}

    def delete(self, one: Resource) -> None:
        one.account.iam.delete_role(one.physical)


class InstanceProfileType(ResourceType):
    seconds = 30.0

    def create(self, one: Resource) -> None:
        for role in one.properties["Roles"]:
            one.account.iam.roles.get(role)
        one.physical = one.properties.get("InstanceProfileName", one.generated())
        one.account.iam.profiles.add(one.physical, one.properties | {"InstanceProfileName": one.physical})
        one.account.iam.note(one.physical)
        one.attributes = {"Arn": one.account.iam_arn(f"instance-profile/{one.physical}")}

    def settled(self, one: Resource) -> bool:
        """CloudFormation waits until a profile can be used; users report two minutes, and no page promises it."""
        return one.account.iam.usable(one.physical)

    def delete(self, one: Resource) -> None:
        one.account.iam.profiles.remove(one.physical)


class SecurityGroupType(ResourceType):
    replaces = frozenset({"GroupDescription", "VpcId"})

    def create(self, one: Resource) -> None:
        one.physical = f"sg-{one.account.next_number():017x}"
        one.attributes = {"GroupId": one.physical}
        one.account.ec2.create_security_group(one.physical, one.properties, as_dict(one.tag_list))

    def delete(self, one: Resource) -> None:
        one.account.ec2.delete_security_group(one.physical)


class LaunchTemplateType(ResourceType):
    def create(self, one: Resource) -> None:
        wanted = one.properties | {"LaunchTemplateName": one.properties.get("LaunchTemplateName", one.generated())}
        request = request_from_properties("ec2", "CreateLaunchTemplate", wanted)
        data = request["LaunchTemplateData"]
        one.account.ec2.describe_instance_types({"InstanceTypes": [data["InstanceType"]]})
        for group in data.get("SecurityGroupIds", []):
            one.account.ec2.security_groups.get(group)
        one.physical = f"lt-{one.account.next_number():017x}"
        one.attributes = {"LatestVersionNumber": "1", "DefaultVersionNumber": "1"}
        one.account.ec2.templates.add(one.physical, data)
        own = [found["Tags"] for found in request.get("TagSpecifications", [])]
        tags = one.tags | (as_dict(own[0]) if own else {})
        one.account.tags.put(self._arn(one), tags)

    def update(self, one: Resource) -> None:
        data = request_from_properties(
            "ec2", "CreateLaunchTemplateVersion", {"LaunchTemplateData": one.properties["LaunchTemplateData"]}
        )
        one.account.ec2.templates.add(one.physical, data["LaunchTemplateData"])
        one.attributes = {**one.attributes, "LatestVersionNumber": str(int(one.attributes["LatestVersionNumber"]) + 1)}

    def delete(self, one: Resource) -> None:
        one.account.ec2.templates.remove(one.physical)
        one.account.tags.remove(self._arn(one))

    def _arn(self, one: Resource) -> str:
        return one.account.arn("ec2", f"launch-template/{one.physical}")


class AutoScalingGroupType(ResourceType):
    """CloudFormation scales a group to zero before its deletion, and waits in vain for protected instances."""

    seconds = 10.0

    def create(self, one: Resource) -> None:
        name = one.properties.get("AutoScalingGroupName", one.generated())
        one.account.autoscaling.create(self._request(one, "CreateAutoScalingGroup", name))
        one.physical = name

    def update(self, one: Resource) -> None:
        request = self._request(one, "UpdateAutoScalingGroup", one.physical)
        one.account.autoscaling.update_auto_scaling_group(request)

    def delete(self, one: Resource) -> None:
        zero = {"AutoScalingGroupName": one.physical, "MinSize": 0, "MaxSize": 0, "DesiredCapacity": 0}
        if one.physical in one.account.autoscaling.groups:
            group = one.account.autoscaling.groups.get(one.physical)
            if not group.deleting:
                one.account.autoscaling.update_auto_scaling_group(zero)

    def gone(self, one: Resource) -> bool:
        group = one.account.autoscaling.groups.find(one.physical)
        if group is not None and not group.instances and not group.deleting:
            one.account.autoscaling.delete_auto_scaling_group({"AutoScalingGroupName": one.physical})
        return group is None

    def _request(self, one: Resource, operation: str, name: str) -> dict[str, Any]:
        given = one.properties | {"AutoScalingGroupName": name}
        given["VPCZoneIdentifier"] = ",".join(given.get("VPCZoneIdentifier", []))
        if operation == "CreateAutoScalingGroup":
            own = given.get("Tags", [])
            names = {each["Key"] for each in own}
            stacks = [tag | {"PropagateAtLaunch": True} for tag in one.tag_list if tag["Key"] not in names]
            given["Tags"] = [*own, *stacks]
        else:
            given.pop("Tags", None)
        return request_from_properties("autoscaling", operation, given)


class ScalableTargetType(ResourceType):
    def create(self, one: Resource) -> None:
        service = one.properties["ResourceId"].split("/")
        one.account.ecs.service({"cluster": service[1], "service": service[2]})
        request = request_from_properties(
            "application-autoscaling", "RegisterScalableTarget", one.properties | {"Tags": one.tags}
        )
        one.account.application_autoscaling.register_scalable_target(request)
        one.physical = f"{one.properties['ResourceId']}|{one.properties['ScalableDimension']}|ecs"

    def update(self, one: Resource) -> None:
        request = request_from_properties("application-autoscaling", "RegisterScalableTarget", one.properties)
        one.account.application_autoscaling.register_scalable_target(request)

    def delete(self, one: Resource) -> None:
        resource = one.physical.split("|")[0]
        one.account.application_autoscaling.deregister_scalable_target({"ResourceId": resource})


class ScalingPolicyType(ResourceType):
    def create(self, one: Resource) -> None:
        resource, dimension, namespace = one.properties["ScalingTargetId"].split("|")
        given = {key: value for key, value in one.properties.items() if key != "ScalingTargetId"}
        given |= {"ResourceId": resource, "ScalableDimension": dimension, "ServiceNamespace": namespace}
        request = request_from_properties("application-autoscaling", "PutScalingPolicy", given)
        one.physical = one.account.application_autoscaling.put_scaling_policy(request)["PolicyARN"]

    update = create

    def delete(self, one: Resource) -> None:
        resource = one.properties["ScalingTargetId"].split("|")[0]
        policy = {"ResourceId": resource, "PolicyName": one.properties["PolicyName"]}
        one.account.application_autoscaling.delete_scaling_policy(policy)


class AlarmType(ResourceType):
    def create(self, one: Resource) -> None:
        request = request_from_properties("cloudwatch", "PutMetricAlarm", one.properties | {"Tags": one.tag_list})
        one.account.cloudwatch.put_metric_alarm(request)
        one.physical = request["AlarmName"]
        one.attributes = {"Arn": one.account.cloudwatch.arn(one.physical)}

    update = create

    def delete(self, one: Resource) -> None:
        one.account.cloudwatch.delete_alarms({"AlarmNames": [one.physical]})
