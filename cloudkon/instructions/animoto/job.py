"""Defines the data of one slideshow job."""

from dataclasses import dataclass
from fractions import Fraction
from math import floor

from cloudkon.instructions.animoto.choices import Fit, Motion, OnMissing, Quality, Transition

USUAL_TRANSITION = Fraction(1, 2)
"""Seconds of a transition by default; at most half of the time of each of its two pictures."""
MOST_TRANSITION_FRAMES = 126
"""H.264 weighs two pictures by distances of at most 127 frames (8.4.2.3.1)."""
_HELD = 2
"""Frames for which a picture is shown alone, at least: players can begin at the second of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slide:
    """One picture of a slideshow, and how it is shown for ``seconds`` seconds."""

    link: str
    seconds: Fraction = Fraction(1)
    fit: Fit = Fit.CONTAIN
    transition: Transition = Transition.CUT
    """How the picture changes to the next one. The last picture's transition is ignored."""
    transition_seconds: Fraction | None = None
    """Time from the last frame that shows only this picture to the first frame that shows only the next one. Half of it
    is in each picture's time."""
    motion: Motion = Motion.NONE
    caption: str = ""
    """The text drawn on the picture; empty for none."""

    def room(self, fps: int) -> int:
        """Return how many frames a transition next to this picture may have, if the one on its other side is as long.

        Below 1 there is no room for a transition.
        """
        return min(floor(self.seconds * fps) - _HELD, MOST_TRANSITION_FRAMES)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnimotoJob:
    """One slideshow. ``width`` and ``height`` are in pixels."""

    slides: tuple[Slide, ...]
    fps: int = 30
    width: int = 1920
    height: int = 1080
    quality: Quality = Quality.STANDARD
    title: str = ""
    """The text drawn on the first picture; empty for none."""
    music: str = ""
    """A link; empty for none."""
    poster: Fraction | None = None
    """The second whose frame becomes the poster; without it the poster shows the first picture."""
    on_missing: OnMissing = OnMissing.FAIL

    @property
    def links(self) -> tuple[str, ...]:
        """The links to its pictures."""
        return tuple(slide.link for slide in self.slides)


def transition_frames(before: Slide, after: Slide, fps: int) -> int:
    """Return the number of frames between two pictures: 0 for a cut, and where the shorter picture has no room."""
    if before.transition is Transition.CUT:
        return 0
    room = min(before.room(fps), after.room(fps))
    if before.transition_seconds is None:
        usual = min(USUAL_TRANSITION, before.seconds / 2, after.seconds / 2)
        return max(0, min(floor(usual * fps), room))
    return max(0, min(wanted_frames(before.transition_seconds, fps), room))


def wanted_frames(transition_seconds: Fraction, fps: int) -> int:
    """Return the requested length in whole frames, rounded half up."""
    return floor(transition_seconds * fps + Fraction(1, 2))
