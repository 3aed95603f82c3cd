"""Makes a video of picture files with the animoto image's renderer, in a process that can be measured."""

import shutil
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Sequence
from contextlib import aclosing
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import cast

import click
import trio

from cloudkon.instructions.animoto import AnimotoJob, Slide, parse_animoto
from images.animoto.concurrency.in_order import in_order
from images.animoto.encode.h264_renderer import H264Renderer
from images.animoto.encode.stills import CodedStill, encode_stills
from images.animoto.fetch.fetch import Fetcher
from images.animoto.ffmpeg.ffmpeg_process import DEFAULT_BOUNDS
from images.animoto.ffmpeg.memory_allocation import give_back_large_blocks
from images.animoto.motion.moving_renderer import MovingRenderer
from images.animoto.music.soundtrack import Soundtrack
from images.animoto.pictures.normalise import normalise
from images.animoto.timeline.film import Film, NormalisedPicture, Pixels
from images.animoto.timeline.plan import frame_count


@click.command()
@click.argument("pictures", type=click.Path(path_type=Path))
@click.argument("video", type=click.Path(path_type=Path))
@click.option("--options", default="", help="Options of the instruction, as users write them.")
@click.option("--music", type=click.Path(path_type=Path), help="A music file for the video.")
@click.option("--most", type=int, help="Use only this many pictures.")
@click.option("--only", type=click.Choice(["nothing", "pictures", "stills"]), help="Stop after this step.")
def main(pictures: Path, video: Path, options: str, music: Path | None, most: int | None, only: str | None) -> None:
    """Make VIDEO of the JPEGs in the directory PICTURES."""
    give_back_large_blocks()  # as the handler does
    files = sorted(pictures.glob("*.jpg"))[:most]
    job = parse_animoto(f"{options} {' '.join('https://example.org/x' for _ in files)}")
    if only == "nothing":
        files = []
    trio.run(partial(_make, files, job, video, music, only))


async def _make(files: list[Path], job: AnimotoJob, video: Path, music: Path | None, only: str | None) -> None:
    film = Film.of(job)

    async def decode(shown: tuple[Slide, Path]) -> NormalisedPicture:
        slide, path = shown
        return NormalisedPicture(slide, await trio.to_thread.run_sync(normalise, path, film.canvas, slide.fit))

    give, normalised = trio.open_memory_channel[NormalisedPicture](0)
    async with trio.open_nursery() as lanes:
        lanes.start_soon(in_order, _each(list(zip(job.slides, files, strict=False))), decode, 2, give)
        if only in ("nothing", "pictures"):
            async for _picture in normalised:
                pass
        elif only == "stills":
            sink, stills = trio.open_memory_channel[CodedStill](2)
            pixels = _pixels(normalised)
            lanes.start_soon(encode_stills, pixels, film, job.quality, video.parent, DEFAULT_BOUNDS, sink)
            async with aclosing(pixels):
                async for _still in stills:
                    pass
        else:
            track = _soundtrack(job, film, music, video.parent) if music else None
            if track:
                lanes.start_soon(track.prepare)
            renderer = MovingRenderer(job.quality) if film.moves else H264Renderer(job.quality)
            await renderer.render(normalised, film, video, track.of_length if track else None)


class _Copies:
    """Copies a local file in place of the fetcher: the benchmark measures the steps after it."""

    def __init__(self, file: Path) -> None:
        self._file = file

    async def fetch(self, _link: str, path: Path) -> None:
        await trio.to_thread.run_sync(shutil.copyfile, self._file, path)


def _soundtrack(job: AnimotoJob, film: Film, music: Path, directory: Path) -> Soundtrack:
    seconds = Fraction(frame_count(film.fps, job.slides), film.fps)
    return Soundtrack("https://example.org/music", seconds, cast(Fetcher, _Copies(music)), directory)


async def _pixels(pictures: AsyncIterable[NormalisedPicture]) -> AsyncGenerator[Pixels, None]:
    async for picture in pictures:
        yield picture.pixels


async def _each(shown: Sequence[tuple[Slide, Path]]) -> AsyncIterator[tuple[Slide, Path]]:
    for one in shown:
        yield one


if __name__ == "__main__":
    main()
