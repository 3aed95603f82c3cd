"""Writes frames into an MP4 file whose index is in front of them."""

import struct
from contextlib import ExitStack
from itertools import zip_longest
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple, Self

from cloudkon.errors import CloudKonError

from .boxes import head_of
from .chunks import Chunks, in_turns
from .movie import FILE_TYPE, movie
from .samples import TICKS, Samples
from .sound import FRAME, RATE, Sound
from .track import VideoTrack

_COPIED = 1024 * 1024
"""Bytes that are copied at a time."""


class TooLarge(CloudKonError):
    """The video has more bytes than allowed."""


class Location(NamedTuple):
    """Where a NAL unit that was written is among the frames: offset and size in bytes."""

    offset: int
    size: int


class Mp4Writer:
    """Writes frames to a file beside the video, and at the end the video.

    The index in front of the frames is known only after the last frame.
    """

    def __init__(self, video: Path, most_bytes: int) -> None:
        """``most_bytes`` limits the bytes of all frames together."""
        self._video = video
        self._frames_path = video.with_name(f"{video.name}.frames")
        self._frames = self._frames_path.open("w+b")
        self._samples = Samples()
        self._most_bytes = most_bytes

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Remove the file with the frames."""
        self._frames.close()
        self._frames_path.unlink(missing_ok=True)

    def add(self, unit: bytes, shown: int, *, key: bool) -> Location:
        """Write the next frame, a NAL unit; see ``Samples.add``."""
        place = Location(self._samples.total + 4, len(unit))
        if place.offset + place.size > self._most_bytes:
            raise TooLarge(f"the video has more than {self._most_bytes:,} bytes")
        self._frames.write(struct.pack(">I", len(unit)))
        self._frames.write(unit)
        self._samples.add(4 + len(unit), shown, key=key)
        return place

    def read(self, place: Location) -> bytes:
        """Read a unit that was written before."""
        self._frames.seek(place.offset)
        unit = self._frames.read(place.size)
        self._frames.seek(0, 2)
        return unit

    def finish(self, track: VideoTrack, music: Path | None = None) -> None:
        """Write the video: the index, then the frames, with the music of each second after them (see ``Sound``)."""
        with ExitStack() as opened:
            sound = opened.enter_context(Sound(music)) if music else None
            file = opened.enter_context(self._video.open("wb"))
            chunks = in_turns(self._samples.sizes, track.fps, sound.sizes if sound else [], RATE / FRAME)
            file.write(self._front(track, sound, chunks))
            self._frames.seek(0)
            for pictures, sounds in zip_longest(*chunks):
                _copy(self._frames, file, pictures.size)
                if sound and sounds:
                    file.write(sound.read(sounds.samples))

    def _front(self, track: VideoTrack, sound: Sound | None, chunks: tuple[Chunks, Chunks]) -> bytes:
        """Return everything in front of the frames."""
        total = self._samples.total + (sum(sound.sizes) if sound else 0)
        head = head_of(b"mdat", total)
        size = len(self._index(track, sound, chunks, 0))
        first = len(FILE_TYPE) + size + len(head)
        index = self._index(track, sound, chunks, first)
        if len(index) != size:  # its offsets have grown from 32 to 64 bits
            first += len(index) - size
            index = self._index(track, sound, chunks, first)
        return FILE_TYPE + index + head

    def _index(self, track: VideoTrack, sound: Sound | None, chunks: tuple[Chunks, Chunks], first: int) -> bytes:
        length = len(self._samples) * TICKS
        tracks = [track.box(self._samples, chunks[0], first)]
        if sound:
            tracks.append(sound.box(length, chunks[1], first))
        return movie(track.scale, length, *tracks)


def _copy(source: BinaryIO, target: BinaryIO, size: int) -> None:
    while size:
        piece = source.read(min(size, _COPIED))
        if not piece:
            raise OSError("the frames' file was cut")
        target.write(piece)
        size -= len(piece)
