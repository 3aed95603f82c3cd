"""Priority: which of a pool's two queues a run's messages go to."""

from enum import StrEnum


class Priority(StrEnum):
    """What a push asks for. High overtakes normal, and normal still gets a share."""

    NORMAL = "normal"
    HIGH = "high"
