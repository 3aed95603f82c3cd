"""Places the tracks' samples in the file, in alternating chunks (ISO/IEC 14496-12, 8.7)."""

import struct
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from .boxes import counted, full_box, is_large, numbers


class Chunk(NamedTuple):
    """Some samples of one track, in one piece."""

    offset: int
    """Offset of its first byte, from the first of all chunks."""
    samples: int
    size: int


class Chunks:
    """A track's samples in chunks, each placed after what other tracks have before it."""

    def __init__(self) -> None:
        """Begin without chunks."""
        self._chunks: list[Chunk] = []

    def __iter__(self) -> Iterator[Chunk]:
        """Iterate in the order of the file."""
        return iter(self._chunks)

    def add(self, offset: int, sizes: Sequence[int]) -> int:
        """Add a chunk of samples of these sizes; return the offset after it."""
        if not sizes:
            return offset
        self._chunks.append(Chunk(offset, len(sizes), sum(sizes)))
        return offset + self._chunks[-1].size

    def tables(self, first: int) -> list[bytes]:
        """Return ``stsc`` and ``stco``, for chunks that begin at offset ``first`` of the file."""
        return [full_box(b"stsc", 0, 0, self._lengths()), self._offsets(first)]

    def _lengths(self) -> bytes:
        """Return each run of chunks of one length.

        A run has the number of its first chunk (from 1), the samples of each chunk, and their description.
        """
        runs = []
        number = 1
        for samples, run in groupby(chunk.samples for chunk in self._chunks):
            runs.append((number, samples, 1))
            number += len(list(run))
        return counted(runs)

    def _offsets(self, first: int) -> bytes:
        offsets = [first + chunk.offset for chunk in self._chunks]
        # The end decides and not the last offset, so that an index is never longer than one for a place further on.
        large = is_large(first + self._chunks[-1].offset + self._chunks[-1].size) if offsets else False
        head = struct.pack(">I", len(offsets))
        return full_box(b"co64" if large else b"stco", 0, 0, head, numbers(offsets, "Q" if large else "I"))


def in_turns(video: Sequence[int], frames: int, sound: Sequence[int], rate: float) -> tuple[Chunks, Chunks]:
    """Return chunks of one second each: ``frames`` samples of the video and ``rate`` of the sound, alternating.

    Players that read the file from its beginning, or from a server, thus have the sound by the time they show the
    picture. ``video`` and ``sound`` are the samples' sizes. The sound left over after the video's last second goes into
    the last chunk.
    """
    pictures, sounds = Chunks(), Chunks()
    at = 0
    for first in range(0, len(video), frames):
        at = pictures.add(at, video[first : first + frames])
        second = first // frames
        is_last = first + frames >= len(video)
        end = len(sound) if is_last else round((second + 1) * rate)
        at = sounds.add(at, sound[round(second * rate) : end])
    return pictures, sounds
