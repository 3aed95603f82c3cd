"""Counts the pixels of all items that a HEIC or AVIF is made from (ISO/IEC 23008-12): tiles, layers, transparency."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from mmap import mmap

from ..missing import Unusable

_ALPHA = (b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha\0", b"urn:mpeg:hevc:2015:auxid:1\0")
_ONCE = {b"pitm", b"iinf", b"iref", b"iprp", b"ipco"}
"""Boxes that occur once: decoders may differ in which of two counts."""
_MOST_PARTS = 4096
"""Items that a picture is made from, each as often as it is used; phones write 50 tiles."""
_DEEPEST = 8
"""Steps from an item to those that it is derived from."""


@dataclass(slots=True)
class _Items:
    """What the meta box says about items, by their numbers."""

    primary: int = 0
    properties: list[tuple[bytes, bytes]] = field(default_factory=list)
    """Kind and content of each property, which associations count from 1."""
    owned: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    derived: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    """The items that an item is made from: the tiles of a grid, the layers of an overlay."""
    auxiliary: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    """The items that belong to an item, such as its transparency."""

    def pixels(self, item: int) -> int:
        """Return the largest size that the item declares."""
        sizes = [content for kind, content in self._own(item) if kind == b"ispe"]
        return max((_at(size, 4, 4) * _at(size, 8, 4) for size in sizes), default=0)

    def is_alpha(self, item: int) -> bool:
        return any(kind == b"auxC" and content[4:].startswith(_ALPHA) for kind, content in self._own(item))

    def _own(self, item: int) -> Iterator[tuple[bytes, bytes]]:
        for number in self.owned.get(item, ()):
            if 1 <= number <= len(self.properties):
                yield self.properties[number - 1]


def hidden_heif_pixels(data: mmap, most_pixels: int) -> int:
    """Return the pixels of the largest item that the picture is made from, besides itself.

    Raises ``Unusable`` if more than twice ``most_pixels`` have to be decoded: an item counts as often as it is used.
    """
    metas = [data[begin:end] for kind, begin, end in _boxes(data, 0, len(data)) if kind == b"meta"]
    if len(metas) > 1:
        raise _damaged("it has two meta boxes")
    if not metas:
        return 0  # the decoder finds no picture
    items = _read(metas[0])
    parts = [items.pixels(item) for item in islice(_reachable(items, items.primary, 0), _MOST_PARTS + 1)]
    if len(parts) > _MOST_PARTS:
        raise Unusable(f"it is made from more than {_MOST_PARTS:,} parts")
    if sum(parts) > 2 * most_pixels:
        raise Unusable(f"its parts have {sum(parts):,} pixels in all; the most is {2 * most_pixels:,}")
    return max(parts[1:], default=0)


def _reachable(items: _Items, item: int, depth: int) -> Iterator[int]:
    """Yield the item, and all that it is made from, as often as they are used."""
    if depth > _DEEPEST:
        raise _damaged("its items are made from one another")
    yield item
    for other in items.derived.get(item, ()):
        yield from _reachable(items, other, depth + 1)
    for other in items.auxiliary.get(item, ()):
        if items.is_alpha(other):
            yield from _reachable(items, other, depth + 1)


def _read(meta: bytes) -> _Items:
    items = _Items()
    seen: set[bytes] = set()
    for kind, content in _contents(meta, 4):
        if kind in _ONCE and kind in seen:
            raise _damaged(f"it has two {kind.decode()} boxes")
        seen.add(kind)
        if kind == b"pitm":
            items.primary = _at(content, 4, 4 if content[:1] > b"\0" else 2)
        elif kind == b"iref":
            _read_references(content, items)
        elif kind == b"iprp":
            _read_properties(content, items)
    return items


def _read_references(content: bytes, items: _Items) -> None:
    size = 4 if content[:1] > b"\0" else 2
    for kind, reference in _contents(content, 4):
        source, count = _at(reference, 0, size), _at(reference, size, 2)
        targets = [_at(reference, size + 2 + number * size, size) for number in range(count)]
        if kind == b"dimg":
            items.derived[source] += targets
        elif kind == b"auxl":
            for target in targets:
                items.auxiliary[target].append(source)


def _read_properties(content: bytes, items: _Items) -> None:
    for kind, inner in _contents(content, 0):
        if kind == b"ipco":
            if items.properties:
                raise _damaged("it has two ipco boxes")
            items.properties = list(_contents(inner, 0))
        elif kind == b"ipma":
            _read_associations(inner, items)


def _read_associations(content: bytes, items: _Items) -> None:
    id_size = 4 if content[:1] > b"\0" else 2
    index_size = 2 if _at(content, 3, 1) & 1 else 1
    at = 8
    for _entry in range(_at(content, 4, 4)):
        item, count = _at(content, at, id_size), _at(content, at + id_size, 1)
        at += id_size + 1
        for _property in range(count):
            # The first bit says whether the property is essential.
            items.owned[item].append(_at(content, at, index_size) & (0x7FFF if index_size == 2 else 0x7F))  # noqa: PLR2004  (15 or 7 bits)
            at += index_size


def _contents(content: bytes, at: int) -> Iterator[tuple[bytes, bytes]]:
    for kind, begin, end in _boxes(content, at, len(content)):
        yield kind, content[begin:end]


def _boxes(data: bytes | mmap, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, begin and end of each box's content (ISO/IEC 14496-12, 4.2)."""
    while at + 8 <= end:
        size, kind, begin = int.from_bytes(data[at : at + 4], "big"), bytes(data[at + 4 : at + 8]), at + 8
        if size == 1:
            size, begin = int.from_bytes(data[at + 8 : at + 16], "big"), at + 16
        elif size == 0:
            size = end - at
        if size < begin - at:
            raise _damaged("a box is shorter than its head")
        yield kind, begin, min(at + size, end)
        at += size


def _at(content: bytes, at: int, size: int) -> int:
    found = content[at : at + size]
    if len(found) < size:
        raise _damaged("a box ends too early")
    return int.from_bytes(found, "big")


def _damaged(reason: str) -> Unusable:
    return Unusable(f"it is a damaged HEIC or AVIF ({reason})")
