"""Likeness: 16 means of a picture, enough to tell whether a video shows the right one at the right time."""

from bisect import bisect
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

import ffmpeg
from PIL import Image

from cloudkon.instructions.animoto import Transition

from ..captions.text_layer import TextLayer, merge_layers
from ..ffmpeg.ffmpeg_process import PROTOCOLS, run_ffmpeg
from ..motion.camera import Camera
from ..motion.planes import within
from ..timeline.film import CHANNELS, Film, Pixels
from ..timeline.plan import Blend, Colour, Hold, Segment, Shown
from .verify import BadVideo

SIDE: Final = 4
"""Few, so that what a small film loses of its colours, which it has for every second pixel, does not matter."""
MOVING_SIDE: Final = 32
"""Of pictures that move: of these a window has 16 means."""
_FINE: Final = 8 * MOVING_SIDE
_TOLERANCE: Final = 10
"""Mean difference, of 255. Coding moves means by less than 2, even those of noise."""
_KEYS = 3
"""Frames that are looked at, besides the first blend: those that players can begin at are got at most cheaply."""


def thumbnail(picture: Pixels, film: Film, side: int = SIDE) -> bytes:
    """The likeness of a normalised picture: ``side`` x ``side`` pixels of R, G and B."""
    size = film.width, film.height
    image = Image.frombuffer("RGB", size, picture, "raw", "RGB", 0, 1)  # type: ignore[arg-type]  # it takes any buffer
    # Means of areas, and no sharper filter: those of a window must follow from those of the whole picture.
    return image.resize((side, side), Image.Resampling.BOX).tobytes()


class TextThumbnail(NamedTuple):
    """What texts do to a frame's likeness: what they keep of its means, of 255, and what they add."""

    keep: bytes
    light: bytes

    @classmethod
    def of(cls, texts: Sequence[TextLayer], film: Film) -> Self:
        """That of texts on the film."""
        both = merge_layers(texts, film.width, film.height)
        return cls(*(one.resize((SIDE, SIDE), Image.Resampling.BOX).tobytes() for one in both))


class MovingView(NamedTuple):
    """How a moving film shows one of its pictures."""

    camera: Camera
    text: TextThumbnail


async def check_frames(
    video: Path,
    film: Film,
    plan: Sequence[Segment],
    thumbnails: Sequence[bytes],
    keys: Sequence[int],
    views: Sequence[MovingView] | None = None,
) -> None:
    """Raise ``BadVideo`` unless some of its frames look like the plan.

    ``thumbnails`` are those of its pictures, of ``MOVING_SIDE`` if there are ``views``, which say what is seen of them;
    ``keys`` are the frames that players can begin at.
    """
    frames = _sampled(plan, keys)
    seen = await _thumbnails_at(video, film, list(frames), set(keys))
    if len(seen) != len(frames):
        raise BadVideo(f"of {len(frames)} frames that were looked at, the video has {len(seen)}")
    for (frame, segment), found in zip(frames.items(), seen, strict=True):
        wanted = _expected(segment, frame, partial(_of, film=film, thumbnails=thumbnails, views=views, frame=frame))
        difference = sum(abs(one - other) for one, other in zip(found, wanted, strict=True)) / len(wanted)
        if difference > _TOLERANCE:
            raise BadVideo(f"frame {frame} does not show {segment}: it differs by {difference:.0f} of 255")


def _sampled(segments: Sequence[Segment], keys: Sequence[int]) -> dict[int, Segment]:
    """Frames to look at: keys in about even distances from the first to the last, and the middle of the first blend."""
    picked = {keys[(len(keys) - 1) * number // (_KEYS - 1)] for number in range(_KEYS)}
    picked |= {one.first + one.frames // 2 for one in [one for one in segments if isinstance(one, Blend)][:1]}
    begins = [segment.first for segment in segments]
    shown = {frame: segments[bisect(begins, frame) - 1] for frame in sorted(picked)}
    # The seam of a wipe or push may lie within one of the 16 means.
    return {frame: one for frame, one in shown.items() if isinstance(one, Hold) or one.kind is Transition.CROSSFADE}


async def _thumbnails_at(video: Path, film: Film, frames: Sequence[int], keys: AbstractSet[int]) -> list[bytes]:
    held = bytearray()
    found: list[bytes] = []

    async def on_output(piece: bytes) -> None:
        held.extend(piece)
        while len(held) >= film.picture_bytes:
            found.append(thumbnail(bytes(held[: film.picture_bytes]), film))
            del held[: film.picture_bytes]

    command = ffmpeg.compile(_graph(video, film, frames, keys), cmd="ffmpeg")
    await run_ffmpeg(command[1:], directory=video.parent, on_output=on_output)
    return found


def _graph(video: Path, film: Film, frames: Sequence[int], keys: AbstractSet[int]) -> Any:  # noqa: ANN401  (ffmpeg-python has no types)
    shown = []
    for frame in frames:
        # ffmpeg decodes from the key before a time, and drops what is before that time; told not to, it gives the key.
        # Here that is a little after a key, and before any other frame, so that rounding leads to no other.
        how = {"noaccurate_seek": None} if frame in keys else {}
        at = float(max(Fraction(0), frame + Fraction(2, 5) * (1 if frame in keys else -1)) / film.fps)
        source = ffmpeg.input(str(video), ss=f"{at:.6f}", threads=1, protocol_whitelist=PROTOCOLS, **how)
        shown.append(source.filter("trim", end_frame=1).filter("setpts", "PTS-STARTPTS"))
    joined = ffmpeg.concat(*shown, n=len(shown)).filter("zscale", matrix="gbr", range="full").filter("format", "gbrp")
    return joined.output("pipe:1", format="rawvideo", pix_fmt="rgb24", fps_mode="passthrough").global_args(
        "-filter_complex_threads", "1"
    )


def _expected(segment: Segment, frame: int, of: Callable[[Shown], bytes]) -> Sequence[float]:
    if not isinstance(segment, Blend):
        return of(segment.shown)
    share = float(segment.share(frame - segment.first))
    both = zip(of(segment.before), of(segment.after), strict=True)
    return [one * (1 - share) + other * share for one, other in both]


def _of(shown: Shown, film: Film, thumbnails: Sequence[bytes], views: Sequence[MovingView] | None, frame: int) -> bytes:
    if isinstance(shown, Colour):
        return bytes(shown.value) * SIDE**2
    if views is None:
        return thumbnails[shown]
    camera, text = views[shown]
    left, top, side = (_FINE * place for place in within(camera.window(frame), film))
    # Pillow's means are of whole pixels, and a window's edges lie within those of a likeness.
    large = Image.frombytes("RGB", (MOVING_SIDE, MOVING_SIDE), thumbnails[shown])
    large = large.resize((_FINE, _FINE), Image.Resampling.NEAREST)
    window = large.resize((SIDE, SIDE), Image.Resampling.BOX, (left, top, left + side, top + side)).tobytes()
    return bytes(
        min(255, window[at] * text.keep[at // CHANNELS] // 255 + text.light[at // CHANNELS])
        for at in range(len(window))
    )
