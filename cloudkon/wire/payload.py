"""Encodes and decodes chunks that are too large for a message: a payload in the store, and a message that refers to it.

    {"v": 2, "run": "3a4f0c1b2c3", "chunk": 7, "shards": 4, "first": 70, "count": 10,
     "payload": {"key": "payloads/worker/3a4f0c1b2c3/7.json", "size": 2097152, "sha256": "…"}}

This message has version 2. The payload is the version 1 message that the chunk would have had. Only large chunks use
version 2, so that older workers can still run all other chunks.
"""

import hashlib
import json
import re

from cloudkon.errors import MalformedMessage
from cloudkon.model import Chunk, ChunkKey, PayloadRef
from cloudkon.wire.fields import field, number, read_object
from cloudkon.wire.message import MOST_TASKS, VERSION, decode_message, to_chunk, to_first, to_key

PAYLOAD_REF_VERSION = 2
PAYLOAD_LIMIT = 26_214_400
"""Bytes of a payload. The longest instruction fits, even if JSON writes each of its characters as six."""
PREFIX = "payloads/"
"""The beginning of every payload's key. Workers may read nothing else of the store."""
_KEY = re.compile(r"payloads/[a-z]+/[a-z0-9-]+/[0-9]+\.json")
_DIGEST = re.compile(r"[0-9a-f]{64}")


def payload_key(pool: str, key: ChunkKey) -> str:
    """Return the key of a chunk's payload in the store."""
    return f"{PREFIX}{pool}/{key.run}/{key.number}.json"


def make_payload_ref(pool: str, chunk: Chunk, payload: bytes) -> PayloadRef:
    """Make the reference to a chunk's payload. ``payload`` is the chunk's version 1 message in UTF-8."""
    digest = hashlib.sha256(payload).hexdigest()
    return PayloadRef(chunk.key, chunk.first, len(chunk), payload_key(pool, chunk.key), len(payload), digest)


def encode_payload_ref(ref: PayloadRef) -> str:
    """Return the body of the message that refers to a payload (version 2)."""
    value = {
        "v": PAYLOAD_REF_VERSION,
        "run": ref.key.run,
        "chunk": ref.key.number,
        "shards": ref.key.shards,
        "first": ref.first,
        "count": ref.count,
        "payload": {"key": ref.object_key, "size": ref.size, "sha256": ref.digest},
    }
    return json.dumps(value, separators=(",", ":"))


def read_message(body: str) -> Chunk | PayloadRef:
    """Read a message of version 1 or 2. Raises ``MalformedMessage``, or ``NewerVersion`` for a later version."""
    value = read_object(body, "the message", VERSION, PAYLOAD_REF_VERSION)
    if value["v"] == VERSION:
        return to_chunk(value)
    chunk, payload = to_key(value), field(value, "payload", dict)
    key, digest = field(payload, "key", str), field(payload, "sha256", str)
    if not (_KEY.fullmatch(key) and _DIGEST.fullmatch(digest)):
        raise MalformedMessage(f"the payload of chunk {chunk} is {key!r:.60}, SHA-256 {digest!r:.80}")
    count, size = number(value, "count", 1, MOST_TASKS), number(payload, "size", 1, PAYLOAD_LIMIT)
    return PayloadRef(chunk, to_first(value, count), count, key, size, digest)


def decode_payload(ref: PayloadRef, payload: bytes) -> Chunk:
    """Return the chunk in a payload. Raises ``MalformedMessage`` if the payload is not the one that ``ref`` names."""
    if len(payload) != ref.size or hashlib.sha256(payload).hexdigest() != ref.digest:
        raise MalformedMessage(f"object {ref.object_key} is not what chunk {ref.key} was sent with")
    try:
        chunk = decode_message(payload.decode())
    except UnicodeDecodeError as error:
        raise MalformedMessage(f"object {ref.object_key} is not UTF-8: {error}") from None
    if (chunk.key, chunk.first, len(chunk)) != (ref.key, ref.first, ref.count):
        raise MalformedMessage(f"object {ref.object_key} has other tasks than chunk {ref.key}")
    return chunk
