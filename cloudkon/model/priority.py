"""Defines the priorities of runs: each goes to its own queue of a pool."""

from enum import StrEnum


class Priority(StrEnum):
    """The priority of a run. High overtakes normal; normal still gets one receive in five."""

    NORMAL = "normal"
    HIGH = "high"
