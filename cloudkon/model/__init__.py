"""The words of CloudKon as types. Each means one thing, here as in the docs, the logs and the help texts."""

from .chunk import Chunk, ChunkKey
from .chunk_record import ChunkState, Progress, Record
from .chunk_summary import Outline
from .delivery import Delivery, Depth, Outgoing
from .payload_ref import Parcel
from .pool import ANIMOTO, POOLS, WORKER, Pool, pool_named
from .priority import Priority
from .result import Result, TaskState
from .run import PoolRange, Run, new_run_id
from .task import Task, TaskId

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
