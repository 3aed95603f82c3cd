"""Choices: what options with a few known values may say."""

from enum import Enum


class Fit(Enum):
    """How a picture of another shape than the video is fitted in."""

    CONTAIN = "contain"
    """All of it, with black bars."""
    COVER = "cover"
    """The whole frame, its overhang cut off evenly."""
    BLUR = "blur"
    """All of it, before a darkened blur of itself that fills the frame."""


class OnMissing(Enum):
    """What becomes of a video some of whose pictures can't be had."""

    FAIL = "fail"
    """No video; the error names each."""
    SKIP = "skip"
    """A video of the others; the output names each."""


class Transition(Enum):
    """How one picture gives way to the next."""

    CUT = "cut"
    """At once."""
    CROSSFADE = "crossfade"
    """The one pales while the other appears."""
    FADE_BLACK = "fade-black"
    """The one darkens to black, out of which the other comes."""
    FADE_WHITE = "fade-white"
    WIPE = "wipe"
    """The next one is uncovered from the left."""
    PUSH = "push"
    """The next one comes from the right and pushes the other out."""


class Motion(Enum):
    """What a picture does while it is shown."""

    NONE = "none"
    """It stands still."""
    KENBURNS = "kenburns"
    """A slow pan and zoom."""


class Quality(Enum):
    """How much work goes into each picture. All look alike to most eyes; ``BEST`` keeps most, in fewer bytes."""

    FAST = "fast"
    STANDARD = "standard"
    BEST = "best"
