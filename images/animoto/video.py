"""Video: the whole of one job, from its links to the stored video."""

import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import NamedTuple

import trio

from cloudkon.errors import CloudKonError, Unavailable
from cloudkon.instructions.animoto import AnimotoJob
from cloudkon.ports import Store, StoredObject
from images.animoto.album import Album
from images.animoto.cause import ungrouped
from images.animoto.fetch import Fetcher
from images.animoto.film import Film
from images.animoto.missing import Missing, Unusable, note
from images.animoto.normalise import normalise, poster
from images.animoto.order import in_order
from images.animoto.render import PlainRenderer, Renderer
from images.animoto.verify import verify
from images.worker.context import Context

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


class _Link(NamedTuple):
    number: int
    link: str


class _File(NamedTuple):
    number: int
    link: str
    path: Path


async def make_video(
    job: AnimotoJob,
    context: Context,
    store: Store,
    renderer: Renderer | None = None,
    fetcher: Fetcher | None = None,
) -> str:
    """Make and store the job's video; give its address, and after a space what is missing in it.

    Raises ``PermanentFailure`` where trying again is no use, else another ``CloudKonError``. All that it writes lies
    in the task's scratch directory and is gone at the end.
    """
    renderer = renderer or PlainRenderer()
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
    album = await ungrouped(partial(_render, job, context, film, renderer, fetcher, video))
    await verify(video, film, album.count)
    context.progress(_RENDERED, "storing the video")
    facts = {
        "pictures": str(album.count),
        "missing": str(len(album.missing)),
        "seconds": f"{float(film.length(album.count)):g}",
        "fps": str(film.fps),
        "size": f"{film.width}x{film.height}",
        "renderer": renderer.name,
    }
    key = f"videos/{context.run}/{context.task.seq}.{context.token}"
    # The poster first: whoever finds the video finds its poster too.
    await _stored(partial(store.put, f"{key}.jpg", poster(album.first, film), "image/jpeg", facts))
    stored = await _stored(partial(store.put, f"{key}.mp4", video, "video/mp4", facts))
    context.log.info("video stored", address=stored.address, bytes=stored.size, took=_since(began), **facts)
    return f"{stored.address} {note(album.missing, album.total)}" if album.missing else stored.address


async def _render(
    job: AnimotoJob, context: Context, film: Film, renderer: Renderer, fetcher: Fetcher, video: Path
) -> Album:
    """Fetch, normalise and render at the same time: the encoder works while later pictures are still on their way."""

    async def fetch(wanted: _Link) -> _File | Missing:
        path = _picture_path(video.parent, wanted.number)
        try:
            await fetcher.fetch(wanted.link, path)
        except Unusable as error:
            path.unlink(missing_ok=True)
            return Missing(*wanted, error.reason, error.outlook)
        return _File(*wanted, path)

    async def decode(fetched: _File | Missing) -> bytes | Missing:
        if isinstance(fetched, Missing):
            return fetched
        try:
            return await trio.to_thread.run_sync(normalise, fetched.path, film, job.fit)
        except Unusable as error:
            return Missing(fetched.number, fetched.link, error.reason, error.outlook)
        finally:
            fetched.path.unlink(missing_ok=True)

    def progress(done: int) -> None:
        context.progress(_RENDERED * done / len(job.links), f"picture {done} of {len(job.links)}")

    to_decode, fetched = trio.open_memory_channel[_File | Missing](0)
    to_render, decoded = trio.open_memory_channel[bytes | Missing](0)
    album = Album(decoded, len(job.links), job.on_missing, progress)
    async with trio.open_nursery() as lanes, fetched, decoded:
        lanes.start_soon(in_order, _queued(job.links), fetch, _FETCHES, to_decode)
        lanes.start_soon(in_order, fetched, decode, _NORMALISED, to_render)
        async with aclosing(album.pictures()) as pictures:
            await renderer.render(pictures, film, video)
        lanes.cancel_scope.cancel()
    return album


def _picture_path(directory: Path, number: int) -> Path:
    return directory / f"{number}.picture"


def _queued(links: tuple[str, ...]) -> trio.MemoryReceiveChannel[_Link]:
    """The links as a source for the first lane."""
    give, take = trio.open_memory_channel[_Link](len(links))
    with give:
        for number, link in enumerate(links, start=1):
            give.send_nowait(_Link(number, link))
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
