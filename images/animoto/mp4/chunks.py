"""Chunks: where a track's samples lie in the file, and how the tracks lie in turns (ISO/IEC 14496-12, 8.7)."""

import struct
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from .boxes import counted, full_box, is_large, numbers


class Chunk(NamedTuple):
    """So many samples of one track, in one piece."""

    offset: int
    """Of its first byte, from the first of all chunks."""
    samples: int
    size: int


class Chunks:
    """A track's samples cut into chunks; each chunk lies behind what other tracks have in between."""

    def __init__(self) -> None:
        """Begin without any."""
        self._chunks: list[Chunk] = []

    def __iter__(self) -> Iterator[Chunk]:
        """In the order of the file."""
        return iter(self._chunks)

    def add(self, offset: int, sizes: Sequence[int]) -> int:
        """The next one, of samples of these sizes; gives the offset behind it."""
        if not sizes:
            return offset
        self._chunks.append(Chunk(offset, len(sizes), sum(sizes)))
        return offset + self._chunks[-1].size

    def tables(self, first: int) -> list[bytes]:
        """``stsc`` and ``stco``, if the first of all chunks lies at offset ``first`` of the file."""
        return [full_box(b"stsc", 0, 0, self._lengths()), self._offsets(first)]

    def _lengths(self) -> bytes:
        """Each run of chunks of one length: its first chunk, counted from 1, their samples, and which description."""
        runs = []
        number = 1
        for samples, run in groupby(chunk.samples for chunk in self._chunks):
            runs.append((number, samples, 1))
            number += len(list(run))
        return counted(runs)

    def _offsets(self, first: int) -> bytes:
        offsets = [first + chunk.offset for chunk in self._chunks]
        # By its end and not by its last offset, so that an index is never longer than one for a place further on.
        large = is_large(first + self._chunks[-1].offset + self._chunks[-1].size) if offsets else False
        head = struct.pack(">I", len(offsets))
        return full_box(b"co64" if large else b"stco", 0, 0, head, numbers(offsets, "Q" if large else "I"))


def in_turns(video: Sequence[int], frames: int, sound: Sequence[int], rate: float) -> tuple[Chunks, Chunks]:
    """Chunks of a second each, of ``frames`` of the video's samples and ``rate`` of the sound's, in turns.

    So players that read a file from its begin, or a server's answer, have the sound by the time they show the picture.
    ``video`` and ``sound`` are the samples' bytes; what sound the video's last second leaves over comes with it.
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
