"""Heads are read in time and memory in proportion to the file, and a bound of each kind ends them, by counted reads."""

import io
import struct
import zlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import pytest
from PIL import Image

from images.animoto.pictures.file_type import Kind
from images.animoto.pictures.heads.allowance import Allowance
from images.animoto.pictures.heads.av1_frames import count_frames
from images.animoto.pictures.heads.declared import declared
from images.animoto.pictures.heads.heif_boxes import Boxes
from images.animoto.pictures.missing import Unusable
from tests.support import hostile_pictures as hostile
from tests.support.counted_bytes import CountedBytes
from tests.support.hostile_pictures import box, full_box
from tests.support.picture_corpus import RED, encoded, flat

MOST_PIXELS = 100_000_000
MOST_READS = 300_000
"""Of a file of any size."""


def check(data: bytes, kind: Kind) -> CountedBytes:
    """Read a head, which may be refused, and return what was counted."""
    counted = CountedBytes(data)
    declared(counted, kind, MOST_PIXELS)
    return counted


def refusal(data: bytes, kind: Kind) -> tuple[str, CountedBytes]:
    counted = CountedBytes(data)
    with pytest.raises(Unusable) as caught:
        declared(counted, kind, MOST_PIXELS)
    return caught.value.reason, counted


# Files that repeat a unit


def png(chunk: bytes) -> Callable[[int], bytes]:
    whole, unit = hostile.png(), struct.pack(">I", 3) + chunk + b"a\0b" + struct.pack(">I", zlib.crc32(chunk + b"a\0b"))
    return lambda times: whole[:33] + unit * times + whole[33:]


def jpeg(unit: bytes, *, late: bool = False) -> Callable[[int], bytes]:
    whole = encoded(flat(RED))
    at = len(whole) - 2 if late else 2
    return lambda times: whole[:at] + unit * times + whole[at:]


def gif(begin: bytes, unit: bytes, end: bytes = b"") -> Callable[[int], bytes]:
    whole = hostile.gif_with_comment(0)
    at = whole.index(b"\x21\xfe\0")
    return lambda times: whole[:at] + begin + unit * times + end + whole[at:]


def webp(begin: bytes, unit: bytes) -> Callable[[int], bytes]:
    return lambda times: b"RIFF\0\0\0\0WEBP" + begin + unit * times


def heif(make: Callable[[int], bytes]) -> Callable[[int], bytes]:
    head = box(b"ftyp", b"heic" + bytes(4) + b"heic")
    return lambda times: head + make(times)


def meta(data: bytes) -> bytes:
    return full_box(b"meta", data)


def references(times: int) -> bytes:
    return meta(full_box(b"iref", box(b"cdsc", struct.pack(">HH", 1, 100) + b"\0\2" * 100) * times))


def associations(times: int) -> bytes:
    each = b"\0\5\x64" + b"\1" * 100
    return meta(box(b"iprp", box(b"ipco", b"") + full_box(b"ipma", struct.pack(">I", times) + each * times)))


def locations(times: int) -> bytes:
    each = struct.pack(">HHH", 1, 0, 100) + bytes(8 * 100)
    return meta(full_box(b"iloc", b"\x44\0" + struct.pack(">H", min(times, 65_535)) + each * times))


def pages(times: int) -> bytes:
    """A TIFF of pages with one entry each."""
    entry = struct.pack("<HHII", 256, 4, 1, 1)
    return b"II*\0\x08\0\0\0" + b"".join(
        struct.pack("<H", 1) + entry + struct.pack("<I", 8 + 18 * number) for number in range(1, times + 1)
    )


class Endless(NamedTuple):
    """A kind of file that may repeat something without an end."""

    kind: Kind
    make: Callable[[int], bytes]
    says: str
    times: int = 70_000


ENTRIES = "more than 65,536 boxes, items, references, properties, extents and units"
ENDLESS = {
    "png-text": Endless(Kind.PNG, png(b"tEXt"), "more than 65,536 chunks"),
    "png-pixels": Endless(Kind.PNG, png(b"IDAT"), "more than 65,536 chunks"),
    "png-unknown": Endless(Kind.PNG, png(b"abCd"), "more than 65,536 chunks"),
    "jpeg-segments": Endless(Kind.JPEG, jpeg(b"\xff\xe0\0\2"), "more than 10,000 JPEG segments"),
    "jpeg-comments": Endless(Kind.JPEG, jpeg(b"\xff\xfe\0\2"), "more than 10,000 JPEG segments"),
    "jpeg-markers": Endless(Kind.JPEG, jpeg(b"\xff\1"), "more than 10,000 JPEG segments"),
    "jpeg-late": Endless(Kind.JPEG, jpeg(b"\xff\xe0\0\2", late=True), "more than 10,000 JPEG segments"),
    "gif-comment": Endless(Kind.GIF, gif(b"\x21\xfe", b"\1a", b"\0"), "more than 65,536 blocks"),
    "gif-comments": Endless(Kind.GIF, gif(b"", b"\x21\xfe\1a\0"), "more than 65,536 blocks"),
    "gif-controls": Endless(Kind.GIF, gif(b"", b"\x21\xf9\4\0\0\0\0\0"), "more than 65,536 blocks"),
    "gif-rubbish": Endless(Kind.GIF, gif(b"", b"\0"), "more than 65,536 blocks"),
    "webp-chunks": Endless(Kind.WEBP, webp(b"", b"abcd" + bytes(4)), "more than 20,000 frames"),
    "webp-frames": Endless(Kind.WEBP, webp(b"", b"ANMF\x10" + bytes(3 + 16)), "more than 20,000 frames"),
    "webp-frame": Endless(Kind.WEBP, webp(b"ANMF\xff\xff\xff\0" + bytes(16), b"abcd" + bytes(4)), "more than 20,000 f"),
    "tiff-pages": Endless(Kind.TIFF, pages, "more than 1,024 pages", 20_000),
    "heif-boxes": Endless(Kind.HEIC, heif(lambda times: box(b"free", b"") * times), ENTRIES),
    "heif-inner": Endless(Kind.AVIF, heif(lambda times: meta(box(b"free", b"") * times)), ENTRIES),
    "heif-properties": Endless(
        Kind.HEIC, heif(lambda times: meta(box(b"iprp", box(b"ipco", box(b"free", b"") * times)))), ENTRIES
    ),
    "heif-references": Endless(Kind.HEIC, heif(references), ENTRIES, 1000),
    "heif-associations": Endless(Kind.HEIC, heif(associations), ENTRIES, 1000),
    "heif-locations": Endless(Kind.HEIC, heif(locations), ENTRIES, 1000),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_head_that_repeats_without_end_is_refused_after_a_bounded_number_of_reads(name: str) -> None:
    kind, make, says, times = ENDLESS[name]
    reason, counted = refusal(make(times), kind)
    assert says in reason
    assert counted.reads < MOST_READS
    assert counted.copied < MOST_READS * 8, "of a few bytes each"


@pytest.mark.parametrize("name", ENDLESS)
def test_twice_the_head_takes_twice_the_reads(name: str) -> None:
    kind, make, _says, times = ENDLESS[name]
    once, twice, thrice = (check(make(parts * times // 1000), kind).reads for parts in (1, 2, 3))
    assert abs((thrice - twice) - (twice - once)) <= 2
    assert twice >= once


# Files whose parts share their bytes


def entries(value_bytes: int, count: int) -> list[tuple[int, int, int, int]]:
    """Entries of unknown tags that have the same bytes as their values."""
    return [(50_000 + number, 7, value_bytes, 8) for number in range(count)]


def directory(entries: list[tuple[int, int, int, int]], following: int) -> bytes:
    listed = b"".join(struct.pack("<HHII", *one) for one in entries)
    return struct.pack("<H", len(entries)) + listed + struct.pack("<I", following)


def tiff_pages(number: int, listed: list[tuple[int, int, int, int]], data: bytes) -> bytes:
    at, size = 8 + len(data), len(directory(listed, 0))
    linked = [directory(listed, at + size * one if one < number else 0) for one in range(1, number + 1)]
    return struct.pack("<4sI", b"II*\0", at) + data + b"".join(linked)


def tiff_of_jpegs(tile: bytes, sizes: list[int]) -> bytes:
    tags: dict[int, int | Sequence[int]] = {
        hostile.WIDTH: 2048,
        hostile.LENGTH: 2048,
        hostile.BITS: 8,
        hostile.COMPRESSION: 7,
        hostile.PHOTOMETRIC: 1,
        hostile.SAMPLES: 1,
        hostile.TILE_WIDTH: 1008,
        hostile.TILE_LENGTH: 1008,
        hostile.TILES: [8] * len(sizes),
        hostile.TILE_COUNTS: sizes,
    }
    return hostile.tiff(tags, tile)


def heif_of_descriptions(number: int, size: int) -> bytes:
    """A HEIC whose descriptions of picture 1 all have the same bytes."""
    places = b"".join(struct.pack(">HHHII", item, 0, 1, 0, size) for item in range(2, number + 2))
    linked = b"".join(box(b"cdsc", struct.pack(">HHH", item, 1, 1)) for item in range(2, number + 2))
    located = full_box(b"iloc", b"\x44\0" + struct.pack(">H", number) + places)
    return box(b"ftyp", b"heic" + bytes(4) + b"heic") + meta(located + full_box(b"iref", linked))


def bmp_of_runs(width: int, height: int, data: bytes, bits: int = 8) -> bytes:
    head = struct.pack("<IIIiiHHIIIIII", 0, 0, 54, width, height, 1, bits, 1 if bits == 8 else 2, 0, 0, 0, 0, 0)
    return b"BM" + head[:8] + struct.pack("<II", 54, 40) + head[12:] + data


MANY_SCANS = hostile.jpeg_of_scans(1008, 1008, 150)
SHARED: dict[str, tuple[Kind, Callable[[], bytes], str]] = {
    "values": (Kind.TIFF, lambda: tiff_pages(1, entries(500_000, 4000), b""), "more than 67,108,864 bytes of values"),
    "values of pages": (
        Kind.TIFF,
        lambda: tiff_pages(200, entries(500_000, 1), b""),
        "more than 67,108,864 bytes of values",
    ),
    "entries of pages": (Kind.TIFF, lambda: tiff_pages(1000, entries(1, 110), b""), "more than 32,768 entries"),
    "loop": (Kind.TIFF, lambda: b"II*\0\x08\0\0\0" + directory([], 8), "more than 1,024 pages"),
    "scans of a tile": (Kind.TIFF, lambda: tiff_of_jpegs(MANY_SCANS, [len(MANY_SCANS)] * 9), "more than 100 scans"),
    "tiles": (Kind.TIFF, lambda: tiff_of_jpegs(b"\xff\xd8", [30_000_000 + one for one in range(9)]), "bytes in tiles"),
    "descriptions": (Kind.HEIC, lambda: heif_of_descriptions(200, 1_000_000), "bytes in its items, which share them"),
    "runs": (Kind.BMP, lambda: bmp_of_runs(9999, 9999, b"\1\1\0\0" * 9999), "a compressed BMP of 99,980,001 pixels"),
    "few bits": (Kind.BMP, lambda: bmp_of_runs(9999, 9999, b"\1\1\0\0" * 9999, 4), "a compressed BMP of 99,980,001 p"),
    "ends of rows": (Kind.BMP, lambda: bmp_of_runs(64, 64, bytes(9_000_000)), "in 9,000,054 bytes"),
}


@pytest.mark.parametrize("name", SHARED)
def test_head_whose_parts_share_bytes_is_refused_by_their_sum(name: str) -> None:
    kind, make, says = SHARED[name]
    reason, counted = refusal(make(), kind)
    assert says in reason
    assert counted.reads < MOST_READS


@pytest.mark.parametrize("version", [0, 1, 2])
@pytest.mark.parametrize("twice", [False, True])
def test_extents_of_an_item_are_added_up_in_every_version(version: int, twice: bool) -> None:
    """One item of three extents, with every field that its version has."""
    index = b"" if version == 0 else bytes(4)
    extents = b"".join(index + struct.pack(">QI", 7, size) for size in (100_000_000, 100_000_000, 68_435_456))
    head = struct.pack(">H" if version < 2 else ">I", 9) + (b"" if version == 0 else b"\0\0") + bytes(2 + 4)
    item = head + struct.pack(">H", 3) + extents
    sizes = 0x8440 if version == 0 else 0x8444
    count = struct.pack(">H" if version < 2 else ">I", 1 + twice)
    located = full_box(b"iloc", struct.pack(">H", sizes) + count + item * (1 + twice), version)
    whole = box(b"ftyp", b"heic" + bytes(4) + b"heic") + meta(located)
    if twice:
        assert "bytes in its items" in refusal(whole, Kind.HEIC)[0]
    else:
        check(whole, Kind.HEIC)


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_texts_of_a_png_are_bounded_by_what_they_inflate_to_in_all(kind: bytes) -> None:
    text = b"a\0\1\0de\0\0" if kind == b"iTXt" else b"a\0\0"
    chunk = kind, text + hostile.inflating(3_000_000)
    check(hostile.png(chunk, chunk), Kind.PNG)
    for whole in (hostile.png(chunk, chunk, chunk), hostile.png(chunk, after=[chunk, chunk])):
        assert "more than 8,388,608 bytes of texts and profiles" in refusal(whole, Kind.PNG)[0]


def test_suggested_palettes_of_a_png_count_as_texts() -> None:
    palette = b"sPLT", b"a\0\x08" + bytes(6 * 500_000)
    check(hostile.png(palette, palette), Kind.PNG)
    assert "more than 8,388,608 bytes of texts" in refusal(hostile.png(palette, palette, palette), Kind.PNG)[0]


@pytest.mark.parametrize(
    "text", [b"", b"a", b"a\0", b"a\0\0", b"a\0\0rubbish", b"a\0\1\0", b"a\0\1\0de", b"a\0\1\0\0\0x"]
)
@pytest.mark.parametrize("kind", [b"tEXt", b"zTXt", b"iTXt", b"iCCP"])
def test_damaged_text_of_a_png_is_left_to_the_decoder(kind: bytes, text: bytes) -> None:
    check(hostile.png((kind, text)), Kind.PNG)


@pytest.mark.parametrize("size", range(40))
@pytest.mark.parametrize("kind", [Kind.PNG, Kind.JPEG, Kind.GIF, Kind.WEBP, Kind.BMP])
def test_head_that_ends_early_is_left_to_the_decoder(kind: Kind, size: int) -> None:
    check(encoded(flat(RED), kind.value.upper())[:size], kind)


def test_usual_compressed_bmp_and_pages_and_animation_pass() -> None:
    check(bmp_of_runs(1920, 1080, b"\xff\1" * 8000), Kind.BMP)
    check(tiff_pages(300, entries(1000, 20), bytes(1000)), Kind.TIFF)
    check(ENDLESS["webp-frames"].make(5000), Kind.WEBP)
    check(tiff_of_jpegs(encoded(flat(RED, 1008, 1008).convert("L")), [9000] * 4), Kind.TIFF)
    check(heif_of_descriptions(5, 1_000_000), Kind.HEIC)


@pytest.mark.parametrize("times", [1, 3, 200])
def test_every_frame_of_an_avif_item_counts(times: int) -> None:
    """A decoder decodes all of them to show the last."""
    kind, data, own = hostile.coded(64, 64, "AVIF")
    declared = next(one for one in own if one[4:8] == b"ispe")
    large = [*(one for one in own if one != declared), hostile.ispe(8000, 8000)]
    whole = hostile.heif([(kind, data * times, large)], (), b"avif")
    if times * 8000 * 8000 <= 200_000_000:
        check(whole, Kind.AVIF)
    else:
        assert f"its parts have {times * 64_000_000:,} pixels in all" in refusal(whole, Kind.AVIF)[0]


def test_frames_in_the_settings_of_an_avif_item_count_too() -> None:
    kind, data, own = hostile.coded(64, 64, "AVIF")
    settings = next(one for one in own if one[4:8] == b"av1C")
    longer = box(b"av1C", settings[8:12] + data * 5)
    whole = hostile.heif([(kind, data, [longer, hostile.ispe(8000, 8000)])], (), b"avif")
    assert "its parts have 384,000,000 pixels in all" in refusal(whole, Kind.AVIF)[0]


def test_frames_of_an_avif_item_inside_the_meta_box_count_too() -> None:
    _kind, data, own = hostile.coded(64, 64, "AVIF")
    properties = [next(one for one in own if one[4:8] == b"av1C"), hostile.ispe(8000, 8000)]
    place = struct.pack(">HHHHII", 1, 1, 0, 1, 0, 5 * len(data))
    linked = full_box(b"ipma", struct.pack(">IHBBB", 1, 1, 2, 0x81, 0x82))
    content = (
        full_box(b"pitm", struct.pack(">H", 1))
        + full_box(b"iloc", b"\x44\0" + struct.pack(">H", 1) + place, 1)
        + box(b"iprp", box(b"ipco", b"".join(properties)) + linked)
        + box(b"idat", data * 5)
    )
    whole = box(b"ftyp", b"avif" + bytes(4) + b"avif") + full_box(b"meta", content)
    assert "its parts have 320,000,000 pixels in all" in refusal(whole, Kind.AVIF)[0]


@pytest.mark.parametrize("at", range(0, 30, 3))
def test_frames_are_counted_over_extents(at: int) -> None:
    _kind, data, _own = hostile.coded(64, 64, "AVIF")
    apart = data[at:] + data + data[:at]
    size = len(data)
    place = Boxes(apart).joined([(size - at + size, 2 * size), (0, size - at)])
    assert count_frames(*place, Allowance(100, "units")) == 1
    assert count_frames(*Boxes(data * 3).joined([(0, 3 * size)]), Allowance(100, "units")) == 3


def test_units_of_an_avif_are_bounded() -> None:
    reason, counted = refusal(
        hostile.heif([(b"av01", b"\x0a\0" * 1_000_000, [box(b"av1C", bytes(4))])], (), b"avif"), Kind.AVIF
    )
    assert "extents and units" in reason
    assert counted.reads < MOST_READS


@pytest.mark.parametrize("data", [b"", b"\x32", b"\x36", b"\x32\xff", b"\x32" + b"\xff" * 20, b"\x12\0\x32\x05"])
def test_broken_units_of_an_avif_are_left_to_the_decoder(data: bytes) -> None:
    whole = hostile.heif([(b"av01", data, [box(b"av1C", bytes(4)), hostile.ispe(64, 64)])], (), b"avif")
    check(whole, Kind.AVIF)


# EXIF data


def exif(
    entries: int, tag: int = 0x8769, value: int = 8, order: str = "<", kind: int = 4, components: int = 1
) -> bytes:
    """EXIF data of one directory with the same entry many times, which by default points to that directory."""
    entry = struct.pack(order + "HHII", tag, kind, components, value)
    begin = b"II*\0\x08\0\0\0" if order == "<" else b"MM\0*\0\0\0\x08"
    return begin + struct.pack(order + "H", entries) + entry * entries + bytes(4)


def heif_of_exif(data: bytes, kind: bytes = b"Exif", words: bytes = b"\0") -> bytes:
    """A HEIC with one item that describes its picture."""
    item = bytes(4) + data
    info = full_box(b"infe", struct.pack(">HH", 1, 0) + kind + words, 2)

    def whole(at: int) -> bytes:
        located = full_box(b"iloc", b"\x44\0" + struct.pack(">HHHHII", 1, 1, 0, 1, at, len(item)))
        head = box(b"ftyp", b"heic" + bytes(4) + b"heic")
        return head + meta(located + full_box(b"iinf", struct.pack(">H", 1) + info)) + box(b"mdat", item)

    return whole(len(whole(0)) - len(item))


def jpeg_of_exif(data: bytes) -> bytes:
    whole = encoded(flat(RED))
    return whole[:2] + b"\xff\xe1" + struct.pack(">H", len(data) + 8) + b"Exif\0\0" + data + whole[2:]


def webp_of_exif(data: bytes) -> bytes:
    return b"RIFF\0\0\0\0WEBP" + b"EXIF" + struct.pack("<I", len(data)) + data


EXIF: dict[Kind, Callable[[bytes], bytes]] = {
    Kind.JPEG: jpeg_of_exif,
    Kind.PNG: lambda data: hostile.png((b"eXIf", data)),
    Kind.WEBP: webp_of_exif,
    Kind.HEIC: heif_of_exif,
    Kind.AVIF: heif_of_exif,
}


@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
@pytest.mark.parametrize("kind", EXIF, ids=lambda kind: kind.value)
def test_exif_entries_count_as_often_as_they_are_pointed_to(kind: Kind, order: str) -> None:
    reason, counted = refusal(EXIF[kind](exif(200, order=order)), kind)
    assert "more than 20,000 entries of EXIF data" in reason
    assert counted.reads < MOST_READS
    check(EXIF[kind](exif(200, tag=0x0110, order=order)), kind)
    check(EXIF[kind](exif(1, order=order)), kind)


@pytest.mark.parametrize("tag", [0x8769, 0x8825, 0xA005])
def test_each_pointer_of_exif_is_followed_also_from_the_thumbnails_directory(tag: int) -> None:
    main = b"II*\0\x08\0\0\0\0\0" + struct.pack("<I", 14) + exif(200, tag, 14)[8:]
    for data in (main, exif(200, tag)):
        assert "entries of EXIF data" in refusal(jpeg_of_exif(data), Kind.JPEG)[0]


def test_exif_behind_other_bytes_is_found() -> None:
    assert "entries of EXIF" in refusal(jpeg_of_exif(b"\xff\xd8\xff\xe1\0\x10Exif\0\0" + exif(200)), Kind.JPEG)[0]


def test_heads_of_exif_are_bounded_too() -> None:
    reason, counted = refusal(hostile.png((b"eXIf", b"Exif\0\0II" * 100_000)), Kind.PNG)
    assert "entries of EXIF data" in reason
    assert counted.reads < MOST_READS
    assert counted.copied < 1_000_000


def test_values_of_exif_that_share_bytes_are_bounded_by_their_sum() -> None:
    shared = exif(1000, tag=0x010E, kind=2, components=1_000_000) + bytes(1_000_000)
    assert "bytes of EXIF values" in refusal(hostile.png((b"eXIf", shared)), Kind.PNG)[0]
    check(hostile.png((b"eXIf", exif(10, tag=0x010E, kind=2, components=1_000_000) + bytes(1_000_000))), Kind.PNG)


@pytest.mark.parametrize("size", range(30))
def test_exif_that_ends_early_is_left_to_the_decoder(size: int) -> None:
    for order in "<>":
        check(jpeg_of_exif(exif(2, order=order)[:size]), Kind.JPEG)


def test_compressed_description_of_a_heic_is_refused() -> None:
    check(heif_of_exif(b"<x/>", b"mime", b"\0application/rdf+xml\0"), Kind.HEIC)
    reason, _ = refusal(heif_of_exif(b"<x/>", b"mime", b"\0application/rdf+xml\0deflate\0"), Kind.HEIC)
    assert "a compressed description" in reason


@pytest.mark.parametrize("kind", [Kind.JPEG, Kind.PNG, Kind.WEBP, Kind.AVIF], ids=lambda kind: kind.value)
def test_exif_that_an_encoder_writes_passes(kind: Kind) -> None:
    picture = Image.new("RGB", (64, 48), "red")
    described = picture.getexif()
    described[0x0112] = 6
    described.get_ifd(0x8769)[0x9003] = "2026:01:01 10:00:00"
    described.get_ifd(0x8825)[0x0001] = "N"
    file = io.BytesIO()
    picture.save(file, kind.value.upper(), exif=described)
    check(file.getvalue(), kind)
