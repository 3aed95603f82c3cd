"""Defines a slideshow's shape in pixels and frames, and the pictures that renderers get."""

from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil
from typing import NamedTuple, Self

from cloudkon.instructions.animoto import AnimotoJob, Motion, Slide, Transition, transition_frames

from ..captions.text_layer import TextLayer
from .plan import FADES_THROUGH, Colour

CHANNELS = 3
"""Bytes of one pixel of a normalised picture: red, green, blue."""


_CLOSE_IN = Fraction(9, 8)
"""How much larger the pictures of a moving film are than the film: about as much as the smallest part that fills a
frame is enlarged."""


Pixels = bytes | memoryview
"""Rows from the top, pixels from the left, 8 bits of R, G and B each."""


class NormalisedPicture(NamedTuple):
    """A picture as large as ``Film.canvas``, and how it is shown."""

    slide: Slide
    pixels: Pixels
    texts: tuple[TextLayer, ...] = ()
    """Texts that stay in place in front of a picture that moves; in other films the pixels contain the texts."""


@dataclass(frozen=True, slots=True)
class Film:
    """A film of ``width`` x ``height`` pixels and ``fps`` frames a second.

    Its plan says which pictures it shows when.
    """

    width: int
    height: int
    fps: int
    transitions: frozenset[Transition] = frozenset()
    """The transitions that occur, without cuts."""
    longest_transition: int = 0
    """Upper limit for the frames of any transition, whichever pictures are missing; 0 in a film that only has cuts."""
    moves: bool = False
    """Whether any picture moves."""

    @classmethod
    def of(cls, job: AnimotoJob) -> Self:
        """Return the film that a job asks for."""
        # A transition is longest next to a picture that is as long as its own.
        longest = {slide: transition_frames(slide, slide, job.fps) for slide in job.slides[:-1]}
        transitions = frozenset(slide.transition for slide, frames in longest.items() if frames)
        moves = any(slide.motion is not Motion.NONE for slide in job.slides)
        return cls(job.width, job.height, job.fps, transitions, max(longest.values(), default=0), moves)

    @property
    def colours(self) -> tuple[Colour, ...]:
        """The colours of its fades."""
        return tuple(colour for kind, colour in FADES_THROUGH.items() if kind in self.transitions)

    @property
    def canvas(self) -> Self:
        """The shape of its pictures: larger than the film where they move, so that an enlarged part stays sharp."""
        width, height = (ceil(side * _CLOSE_IN) if self.moves else side for side in (self.width, self.height))
        return replace(self, width=width, height=height)

    @property
    def picture_bytes(self) -> int:
        """Bytes of one normalised picture."""
        return self.width * self.height * CHANNELS
