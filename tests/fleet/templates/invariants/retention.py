"""Invariants about what is kept, for how long, and what would be left behind."""

import json
from collections.abc import Iterator

from tests.fleet.templates.invariants.lookup import of_type, the
from tests.support.template_rendering import Resources


def logs_have_retention(resources: Resources) -> Iterator[str]:
    """Without a retention, logs are kept and charged for ever."""
    for name, group in of_type(resources, "Logs::LogGroup"):
        if int(group.get("RetentionInDays", 0)) < 1:
            yield f"{name} keeps its logs for ever"


def stack_owns_insights_log_group(resources: Resources) -> Iterator[str]:
    """The scaling needs its metric, and it creates its own log group if there is none."""
    cluster = the(resources, "ECS::Cluster")
    if {"Name": "containerInsights", "Value": "enabled"} not in cluster.get("ClusterSettings", []):
        yield "Container Insights is off, so the metric that the scaling uses is missing"
    wanted = f"/aws/ecs/containerinsights/{cluster['ClusterName']}/performance"
    if wanted not in {group["LogGroupName"] for _, group in of_type(resources, "Logs::LogGroup")}:
        yield f"the stack does not own {wanted}"


def image_tags_are_immutable_and_old_images_expire(resources: Resources) -> Iterator[str]:
    """A movable tag makes the agent's cached image wrong; old images cost money; images block a deletion."""
    for name, repository in of_type(resources, "ECR::Repository"):
        if repository.get("ImageTagMutability") != "IMMUTABLE":
            yield f"{name} has mutable tags"
        if not repository.get("ImageScanningConfiguration", {}).get("ScanOnPush"):
            yield f"{name} does not scan"
        if not repository.get("EmptyOnDelete"):
            yield f"{name} can't be deleted with images in it"
        rules = json.loads(repository.get("LifecyclePolicy", {}).get("LifecyclePolicyText", '{"rules": []}'))["rules"]
        if {rule["selection"]["tagStatus"] for rule in rules} != {"untagged", "any"}:
            yield f"{name} keeps images for ever"


ALL = (logs_have_retention, stack_owns_insights_log_group, image_tags_are_immutable_and_old_images_expire)
