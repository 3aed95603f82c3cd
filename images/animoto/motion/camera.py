"""Computes which part of a picture each frame of a film shows."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

from cloudkon.instructions.animoto import Slide

from ..timeline.film import Film
from ..timeline.move import WHOLE, Move, Window
from ..timeline.plan import Timeline


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera that moves from frame ``begin`` to frame ``end`` of the film, and stands still before and after."""

    move: Move | None
    begin: float
    end: float

    @classmethod
    def of(cls, number: int, slide: Slide, film: Film, first: int) -> Self:
        """Return the camera for the film's picture with that number (from 0), whose time begins at the frame ``first``.

        The camera also moves during transitions. Their length depends on the next picture, which may not have arrived
        yet. So the camera moves from half the film's longest transition before the picture's time to the same length
        after it.
        """
        around = film.longest_transition / 2
        return cls(Move.of(number, slide), first - around, first + float(slide.seconds * film.fps) + around)

    def window(self, frame: int) -> Window:
        """Return what the camera sees in that frame of the film."""
        if self.move is None:
            return WHOLE
        return self.move.window(min(1.0, max(0.0, (frame + 0.5 - self.begin) / (self.end - self.begin))))


def cameras(film: Film, slides: Iterable[Slide]) -> Iterator[Camera]:
    """Yield the cameras of a film of these slides, in order."""
    timeline = Timeline(film.fps)
    for number, slide in enumerate(slides):
        yield Camera.of(number, slide, film, timeline.frames)
        timeline.add(slide)
