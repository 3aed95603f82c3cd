"""Builds the ffmpeg graphs that read pictures and frames, in the colours of videos, and write a video."""

from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import ffmpeg

from ..ffmpeg.ffmpeg_process import PROTOCOLS
from ..timeline.film import Film

_COLOURS = {"range": "tv", "color_primaries": "bt709", "color_trc": "bt709", "colorspace": "bt709"}
_X264 = "rc-lookahead=10:sync-lookahead=0"
"""Frames of look-ahead, at any preset: each frame of 1080p takes 5 MB, and medium would use 40 and more."""


class EncoderSettings(NamedTuple):
    """Settings of x264: its preset and its constant quality.

    A lower quality number is better; below 18 people see no difference.
    """

    preset: str
    crf: float
    parameters: str = ""
    """More settings, in the form of ``x264-params``."""


def pictures_from_pipe(film: Film, rate: Fraction) -> Any:  # noqa: ANN401  (ffmpeg-python has no types)
    """Begin a graph: RGB pictures of ``film.picture_bytes`` on standard input, ``rate`` a second.

    They are converted to limited-range BT.709 in 4:2:0, and tagged so. zimg converts exactly, where swscale's default
    shifts colours by 2 of 255. ffmpeg 9 takes the tags from the frames and no longer from the encoder's options: hence
    setparams.
    """
    return (
        _raw(film, "rgb24", rate)
        .filter("format", "gbrp")
        .filter("zscale", matrixin="gbr", rangein="full", matrix="709", range="limited", chromal="left")
        .filter("format", "yuv420p")
        .filter("setparams", **_COLOURS)
        .filter("setsar", "1")
    )


def frames_from_pipe(film: Film) -> Any:  # noqa: ANN401  (ffmpeg-python has no types)
    """Begin a graph: the film's frames on standard input, in the colours of videos, one plane after another."""
    return _raw(film, "yuv420p", Fraction(film.fps)).filter("setparams", **_COLOURS).filter("setsar", "1")


def _raw(film: Film, kind: str, rate: Fraction) -> Any:  # noqa: ANN401  (see above)
    return ffmpeg.input(
        "pipe:0",
        format="rawvideo",
        pixel_format=kind,
        s=f"{film.width}x{film.height}",  # ffmpeg-python would make "3x2" of a video_size "320x180"
        framerate=f"{rate.numerator}/{rate.denominator}",
        protocol_whitelist=PROTOCOLS,
        fpsprobesize=0,  # else it waits for twenty pictures, to find out the rate that it was given
    )


def film_by_x264(shown: Any, video: Path, effort: EncoderSettings, threads: int) -> list[str]:  # noqa: ANN401  (see above)
    """Return the arguments with which ffmpeg encodes every frame of a graph into a video."""
    output = shown.output(
        str(video),
        format="mp4",
        vcodec="libx264",
        preset=effort.preset,
        crf=effort.crf,
        threads=threads,
        movflags="+faststart",
        fflags="+bitexact",
        **{"flags:v": "+bitexact", "map_metadata": -1, "x264-params": _X264},
    )
    return [*ffmpeg.compile(output, cmd="ffmpeg")[1:], "-filter_complex_threads", str(threads), "-y"]
