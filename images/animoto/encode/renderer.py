"""Render: normalised pictures become a video file."""

from collections.abc import AsyncIterable, Awaitable, Callable
from fractions import Fraction
from pathlib import Path
from typing import Protocol

from ..timeline.film import Film, NormalisedPicture

Music = Callable[[Fraction], Awaitable[Path]]
"""Gives a file of AAC for a film of so many seconds, as ``images.animoto.mp4.sound`` takes it."""


class Renderer(Protocol):
    """Makes a film of pictures.

    The video is H.264 in MP4 with its index in front, 8 bit 4:2:0, limited-range BT.709 and tagged so, of constant
    frame rate; its frames are those of ``images.animoto.timeline.plan``. The same pictures make the same bytes. It
    takes pictures one at a time and keeps two at most, so that memory does not grow with their number.
    """

    @property
    def name(self) -> str:
        """What a video's facts call it."""
        ...

    async def render(
        self, pictures: AsyncIterable[NormalisedPicture], film: Film, video: Path, music: Music | None = None
    ) -> None:
        """Write ``video`` from pictures as large as the film. At least one must come. Without music it has no sound.

        Errors of ``pictures`` go up, and cancelling leaves no process; the file is then not to be used.
        """
        ...
