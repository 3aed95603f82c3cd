"""Makes small pictures that ask a decoder for much memory or time, by what their heads declare."""

import struct
import zlib
from collections.abc import Mapping, Sequence

from tests.support.picture_corpus import RED, encoded, flat

WIDTH, LENGTH, BITS, COMPRESSION, PHOTOMETRIC, STRIPS, SAMPLES, ROWS, COUNTS, PLANAR = (
    256,
    257,
    258,
    259,
    262,
    273,
    277,
    278,
    279,
    284,
)
TILE_WIDTH, TILE_LENGTH, TILES, TILE_COUNTS, EXTRA, FORMAT = 322, 323, 324, 325, 338, 339
DEFLATE, RGB = 8, 2


def tiff(tags: Mapping[int, int | Sequence[int]], data: bytes = b"") -> bytes:
    """A little-endian TIFF of one directory; ``data`` begins at byte 8."""
    at = 8 + len(data) + len(data) % 2
    entries, extra = b"", b""
    end = at + 2 + 12 * len(tags) + 4
    for tag in sorted(tags):
        value = tags[tag]
        values = [value] if isinstance(value, int) else list(value)
        raw = b"".join(struct.pack("<I", one) for one in values)
        if len(raw) > 4:
            raw, extra = struct.pack("<I", end + len(extra)), extra + raw
        entries += struct.pack("<HHI", tag, 4, len(values)) + raw
    head = b"II*\0" + struct.pack("<I", at) + data + b"\0" * (len(data) % 2)
    return head + struct.pack("<H", len(tags)) + entries + bytes(4) + extra


def tiff_of(width: int, height: int, samples: int, bits: int = 8, planes: int = 1, rows: int = 0) -> bytes:
    """A TIFF of black pixels in strips of ``rows`` rows (0 for one strip), which share their bytes in the file."""
    rows = rows or height
    strip = zlib.compress(bytes(width * rows * (bits // 8) * (1 if planes == 2 else samples)), 9)
    strips = -(-height // rows) * (samples if planes == 2 else 1)
    return tiff(
        {
            WIDTH: width,
            LENGTH: height,
            BITS: [bits] * samples if samples < 50 else bits,
            COMPRESSION: DEFLATE,
            PHOTOMETRIC: RGB if samples >= 3 else 1,
            STRIPS: [8] * strips,
            SAMPLES: samples,
            ROWS: rows,
            COUNTS: [len(strip)] * strips,
            PLANAR: planes,
        },
        strip,
    )


def tiff_tiled(width: int, height: int, tile: tuple[int, int]) -> bytes:
    data = zlib.compress(bytes(tile[0] * tile[1] * 3), 9)
    count = -(-width // tile[0]) * -(-height // tile[1])
    return tiff(
        {
            WIDTH: width,
            LENGTH: height,
            BITS: [8, 8, 8],
            COMPRESSION: DEFLATE,
            PHOTOMETRIC: RGB,
            SAMPLES: 3,
            PLANAR: 1,
            TILE_WIDTH: tile[0],
            TILE_LENGTH: tile[1],
            TILES: [8] * count,
            TILE_COUNTS: [len(data)] * count,
        },
        data,
    )


def png(
    *parts: tuple[bytes, bytes], width: int = 64, height: int = 36, after: Sequence[tuple[bytes, bytes]] = ()
) -> bytes:
    """A black PNG with these chunks before its pixels, and those ``after`` them."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes((3 * width + 1) * height))
    chunks = [(b"IHDR", header), *parts, (b"IDAT", pixels), *after, (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def inflating(size: int) -> bytes:
    return zlib.compress(bytes(size), 9)


def jpeg_of_scans(width: int, height: int, scans: int) -> bytes:
    """A grey progressive JPEG: one scan for the mean of each block, then one for each bit of each further frequency."""

    def segment(marker: int, data: bytes) -> bytes:
        return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data

    def scan(bits: str, frequency: int, before: int, bit: int) -> bytes:
        bits += "1" * (-len(bits) % 8)
        data = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
        return segment(0xDA, b"\1\1\0" + bytes([frequency, frequency, before << 4 | bit])) + data

    blocks = -(-width // 8) * -(-height // 8)
    zeros = ("0" + "1" * 14) * -(-blocks // 32_767)  # the code for a run of empty blocks, and its length
    steps = [(frequency, bit) for frequency in range(1, 64) for bit in range(12, -1, -1)][:scans]
    return (
        b"\xff\xd8"
        + segment(0xDB, b"\0" + b"\1" * 64)
        + segment(0xC2, struct.pack(">BHHB", 8, height, width, 1) + b"\1\x11\0")
        + segment(0xC4, b"\0\1" + bytes(16))
        + segment(0xC4, b"\x10\1" + bytes(15) + b"\xe0")
        + scan("0" * blocks, 0, 0, 0)
        + b"".join(scan(zeros, frequency, bit + 1 if bit < 12 else 0, bit) for frequency, bit in steps)
        + b"\xff\xd9"
    )


def gif_with_comment(size: int) -> bytes:
    whole = encoded(flat(RED), "GIF")
    at = 13 + 3 * 2 ** ((whole[10] & 7) + 1) if whole[10] & 0x80 else 13
    block = b"\xff" + b"a" * 255
    return whole[:at] + b"\x21\xfe" + block * (size // 256) + b"\0" + whole[at:]


def box(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", 8 + len(data)) + kind + data


def full_box(kind: bytes, data: bytes, version: int = 0, flags: int = 0) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags) + data)


def heif(
    items: Sequence[tuple[bytes, bytes, Sequence[bytes]]],
    references: Sequence[tuple[bytes, int, Sequence[int]]] = (),
    brand: bytes = b"heic",
) -> bytes:
    """A HEIF file of items: their kind, bytes and properties. They count from 1, and 1 is the primary one."""
    properties = [one for _kind, _data, own in items for one in own]
    links, at = b"", 1
    for number, (_kind, _data, own) in enumerate(items, 1):
        links += struct.pack(">HB", number, len(own)) + bytes(0x80 | (at + place) for place in range(len(own)))
        at += len(own)
    infos = b"".join(
        full_box(b"infe", struct.pack(">HH", number, 0) + kind + b"\0", 2)
        for number, (kind, _d, _p) in enumerate(items, 1)
    )
    refs = b"".join(
        box(kind, struct.pack(">HH", source, len(targets)) + b"".join(struct.pack(">H", one) for one in targets))
        for kind, source, targets in references
    )

    def meta(first: int) -> bytes:
        places, position = b"", first
        for number, (_kind, data, _own) in enumerate(items, 1):
            places += struct.pack(">HHHII", number, 0, 1, position, len(data))
            position += len(data)
        return full_box(
            b"meta",
            full_box(b"hdlr", bytes(4) + b"pict" + bytes(13))
            + full_box(b"pitm", struct.pack(">H", 1))
            + full_box(b"iloc", b"\x44\0" + struct.pack(">H", len(items)) + places)
            + full_box(b"iinf", struct.pack(">H", len(items)) + infos)
            + (full_box(b"iref", refs) if refs else b"")
            + box(
                b"iprp", box(b"ipco", b"".join(properties)) + full_box(b"ipma", struct.pack(">I", len(items)) + links)
            ),
        )

    head = box(b"ftyp", brand + bytes(4) + brand + b"mif1")
    whole = head + meta(len(head) + len(meta(0)) + 8)
    return whole + box(b"mdat", b"".join(data for _kind, data, _own in items))


LARGEST_CODED = 64
"""Pixels of a side."""


def coded(width: int, height: int, kind: str) -> tuple[bytes, bytes, list[bytes]]:
    """A picture as an item: its kind, its bytes, and its size and decoder's settings.

    A large one declares its size only: to encode it would take a minute, and it is to be refused unread.
    """
    file = encoded(flat(RED, min(width, LARGEST_CODED), min(height, LARGEST_CODED)), kind)
    item, settings = (b"av01", b"av1C") if kind == "AVIF" else (b"hvc1", b"hvcC")
    at = file.index(settings) - 4
    size = int.from_bytes(file[at : at + 4], "big")
    return item, file[file.index(b"mdat") + 4 :], [ispe(width, height), file[at : at + size]]


def ispe(width: int, height: int) -> bytes:
    return full_box(b"ispe", struct.pack(">II", width, height))


ALPHA = full_box(b"auxC", b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0")


def heif_grid(kind: str, tile: int, across: int, down: int, declared: tuple[int, int] | None = None) -> bytes:
    """A grid that shows one tile many times, in an image of the ``declared`` size (by default that of the tiles)."""
    width, height = declared or (tile * across, tile * down)
    grid = struct.pack(">BBBBII", 0, 1, down - 1, across - 1, width, height)
    return heif(
        [(b"grid", grid, [ispe(width, height)]), coded(tile, tile, kind)],
        [(b"dimg", 1, [2] * (across * down))],
        b"avif" if kind == "AVIF" else b"heic",
    )


def heif_overlay(kind: str, side: int, times: int, canvas: int = 64) -> bytes:
    overlay = struct.pack(">BB4HII", 0, 1, 0, 0, 0, 0, canvas, canvas) + struct.pack(">ii", 0, 0) * times
    return heif(
        [(b"iovl", overlay, [ispe(canvas, canvas)]), coded(side, side, kind)],
        [(b"dimg", 1, [2] * times)],
        b"avif" if kind == "AVIF" else b"heic",
    )


def heif_alpha(kind: str, side: int, alpha: int) -> bytes:
    """A picture of ``side`` squared pixels whose transparency has ``alpha`` squared."""
    item, data, own = coded(alpha, alpha, kind)
    return heif(
        [coded(side, side, kind), (item, data, [*own, ALPHA])],
        [(b"auxl", 2, [1])],
        b"avif" if kind == "AVIF" else b"heic",
    )
