"""Detects a picture's kind by its first bytes. File names and media types are wrong too often."""

from enum import Enum
from pathlib import Path

from .missing import Unusable

_HEAD = 512
"""Bytes that are read."""
_SHORTEST = 12
"""Bytes; a shorter file can't be identified."""


class Kind(Enum):
    """Kinds of pictures that are accepted."""

    JPEG = "JPEG"
    PNG = "PNG"
    WEBP = "WebP"
    GIF = "GIF"
    TIFF = "TIFF"
    BMP = "BMP"
    HEIC = "HEIC"
    AVIF = "AVIF"


MAGIC = {
    b"\xff\xd8\xff": Kind.JPEG,
    b"\x89PNG\r\n\x1a\n": Kind.PNG,
    b"GIF87a": Kind.GIF,
    b"GIF89a": Kind.GIF,
    b"II*\0": Kind.TIFF,
    b"MM\0*": Kind.TIFF,
    b"II+\0": Kind.TIFF,
    b"MM\0+": Kind.TIFF,
    b"BM": Kind.BMP,
}
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}

# Files that people link to by mistake, or to make a program open what the file lists. They are only listed to be named
# in errors: every other file is refused too.
_OTHERS = {
    b"<svg": "an SVG drawing",
    b"<!doctype html": "a web page",
    b"<html": "a web page",
    b"<head": "a web page",
    b"#extm3u": "a playlist",
    b"[playlist]": "a playlist",
    b"ffconcat": "a playlist",
    b"<smil": "a playlist",
    b"<?xml": "an XML document",
    b"{": "a JSON document",
    b"%pdf": "a PDF document",
    b"%!ps": "a PostScript document",
    b"8bps": "a Photoshop document",
    b"\x1ae\xdf\xa3": "a video",  # Matroska, in small letters as all here
    b"pk\x03\x04": "a ZIP archive",
    b"\x1f\x8b": "a gzip archive",
    b"\0\0\0\x0cjxl ": "a JPEG XL picture",
    b"\xff\x0a": "a JPEG XL picture",
}
SUPPORTED = "supported are JPEG, PNG, WebP, GIF, TIFF, BMP, HEIC and AVIF"


def kind_of(path: Path) -> Kind:
    """Return the kind of picture in the file, or raise ``Unusable`` that names what the file is instead."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not head:
        raise Unusable("it is an empty file")
    if len(head) >= _SHORTEST:
        for magic, kind in MAGIC.items():
            if head.startswith(magic):
                return kind
        if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
            return Kind.WEBP
        if head[4:8] == b"ftyp":
            return _kind_by_brand(head)
    found = name_of(head) or "not a picture of a known kind"
    raise Unusable(f"it is {found}; {SUPPORTED}")


def _kind_by_brand(head: bytes) -> Kind:
    """Tell HEIC and AVIF from MP4 by their brands: all three share one container (ISO 14496-12)."""
    end = min(int.from_bytes(head[:4], "big"), len(head))
    brands = {head[8:12], *(head[at : at + 4] for at in range(16, end - 3, 4))}
    if brands & _AVIF_BRANDS:
        return Kind.AVIF
    if brands & _HEIC_BRANDS:
        return Kind.HEIC
    raise Unusable(f"it is a video; {SUPPORTED}")


def name_of(head: bytes) -> str:
    """Return what a file with this beginning is, if it is something that people link to by mistake, else nothing."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith(b"<?xml") and b"<svg" in text:
        return _OTHERS[b"<svg"]
    return next((name for start, name in _OTHERS.items() if text.startswith(start)), "")
