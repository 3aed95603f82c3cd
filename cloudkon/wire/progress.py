"""Packs a chunk's progress into one binary attribute of its ledger item.

The format is zlib over JSON. 50 results of short tasks take about 0.4 KB instead of 3 KB, and DynamoDB bills writes by
the kilobyte.
"""

import re
import struct
import zlib
from collections.abc import Collection, Mapping, Sequence
from operator import add
from typing import NamedTuple

import orjson

from cloudkon.errors import MalformedMessage
from cloudkon.model import Progress, TaskState
from cloudkon.wire.fields import LARGEST_NUMBER, MOST_ATTEMPTS, field, number, read_object
from cloudkon.wire.message import MOST_TASKS
from cloudkon.wire.result_rows import Row, check_rows, to_results, to_row

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


class ProgressSummary(NamedTuple):
    """What counting needs of a chunk's progress: the fields of ``ChunkSummary`` with these names, in the same order."""

    succeeded: int
    failed: int
    cancelled: int
    first_start: float
    last_end: float
    busy_seconds: float
    lowest: int
    highest: int


_Parsed = tuple[list[Row], dict[int, int], int, int | None, dict[int, int], int]
"""A chunk's progress, all of it checked: the rows of its results, and the other fields of ``Progress`` in order."""


def decode_progress(run: str, packed: bytes) -> Progress:
    """Unpack the progress of a chunk of ``run``, or raise ``MalformedMessage``."""
    rows, failures, losses, suspect, suspicions, given_back = _parse(run, packed)
    return Progress(tuple(to_results(run, rows)), failures, losses, suspect, suspicions, given_back)


def summarise_progress(run: str, packed: bytes) -> ProgressSummary:
    """Count the results of a chunk of ``run``, or raise ``MalformedMessage`` for what ``decode_progress`` refuses.

    It makes no ``Result`` objects, because a million of them take ten seconds.
    """
    rows, failures, _, suspect, suspicions, _ = _parse(run, packed)
    named: Collection[int] = ()
    states: Sequence[str] = ()
    first = last = busy = 0.0
    if rows:
        named, states, _, _, starts, seconds, _ = zip(*rows, strict=True)
        busy, first = float(sum(seconds)), float(min(starts))
        if first:
            last = float(max(map(add, starts, seconds)))
        else:
            # A task that was cancelled may never have started.
            started = [(start, start + lasted) for start, lasted in zip(starts, seconds, strict=True) if start]
            first = float(min((start for start, _ in started), default=0))
            last = float(max((end for _, end in started), default=0))
    if failures or suspicions or suspect is not None:
        named = {*named, *failures, *suspicions, *(() if suspect is None else (suspect,))}
    return ProgressSummary(
        states.count(TaskState.SUCCEEDED),
        states.count(TaskState.FAILED),
        states.count(TaskState.CANCELLED),
        first,
        last,
        busy,
        min(named, default=0),
        max(named, default=-1),
    )


def _parse(run: str, packed: bytes) -> _Parsed:
    value = _unpack(run, packed)
    rows: list[Row] = field(value, "results", list)
    if len(rows) > MOST_TASKS:
        raise MalformedMessage(f"an item has {len(rows):,} results, more than {MOST_TASKS:,}")
    check_rows(rows)
    if len(rows) > 1 and len({row[0] for row in rows}) < len(rows):
        raise MalformedMessage(f"a ledger item of run {run} has two results of one task")
    return (
        rows,
        _counts(field(value, "failures", dict)),
        number(value, "losses", 0, MOST_ATTEMPTS),
        None if value.get("suspect") is None else number(value, "suspect", 0, LARGEST_NUMBER),
        _counts(field(value, "suspicions", dict)),
        number(value, "given_back", 0, MOST_ATTEMPTS) if "given_back" in value else 0,
    )


def _unpack(run: str, packed: bytes) -> Mapping[str, object]:
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(packed, _LARGEST).decode()
    except (zlib.error, UnicodeDecodeError) as error:
        raise MalformedMessage(f"a ledger item of run {run} can't be unpacked: {error}") from error
    if unpacker.unconsumed_tail:
        raise MalformedMessage(f"a ledger item of run {run} unpacks to more than {_LARGEST:,} bytes")
    return read_object(text, "the item", VERSION, unique=False)


def _counts(value: dict[str, object]) -> dict[int, int]:
    if len(value) > MOST_TASKS:
        raise MalformedMessage(f"an item has counts of {len(value):,} tasks, more than {MOST_TASKS:,}")
    counts = {}
    for seq in value:
        if not _SEQ.fullmatch(seq):
            raise MalformedMessage(f"an item has a count of task {seq!r:.60}, which is not a number")
        counts[int(seq)] = number(value, seq, 0, MOST_ATTEMPTS)
    return counts
