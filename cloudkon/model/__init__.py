"""The words of CloudKon as types. Each means one thing, here as in the docs, the logs and the help texts."""

from cloudkon.model.chunk import Chunk, ChunkKey
from cloudkon.model.chunk_record import ChunkState, Progress, Record
from cloudkon.model.chunk_summary import Outline
from cloudkon.model.delivery import Delivery, Depth, Outgoing
from cloudkon.model.payload_ref import Parcel
from cloudkon.model.pool import ANIMOTO, POOLS, WORKER, Pool, pool_named
from cloudkon.model.priority import Priority
from cloudkon.model.result import Result, TaskState
from cloudkon.model.run import PoolRange, Run, new_run_id
from cloudkon.model.task import Task, TaskId

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
