"""Makes the whole of one job, from its links to the stored video."""

import tempfile
import time
from functools import partial
from pathlib import Path

import trio

from cloudkon.backoff import Backoff, persist
from cloudkon.errors import CloudKonError
from cloudkon.handler import Context
from cloudkon.instructions.animoto import AnimotoJob
from cloudkon.ports import Store

from .encode.ffmpeg_renderer import FfmpegRenderer
from .encode.h264_renderer import H264Renderer, unsupported_reason
from .encode.renderer import Renderer
from .fetch.fetch import Fetcher
from .h264.unsupported import Unsupported
from .motion.moving_renderer import MovingRenderer
from .pictures.missing import missing_note
from .render_pipeline import RENDERED_SHARE, RenderedVideo, RenderPipeline
from .timeline.film import Film
from .verify.verify import BadVideo

_MARGIN_SECONDS = 2.0
"""Before the deadline. The job ends itself then with an error of its own: at the deadline the slot is killed."""
_STORE_BACKOFF = Backoff(tries=6, first=0.5, most=8.0, jitter=0.0)
"""Between tries to store: a throttled call must not throw away what a whole video cost."""


async def make_video(
    job: AnimotoJob,
    context: Context,
    store: Store,
    renderer: Renderer | None = None,
    fetcher: Fetcher | None = None,
) -> str:
    """Make and store the job's video. Return its address, the poster's if the job asks for one, and what is missing.

    Raises ``PermanentFailure`` where another attempt can't help, else another ``CloudKonError``. All files are written
    into the task's scratch directory and removed at the end.
    """
    renderer = renderer or _renderer_for(job, context)
    fetcher = fetcher or Fetcher(context.settings, store)
    pipeline = RenderPipeline(job, Film.of(job), fetcher, context)
    try:
        with (
            trio.fail_after(max(0.0, context.deadline - _MARGIN_SECONDS - time.time())),
            tempfile.TemporaryDirectory(prefix="animoto-", dir=context.scratch_directory()) as directory,
        ):
            return await _make(pipeline, store, renderer, Path(directory) / "video.mp4")
    except trio.TooSlowError:
        raise CloudKonError("the video was not done by the task's deadline") from None
    except OSError as error:
        raise CloudKonError(f"the worker's machine failed, not the job: {error}") from error


def _renderer_for(job: AnimotoJob, context: Context) -> Renderer:
    film = Film.of(job)
    if film.moves:
        return MovingRenderer(job.quality)
    if reason := unsupported_reason(film):
        context.log.info("every frame is encoded", why=reason)
        return FfmpegRenderer()
    return H264Renderer(job.quality)


async def _make(pipeline: RenderPipeline, store: Store, renderer: Renderer, video: Path) -> str:
    began = time.monotonic()
    context = pipeline.context
    try:
        rendered = await pipeline.run(renderer, video)
    except (BadVideo, Unsupported) as error:
        if not isinstance(renderer, H264Renderer):
            raise
        action = "the video was wrong, and is made again the slow way"
        context.log.error(action, renderer=renderer.name, why=str(error))  # noqa: TRY400  (logs are JSON without traces)
        renderer = FfmpegRenderer()
        rendered = await pipeline.run(renderer, video)
    context.progress(RENDERED_SHARE, "storing the video")
    facts = _facts(pipeline.film, rendered, renderer)
    key = f"videos/{context.run}/{context.task.seq}.{context.token}"
    # The poster is stored first, so that a reader who finds the video also finds the poster.
    jpeg = await rendered.poster.jpeg(video, rendered.shown.frames)
    poster = await persist(partial(store.put, f"{key}.jpg", jpeg, "image/jpeg", facts), _STORE_BACKOFF)
    stored = await persist(partial(store.put, f"{key}.mp4", video, "video/mp4", facts), _STORE_BACKOFF)
    took = round(time.monotonic() - began, 2)
    context.log.info("video stored", address=stored.address, bytes=stored.size, took=took, **facts)
    job = pipeline.job
    output = stored.address if job.poster is None else f"{stored.address} {poster.address}"
    return f"{output} {missing_note(rendered.missing, len(job.slides))}" if rendered.missing else output


def _facts(film: Film, rendered: RenderedVideo, renderer: Renderer) -> dict[str, str]:
    """Return what is stored as the video's metadata."""
    return {
        "pictures": str(len(rendered.shown)),
        "missing": str(len(rendered.missing)),
        "seconds": f"{rendered.shown.frames / film.fps:g}",
        "fps": str(film.fps),
        "size": f"{film.width}x{film.height}",
        "renderer": renderer.name,
    }
