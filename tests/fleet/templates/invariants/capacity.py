"""Invariants of the instances, their group, and the capacity provider that sizes it."""

from collections.abc import Iterator

from tests.fleet.templates.invariants.lookup import depends, of_type, the
from tests.support.template_rendering import TEMPLATES, Resources

NAMES_REFUSED = ("aws", "ecs", "fargate")
"""Prefixes that a capacity provider's name must not have (Amazon ECS API Reference, CreateCapacityProvider)."""
SPOT_SCRIPT = TEMPLATES / "spot-notice.sh"
SPOT_UNIT = "cloudkon-spot-notice.service"
OF_THE_GROUP = ("AutoScaling::ScalingPolicy", "AutoScaling::ScheduledAction", "AutoScaling::WarmPool")


def ecs_alone_sizes_the_group(resources: Resources) -> Iterator[str]:
    """Managed scaling is on, and nothing else sets the group's size."""
    group, provider = the(resources, "AutoScaling::AutoScalingGroup"), the(resources, "ECS::CapacityProvider")
    if "DesiredCapacity" in group:
        yield "the group has a DesiredCapacity, which each update sets again"
    if int(group["MinSize"]) != 0 or int(group["MaxSize"]) < 1:
        yield "the group can't go to zero, or can never grow"
    for kind in OF_THE_GROUP:
        for name, _ in of_type(resources, kind):
            yield f"{name} sizes the group besides ECS"
    if provider["AutoScalingGroupProvider"]["ManagedScaling"]["Status"] != "ENABLED":
        yield "managed scaling is off"


def instances_with_work_are_protected(resources: Resources) -> Iterator[str]:
    """Termination protection needs the group's setting; draining needs the agent to act on Spot's notice."""
    group = the(resources, "AutoScaling::AutoScalingGroup")
    provider = the(resources, "ECS::CapacityProvider")["AutoScalingGroupProvider"]
    for setting in ("ManagedTerminationProtection", "ManagedDraining"):
        if provider.get(setting) != "ENABLED":
            yield f"{setting} is off"
    if group.get("NewInstancesProtectedFromScaleIn") is not True:
        yield "new instances are not protected, which ECS refuses"
    if group.get("CapacityRebalance"):
        yield "instances with work are terminated at a rebalance recommendation"
    data = the(resources, "EC2::LaunchTemplate")["LaunchTemplateData"]["UserData"]
    for line in ("ECS_ENABLE_SPOT_INSTANCE_DRAINING=true", "ECS_IMAGE_PULL_BEHAVIOR=prefer-cached"):
        if line not in data:
            yield f"user data lacks {line}"


def workers_are_stopped_at_spots_notice(resources: Resources) -> Iterator[str]:
    """ECS stops only some of a draining instance's tasks, so the instance has a service of its own that stops all."""
    data = the(resources, "EC2::LaunchTemplate")["LaunchTemplateData"]["UserData"]
    program = SPOT_UNIT.removesuffix(".service")
    name = the(resources, "ECS::Cluster")["ClusterName"]
    needed = (
        f"cat > /usr/local/sbin/{program} <<'END'",
        f"chmod 755 /usr/local/sbin/{program}",
        f"cat > /etc/systemd/system/{SPOT_UNIT} <<'END'",
        f"ExecStart=/usr/local/sbin/{program} {name}",
        "Restart=on-failure",
        "WantedBy=multi-user.target",
        f"systemctl enable --now --no-block {SPOT_UNIT}",
    )
    yield from (f"user data lacks {line}" for line in needed if line not in data)
    script = SPOT_SCRIPT.read_text(encoding="utf-8").splitlines()
    code = [line for line in script if line.strip() and not line.lstrip().startswith("#")]
    if "\n".join(code) not in "\n".join(data):
        yield f"user data does not install {SPOT_SCRIPT.name} as it is"
    for _, task in of_type(resources, "ECS::TaskDefinition"):
        if not task["Family"].startswith(f"{name}-"):
            yield f"the service does not stop containers of {task['Family']}"


def user_data_fits(resources: Resources) -> Iterator[str]:
    """16 KB before it is encoded (Amazon EC2 User Guide, Run commands when you launch an EC2 instance)."""
    data = "\n".join(the(resources, "EC2::LaunchTemplate")["LaunchTemplateData"]["UserData"])
    if len(data.encode()) > 16_384:
        yield f"user data has {len(data.encode())} bytes"


def provider_name_is_valid(resources: Resources) -> Iterator[str]:
    """ECS refuses other names."""
    name = the(resources, "ECS::CapacityProvider").get("Name", "")
    if not name or name.startswith(NAMES_REFUSED):
        yield f"the capacity provider is named {name!r}"


def deletion_order_works(resources: Resources) -> Iterator[str]:
    """A cluster with instances can't be deleted, and neither can a provider that a service uses."""
    if not depends(resources, "Group", "Cluster"):
        yield "the group may outlive its cluster"
    if not depends(resources, "CapacityProvider", "Group"):
        yield "the provider may outlive its group"
    for name, _ in of_type(resources, "ECS::Service"):
        if not depends(resources, name, "ProviderAssociation"):
            yield f"{name} may be created before the provider is associated with the cluster"
    if not depends(resources, "Cluster", "InsightsLogs"):
        yield "Container Insights may create its log group outside the stack"


def instances_join_the_cluster(resources: Resources) -> Iterator[str]:
    """The agent gets the cluster's name."""
    name = the(resources, "ECS::Cluster")["ClusterName"]
    if f"ECS_CLUSTER={name}" not in the(resources, "EC2::LaunchTemplate")["LaunchTemplateData"]["UserData"]:
        yield f"user data does not name the cluster {name}"


def instances_are_tagged(resources: Resources) -> Iterator[str]:
    """ECS needs its tag; the audit after ``down`` finds instances and volumes by ours."""
    tags = {one["Key"]: one for one in the(resources, "AutoScaling::AutoScalingGroup").get("Tags", [])}
    for key in ("AmazonECSManaged", "cloudkon:fleet"):
        if not tags.get(key, {}).get("PropagateAtLaunch"):
            yield f"the group does not put {key} on its instances"
    template = the(resources, "EC2::LaunchTemplate")
    tagged = {one["ResourceType"] for one in template.get("TagSpecifications", [])}
    tagged |= {one["ResourceType"] for one in template["LaunchTemplateData"].get("TagSpecifications", [])}
    yield from (f"no tag for {kind}" for kind in {"launch-template", "volume"} - tagged)


def instances_accept_no_connections(resources: Resources) -> Iterator[str]:
    """No ports, no keys, and containers can't reach the instance's credentials."""
    for name, group in of_type(resources, "EC2::SecurityGroup"):
        if group.get("SecurityGroupIngress"):
            yield f"{name} allows inbound traffic"
        if not group.get("SecurityGroupEgress"):
            yield f"{name} has no outbound rules, which allows everything"
    for name, _ in of_type(resources, "EC2::SecurityGroupIngress"):
        yield f"{name} allows inbound traffic"
    data = the(resources, "EC2::LaunchTemplate")["LaunchTemplateData"]
    if "KeyName" in data:
        yield "instances have an SSH key"
    metadata = data.get("MetadataOptions", {})
    if metadata.get("HttpTokens") != "required" or metadata.get("HttpPutResponseHopLimit") != 1:
        yield "containers can reach the instance's metadata"


def volumes_are_encrypted_and_deleted(resources: Resources) -> Iterator[str]:
    """One gp3 volume an instance, deleted with it."""
    for one in the(resources, "EC2::LaunchTemplate")["LaunchTemplateData"]["BlockDeviceMappings"]:
        volume = one["Ebs"]
        if not volume.get("Encrypted") or volume.get("VolumeType") != "gp3" or not volume.get("DeleteOnTermination"):
            yield f"volume {one['DeviceName']} is not an encrypted gp3 that is deleted with its instance"


ALL = (
    ecs_alone_sizes_the_group,
    instances_with_work_are_protected,
    workers_are_stopped_at_spots_notice,
    user_data_fits,
    provider_name_is_valid,
    deletion_order_works,
    instances_join_the_cluster,
    instances_are_tagged,
    instances_accept_no_connections,
    volumes_are_encrypted_and_deleted,
)
