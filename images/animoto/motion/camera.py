"""Camera: what is seen of a picture in each frame of a film."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Self

from cloudkon.instructions.animoto import Slide

from ..timeline.film import Film
from ..timeline.move import WHOLE, Move, Window
from ..timeline.plan import Timeline


@dataclass(frozen=True, slots=True)
class Camera:
    """It moves from ``begin`` to ``end``, in frames of the film, and stands before and after."""

    move: Move | None
    begin: float
    end: float

    @classmethod
    def of(cls, number: int, slide: Slide, film: Film, first: int) -> Self:
        """For the film's picture of that number (from 0), whose time begins at the frame ``first``.

        It moves in transitions too. How long they are depends on the next picture, which may not be there yet: so it
        moves from half the film's longest transition before the picture's time until as long after it.
        """
        around = film.longest_transition / 2
        return cls(Move.of(number, slide), first - around, first + float(slide.seconds * film.fps) + around)

    def window(self, frame: int) -> Window:
        """What it sees in that frame of the film."""
        if self.move is None:
            return WHOLE
        return self.move.window(min(1.0, max(0.0, (frame + 0.5 - self.begin) / (self.end - self.begin))))


def cameras(film: Film, slides: Iterable[Slide]) -> Iterator[Camera]:
    """Those of a film of these slides, in their order."""
    timeline = Timeline(film.fps)
    for number, slide in enumerate(slides):
        yield Camera.of(number, slide, film, timeline.frames)
        timeline.add(slide)
