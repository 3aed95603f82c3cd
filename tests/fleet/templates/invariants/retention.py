"""Keeping: what is kept, for how long, and what would be left behind."""

import json
from collections.abc import Iterator

from tests.fleet.templates.invariants.lookup import of_type, the
from tests.support.template_rendering import Resources


def logs_have_retention(resources: Resources) -> Iterator[str]:
    """Without a retention they are kept, and paid, for ever."""
    for name, group in of_type(resources, "Logs::LogGroup"):
        if int(group.get("RetentionInDays", 0)) < 1:
            yield f"{name} keeps its logs for ever"


def stack_owns_insights_log_group(resources: Resources) -> Iterator[str]:
    """The scaling needs it, and it makes its own log group unless there is one."""
    cluster = the(resources, "ECS::Cluster")
    if {"Name": "containerInsights", "Value": "enabled"} not in cluster.get("ClusterSettings", []):
        yield "Container Insights is off, and with it the metric that the scaling goes by"
    wanted = f"/aws/ecs/containerinsights/{cluster['ClusterName']}/performance"
    if wanted not in {group["LogGroupName"] for _, group in of_type(resources, "Logs::LogGroup")}:
        yield f"{wanted} is not the stack's"


def image_tags_are_immutable_and_old_images_expire(resources: Resources) -> Iterator[str]:
    """A tag that can move makes the agent's cached image wrong; images that stay cost; images stop a deletion."""
    for name, repository in of_type(resources, "ECR::Repository"):
        if repository.get("ImageTagMutability") != "IMMUTABLE":
            yield f"{name} lets tags move"
        if not repository.get("ImageScanningConfiguration", {}).get("ScanOnPush"):
            yield f"{name} does not scan"
        if not repository.get("EmptyOnDelete"):
            yield f"{name} can't be deleted with images in it"
        rules = json.loads(repository.get("LifecyclePolicy", {}).get("LifecyclePolicyText", '{"rules": []}'))["rules"]
        if {rule["selection"]["tagStatus"] for rule in rules} != {"untagged", "any"}:
            yield f"{name} keeps images for ever"


ALL = (logs_have_retention, stack_owns_insights_log_group, image_tags_are_immutable_and_old_images_expire)
