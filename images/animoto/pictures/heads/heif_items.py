"""Counts the pixels of all items that a HEIC or AVIF is made from (ISO/IEC 23008-12): tiles, layers, transparency."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from ..missing import Unusable
from .allowance import LARGEST_FILE, Allowance, Data
from .av1_frames import count_frames
from .exif_directory import ExifEntries
from .heif_boxes import Box, Boxes, Extent, damaged

_ALPHA = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0", b"urn:mpeg:hevc:2015:auxid:1\0")
_ONCE = {b"pitm", b"iinf", b"iref", b"iprp", b"ipco", b"iloc", b"idat"}
"""Boxes that occur once: decoders may differ in which of two counts."""
MOST_PARTS = 4096
"""Items that a picture is made from, each as often as it is used; phones write 50 tiles."""
_AV1_SETTINGS = 4
"""Bytes of an ``av1C`` box before its units (AV1 Codec ISO Media File Format Binding, 2.3.3)."""
_LONGEST_WORDS = 1024
"""Bytes of the words about an item that are looked at."""
_DEEPEST = 8
"""Steps from an item to those that it is derived from."""
MOST_STORED = 4 * LARGEST_FILE
"""Bytes of all items, each as often as others need it: tiles once, and descriptions once for each picture."""


@dataclass(slots=True)
class _Items:
    """What the meta box says about items, by their numbers."""

    boxes: Boxes
    primary: int = 0
    properties: list[Box] = field(default_factory=list)
    """Those that associations count from 1."""
    owned: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    derived: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    """The items that an item is made from: the tiles of a grid, the layers of an overlay."""
    auxiliary: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    """The items that belong to an item, such as its transparency."""
    stored: dict[int, list[Extent]] = field(default_factory=lambda: defaultdict(list))
    """Where each item's bytes begin and end in the file; in its ``idat`` box, for those that are ``inside``."""
    inside: set[int] = field(default_factory=set)
    idat: Box | None = None
    exif: set[int] = field(default_factory=set)
    uses: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    """How often other items need an item."""
    _pixels: dict[int, int] = field(default_factory=dict)
    _frames: dict[int, int] = field(default_factory=dict)
    _parts: dict[int, list[int]] = field(default_factory=dict)

    def pixels(self, item: int) -> int:
        """Return the largest size that the item declares."""
        if item not in self._pixels:
            sizes = [one for one in self._own(item) if one.kind == b"ispe"]
            self._pixels[item] = max((self._at(size, 4) * self._at(size, 8) for size in sizes), default=0)
        return self._pixels[item]

    def frames(self, item: int) -> int:
        """Return the frames that a decoder decodes for the item; 1 for what is no AV1."""
        if item not in self._frames:
            settings = [(box.begin + _AV1_SETTINGS, box.end) for box in self._own(item) if box.kind == b"av1C"]
            coded = self.extents(item) if settings else []
            # The decoder reads the units of the settings before those of the item.
            read = [self.boxes.joined(one) for one in (settings, coded) if one]
            self._frames[item] = max(1, sum(count_frames(*one, self.boxes.entries) for one in read))
        return self._frames[item]

    def extents(self, item: int) -> list[Extent]:
        """Return where the item's bytes are in the file."""
        begin = self.idat.begin if self.idat and item in self.inside else 0
        return [(begin + first, begin + end) for first, end in self.stored.get(item, ())]

    def parts(self, item: int) -> list[int]:
        """Return the items that a decoder decodes for the item: what it is made from, and its transparency."""
        if item not in self._parts:
            alphas = [one for one in self.auxiliary.get(item, ()) if self._is_alpha(one)]
            self._parts[item] = self.derived.get(item, []) + alphas
        return self._parts[item]

    def _is_alpha(self, item: int) -> bool:
        longest = max(map(len, _ALPHA))
        return any(
            one.kind == b"auxC"
            and self.boxes.bytes(one.begin, min(4 + longest, one.end - one.begin), one.end)[4:].startswith(_ALPHA)
            for one in self._own(item)
        )

    def _own(self, item: int) -> Iterator[Box]:
        for number in self.owned.get(item, ()):
            if 1 <= number <= len(self.properties):
                yield self.properties[number - 1]

    def _at(self, box: Box, place: int) -> int:
        return self.boxes.number(box.begin + place, 4, box.end)


def hidden_heif_pixels(data: Data, most_pixels: int) -> int:
    """Return the pixels of the largest item that the picture is made from, besides itself.

    Raises ``Unusable`` if more than twice ``most_pixels`` have to be decoded, or more bytes than a file has: an item
    counts as often as it is used.
    """
    boxes = Boxes(data)
    metas = [box for box in boxes.within(0, len(data)) if box.kind == b"meta"]
    if len(metas) > 1:
        raise damaged("it has two meta boxes")
    if not metas:
        return 0  # the decoder finds no picture
    items = _read(metas[0], boxes)
    parts = list(islice(_reachable(items, items.primary, 0), MOST_PARTS + 1))
    if len(parts) > MOST_PARTS:
        raise Unusable(f"it is made from more than {MOST_PARTS:,} parts")
    pixels = sum(items.pixels(item) * items.frames(item) for item in parts)
    if pixels > 2 * most_pixels:
        raise Unusable(f"its parts have {pixels:,} pixels in all; the most is {2 * most_pixels:,}")
    return max(map(items.pixels, parts[1:]), default=0)


def _reachable(items: _Items, item: int, depth: int) -> Iterator[int]:
    """Yield the item, and all that it is made from, as often as they are used."""
    if depth > _DEEPEST:
        raise damaged("its items are made from one another")
    yield item
    for other in items.parts(item):
        yield from _reachable(items, other, depth + 1)


def _read(meta: Box, boxes: Boxes) -> _Items:
    items = _Items(boxes)
    seen: set[bytes] = set()
    for box in boxes.within(meta.begin + 4, meta.end):
        if box.kind in _ONCE and box.kind in seen:
            raise damaged(f"it has two {box.kind.decode()} boxes")
        seen.add(box.kind)
        if box.kind == b"pitm":
            items.primary = boxes.number(box.begin + 4, 4 if boxes.version(box) else 2, box.end)
        elif box.kind == b"iref":
            _read_references(box, items)
        elif box.kind == b"iprp":
            _read_properties(box, items)
        elif box.kind == b"iloc":
            _read_locations(box, items)
        elif box.kind == b"idat":
            items.idat = box
        elif box.kind == b"iinf":
            _read_kinds(box, items)
    _check_stored(items)
    _check_exif(items)
    return items


def _read_kinds(box: Box, items: _Items) -> None:
    """Find the items that are EXIF data, and refuse compressed ones (14496-12, 8.11.6): decoders inflate them."""
    boxes = items.boxes
    head = 8 if boxes.version(box) else 6
    for info in boxes.within(box.begin + head, box.end):
        version = boxes.version(info)
        if info.kind != b"infe" or version < 2:  # noqa: PLR2004  (the first version with a kind)
            continue
        size = 2 if version == 2 else 4  # noqa: PLR2004  (the version with short numbers)
        at = info.begin + 4 + size + 2
        kind = boxes.bytes(at, 4, info.end)
        if kind == b"Exif":
            items.exif.add(boxes.number(info.begin + 4, size, info.end))
        elif kind == b"mime":
            words = boxes.bytes(at + 4, min(info.end - at - 4, _LONGEST_WORDS), info.end).split(b"\0")
            # Its name, the type of its content, and how that is encoded.
            if any(words[2:3]):
                raise Unusable("it is a HEIC or AVIF with a compressed description")


def _read_references(box: Box, items: _Items) -> None:
    boxes = items.boxes
    size = 4 if boxes.version(box) else 2
    for reference in boxes.within(box.begin + 4, box.end):
        source = boxes.number(reference.begin, size, reference.end)
        count = boxes.number(reference.begin + size, 2, reference.end)
        boxes.entries.spend(count)
        first = reference.begin + size + 2
        targets = [boxes.number(first + number * size, size, reference.end) for number in range(count)]
        if reference.kind == b"dimg":
            items.derived[source] += targets
            for target in targets:
                items.uses[target] += 1
            continue
        items.uses[source] += count
        if reference.kind == b"auxl":
            for target in targets:
                items.auxiliary[target].append(source)


def _read_properties(properties: Box, items: _Items) -> None:
    for box in items.boxes.within(properties.begin, properties.end):
        if box.kind == b"ipco":
            if items.properties:
                raise damaged("it has two ipco boxes")
            items.properties = list(items.boxes.within(box.begin, box.end))
        elif box.kind == b"ipma":
            _read_associations(box, items)


def _read_associations(box: Box, items: _Items) -> None:
    boxes = items.boxes
    id_size = 4 if boxes.version(box) else 2
    index_size = 2 if boxes.number(box.begin + 3, 1, box.end) & 1 else 1
    at = box.begin + 8
    for _entry in range(boxes.number(box.begin + 4, 4, box.end)):
        item, count = boxes.number(at, id_size, box.end), boxes.number(at + id_size, 1, box.end)
        boxes.entries.spend(1 + count)
        at += id_size + 1
        for _property in range(count):
            # The first bit says whether the property is essential.
            mask = (1 << (8 * index_size - 1)) - 1
            items.owned[item].append(boxes.number(at, index_size, box.end) & mask)
            at += index_size


def _read_locations(box: Box, items: _Items) -> None:
    """Read where each item's bytes are (14496-12, 8.11.3)."""
    boxes, version = items.boxes, items.boxes.version(box)
    sizes = boxes.number(box.begin + 4, 2, box.end)
    offset_size, length_size, base_size, index_size = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    wide = 4 if version >= 2 else 2  # noqa: PLR2004  (the version with long numbers of items)
    if not version:
        index_size = 0
    at = box.begin + 6 + wide
    for _item in range(boxes.number(box.begin + 6, wide, box.end)):
        item = boxes.number(at, wide, box.end)
        at += wide
        if version:
            if boxes.number(at, 2, box.end) & 15:
                items.inside.add(item)
            at += 2
        base = boxes.number(at + 2, base_size, box.end)
        at += 2 + base_size
        extents = boxes.number(at, 2, box.end)
        boxes.entries.spend(1 + extents)
        at += 2
        for _extent in range(extents):
            at += index_size
            begin = base + boxes.number(at, offset_size, box.end)
            at += offset_size
            items.stored[item].append((begin, begin + boxes.number(at, length_size, box.end)))
            at += length_size


def _check_stored(items: _Items) -> None:
    stored = Allowance(MOST_STORED, "bytes in its items, which share them")
    for item, extents in items.stored.items():
        stored.spend(sum(end - begin for begin, end in extents) * (1 + items.uses.get(item, 0)))


def _check_exif(items: _Items) -> None:
    exif = ExifEntries()
    for item in items.exif:
        data, begin, end = items.boxes.joined(items.extents(item))
        # The item says first where the head is, counted from here.
        head = int.from_bytes(data[begin : min(begin + 4, end)], "big")
        for start in {begin + 4, begin + 4 + head}:
            exif.count(data, start, end)
