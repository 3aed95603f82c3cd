"""What a worker does because it runs as an ECS task: says which one it is, and asks not to be stopped in mid-work."""

from images.worker.ecs.agent import Agent, AgentFault, EcsTask
from images.worker.ecs.protection import Protection

__all__ = ["Agent", "AgentFault", "EcsTask", "Protection"]
