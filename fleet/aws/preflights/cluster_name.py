"""Refuses a fleet name that a foreign ECS cluster has."""

from cloudkon.aws.control_plane import ControlPlane
from cloudkon.errors import InvalidInput

from ..resources.names import TAG


async def check_cluster(control: ControlPlane, fleet: str) -> None:
    """Refuse (``InvalidInput``) a fleet name that a foreign cluster has, such as ``default``.

    ``CreateCluster`` returns an existing cluster, and no document says what CloudFormation does with it. If the stack
    adopted the cluster, ``down`` would delete it.
    """
    answer = await control.call("ecs", "describe_clusters", clusters=[fleet], include=["TAGS"])
    for row in answer["clusters"]:
        ours = {"key": TAG, "value": fleet} in row.get("tags", ())
        if row["status"] != "INACTIVE" and not ours:
            raise InvalidInput(
                f"fleet {fleet!r}",
                "this account has an ECS cluster of that name which does not belong to the fleet",
                "Choose another name in CLOUDKON_FLEET",
            )
