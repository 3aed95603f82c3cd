"""Compares frames of a video with the plan by thumbnails of 4 x 4 pixels.

That is enough to tell whether the video shows the right picture at the right time.
"""

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
"""Few pixels, so that it does not matter that a small film keeps colour only for every second pixel."""
MOVING_SIDE: Final = 32
"""Side of the thumbnails of moving pictures: a camera's window of one has about 16 means."""
_FINE: Final = 8 * MOVING_SIDE
_TOLERANCE: Final = 10
"""Mean difference, of 255. Encoding changes means by less than 2, even those of noise."""
_KEYS = 3
"""Frames that are compared, besides the first blend. Only frames at which players can begin are cheap to read."""


def thumbnail(picture: Pixels, film: Film, side: int = SIDE) -> bytes:
    """Return the thumbnail of a normalised picture: ``side`` x ``side`` pixels of R, G and B."""
    size = film.width, film.height
    image = Image.frombuffer("RGB", size, picture, "raw", "RGB", 0, 1)  # type: ignore[arg-type]  # it accepts any buffer
    # A filter with means of areas and not a sharper one: a window's means must follow from the whole picture's.
    return image.resize((side, side), Image.Resampling.BOX).tobytes()


class TextThumbnail(NamedTuple):
    """Thumbnail of a text layer: how much of a frame's means it keeps, of 255, and how much it adds."""

    keep: bytes
    light: bytes

    @classmethod
    def of(cls, texts: Sequence[TextLayer], film: Film) -> Self:
        """Return the thumbnail of all the texts of a frame."""
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
    """Raise ``BadVideo`` unless some of the video's frames look as planned.

    ``thumbnails`` are those of the film's pictures. If there are ``views``, the thumbnails have ``MOVING_SIDE``, and
    the views say which part is seen. ``keys`` are the frames at which players can begin.
    """
    frames = _sampled(plan, keys)
    seen = await _thumbnails_at(video, film, list(frames), set(keys))
    if len(seen) != len(frames):
        raise BadVideo(f"of {len(frames)} compared frames, the video has {len(seen)}")
    for (frame, segment), found in zip(frames.items(), seen, strict=True):
        wanted = _expected(segment, frame, partial(_of, film=film, thumbnails=thumbnails, views=views, frame=frame))
        difference = sum(abs(one - other) for one, other in zip(found, wanted, strict=True)) / len(wanted)
        if difference > _TOLERANCE:
            raise BadVideo(f"frame {frame} does not show {segment}: it differs by {difference:.0f} of 255")


def _sampled(segments: Sequence[Segment], keys: Sequence[int]) -> dict[int, Segment]:
    """Choose the frames to compare.

    These are evenly spaced keys from the first to the last, and the middle of the first blend.
    """
    picked = {keys[(len(keys) - 1) * number // (_KEYS - 1)] for number in range(_KEYS)}
    picked |= {one.first + one.frames // 2 for one in [one for one in segments if isinstance(one, Blend)][:1]}
    begins = [segment.first for segment in segments]
    shown = {frame: segments[bisect(begins, frame) - 1] for frame in sorted(picked)}
    # The seam of a wipe or push may be within one of the 16 means.
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
        # ffmpeg decodes from the key before a time and drops the frames before that time; with noaccurate_seek it
        # returns the key. The time asked for is a little after a key, and a little before any other frame, so that
        # rounding does not select another frame.
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
    # Pillow's means cover whole pixels, but a window's edges are within pixels of the thumbnail.
    large = Image.frombytes("RGB", (MOVING_SIDE, MOVING_SIDE), thumbnails[shown])
    large = large.resize((_FINE, _FINE), Image.Resampling.NEAREST)
    window = large.resize((SIDE, SIDE), Image.Resampling.BOX, (left, top, left + side, top + side)).tobytes()
    return bytes(
        min(255, window[at] * text.keep[at // CHANNELS] // 255 + text.light[at // CHANNELS])
        for at in range(len(window))
    )
