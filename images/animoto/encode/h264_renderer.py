"""Renders a film with only its pictures encoded; all frames between them are written as H.264 syntax."""

import hashlib
import math
from collections.abc import AsyncIterable
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import zip_longest
from pathlib import Path

import trio

from cloudkon.instructions.animoto import Quality, Slide, Transition

from ..concurrency.ungrouped import ungrouped
from ..ffmpeg.ffmpeg_process import DEFAULT_BOUNDS, Bounds, FfmpegFailed
from ..h264.motion import FARTHEST
from ..h264.pps import Pps
from ..h264.sps import Sps
from ..h264.unsupported import Unsupported
from ..mp4.writer import Location, Mp4Writer
from ..timeline.film import Film, NormalisedPicture, Pixels
from ..timeline.plan import Blend, Hold, Segment, Shown, Timeline
from .blending import flat
from .frame_writer import FrameWriter
from .renderer import Music
from .stills import ENCODER_SETTINGS, CodedStill, Still, encode_stills

_WAITING = 2
"""Stills that wait to be written."""


def unsupported_reason(film: Film) -> str:
    """Return why this renderer can't make a film, or an empty text if it can."""
    widest = (FARTHEST + 1) // 4
    if Transition.PUSH in film.transitions and film.width > widest:
        return f"a push can move pictures by {widest} pixels at most"
    return ""


@dataclass(frozen=True, slots=True)
class H264Renderer:
    """Encodes each picture once, whatever its number of frames and however often it occurs."""

    quality: Quality = Quality.STANDARD
    bounds: Bounds = DEFAULT_BOUNDS

    @property
    def name(self) -> str:
        """The renderer's name in a video's facts."""
        effort = ENCODER_SETTINGS[self.quality]
        return f"written-x264-{effort.preset}-crf{effort.crf:g}"

    async def render(
        self, pictures: AsyncIterable[NormalisedPicture], film: Film, video: Path, music: Music | None = None
    ) -> None:
        """See ``Renderer``. ``unsupported_reason`` names the films that this can't make."""
        await ungrouped(partial(self._render, pictures, film, video, music))

    async def _render(
        self, pictures: AsyncIterable[NormalisedPicture], film: Film, video: Path, music: Music | None
    ) -> None:
        send, to_code = trio.open_memory_channel[Pixels](0)
        sink, coded = trio.open_memory_channel[CodedStill](_WAITING)
        # Only numbers, so this has no bound: x264 returns a still only after more pictures came, however many copies of
        # those before it come in between.
        order, numbers = trio.open_memory_channel[tuple[int, Slide]](math.inf)
        with Mp4Writer(video, self.bounds.file_bytes) as writer:
            async with trio.open_nursery() as nursery, to_code, coded:
                nursery.start_soon(_deduplicate, pictures, film, send, order)
                nursery.start_soon(encode_stills, to_code, film, self.quality, video.parent, self.bounds, sink)
                await _FilmAssembler(film, writer, coded, numbers).run(music)


async def _deduplicate(
    pictures: AsyncIterable[NormalisedPicture],
    film: Film,
    send: trio.MemorySendChannel[Pixels],
    order: trio.MemorySendChannel[tuple[int, Slide]],
) -> None:
    """Send each distinct picture to the encoder once, and for every picture the number of its still to ``order``.

    The first stills are the colours that the film's fades go through.
    """
    numbers: dict[bytes, int] = {}

    async def number_of(pixels: Pixels) -> int:
        digest = await trio.to_thread.run_sync(_digest, pixels)
        if digest not in numbers:
            numbers[digest] = len(numbers)
            await send.send(pixels)
        return numbers[digest]

    async with send, order:
        for colour in film.colours:
            await number_of(flat(colour, film))
        async for picture in pictures:
            number = await number_of(picture.pixels)
            order.send_nowait((number, picture.slide))
            del picture  # else this picture stays in memory until the next one arrives


def _digest(picture: Pixels) -> bytes:
    return hashlib.sha256(picture).digest()


class _FilmAssembler:
    """Writes the film while its stills arrive."""

    def __init__(
        self,
        film: Film,
        writer: Mp4Writer,
        coded: trio.MemoryReceiveChannel[CodedStill],
        numbers: trio.MemoryReceiveChannel[tuple[int, Slide]],
    ) -> None:
        self._film = film
        self._writer = writer
        self._coded = coded
        self._numbers = numbers
        self._frame_writer: FrameWriter | None = None
        self._sets: tuple[Sps, Pps] | None = None
        """The parameter sets of all stills."""
        self._locations: dict[int, Location] = {}
        """Where each distinct still was written."""
        self._held: dict[Shown, tuple[int, Still]] = {}
        """The number and still of each picture that is needed now, and of the fades' colours."""

    async def run(self, music: Music | None) -> None:
        for number, colour in enumerate(self._film.colours):
            self._held[colour] = await self._next(number)
        timeline = Timeline(self._film.fps)
        picture = -1
        async for number, slide in self._numbers:
            picture += 1
            self._held[picture] = await self._next(number)
            await trio.to_thread.run_sync(self._write, timeline.add(slide))
            self._held.pop(picture - 1, None)
        await trio.to_thread.run_sync(self._write, timeline.finish())
        track = await music(Fraction(timeline.frames, self._film.fps)) if music else None
        await trio.to_thread.run_sync(self._started_writer().finish, track)

    async def _next(self, number: int) -> tuple[int, Still]:
        """Return the still with that number: from memory, from the file, or from the encoder, which has it next."""
        for held in self._held.values():
            if held[0] == number:
                return held
        if number in self._locations:
            return number, self._started_writer().read_still(self._locations[number])
        try:
            coded = await self._coded.receive()
        except trio.EndOfChannel:
            # Now and then ffmpeg takes a lack of memory for the end of its input, and ends without an error.
            raise FfmpegFailed("ffmpeg ended early without an error, perhaps because memory ran out") from None
        if self._sets is None:
            self._sets = coded.sps, coded.pps
            self._frame_writer = FrameWriter(self._film, coded, self._writer)
        elif self._sets != (coded.sps, coded.pps):
            raise Unsupported("the encoder changed its parameter sets")
        return number, coded.still

    def _started_writer(self) -> FrameWriter:
        if self._frame_writer is None:
            raise ValueError("a film needs a picture")
        return self._frame_writer

    def _write(self, segments: list[Segment]) -> None:
        """Write the segments up to a picture. Of earlier pictures only the place in the file is remembered."""
        frame_writer = self._started_writer()
        for segment, following in zip_longest(segments, segments[1:]):
            if isinstance(segment, Hold):
                number, still = self._held[segment.shown]
                frame_writer.hold(segment, still, blends=isinstance(following, Blend))
                self._locations.setdefault(number, frame_writer.last_still)
            else:
                frame_writer.blend(segment, self._held[segment.after][1])
