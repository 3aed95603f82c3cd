"""Makes the JPEG poster that is stored beside a video."""

from fractions import Fraction
from math import floor
from pathlib import Path

import pyvips

from .timeline.film import CHANNELS, Film, NormalisedPicture, Pixels
from .verify.frame_grab import grab_frame

_QUALITY = 90


class Poster:
    """Shows the frame that the job asks for, or else the first picture.

    In a film without motion the first picture is the first frame, so the poster is made from it while it is in memory.
    In all other cases the frame is read back from the video.
    """

    def __init__(self, second: Fraction | None, film: Film) -> None:
        """``second`` is the job's choice; without one, the poster shows the first picture."""
        self._second = second
        self._film = film
        self._jpeg = b""

    def offer(self, picture: NormalisedPicture) -> None:
        """Make the poster from this picture if it is the right one. Call it with every picture, in order."""
        if self._second is None and not self._film.moves and not self._jpeg:
            self._jpeg = to_jpeg(picture.pixels, self._film)

    async def jpeg(self, video: Path, frames: int) -> bytes:
        """Return the poster of the finished video, which has so many frames."""
        if self._jpeg:
            return self._jpeg
        # Where pictures are missing, the video has fewer frames than the check at push assumed.
        frame = min(floor((self._second or 0) * self._film.fps), frames - 1)
        return to_jpeg(await grab_frame(video, self._film, frame), self._film)


def to_jpeg(picture: Pixels, film: Film) -> bytes:
    """Encode a normalised picture as JPEG."""
    image = pyvips.Image.new_from_memory(picture, film.width, film.height, CHANNELS, "uchar")
    return bytes(image.copy(interpretation="srgb").jpegsave_buffer(Q=_QUALITY, optimize_coding=True))
