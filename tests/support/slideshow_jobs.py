"""Builds films whose pictures are all shown in the same way."""

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from fractions import Fraction

from cloudkon.instructions.animoto import AnimotoJob, Slide, Transition
from images.animoto.timeline.film import Film, NormalisedPicture
from images.animoto.timeline.plan import Segment, frame_count, plan


@dataclass(frozen=True)
class Show:
    film: Film
    slide: Slide

    @property
    def width(self) -> int:
        return self.film.width

    @property
    def height(self) -> int:
        return self.film.height

    def frames(self, count: int) -> int:
        """Return the number of frames of a film of that number of pictures."""
        return frame_count(self.film.fps, [self.slide] * count)

    def plan(self, count: int) -> list[Segment]:
        return list(plan(self.film.fps, [self.slide] * count))

    async def stream(self, pictures: Iterable[bytes]) -> AsyncIterator[NormalisedPicture]:
        for picture in pictures:
            yield NormalisedPicture(self.slide, picture)


def show(
    seconds: str = "1",
    fps: int = 30,
    width: int = 96,
    height: int = 54,
    transition: Transition = Transition.CUT,
    frames: int = 0,
) -> Show:
    """Build a film; ``frames`` is the length of each transition."""
    slide = Slide(link="https://example.org/one.jpg", seconds=Fraction(seconds), transition=transition)
    if frames and transition is not Transition.CUT:
        slide = Slide(
            link=slide.link, seconds=slide.seconds, transition=transition, transition_seconds=Fraction(frames, fps)
        )
    return Show(Film.of(AnimotoJob(slides=(slide,) * 2, fps=fps, width=width, height=height)), slide)
