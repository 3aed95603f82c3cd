"""Packs a chunk's progress into one binary attribute of its ledger item.

The format is zlib over JSON. 50 results of short tasks take about 0.4 KB instead of 3 KB, and DynamoDB bills writes by
the kilobyte.
"""

import re
import struct
import zlib
from collections import Counter
from collections.abc import Mapping
from typing import Any

import orjson

from cloudkon.errors import MalformedMessage
from cloudkon.model import Progress, TaskState
from cloudkon.wire.fields import LARGEST_NUMBER, LATEST, MOST_ATTEMPTS, field, number, read_object
from cloudkon.wire.message import MOST_TASKS
from cloudkon.wire.report import from_row, to_row

VERSION = 1
_LENGTHS, _CHECKSUM = struct.Struct("<HH"), struct.Struct(">I")
_WINDOW, _MEMORY = 12, 5
"""zlib's window (as a power of two) and memory level. With its defaults, zlib clears 256 KB for each call. That takes
0.1 ms, ten times as long as packing 50 results; a window of 4 KB packs them equally small."""
_WORTH_PACKING = 512
"""Bytes of JSON. Below that, an item is far under a kilobyte without compression, and setting up zlib would take ten
times as long as the rest."""
_STORED = b"\x78\x01\x01"
"""The beginning of a zlib stream with a single block that is not compressed (RFC 1950 and 1951)."""
_LARGEST = 4 * 1024 * 1024
"""Bytes that an item's progress may unpack to: four times as much as results with the most text and tasks. An item of
400 KB could unpack to 400 MB."""
_STATES = frozenset(map(str, TaskState))
_SEQ = re.compile("[0-9]{1,16}")
"""The number of a task as a key of JSON."""


def encode_progress(progress: Progress) -> bytes:
    """Pack a chunk's progress for the ledger."""
    if progress == _NOTHING:
        return _PACKED_NOTHING
    return _pack(_to_json(progress))


def _to_json(progress: Progress) -> bytes:
    value: dict[str, object] = {
        "v": VERSION,
        "results": [to_row(result) for result in progress.results],
        "failures": dict(progress.failures),
        "losses": progress.losses,
        "suspect": progress.suspect,
        "suspicions": dict(progress.suspicions),
    }
    if progress.given_back:
        value["given_back"] = progress.given_back
    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)


def _pack(text: bytes) -> bytes:
    size = len(text)
    if size < _WORTH_PACKING:
        return _STORED + _LENGTHS.pack(size, size ^ 0xFFFF) + text + _CHECKSUM.pack(zlib.adler32(text))
    packer = zlib.compressobj(1, zlib.DEFLATED, _WINDOW, _MEMORY)
    return packer.compress(text) + packer.flush()


_NOTHING = Progress()
_PACKED_NOTHING = _pack(_to_json(_NOTHING))
"""The progress that every first claim of a chunk writes."""


def decode_progress(run: str, packed: bytes) -> Progress:
    """Unpack the progress of a chunk of ``run``, or raise ``MalformedMessage``."""
    value = _unpack(run, packed)
    results = tuple(from_row(run, row) for row in _rows(value))
    if len({result.task for result in results}) < len(results):
        raise MalformedMessage(f"a ledger item of run {run} has two results of one task")
    return Progress(
        results=results,
        failures=_counts(field(value, "failures", dict)),
        losses=number(value, "losses", 0, MOST_ATTEMPTS),
        suspect=None if value.get("suspect") is None else number(value, "suspect", 0, LARGEST_NUMBER),
        suspicions=_counts(field(value, "suspicions", dict)),
        given_back=number({"given_back": 0, **value}, "given_back", 0, MOST_ATTEMPTS),
    )


def summarise_progress(run: str, packed: bytes) -> tuple[Counter[str], int, int, float, float, float]:
    """Count results by state, and find the rest of a ``ChunkSummary``.

    That is the lowest and the highest task number, the first start, the last end and the total seconds. It makes no
    ``Result`` objects, because a million of them take ten seconds. Raises ``MalformedMessage``.
    """
    states: Counter[str] = Counter()
    tasks: set[int] = set()
    first = last = busy = 0.0
    try:
        for seq, state, _text, _attempts, started, seconds, _worker in _rows(_unpack(run, packed)):
            tasks.add(seq)
            states[state] += 1
            busy += seconds
            if started:
                first = min(first or started, started)
                last = max(last, started + seconds)
    except (TypeError, ValueError) as error:
        raise MalformedMessage(f"a ledger item of run {run} has results that can't be read: {error}") from error
    if not set(map(type, tasks)) <= {int}:
        raise MalformedMessage(f"a ledger item of run {run} has results of tasks without a number")
    if len(tasks) < states.total():
        raise MalformedMessage(f"a ledger item of run {run} has two results of one task")
    if not states.keys() <= _STATES or not 0 <= first <= last <= 2 * LATEST or not 0 <= busy <= LATEST:
        raise MalformedMessage(f"a ledger item of run {run} has results with impossible states or times")
    return states, min(tasks, default=0), max(tasks, default=-1), first, last, busy


def _unpack(run: str, packed: bytes) -> Mapping[str, object]:
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(packed, _LARGEST).decode()
    except (zlib.error, UnicodeDecodeError) as error:
        raise MalformedMessage(f"a ledger item of run {run} can't be unpacked: {error}") from error
    if unpacker.unconsumed_tail:
        raise MalformedMessage(f"a ledger item of run {run} unpacks to more than {_LARGEST:,} bytes")
    return read_object(text, "the item", VERSION, unique=False)


def _rows(value: Mapping[str, object]) -> list[Any]:
    rows: list[Any] = field(value, "results", list)
    if len(rows) > MOST_TASKS:
        raise MalformedMessage(f"an item has {len(rows):,} results, more than {MOST_TASKS:,}")
    return rows


def _counts(value: dict[str, object]) -> dict[int, int]:
    if len(value) > MOST_TASKS:
        raise MalformedMessage(f"an item has counts of {len(value):,} tasks, more than {MOST_TASKS:,}")
    counts = {}
    for seq in value:
        if not _SEQ.fullmatch(seq):
            raise MalformedMessage(f"an item has a count of task {seq!r:.60}, which is not a number")
        counts[int(seq)] = number(value, seq, 0, MOST_ATTEMPTS)
    return counts
