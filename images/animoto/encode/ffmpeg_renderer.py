"""Renders a film by having ffmpeg encode every frame: slow, correct, and the reference for other renderers."""

from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

import trio

from ..ffmpeg.ffmpeg_process import DEFAULT_BOUNDS, Bounds, run_ffmpeg
from ..timeline.film import Film, NormalisedPicture, Pixels
from ..timeline.plan import Blend, Segment, Shown, Timeline
from .blending import blended, flat
from .ffmpeg_io import EncoderSettings, film_by_x264, pictures_from_pipe
from .renderer import Music
from .sound_muxer import add_music


@dataclass(frozen=True, slots=True)
class FfmpegRenderer:
    """Lets x264 encode every frame; transitions are blended here."""

    preset: str = "veryfast"
    crf: int = 18
    """Constant quality; at 18 people stop seeing a difference."""
    threads: int = 2
    """Fixed, because x264's bytes depend on it."""
    bounds: Bounds = DEFAULT_BOUNDS

    @property
    def name(self) -> str:
        """The renderer's name in a video's facts."""
        return f"ffmpeg-x264-{self.preset}-crf{self.crf}"

    async def render(
        self, pictures: AsyncIterable[NormalisedPicture], film: Film, video: Path, music: Music | None = None
    ) -> None:
        """See ``Renderer``."""
        timeline = Timeline(film.fps)
        silent = video.with_name(f"{video.name}.silent") if music else video
        shown = pictures_from_pipe(film, Fraction(film.fps))
        arguments = film_by_x264(shown, silent, EncoderSettings(self.preset, self.crf), self.threads)
        async with aclosing(_frames(pictures, film, timeline)) as frames:
            await run_ffmpeg(arguments, directory=video.parent, feed=frames, bounds=self.bounds)
        if music:
            await add_music(music, Fraction(timeline.frames, film.fps), silent, video)


async def _frames(
    pictures: AsyncIterable[NormalisedPicture], film: Film, timeline: Timeline
) -> AsyncGenerator[Pixels, None]:
    """Yield every frame of the film as pixels."""
    shown: dict[Shown, Pixels] = {colour: flat(colour, film) for colour in film.colours}
    number = -1
    async for picture in pictures:
        number += 1
        shown[number] = picture.pixels
        for segment, frame in _each(timeline.add(picture.slide)):
            yield await _drawn(segment, frame, film, shown)
        shown.pop(number - 1, None)
    for segment, frame in _each(timeline.finish()):
        yield await _drawn(segment, frame, film, shown)


def _each(segments: Iterable[Segment]) -> Iterator[tuple[Segment, int]]:
    """Yield each segment's frames, which count from 0 in each segment."""
    return ((segment, frame) for segment in segments for frame in range(segment.frames))


async def _drawn(segment: Segment, frame: int, film: Film, shown: Mapping[Shown, Pixels]) -> Pixels:
    if not isinstance(segment, Blend):
        return shown[segment.shown]
    before, after = shown[segment.before], shown[segment.after]
    return await trio.to_thread.run_sync(partial(blended, segment, frame, film, before, after))
