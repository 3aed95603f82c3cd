"""Renders films whose pictures move: every frame is drawn here and encoded by ffmpeg."""

from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import NamedTuple

import trio

from cloudkon.instructions.animoto import Quality, Transition

from ..concurrency.in_order import in_order
from ..concurrency.ungrouped import ungrouped
from ..encode.ffmpeg_io import EncoderSettings, film_by_x264, frames_from_pipe
from ..encode.renderer import Music
from ..encode.sound_muxer import add_music
from ..ffmpeg.ffmpeg_process import DEFAULT_BOUNDS, Bounds, run_ffmpeg
from ..timeline.film import Film, NormalisedPicture
from ..timeline.plan import Blend, Segment, Shown, Timeline
from ..timeline.wipe_geometry import seam_at
from .camera import Camera
from .planes import Planes
from .text_overlay import TextOverlay

_ENCODER_SETTINGS = {
    Quality.FAST: EncoderSettings("superfast", 20),
    Quality.STANDARD: EncoderSettings("veryfast", 18),
    Quality.BEST: EncoderSettings("medium", 17),
}
_DRAWN = 2
"""Frames that are drawn at a time, or wait for the encoder."""
_Draw = Callable[[], bytes]


class _Scene(NamedTuple):
    """A picture, or a colour, as frames show it."""

    planes: Planes
    camera: Camera | None = None
    """None for something that is a frame already."""
    text_overlay: TextOverlay | None = None

    def frame(self, number: int, film: Film) -> Planes:
        """Return what the film's frame with that number shows of the scene."""
        if self.camera is None:
            return self.planes
        seen = self.planes.seen(self.camera.window(number), film)
        return self.text_overlay.on(seen) if self.text_overlay else seen


@dataclass(frozen=True, slots=True)
class MovingRenderer:
    """Draws frames on all cores while x264 encodes the frames before them.

    Its pictures have the size of ``film.canvas``.
    """

    quality: Quality = Quality.STANDARD
    threads: int = 2
    """Fixed, because x264's bytes depend on it."""
    bounds: Bounds = DEFAULT_BOUNDS

    @property
    def name(self) -> str:
        """The renderer's name in a video's facts."""
        effort = _ENCODER_SETTINGS[self.quality]
        return f"moving-x264-{effort.preset}-crf{effort.crf}"

    async def render(
        self, pictures: AsyncIterable[NormalisedPicture], film: Film, video: Path, music: Music | None = None
    ) -> None:
        """See ``Renderer``."""
        timeline = Timeline(film.fps)
        silent = video.with_name(f"{video.name}.silent") if music else video
        await ungrouped(partial(self._encode, pictures, film, timeline, silent))
        if music:
            await add_music(music, Fraction(timeline.frames, film.fps), silent, video)

    async def _encode(
        self, pictures: AsyncIterable[NormalisedPicture], film: Film, timeline: Timeline, video: Path
    ) -> None:
        arguments = film_by_x264(frames_from_pipe(film), video, _ENCODER_SETTINGS[self.quality], self.threads)
        send, frames = trio.open_memory_channel[bytes](0)
        async with trio.open_nursery() as nursery, frames, aclosing(_drawings(pictures, film, timeline)) as drawings:
            nursery.start_soon(in_order, drawings, trio.to_thread.run_sync, _DRAWN, send)
            await run_ffmpeg(arguments, directory=video.parent, feed=frames, bounds=self.bounds)


async def _drawings(
    pictures: AsyncIterable[NormalisedPicture], film: Film, timeline: Timeline
) -> AsyncGenerator[_Draw, None]:
    """Yield, for each frame of the film, a call that draws it."""
    scenes: dict[Shown, _Scene] = {colour: _Scene(Planes.flat(colour, film)) for colour in film.colours}
    number = -1
    async for picture in pictures:
        number += 1
        camera = Camera.of(number, picture.slide, film, timeline.frames)
        scenes[number] = await trio.to_thread.run_sync(_scene, picture, camera, film)
        for drawing in _drawn(timeline.add(picture.slide), film, scenes):
            yield drawing
        scenes.pop(number - 1, None)
    for drawing in _drawn(timeline.finish(), film, scenes):
        yield drawing


def _drawn(segments: Iterable[Segment], film: Film, scenes: Mapping[Shown, _Scene]) -> Iterable[_Draw]:
    for segment in segments:
        for number in range(segment.frames):
            if isinstance(segment, Blend):
                before, after = scenes[segment.before], scenes[segment.after]
                yield partial(_blended, segment, number, film, before, after)
            else:
                yield partial(_held, scenes[segment.shown], segment.first + number, film)


def _scene(picture: NormalisedPicture, camera: Camera, film: Film) -> _Scene:
    scene = _Scene(Planes.of(picture.pixels, film.canvas), camera, TextOverlay.of(picture.texts, film))
    return scene if camera.move else _Scene(scene.frame(0, film))


def _held(scene: _Scene, frame: int, film: Film) -> bytes:
    return scene.frame(frame, film).to_bytes()


def _blended(blend: Blend, number: int, film: Film, before: _Scene, after: _Scene) -> bytes:
    old, new = (scene.frame(blend.first + number, film) for scene in (before, after))
    if blend.kind is Transition.CROSSFADE:
        return old.mixed(new, float(blend.share(number))).to_bytes()
    seam = seam_at(blend, number, film)
    left, right = (new, old) if seam.after_is_left else (old, new)
    return left.beside(right, seam).to_bytes()
