"""A chunk's progress as one binary attribute of its ledger item.

zlib over JSON: 50 results of short tasks take about 1.4 KB instead of 5, and DynamoDB bills writes by the kilobyte.
"""

import json
import zlib

from cloudkon.errors import MalformedMessage
from cloudkon.wire.fields import field, read_object
from cloudkon.wire.report import from_row, to_row
from cloudkon.words import Progress

VERSION = 1
_LARGEST = 16 * 1024 * 1024
"""Bytes that an item's progress may unpack to: far above what fits 400 KB of sensible results."""


def encode_progress(progress: Progress) -> bytes:
    """Pack it for the ledger."""
    value = {
        "v": VERSION,
        "results": [to_row(result) for result in progress.results],
        "failures": dict(progress.failures),
        "losses": progress.losses,
        "suspect": progress.suspect,
        "suspicions": dict(progress.suspicions),
    }
    return zlib.compress(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(), 1)


def decode_progress(run: str, packed: bytes) -> Progress:
    """Unpack it, or raise ``MalformedMessage``."""
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(packed, _LARGEST).decode()
    except (zlib.error, UnicodeDecodeError) as error:
        raise MalformedMessage(f"a ledger item of run {run} can't be unpacked: {error}") from error
    value = read_object(text, "the item", VERSION)
    suspect = value.get("suspect")
    return Progress(
        results=tuple(from_row(run, row) for row in field(value, "results", list)),
        failures=_counts(field(value, "failures", dict)),
        losses=field(value, "losses", int),
        suspect=suspect if isinstance(suspect, int) else None,
        suspicions=_counts(field(value, "suspicions", dict)),
    )


def _counts(value: dict[str, object]) -> dict[int, int]:
    return {int(seq): field(value, seq, int) for seq in value}
