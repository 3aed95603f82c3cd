"""Makes pictures as they occur in the world, and malicious ones."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

Pixels = npt.NDArray[np.uint8]

RED = (200, 30, 40)
GREEN = (20, 180, 60)
BLUE = (10, 40, 220)
GREY = (128, 128, 128)
WHITE = (255, 255, 255)
BLACK = (0, 0, 0)
SAND = (240, 200, 130)


def flat(colour: tuple[int, int, int], width: int = 64, height: int = 36) -> Image.Image:
    return Image.new("RGB", (width, height), colour)


def quarters(width: int = 80, height: int = 40) -> Image.Image:
    """Red, green, blue and sand from the top left: shows how a picture was rotated and mirrored."""
    image = flat(RED, width, height)
    half = (width // 2, height // 2)
    image.paste(GREEN, (half[0], 0, width, half[1]))
    image.paste(BLUE, (0, half[1], half[0], height))
    image.paste(SAND, (half[0], half[1], width, height))
    return image


def scenery(seed: int, width: int, height: int) -> Image.Image:
    """Soft colours like a photo's, different for each seed."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 6, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    buffer = io.BytesIO()
    if kind == "JPEG":
        options = {"quality": 95, "subsampling": 0, **options}
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def saved(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def as_pixels(raw: bytes | memoryview, width: int, height: int) -> Pixels:
    assert len(raw) == width * height * 3
    return np.frombuffer(raw, np.uint8).reshape(height, width, 3)


def near(found: npt.ArrayLike, expected: npt.ArrayLike, tolerance: float) -> bool:
    return bool(np.abs(np.asarray(found, float) - np.asarray(expected, float)).max() <= tolerance)


def png_bomb(side: int) -> bytes:
    """A PNG of a few bytes that declares ``side`` squared pixels."""

    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + part(b"IDAT", zlib.compress(b"\0" * 9999)) + part(b"IEND", b"")
    )


def bmp_bomb(side: int) -> bytes:
    data = bytearray(encoded(flat(RED), "BMP"))
    struct.pack_into("<ii", data, 18, side, side)
    return bytes(data)


def bombs(side: int) -> dict[str, bytes]:
    """By kind, small pictures that declare ``side`` squared pixels, or as many as their kind can declare."""
    small = flat(RED)
    jpeg = bytearray(encoded(small))
    struct.pack_into(">HH", jpeg, jpeg.index(b"\xff\xc0") + 5, side, side)
    gif = bytearray(encoded(small, "GIF"))
    struct.pack_into("<HH", gif, 6, side, side)
    struct.pack_into("<HH", gif, gif.index(b"\x2c") + 5, side, side)
    webp = bytearray(encoded(small, "WEBP", lossless=True))
    struct.pack_into("<I", webp, webp.index(b"VP8L") + 9, 0x0FFFFFFF)  # twice 14 bits, each of a side minus 1
    tiff = bytearray(encoded(small, "TIFF"))
    for tag in (256, 257):  # ImageWidth and ImageLength, as longs
        struct.pack_into("<HHII", tiff, tiff.index(struct.pack("<HHI", tag, 4, 1)), tag, 4, 1, side)
    found = {"JPEG": jpeg, "GIF": gif, "WEBP": webp, "TIFF": tiff}
    for kind in ("AVIF", "HEIF"):
        found[kind] = bytearray(encoded(small, kind))
        struct.pack_into(">II", found[kind], found[kind].index(b"ispe") + 8, side, side)
    return {"PNG": png_bomb(side), "BMP": bmp_bomb(side)} | {kind: bytes(data) for kind, data in found.items()}
