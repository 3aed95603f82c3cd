"""The format of what a message can't carry: its payload as an object of the store, and version 2 of the message.

    {"v": 2, "run": "3a4f0c1b2c3", "chunk": 7, "shards": 4, "first": 70, "count": 10,
     "payload": {"key": "payloads/worker/3a4f0c1b2c3/7.json", "size": 2097152, "sha256": "…"}}

The object is the message of version 1 that the chunk would have had. Only such chunks have version 2, so that workers
of before there was one run all others.
"""

import hashlib
import json
import re

from cloudkon.errors import MalformedMessage
from cloudkon.model import Chunk, ChunkKey, PayloadRef
from cloudkon.wire.fields import field, number, read_object
from cloudkon.wire.message import MOST_TASKS, RUN_ID, VERSION, decode_message, to_chunk

PAYLOAD_VERSION = 2
PAYLOAD_LIMIT = 26_214_400
"""Bytes of a payload: the longest instruction fits, were every character of it one that JSON writes as six."""
PREFIX = "payloads/"
"""How every payload's key begins: all that workers may read of the store."""
_KEY = re.compile(r"payloads/[a-z]+/[a-z0-9-]+/[0-9]+\.json")
_DIGEST = re.compile(r"[0-9a-f]{64}")


def payload_key(pool: str, key: ChunkKey) -> str:
    """Where a chunk's payload lies in the store."""
    return f"{PREFIX}{pool}/{key.run}/{key.number}.json"


def make_payload_ref(pool: str, chunk: Chunk, payload: bytes) -> PayloadRef:
    """The parcel of a chunk, whose message as version 1 is ``payload``."""
    digest = hashlib.sha256(payload).hexdigest()
    return PayloadRef(chunk.key, chunk.first, len(chunk), payload_key(pool, chunk.key), len(payload), digest)


def encode_payload_ref(parcel: PayloadRef) -> str:
    """The body of the parcel's message."""
    value = {
        "v": PAYLOAD_VERSION,
        "run": parcel.key.run,
        "chunk": parcel.key.number,
        "shards": parcel.key.shards,
        "first": parcel.first,
        "count": parcel.count,
        "payload": {"key": parcel.object_key, "size": parcel.size, "sha256": parcel.digest},
    }
    return json.dumps(value, separators=(",", ":"))


def read_message(body: str) -> Chunk | PayloadRef:
    """Read a message of either version, or raise ``MalformedMessage``, ``NewerVersion`` for a later one's."""
    value = read_object(body, "the message", VERSION, PAYLOAD_VERSION)
    if value["v"] == VERSION:
        return to_chunk(value)
    run, payload = field(value, "run", str), field(value, "payload", dict)
    key, digest = field(payload, "key", str), field(payload, "sha256", str)
    if not (RUN_ID.fullmatch(run) and _KEY.fullmatch(key) and _DIGEST.fullmatch(digest)):
        raise MalformedMessage(f"the payload of run {run!r:.60} is {key!r:.60}, SHA-256 {digest!r:.80}")
    count, size = number(value, "count", 1), number(payload, "size", 1)
    if count > MOST_TASKS or size > PAYLOAD_LIMIT:
        raise MalformedMessage(f"the payload has {count:,} tasks in {size:,} bytes")
    chunk = ChunkKey(run, number(value, "chunk"), number(value, "shards", 1))
    return PayloadRef(chunk, number(value, "first"), count, key, size, digest)


def decode_payload(parcel: PayloadRef, payload: bytes) -> Chunk:
    """The chunk that a payload holds, or raise ``MalformedMessage`` for one that is not the parcel's."""
    if len(payload) != parcel.size or hashlib.sha256(payload).hexdigest() != parcel.digest:
        raise MalformedMessage(f"object {parcel.object_key} is not what chunk {parcel.key} was sent with")
    try:
        chunk = decode_message(payload.decode())
    except UnicodeDecodeError as error:
        raise MalformedMessage(f"object {parcel.object_key} is no text: {error}") from None
    if (chunk.key, chunk.first, len(chunk)) != (parcel.key, parcel.first, parcel.count):
        raise MalformedMessage(f"object {parcel.object_key} has other tasks than chunk {parcel.key}")
    return chunk
