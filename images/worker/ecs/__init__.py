"""What a worker does because it runs as an ECS task: says which one it is, and asks not to be stopped in mid-work."""

from .agent import Agent, AgentFault, EcsTask
from .protection import Protection

__all__ = ["Agent", "AgentFault", "EcsTask", "Protection"]
