"""Film: the shape of a slideshow in pixels and frames."""

from dataclasses import dataclass
from fractions import Fraction
from math import floor
from typing import Self

from cloudkon.instructions.animoto import AnimotoJob

CHANNELS = 3
"""Bytes a pixel of a normalised picture: red, green, blue."""


@dataclass(frozen=True, slots=True)
class Film:
    """``width`` x ``height`` pixels, ``fps`` frames a second, each picture shown for ``seconds``."""

    width: int
    height: int
    fps: int
    seconds: Fraction

    @classmethod
    def of(cls, job: AnimotoJob) -> Self:
        """The film that a job asks for."""
        return cls(job.width, job.height, job.fps, job.seconds)

    @property
    def picture_bytes(self) -> int:
        """Size of a normalised picture: rows from the top, pixels from the left, 8 bits of R, G and B each."""
        return self.width * self.height * CHANNELS

    def first_frame(self, picture: int) -> int:
        """The frame (from 0) at which a picture (from 0) begins: its time in frames, rounded half up.

        So pictures of 2.5 frames last 3 and 2 frames by turns, and the film keeps its length. With as many pictures
        as the film has, it is the film's number of frames.
        """
        return floor(picture * self.seconds * self.fps + Fraction(1, 2))

    def length(self, pictures: int) -> Fraction:
        """Seconds that a film of so many pictures lasts."""
        return Fraction(self.first_frame(pictures), self.fps)
