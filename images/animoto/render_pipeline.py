"""Fetches, normalises and renders a job's pictures at the same time, and checks the video."""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import NamedTuple

import trio

from cloudkon.handler import Context
from cloudkon.instructions.animoto import AnimotoJob, Slide

from .concurrency.in_order import in_order
from .concurrency.ungrouped import ungrouped
from .encode.renderer import Renderer
from .fetch.fetch import Fetcher
from .music.soundtrack import Soundtrack
from .picture_stream import PictureStream
from .pictures.missing import MissingPicture, Unusable
from .pictures.normalise import normalise
from .pictures.slide_texts import SlideTexts
from .poster import Poster
from .timeline.film import Film, NormalisedPicture
from .timeline.plan import frame_count
from .verify.shown_pictures import ShownPictures

_FETCHES = 8
"""Pictures that are fetched at a time, or wait on the disk for those before them."""
_NORMALISED = 2
"""Pictures that are decoded at a time, or wait in memory. libvips itself uses the other cores."""
RENDERED_SHARE = 0.95
"""Part of the progress that rendering makes up; the checks and storing are the rest."""


class RenderedVideo(NamedTuple):
    """What is known about a video that passed its checks."""

    shown: ShownPictures
    missing: list[MissingPicture]
    poster: Poster


class _Wanted(NamedTuple):
    number: int
    slide: Slide

    def missing(self, why: Unusable) -> MissingPicture:
        return MissingPicture(self.number, self.slide.link, why.reason, why.outlook)


class _File(NamedTuple):
    wanted: _Wanted
    path: Path


@dataclass(frozen=True, slots=True)
class RenderPipeline:
    """Makes the video of one job; a renderer works while later pictures are still being downloaded."""

    job: AnimotoJob
    film: Film
    fetcher: Fetcher
    context: Context

    async def run(self, renderer: Renderer, video: Path) -> RenderedVideo:
        """Write the video and check it against the plan. Pictures and music are kept beside it while in use.

        Raises ``BadVideo`` for a video that does not pass, and the job's failure for missing pictures.
        """
        rendered = await ungrouped(partial(self._render, renderer, video))
        await rendered.shown.check(video, sound=bool(self.job.music))
        return rendered

    async def _render(self, renderer: Renderer, video: Path) -> RenderedVideo:
        job, film = self.job, self.film
        to_decode, fetched = trio.open_memory_channel[_File | MissingPicture](0)
        to_render, decoded = trio.open_memory_channel[NormalisedPicture | MissingPicture](0)
        texts, poster, shown = SlideTexts(job.title, film), Poster(job.poster, film), ShownPictures(film)

        def prepare(picture: NormalisedPicture) -> NormalisedPicture:
            picture = texts.add_to(picture)
            poster.offer(picture)
            shown.add(picture)
            return picture

        stream = PictureStream(decoded, len(job.slides), job.on_missing, prepare, self._report_progress)
        longest = Fraction(frame_count(film.fps, job.slides), film.fps)
        music = Soundtrack(job.music, longest, self.fetcher, video.parent) if job.music else None
        async with trio.open_nursery() as nursery, fetched, decoded:
            if music:
                nursery.start_soon(music.prepare)
            fetch = partial(self._fetch, video.parent)
            nursery.start_soon(in_order, _queued(job.slides), fetch, _FETCHES, to_decode)
            nursery.start_soon(in_order, fetched, self._decode, _NORMALISED, to_render)
            async with aclosing(stream.pictures()) as pictures:
                await renderer.render(pictures, film, video, music.of_length if music else None)
            nursery.cancel_scope.cancel()
        return RenderedVideo(shown, stream.missing, poster)

    async def _fetch(self, directory: Path, wanted: _Wanted) -> _File | MissingPicture:
        path = _picture_path(directory, wanted.number)
        try:
            await self.fetcher.fetch(wanted.slide.link, path)
        except Unusable as error:
            path.unlink(missing_ok=True)
            return wanted.missing(error)
        return _File(wanted, path)

    async def _decode(self, fetched: _File | MissingPicture) -> NormalisedPicture | MissingPicture:
        if isinstance(fetched, MissingPicture):
            return fetched
        slide = fetched.wanted.slide
        try:
            pixels = await trio.to_thread.run_sync(normalise, fetched.path, self.film.canvas, slide.fit)
        except Unusable as error:
            return fetched.wanted.missing(error)
        finally:
            fetched.path.unlink(missing_ok=True)
        return NormalisedPicture(slide, pixels)

    def _report_progress(self, done: int) -> None:
        total = len(self.job.slides)
        self.context.progress(RENDERED_SHARE * done / total, f"picture {done} of {total}")


def _picture_path(directory: Path, number: int) -> Path:
    return directory / f"{number}.picture"


def _queued(slides: Sequence[Slide]) -> trio.MemoryReceiveChannel[_Wanted]:
    """Return a channel that holds all slides and is closed behind them."""
    send, receive = trio.open_memory_channel[_Wanted](len(slides))
    with send:
        for number, slide in enumerate(slides, start=1):
            send.send_nowait(_Wanted(number, slide))
    return receive
