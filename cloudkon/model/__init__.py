"""Defines the terms of CloudKon as types. Each term has one meaning, in code, docs, logs and help texts."""

from cloudkon.model.chunk import Chunk, ChunkKey
from cloudkon.model.chunk_record import ChunkRecord, ChunkState, Progress
from cloudkon.model.chunk_summary import ChunkSummary
from cloudkon.model.delivery import Delivery, Depth, Outgoing
from cloudkon.model.payload_ref import PayloadRef
from cloudkon.model.pool import ANIMOTO, POOLS, WORKER, Pool, pool_named
from cloudkon.model.priority import Priority
from cloudkon.model.result import Result, TaskState
from cloudkon.model.run import ChunkPlace, PoolRange, Run, new_run_id
from cloudkon.model.task import Task, TaskId

__all__ = [
    "ANIMOTO",
    "POOLS",
    "WORKER",
    "Chunk",
    "ChunkKey",
    "ChunkPlace",
    "ChunkRecord",
    "ChunkState",
    "ChunkSummary",
    "Delivery",
    "Depth",
    "Outgoing",
    "PayloadRef",
    "Pool",
    "PoolRange",
    "Priority",
    "Progress",
    "Result",
    "Run",
    "Task",
    "TaskId",
    "TaskState",
    "new_run_id",
    "pool_named",
]
