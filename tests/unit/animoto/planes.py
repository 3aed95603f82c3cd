"""Decodes a film into planes, and computes the same planes by plain arithmetic."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from imageio_ffmpeg import get_ffmpeg_exe

from cloudkon.instructions.animoto import Transition
from images.animoto.timeline.film import Film
from images.animoto.timeline.plan import Blend, Hold, Segment
from tests.support.picture_corpus import Pixels

DECODERS = ["h264", "libopenh264"]
"""Two decoders without common code: libavcodec's own, and Cisco's."""


class Planes(NamedTuple):
    """One frame: Y, Cb, Cr."""

    luma: Pixels
    blue: Pixels
    red: Pixels


def decoded(video: Path, film: Film, decoder: str) -> list[Planes]:
    """Return every frame as decoded, without conversion."""
    options = ["-fps_mode", "passthrough", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-"]
    done = subprocess.run(
        [get_ffmpeg_exe(), "-nostdin", "-v", "warning", "-c:v", decoder, "-i", video, *options],
        check=True,
        capture_output=True,
    )
    assert done.stderr == b"", done.stderr.decode()
    luma, chroma = film.width * film.height, film.width * film.height // 4
    frames = []
    for raw in np.frombuffer(done.stdout, np.uint8).reshape(-1, luma + 2 * chroma):
        parts = raw[:luma], raw[luma : luma + chroma], raw[luma + chroma :]
        shapes = (film.height, film.width), *[(film.height // 2, film.width // 2)] * 2
        frames.append(Planes(*(part.reshape(shape) for part, shape in zip(parts, shapes, strict=True))))
    return frames


def same(one: Planes, other: Planes) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def computed(film: Film, plan: Sequence[Segment], frames: Sequence[Planes]) -> list[Planes]:
    """Compute the whole film from those of its ``frames`` that show a picture for the first time."""
    stills = {one.shown: frames[one.first] for one in plan if isinstance(one, Hold)}
    result = []
    for segment in plan:
        for number in range(segment.frames):
            if isinstance(segment, Hold):
                result.append(stills[segment.shown])
            else:
                pairs = zip(stills[segment.before], stills[segment.after], strict=True)
                result.append(Planes(*(between(segment, number, film, old, new) for old, new in pairs)))
    return result


def between(blend: Blend, number: int, film: Film, old: Pixels, new: Pixels) -> Pixels:
    if blend.kind is Transition.CROSSFADE:
        weight = implicit_weight(number + 1, blend.frames + 1, 2 if film.longest_transition < 63 else 1)
        mixed: npt.NDArray[np.int64] = (old.astype(int) * (64 - weight) + new.astype(int) * weight + 32) >> 6
        return mixed.astype(np.uint8)
    scale = film.width // old.shape[1]
    columns = -(-film.width // 16)
    gone = int(np.round((number + 1) / (blend.frames + 1) * columns))
    if blend.kind is Transition.WIPE:
        seam = gone * 16 // scale
        return np.concatenate([new[:, :seam], old[:, seam:]], axis=1)
    seam = min((columns - gone) * 16, film.width) // scale
    width = old.shape[1]
    return np.concatenate([old[:, width - seam :], new[:, : width - seam]], axis=1)


def implicit_weight(frame: int, of: int, step: int) -> int:
    """Weight of the later picture, in 64ths: 8.4.2.3.1 of ITU-T H.264."""
    passed, whole = frame * step, of * step
    assert whole <= 127
    scale = (16384 + whole // 2) // whole
    weight = ((passed * scale + 32) >> 6) >> 2
    assert abs(weight - 64 * frame / of) <= 1
    return weight
