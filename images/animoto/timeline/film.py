"""Film: the shape of a slideshow in pixels and frames."""

from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil
from typing import NamedTuple, Self

from cloudkon.instructions.animoto import AnimotoJob, Motion, Slide, Transition, transition_frames

from ..captions.text_layer import TextLayer
from .plan import FADES_THROUGH, Colour

CHANNELS = 3
"""Bytes a pixel of a normalised picture: red, green, blue."""


_CLOSE_IN = Fraction(9, 8)
"""How much larger what moves is than its film: as much as its smallest part that fills a frame, nearly."""


Pixels = bytes | memoryview
"""Rows from the top, pixels from the left, 8 bits of R, G and B each."""


class NormalisedPicture(NamedTuple):
    """A normalised picture, as large as ``Film.canvas``, and how it is shown."""

    slide: Slide
    pixels: Pixels
    texts: tuple[TextLayer, ...] = ()
    """What stands still before a picture that moves; on others it is part of the pixels."""


@dataclass(frozen=True, slots=True)
class Film:
    """``width`` x ``height`` pixels, ``fps`` frames a second. Which pictures it has, and when, is its plan."""

    width: int
    height: int
    fps: int
    transitions: frozenset[Transition] = frozenset()
    """Those that occur; cuts are none."""
    longest_transition: int = 0
    """Frames that no transition has more of, whichever pictures may be missing; 0 where there are cuts only."""
    moves: bool = False
    """Whether any picture does."""

    @classmethod
    def of(cls, job: AnimotoJob) -> Self:
        """The film that a job asks for."""
        # Beside a picture as long as its own a transition is as long as it can be.
        longest = {slide: transition_frames(slide, slide, job.fps) for slide in job.slides[:-1]}
        transitions = frozenset(slide.transition for slide, frames in longest.items() if frames)
        moves = any(slide.motion is not Motion.NONE for slide in job.slides)
        return cls(job.width, job.height, job.fps, transitions, max(longest.values(), default=0), moves)

    @property
    def colours(self) -> tuple[Colour, ...]:
        """What its fades go through."""
        return tuple(colour for kind, colour in FADES_THROUGH.items() if kind in self.transitions)

    @property
    def canvas(self) -> Self:
        """As large as its pictures: larger than itself where they move, so that what is closed in on stays sharp."""
        width, height = (ceil(side * _CLOSE_IN) if self.moves else side for side in (self.width, self.height))
        return replace(self, width=width, height=height)

    @property
    def picture_bytes(self) -> int:
        """Size of a normalised picture."""
        return self.width * self.height * CHANNELS
