"""Counts the chunks of a PNG, and what its texts and profile take once they are inflated (ISO/IEC 15948)."""

import zlib

from .allowance import Allowance, Data
from .exif_directory import ExifEntries

MOST_CHUNKS = 65_536
"""In a file of 64 MiB, chunks of pixels that have 1 KiB each. Encoders write 8 KiB or more."""
MOST_TEXT = 8 * 1024**2
"""Bytes of all texts, palettes and the profile, of which libvips holds several copies. It ends the process if there is
no memory for one, and 7 MB of texts inflate to 7 GB. Suggested palettes of 60 MB take 10 s and 400 MB."""
_SIGNATURE = 8
_PIECE = 4096
"""Bytes that are inflated at a time, to 4 MiB at most."""


def check_chunks(data: Data) -> None:
    """Raise ``Unusable`` for a PNG of too many chunks or too much text.

    A damaged one is left to the decoder's error.
    """
    chunks, text = Allowance(MOST_CHUNKS, "chunks"), Allowance(MOST_TEXT, "bytes of texts and profiles")
    exif = ExifEntries()
    at = _SIGNATURE
    while at + 8 <= len(data):
        size, kind, begin = int.from_bytes(data[at : at + 4], "big"), bytes(data[at + 4 : at + 8]), at + 8
        chunks.spend()
        at = begin + size + 4  # after its checksum
        end = min(begin + size, len(data))
        if kind == b"IEND":
            return
        if kind == b"eXIf":
            exif.count(data, begin, end)
        if kind in {b"tEXt", b"zTXt", b"iTXt", b"iCCP", b"sPLT"}:
            text.spend(end - begin)
            if kind not in {b"tEXt", b"sPLT"}:
                _inflate(data, _compressed(data, kind, begin, end), end, text)


def _compressed(data: Data, kind: bytes, begin: int, end: int) -> int:
    """Return where the compressed part of a chunk begins; at its end, if it has none."""
    keyword = data.find(b"\0", begin, end)
    if keyword < 0:
        return end
    if kind != b"iTXt":
        return keyword + 2  # after the method
    if data[keyword + 1 : keyword + 2] != b"\1":
        return end
    language = data.find(b"\0", keyword + 3, end)
    translated = data.find(b"\0", language + 1, end) if language >= 0 else -1
    return translated + 1 if translated >= 0 else end


def _inflate(data: Data, begin: int, end: int, text: Allowance) -> None:
    """Count what the compressed bytes inflate to."""
    inflater = zlib.decompressobj()
    for at in range(begin, end, _PIECE):
        try:
            text.spend(len(inflater.decompress(data[at : min(at + _PIECE, end)])))
        except zlib.error:
            return  # decoders ignore a damaged text
        if inflater.eof:
            return
