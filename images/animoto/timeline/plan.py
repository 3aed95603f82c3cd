"""Plans what each frame of a film shows, as data that renderers carry out and the checks compare with the video."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from math import floor

from cloudkon.instructions.animoto import Slide, Transition, transition_frames

from .move import Move

_LONG_PAUSE = 7
"""Frames of a fade from which on an odd number of frames shows the colour alone for three frames and not for one."""


class Colour(Enum):
    """A picture of one colour that fades go through."""

    BLACK = (0, 0, 0)
    WHITE = (255, 255, 255)


Shown = int | Colour
"""A picture's number, from 0, or a colour."""
FADES_THROUGH = {Transition.FADE_BLACK: Colour.BLACK, Transition.FADE_WHITE: Colour.WHITE}


@dataclass(frozen=True, slots=True)
class Hold:
    """``frames`` frames from frame ``first`` on that show one picture alone."""

    shown: Shown
    first: int
    frames: int

    def __str__(self) -> str:
        """Describe the segment for people; pictures count from 1."""
        return _named(self.shown)


@dataclass(frozen=True, slots=True)
class Blend:
    """``frames`` frames from frame ``first`` on between two pictures; none of them shows either picture alone."""

    kind: Transition
    """Crossfade, wipe or push; a fade is planned as two crossfades."""
    before: Shown
    after: Shown
    first: int
    frames: int

    def share(self, number: int) -> Fraction:
        """Return how far frame ``number`` (from 0) of the blend is, over 0 and below 1."""
        return Fraction(number + 1, self.frames + 1)

    def __str__(self) -> str:
        """Describe the segment for people."""
        return f"{self.kind.value} from {_named(self.before)} to {_named(self.after)}"


Segment = Hold | Blend


class Timeline:
    """Places slides one after another, as they arrive.

    A slide begins at the frame nearest to its time, half up: slides of 2.5 frames last 3 and 2 frames alternately, and
    the film keeps its length. The middle of a transition is there.
    """

    def __init__(self, fps: int) -> None:
        """Begin without slides, at ``fps`` frames a second."""
        self._fps = fps
        self._slide: Slide | None = None
        """The last slide that was added."""
        self._picture = -1
        """The number of its picture."""
        self._first = 0
        """The first frame that shows this picture alone."""
        self._end = Fraction(0)
        """Seconds from the film's begin to the end of this slide's time."""

    @property
    def frames(self) -> int:
        """The number of frames of all slides so far."""
        return _nearest(self._end * self._fps)

    def add(self, slide: Slide) -> list[Segment]:
        """Add a slide and return the segments before the first frame that shows this slide alone."""
        segments: list[Segment] = []
        first = 0
        if self._slide is not None:
            count = transition_frames(self._slide, slide, self._fps)
            first = self.frames - count // 2
            segments = [self._held(first), *_transition(self._slide.transition, self._picture, first, count)]
            first += count
        self._slide, self._first = slide, first
        self._picture += 1
        self._end += slide.seconds
        return segments

    def finish(self) -> list[Segment]:
        """Return what the last slide shows."""
        return [self._held(self.frames)]

    def _held(self, end: int) -> Hold:
        return Hold(self._picture, self._first, end - self._first)


def plan(fps: int, slides: Iterable[Slide]) -> Iterator[Segment]:
    """Yield the film of these slides as segments without gaps, in order. There must be at least one slide."""
    timeline = Timeline(fps)
    for slide in slides:
        yield from timeline.add(slide)
    yield from timeline.finish()


def frame_count(fps: int, slides: Iterable[Slide]) -> int:
    """Return the number of frames of a film of these slides."""
    return _nearest(sum((slide.seconds for slide in slides), Fraction(0)) * fps)


def _nearest(frames: Fraction) -> int:
    return floor(frames + Fraction(1, 2))


def _transition(kind: Transition, picture: int, first: int, count: int) -> Iterator[Segment]:
    if not count:
        return
    colour = FADES_THROUGH.get(kind)
    if colour is None:
        yield Blend(kind, picture, picture + 1, first, count)
        return
    pause = 1 if count == 1 else 2 if count % 2 == 0 else 3 if count >= _LONG_PAUSE else 1
    each = (count - pause) // 2
    if each:
        yield Blend(Transition.CROSSFADE, picture, colour, first, each)
    yield Hold(colour, first + each, pause)
    if each:
        yield Blend(Transition.CROSSFADE, colour, picture + 1, first + each + pause, each)


def describe_plan(fps: int, slides: Sequence[Slide]) -> Iterator[str]:
    """Yield the plan for people, one segment a line: when it begins, its number of frames, and what it shows."""
    moves = [Move.of(number, slide) for number, slide in enumerate(slides)]
    for segment in plan(fps, slides):
        begins = f"{float(Fraction(segment.first, fps)):9.3f} s"
        move = moves[segment.shown] if isinstance(segment, Hold) and isinstance(segment.shown, int) else None
        how = f", {move}" if move else ""
        yield f"{begins}  frame {segment.first:>6}  {segment.frames:>5} frames  {segment}{how}"


def _named(shown: Shown) -> str:
    return shown.name.lower() if isinstance(shown, Colour) else f"picture {shown + 1}"
