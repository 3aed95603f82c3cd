"""Pictures from anybody: pixels of the film's size, or refused in words, within a bound of memory."""

import struct
import tempfile
import zlib
from contextlib import suppress
from pathlib import Path

from hypothesis import strategies as st
from PIL import Image

from images.animoto.pictures.file_type import MAGIC, Kind, kind_of
from images.animoto.pictures.heads.declared import declared
from images.animoto.pictures.missing import Unusable
from images.animoto.pictures.normalise import MOST_PIXELS
from tests.fuzz.fuzzing import fuzzed
from tests.fuzz.hostile_values import ANY_BYTES
from tests.fuzz.picture_process import PictureProcess
from tests.support.counted_bytes import CountedBytes
from tests.support.picture_corpus import bombs, encoded, quarters

MOST_MEMORY = 2 * 2**30
"""Bytes of the whole process: 100 megapixels, the most that a picture may have, take up to 1.6 GB as AVIF."""
KINDS = ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "HEIF"]
FILES = [
    *(encoded(quarters(), kind) for kind in KINDS),
    encoded(quarters(), "JPEG", progressive=True),
    encoded(quarters(), "TIFF", compression="tiff_lzw"),
    encoded(quarters().convert("P"), "GIF"),
    *bombs(5000).values(),
]
EXTREMES = [0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 0x7FFFFFFF, 0xFFFFFFFF, 4000, 40_000]
BRANDS = [b"RIFF\0\0\0\0WEBP", b"\0\0\0\x18ftypheic", b"\xff\xff\xff\xffftypavif", b"\0\0\0\0ftyp"]
BEGINNINGS = st.sampled_from([*MAGIC, *BRANDS])
SIDES = st.sampled_from([1, 64, 500, 1000, 3000])
SAMPLES = st.sampled_from([1, 3, 4, 5, 100, 1000, 4000, 65_535])
MOST_READS = 200_000
"""Of a head that refers to the same places many times, as directories in a circle do."""
LARGEST_STRIP, MOST_STRIPS = 50_000_000, 5000


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A real picture with a few fields of its head set to extremes, or cut, or with a piece twice."""
    data = bytearray(draw(st.sampled_from(FILES)))
    places = st.integers(0, min(len(data) - 5, 400)) | st.integers(0, len(data) - 5)
    for _ in range(draw(st.integers(1, 4))):
        form = draw(st.sampled_from("BHI"))
        mask = 2 ** (8 * struct.calcsize(form)) - 1
        struct.pack_into(draw(st.sampled_from("<>")) + form, data, draw(places), draw(st.sampled_from(EXTREMES)) & mask)
    match draw(st.sampled_from(["whole", "whole", "cut", "twice"])):
        case "cut":
            return bytes(data[: draw(places)])
        case "twice":
            at, size = draw(places), draw(st.integers(1, 200))
            return bytes(data[:at] + data[at : at + size] * 3 + data[at:])
    return bytes(data)


@st.composite
def tiffs(draw: st.DrawFn) -> bytes:
    """A small TIFF that declares any number of samples a pixel, of bits, and of strips, which all share their bytes."""
    width, height = draw(SIDES), draw(SIDES)
    samples, bits = draw(SAMPLES), draw(st.sampled_from([1, 8, 16, 32, 64]))
    rows, planes = min(draw(st.sampled_from([1, 10, 10_000])), height), draw(st.sampled_from([1, 2]))
    strip = zlib.compress(bytes(min(width * rows * (samples if planes == 1 else 1) * bits // 8, LARGEST_STRIP)))
    strips = min(-(-height // rows) * (samples if planes == 2 else 1), MOST_STRIPS)
    places, sizes = struct.pack("<I", 8) * strips, struct.pack("<I", len(strip)) * strips
    body = strip + places + sizes
    tags = {256: width, 257: height, 258: bits, 259: 8, 262: 1, 277: samples, 278: rows, 284: planes}
    # A directory holds a single value itself.
    tags |= {273: 8 + len(strip), 279: 8 + len(strip) + len(places)} if strips > 1 else {273: 8, 279: len(strip)}
    counts = {273: strips, 279: strips}
    entries = b"".join(struct.pack("<HHII", tag, 4, counts.get(tag, 1), tags[tag]) for tag in sorted(tags))
    directory = struct.pack("<H", len(tags)) + entries + bytes(4)
    return struct.pack("<2sHI", b"II", 42, 8 + len(body)) + body + directory


@fuzzed(head=ANY_BYTES | st.builds(lambda begin, rest: begin + rest, BEGINNINGS, ANY_BYTES) | damaged())
def test_file_of_a_stranger_is_of_a_known_kind_or_refused(head: bytes) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(head)
        file.flush()
        with suppress(Unusable):
            assert isinstance(kind_of(Path(file.name)), Kind)


@fuzzed(data=damaged() | tiffs())
def test_head_takes_reads_in_proportion_to_its_size(data: bytes) -> None:
    head = CountedBytes(data)
    with tempfile.NamedTemporaryFile() as file, suppress(Unusable):
        file.write(data)
        file.flush()
        declared(head, kind_of(Path(file.name)), MOST_PIXELS)
    assert head.reads < 8 * len(data) + MOST_READS


def assert_each_is_decoded_or_refused(pictures: st.SearchStrategy[bytes]) -> None:
    with PictureProcess() as process:
        assert [process.decode(encoded(quarters(), kind))[0] for kind in KINDS] == ["decoded"] * len(KINDS)

        @fuzzed(data=pictures, share=0.3)
        def check(data: bytes) -> None:
            outcome, memory = process.decode(data)
            assert outcome in {"decoded", "unusable"}
            assert memory < MOST_MEMORY

        check()


def test_damaged_picture_is_pixels_or_refused_within_a_bound_of_memory() -> None:
    assert_each_is_decoded_or_refused(damaged())


def test_tiff_of_any_shape_is_pixels_or_refused_within_a_bound_of_memory() -> None:
    assert_each_is_decoded_or_refused(tiffs())


def test_corpus_has_a_file_of_each_kind() -> None:
    found = set()
    with tempfile.TemporaryDirectory() as folder:
        for number, data in enumerate(FILES):
            path = Path(folder, str(number))
            path.write_bytes(data)
            found.add(kind_of(path))
    assert found == set(Kind)
    assert Image.MAX_IMAGE_PIXELS is None
