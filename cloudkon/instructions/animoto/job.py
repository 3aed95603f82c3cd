"""Job: one slideshow, as data."""

from dataclasses import dataclass
from fractions import Fraction
from math import floor

from cloudkon.instructions.animoto.choices import Fit, Motion, OnMissing, Quality, Transition

USUAL_TRANSITION = Fraction(1, 2)
"""Seconds of a transition, where nothing else is said; at most half of what either picture has."""
MOST_TRANSITION_FRAMES = 126
"""H.264 weighs two pictures by distances of at most 127 frames (8.4.2.3.1)."""
_HELD = 2
"""Frames that a picture is shown alone at least: players begin at the second of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slide:
    """One picture of a slideshow, and how it is shown. ``seconds`` is for how long."""

    link: str
    seconds: Fraction = Fraction(1)
    fit: Fit = Fit.CONTAIN
    transition: Transition = Transition.CUT
    """How it gives way to the next; of the last one nothing is made of it."""
    transition_seconds: Fraction | None = None
    """From the last frame of one picture alone to the first of the next, half of it in the time of each."""
    motion: Motion = Motion.NONE
    caption: str = ""
    """Drawn on it; empty for none."""

    def room(self, fps: int) -> int:
        """Frames that a transition beside it may have, if there is one as long on its other side. Below 1: none."""
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
    """Drawn on its first picture; empty for none."""
    music: str = ""
    """A link; empty for none."""
    poster: Fraction | None = None
    """The second whose frame is the poster; without one, the first picture is."""
    on_missing: OnMissing = OnMissing.FAIL

    @property
    def links(self) -> tuple[str, ...]:
        """Where its pictures lie."""
        return tuple(slide.link for slide in self.slides)


def transition_frames(before: Slide, after: Slide, fps: int) -> int:
    """Frames from one picture to the next; 0 for a cut, and where the shorter of the two has no room for any."""
    if before.transition is Transition.CUT:
        return 0
    room = min(before.room(fps), after.room(fps))
    if before.transition_seconds is None:
        usual = min(USUAL_TRANSITION, before.seconds / 2, after.seconds / 2)
        return max(0, min(floor(usual * fps), room))
    return max(0, min(wanted_frames(before.transition_seconds, fps), room))


def wanted_frames(transition_seconds: Fraction, fps: int) -> int:
    """What was asked for in whole frames, rounded half up."""
    return floor(transition_seconds * fps + Fraction(1, 2))
