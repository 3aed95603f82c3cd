"""Video: the whole of one job, from its links to the stored video."""

import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from fractions import Fraction
from functools import partial
from math import floor
from pathlib import Path
from typing import NamedTuple

import trio

from cloudkon.errors import CloudKonError, Unavailable
from cloudkon.handler import Context
from cloudkon.instructions.animoto import AnimotoJob, Slide
from cloudkon.ports import Store, StoredObject

from .concurrency.in_order import in_order
from .concurrency.ungrouped import ungrouped
from .encode.ffmpeg_renderer import PlainRenderer
from .encode.h264_renderer import WrittenRenderer, refusal
from .encode.renderer import Renderer
from .fetch.fetch import Fetcher
from .h264.unsupported import Unsupported
from .motion.camera import cameras
from .motion.moving import MovingRenderer
from .music.soundtrack import Soundtrack
from .picture_stream import Album
from .pictures.missing import Missing, Unusable, note
from .pictures.normalise import normalise, poster
from .timeline.film import Canvas, Film
from .timeline.plan import frames_of, plan
from .verify.frame_grab import snapshot
from .verify.verify import BadVideo, verify
from .verify.visual_check import LONG_SIDE, SIDE, Sight, compare, likeness

_FETCHES = 8
"""Pictures that are fetched at a time, or wait on the disk for those before them."""
_NORMALISED = 2
"""Pictures that are decoded at a time, or wait in memory; libvips uses the other cores itself."""
_MARGIN = 2.0
"""Seconds before the deadline at which the job ends itself and says so: at the deadline the slot is killed."""
_RENDERED = 0.95
"""Of the progress; verifying and storing is the rest."""
_STORE_WAITS = (0.5, 1.0, 2.0, 4.0, 8.0)
"""Seconds between tries to store: what a whole video cost is not thrown away for a throttled call."""


class _Wanted(NamedTuple):
    number: int
    slide: Slide

    def missing(self, why: Unusable) -> Missing:
        return Missing(self.number, self.slide.link, why.reason, why.outlook)


class _File(NamedTuple):
    wanted: _Wanted
    path: Path


async def make_video(
    job: AnimotoJob,
    context: Context,
    store: Store,
    renderer: Renderer | None = None,
    fetcher: Fetcher | None = None,
) -> str:
    """Make and store the job's video; give its address, that of a poster that was asked for, and what is missing in it.

    Raises ``PermanentFailure`` where trying again is no use, else another ``CloudKonError``. All that it writes lies
    in the task's scratch directory and is gone at the end.
    """
    renderer = renderer or _renderer_for(job, context)
    fetcher = fetcher or Fetcher(context.settings, store)
    try:
        with (
            trio.fail_after(max(0.0, context.deadline - _MARGIN - time.time())),
            tempfile.TemporaryDirectory(prefix="animoto-", dir=context.scratch_directory()) as directory,
        ):
            return await _make(job, context, store, renderer, fetcher, Path(directory))
    except trio.TooSlowError:
        raise CloudKonError("the video was not done by the task's deadline") from None
    except OSError as error:
        raise CloudKonError(f"the worker's machine failed, not the job: {error}") from error


async def _make(
    job: AnimotoJob, context: Context, store: Store, renderer: Renderer, fetcher: Fetcher, directory: Path
) -> str:
    began = time.monotonic()
    film = Film.of(job)
    video = directory / "video.mp4"
    try:
        album = await _rendered(job, context, film, renderer, fetcher, video)
    except (BadVideo, Unsupported) as error:
        if not isinstance(renderer, WrittenRenderer):
            raise
        said = "the video was wrong, and is made again the slow way"
        context.log.error(said, renderer=renderer.name, why=str(error))  # noqa: TRY400  (it logs JSON, without traces)
        renderer = PlainRenderer()
        album = await _rendered(job, context, film, renderer, fetcher, video)
    context.progress(_RENDERED, "storing the video")
    facts = {
        "pictures": str(album.count),
        "missing": str(len(album.missing)),
        "seconds": f"{frames_of(film.fps, album.slides) / film.fps:g}",
        "fps": str(film.fps),
        "size": f"{film.width}x{film.height}",
        "renderer": renderer.name,
    }
    key = f"videos/{context.run}/{context.task.seq}.{context.token}"
    # The poster first: whoever finds the video finds its poster too.
    still = await _stored(partial(store.put, f"{key}.jpg", await _poster(job, film, album, video), "image/jpeg", facts))
    stored = await _stored(partial(store.put, f"{key}.mp4", video, "video/mp4", facts))
    context.log.info("video stored", address=stored.address, bytes=stored.size, took=_since(began), **facts)
    output = stored.address if job.poster is None else f"{stored.address} {still.address}"
    return f"{output} {note(album.missing, album.total)}" if album.missing else output


async def _poster(job: AnimotoJob, film: Film, album: Album, video: Path) -> bytes:
    """A JPEG of the frame that was asked for, or of the first picture, which is at hand where it stands still."""
    if album.poster:
        return album.poster
    # Fewer frames than was thought at push, where pictures are missing.
    frame = min(floor((job.poster or 0) * film.fps), frames_of(film.fps, album.slides) - 1)
    return poster(await snapshot(video, film, frame), film)


def _renderer_for(job: AnimotoJob, context: Context) -> Renderer:
    if Film.of(job).moves:
        return MovingRenderer(job.quality)
    if reason := refusal(Film.of(job)):
        context.log.info("every frame is encoded", why=reason)
        return PlainRenderer()
    return WrittenRenderer(job.quality)


async def _rendered(
    job: AnimotoJob, context: Context, film: Film, renderer: Renderer, fetcher: Fetcher, video: Path
) -> Album:
    """Make the video, and hold it against the plan."""
    album = await ungrouped(partial(_render, job, context, film, renderer, fetcher, video))
    keys = await verify(video, film, frames_of(film.fps, album.slides), sound=bool(job.music))
    sights = list(map(Sight, cameras(film, album.slides), album.veils)) if film.moves else None
    await compare(video, film, list(plan(film.fps, album.slides)), album.likenesses, keys, sights)
    return album


async def _render(
    job: AnimotoJob, context: Context, film: Film, renderer: Renderer, fetcher: Fetcher, video: Path
) -> Album:
    """Fetch, normalise and render at the same time: the encoder works while later pictures are still on their way."""

    async def fetch(wanted: _Wanted) -> _File | Missing:
        path = _picture_path(video.parent, wanted.number)
        try:
            await fetcher.fetch(wanted.slide.link, path)
        except Unusable as error:
            path.unlink(missing_ok=True)
            return wanted.missing(error)
        return _File(wanted, path)

    async def decode(fetched: _File | Missing) -> Canvas | Missing:
        if isinstance(fetched, Missing):
            return fetched
        slide = fetched.wanted.slide
        try:
            return Canvas(slide, await trio.to_thread.run_sync(normalise, fetched.path, film.canvas, slide.fit))
        except Unusable as error:
            return fetched.wanted.missing(error)
        finally:
            fetched.path.unlink(missing_ok=True)

    def progress(done: int) -> None:
        context.progress(_RENDERED * done / len(job.slides), f"picture {done} of {len(job.slides)}")

    to_decode, fetched = trio.open_memory_channel[_File | Missing](0)
    to_render, decoded = trio.open_memory_channel[Canvas | Missing](0)
    album = Album(
        decoded,
        job,
        film,
        progress,
        partial(likeness, film=film.canvas, side=LONG_SIDE if film.moves else SIDE),
        partial(poster, film=film) if job.poster is None and not film.moves else None,
    )
    longest = Fraction(frames_of(film.fps, job.slides), film.fps)
    music = Soundtrack(job.music, longest, fetcher, video.parent) if job.music else None
    async with trio.open_nursery() as lanes, fetched, decoded:
        if music:
            lanes.start_soon(music.prepare)
        lanes.start_soon(in_order, _queued(job.slides), fetch, _FETCHES, to_decode)
        lanes.start_soon(in_order, fetched, decode, _NORMALISED, to_render)
        async with aclosing(album.pictures()) as pictures:
            await renderer.render(pictures, film, video, music.of_length if music else None)
        lanes.cancel_scope.cancel()
    return album


def _picture_path(directory: Path, number: int) -> Path:
    return directory / f"{number}.picture"


def _queued(slides: Sequence[Slide]) -> trio.MemoryReceiveChannel[_Wanted]:
    """The slides as a source for the first lane."""
    give, take = trio.open_memory_channel[_Wanted](len(slides))
    with give:
        for number, slide in enumerate(slides, start=1):
            give.send_nowait(_Wanted(number, slide))
    return take


async def _stored(put: Callable[[], Awaitable[StoredObject]]) -> StoredObject:
    for wait in _STORE_WAITS:
        try:
            return await put()
        except Unavailable:
            await trio.sleep(wait)
    return await put()


def _since(began: float) -> float:
    return round(time.monotonic() - began, 2)
