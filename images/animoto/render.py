"""Render: normalised pictures become a video file."""

from collections.abc import AsyncIterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import ffmpeg

from images.animoto.ffmpeg import DEFAULT_BOUNDS, PROTOCOLS, Bounds, run_ffmpeg
from images.animoto.film import Film


class Renderer(Protocol):
    """Makes a film of pictures.

    The video is H.264 in MP4 with its index in front, 8 bit 4:2:0, limited-range BT.709 and tagged so, of constant
    frame rate; picture ``i`` begins at frame ``film.first_frame(i)``. The same pictures make the same bytes. It takes
    pictures one at a time and keeps none, so that memory does not grow with their number.
    """

    @property
    def name(self) -> str:
        """What a video's facts call it."""
        ...

    async def render(self, pictures: AsyncIterable[bytes], film: Film, video: Path) -> None:
        """Write ``video`` from pictures of ``film.picture_bytes`` bytes each (RGB). At least one must come.

        Errors of ``pictures`` go up, and cancelling leaves no process; the file is then not to be used.
        """
        ...


@dataclass(frozen=True, slots=True)
class PlainRenderer:
    """Lets ffmpeg repeat each picture and x264 encode every frame: plain, right, and the reference for others."""

    preset: str = "veryfast"
    crf: int = 18
    """Constant quality; 18 is where people stop seeing a difference."""
    threads: int = 2
    """Fixed, because x264's bytes depend on it."""
    bounds: Bounds = DEFAULT_BOUNDS

    @property
    def name(self) -> str:
        """What a video's facts call it."""
        return f"ffmpeg-x264-{self.preset}-crf{self.crf}"

    async def render(self, pictures: AsyncIterable[bytes], film: Film, video: Path) -> None:
        """See ``Renderer``."""
        command = ffmpeg.compile(self._graph(film, video), cmd="ffmpeg")
        await run_ffmpeg(command[1:], directory=video.parent, feed=pictures, bounds=self.bounds)

    def _graph(self, film: Film, video: Path) -> Any:  # noqa: ANN401  (ffmpeg-python has no types)
        source = ffmpeg.input(
            "pipe:0",
            format="rawvideo",
            pixel_format="rgb24",
            s=f"{film.width}x{film.height}",  # ffmpeg-python would make "3x2" of a video_size "320x180"
            framerate=f"{film.seconds.denominator}/{film.seconds.numerator}",
            protocol_whitelist=PROTOCOLS,
        )
        # zimg converts exactly where swscale's default shifts colours by 2 of 255; each picture is converted once, and
        # only then repeated. ffmpeg 9 tags what the frames say and no longer what the encoder is told: so setparams.
        shown = (
            source.filter("format", "gbrp")
            .filter("zscale", matrixin="gbr", rangein="full", matrix="709", range="limited", chromal="left")
            .filter("format", "yuv420p")
            .filter("setparams", range="tv", color_primaries="bt709", color_trc="bt709", colorspace="bt709")
            .filter("setsar", "1")
            .filter("fps", fps=film.fps, round="near")
        )
        return shown.output(
            str(video),
            format="mp4",
            vcodec="libx264",
            preset=self.preset,
            crf=self.crf,
            threads=self.threads,
            movflags="+faststart",
            fflags="+bitexact",
            **{"flags:v": "+bitexact", "map_metadata": -1},
        ).global_args("-filter_complex_threads", str(self.threads), "-y")
