"""Defines what a renderer does: it turns normalised pictures into a video file."""

from collections.abc import AsyncIterable, Awaitable, Callable
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from ..timeline.film import Film, NormalisedPicture

Music = Callable[[Fraction], Awaitable[Path]]
"""Returns an AAC file for a film of so many seconds, in the form that ``images.animoto.mp4.sound`` reads."""


class Renderer(Protocol):
    """Makes a film of pictures.

    The video is H.264 in MP4 with its index in front, 8 bit 4:2:0, limited-range BT.709 and tagged so, with a constant
    frame rate. Its frames are those of ``images.animoto.timeline.plan``. The same pictures make the same bytes.
    Pictures are taken one at a time and at most two are kept, so that memory does not grow with their number.
    """

    @property
    def name(self) -> str:
        """The renderer's name in a video's facts."""
        ...

    async def render(
        self, pictures: AsyncIterable[NormalisedPicture], film: Film, video: Path, music: Music | None = None
    ) -> None:
        """Write ``video`` from pictures as large as ``film.canvas``, of which there must be at least one.

        Without music the video has no sound. Errors of ``pictures`` propagate. Cancelling leaves no process behind; the
        file must then not be used.
        """
        ...
