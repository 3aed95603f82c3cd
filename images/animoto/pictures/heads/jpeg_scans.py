"""Counts the scans of a JPEG (ITU-T T.81), for which a decoder passes over all its pixels, and its other segments."""

import re

from ..missing import Unusable
from .allowance import Allowance, Data
from .exif_directory import ExifEntries

MOST_SCANS = 100
"""Encoders write some ten. In 100 scans a picture of 100 megapixels takes 5 s, and a file of 64 MiB has a million."""
MOST_SEGMENTS = 10_000
"""Markers besides those that restart a decoder. The largest profiles and previews take 1,000, and 100 scans with their
tables 500. A file of 64 MiB has 16 million, which take half a minute."""
JPEG_SEGMENTS = "JPEG segments"
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
"""Markers of frames (table B.1); of the others, these three are tables and reserved."""
_PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
"""Those of progressive frames."""
_SCAN, _END, _EXIF = 0xDA, 0xD9, 0xE1
_STANDALONE = {0x01, *range(0xD0, 0xD9)}
"""Markers without a length."""
_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
"""The end of a scan's data, in which zeros follow 0xFF, and markers that restart the decoder (B.1.1.5). Any number of
0xFF may stand before a marker; to match them all here would take quadratic time."""


def check_scans(data: Data, segments: Allowance | None = None) -> None:
    """Raise ``Unusable`` for a JPEG of too many scans or segments, of which several may share an allowance.

    One that can't be read is left to the decoder's error.
    """
    segments, exif = segments or Allowance(MOST_SEGMENTS, JPEG_SEGMENTS), ExifEntries()
    scans, whole, complete = 0, 0, False
    at = 2
    while marker := _MARKER.search(data, at):
        segments.spend()
        kind, at = marker[1][0], marker.end()
        if kind == _END or at + 8 > len(data):
            return
        if kind in _STANDALONE:
            continue
        if kind in _FRAMES:
            # Components, after the segment's length, the precision, the height and the width. No scan has none.
            whole = 0 if kind in _PROGRESSIVE else data[at + 7]
        elif kind == _SCAN and not complete:
            scans += 1
            # A scan of all components is the last that decoders read. They read the segments up to the end, too.
            complete = data[at + 2] == whole
            if scans > MOST_SCANS:
                raise Unusable(f"it is a JPEG of more than {MOST_SCANS} scans, each of which takes time to decode")
        size = int.from_bytes(data[at : at + 2], "big")
        if kind == _EXIF:
            exif.count(data, at + 2, at + size)
        at += size
