"""Connects a worker that runs as an ECS task with ECS: its names for logs, and protection from scale-in."""

from .agent import Agent, AgentFault, EcsTask
from .protection import Protection

__all__ = ["Agent", "AgentFault", "EcsTask", "Protection"]
