"""Source: how pictures and frames get into ffmpeg, in the colours that videos have, and a video out of it."""

from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import ffmpeg

from ..ffmpeg.ffmpeg_process import PROTOCOLS
from ..timeline.film import Film

_COLOURS = {"range": "tv", "color_primaries": "bt709", "color_trc": "bt709", "colorspace": "bt709"}
_X264 = "rc-lookahead=10:sync-lookahead=0"
"""Frames that are looked ahead for, at any preset: each of 1080p takes 5 MB, and medium would have 40 and more."""


class EncoderSettings(NamedTuple):
    """How x264 codes: its preset, and its constant quality, of which lower is better: from 18 on nobody sees more."""

    preset: str
    crf: float
    parameters: str = ""
    """Further ones, as ``x264-params``."""


def pictures_from_pipe(film: Film, rate: Fraction) -> Any:  # noqa: ANN401  (ffmpeg-python has no types)
    """A graph's beginning: RGB pictures of ``film.picture_bytes`` on standard input, ``rate`` a second.

    They become limited-range BT.709 in 4:2:0, tagged so. zimg converts exactly where swscale's default shifts colours
    by 2 of 255. ffmpeg 9 tags what the frames say and no longer what the encoder is told: so setparams.
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
    """A graph's beginning: the film's frames on standard input, in the colours that videos have, plane behind plane."""
    return _raw(film, "yuv420p", Fraction(film.fps)).filter("setparams", **_COLOURS).filter("setsar", "1")


def _raw(film: Film, kind: str, rate: Fraction) -> Any:  # noqa: ANN401  (see above)
    return ffmpeg.input(
        "pipe:0",
        format="rawvideo",
        pixel_format=kind,
        s=f"{film.width}x{film.height}",  # ffmpeg-python would make "3x2" of a video_size "320x180"
        framerate=f"{rate.numerator}/{rate.denominator}",
        protocol_whitelist=PROTOCOLS,
        fpsprobesize=0,  # or it waits for twenty pictures, to find out the rate that it is told
    )


def film_by_x264(shown: Any, video: Path, effort: EncoderSettings, threads: int) -> list[str]:  # noqa: ANN401  (see above)
    """What ffmpeg is told to encode every frame of a graph into a video."""
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
