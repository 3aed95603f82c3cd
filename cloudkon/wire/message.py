"""Encodes and decodes a chunk of tasks as the body of an SQS message.

    {"v": 1, "run": "3a4f0c1b2c3", "chunk": 7, "shards": 4, "first": 70, "tasks": ["sleep 10", …]}

``first`` is the number of the first task in the run. Unknown fields are ignored, so that a later version can add some.
A change that an older worker must not misread gets a new ``v``.
"""

import hashlib
from collections.abc import Iterable, Mapping

import orjson

from cloudkon.errors import InvalidInstruction, MalformedMessage
from cloudkon.model import Chunk, ChunkKey
from cloudkon.model.run import MOST_SHARDS
from cloudkon.wire.fields import LARGEST_NUMBER, field, number, read_object, run_id_in, shown

VERSION = 1
MESSAGE_LIMIT = 1_048_576
"""Bytes of one SQS message, and of all messages of one batch (SQS developer guide, "Amazon SQS message quotas")."""
MOST_TASKS = 1000
"""Tasks that one chunk may have: their results must fit its item (400 KB)."""
DIGEST_LENGTH = 16
"""Characters of a chunk's digest. Every item has one, so it is short; it tells mistakes from copies, no more."""
_OVERHEAD = 200
"""The most bytes that everything but the instructions can take."""
INSTRUCTION_LIMIT = 4_194_304
"""Bytes of UTF-8 of one instruction. Longer data belongs in the store, and its address in the instruction."""


def encode_message(chunk: Chunk) -> str:
    """Return the body of a chunk's message."""
    body = orjson.dumps(
        {
            "v": VERSION,
            "run": chunk.key.run,
            "chunk": chunk.key.number,
            "shards": chunk.key.shards,
            "first": chunk.first,
            "tasks": chunk.instructions,
        }
    ).decode()
    # SQS refuses these two characters, so the queue sends them as escapes. Escaped here, they count with that length.
    return body.replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")


def decode_message(body: str) -> Chunk:
    """Read the body of a version 1 message. Raises ``MalformedMessage``, or ``NewerVersion`` for a later version."""
    return to_chunk(read_object(body, "the message", VERSION))


def to_chunk(value: Mapping[str, object]) -> Chunk:
    """Read the fields of a parsed version 1 message, or raise ``MalformedMessage``."""
    key = to_key(value)
    tasks = field(value, "tasks", list)
    if not 1 <= len(tasks) <= MOST_TASKS:
        raise MalformedMessage(f"field 'tasks' holds {len(tasks)} tasks, not 1 to {MOST_TASKS}")
    for position, instruction in enumerate(tasks):
        if not isinstance(instruction, str) or not instruction.strip():
            raise MalformedMessage(f"task {position} of the message is {shown(instruction)}, not an instruction")
    return Chunk(key, to_first(value, len(tasks)), tuple(tasks))


def to_key(value: Mapping[str, object]) -> ChunkKey:
    """Read the chunk's key from a parsed message of any version, or raise ``MalformedMessage``."""
    number_in_run, shards = number(value, "chunk", 0, LARGEST_NUMBER), number(value, "shards", 1, MOST_SHARDS)
    return ChunkKey(run_id_in(value), number_in_run, shards)


def to_first(value: Mapping[str, object], tasks: int) -> int:
    """Read the number of the first of ``tasks`` tasks, or raise ``MalformedMessage``; the last one has a number too."""
    return number(value, "first", 0, LARGEST_NUMBER + 1 - tasks)


def chunk_digest(chunk: Chunk) -> str:
    """Return 16 hexadecimal digits that tell chunks with different tasks apart.

    They are the first ones of the SHA-256 of ``[FIRST,[INSTRUCTION,…]]`` as JSON without spaces.
    """
    return hashlib.sha256(orjson.dumps((chunk.first, chunk.instructions))).hexdigest()[:DIGEST_LENGTH]


def check_size(instruction: str) -> None:
    """Raise ``InvalidInstruction`` if the instruction is too long for any message or payload."""
    size = len(instruction.encode())
    if size > INSTRUCTION_LIMIT:
        raise InvalidInstruction(
            f"instruction {instruction[:40]!r}…",
            f"it has {size:,} bytes, and an instruction may have {INSTRUCTION_LIMIT:,}",
            "Put long data into the store and pass its address",
        )


def message_size(instructions: Iterable[str]) -> int:
    """The most bytes that the message of a chunk with these instructions can have."""
    return _OVERHEAD + sum(len(orjson.dumps(one)) + 1 for one in instructions)
