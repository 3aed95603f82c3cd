"""The words of CloudKon as types. Each means one thing, here as in the docs, the logs and the help texts."""

from cloudkon.words.chunk import Chunk, ChunkKey
from cloudkon.words.delivery import Delivery, Depth, Outgoing
from cloudkon.words.outline import Outline
from cloudkon.words.parcel import Parcel
from cloudkon.words.pool import ANIMOTO, POOLS, WORKER, Pool, pool_named
from cloudkon.words.priority import Priority
from cloudkon.words.record import ChunkState, Progress, Record
from cloudkon.words.result import Result, TaskState
from cloudkon.words.run import PoolRange, Run, new_run_id
from cloudkon.words.task import Task, TaskId

__all__ = [
    "ANIMOTO",
    "POOLS",
    "WORKER",
    "Chunk",
    "ChunkKey",
    "ChunkState",
    "Delivery",
    "Depth",
    "Outgoing",
    "Outline",
    "Parcel",
    "Pool",
    "PoolRange",
    "Priority",
    "Progress",
    "Record",
    "Result",
    "Run",
    "Task",
    "TaskId",
    "TaskState",
    "new_run_id",
    "pool_named",
]
