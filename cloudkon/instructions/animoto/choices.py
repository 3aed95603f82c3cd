"""Defines the values of options that accept a few words."""

from enum import Enum


class Fit(Enum):
    """How a picture is fitted into a video of another shape."""

    CONTAIN = "contain"
    """The whole picture, with black bars."""
    COVER = "cover"
    """The picture fills the frame; what sticks out is cut off evenly."""
    BLUR = "blur"
    """The whole picture, in front of a darkened blur of itself that fills the frame."""


class OnMissing(Enum):
    """What happens to a video when some of its pictures can't be fetched or used."""

    FAIL = "fail"
    """No video is made; the error names each missing picture."""
    SKIP = "skip"
    """The video shows the other pictures; the output names each missing one."""


class Transition(Enum):
    """How one picture changes to the next."""

    CUT = "cut"
    """At once."""
    CROSSFADE = "crossfade"
    """The first picture fades out while the next one fades in."""
    FADE_BLACK = "fade-black"
    """The first picture fades to black, then the next one fades in from black."""
    FADE_WHITE = "fade-white"
    WIPE = "wipe"
    """The next picture is uncovered from the left."""
    PUSH = "push"
    """The next picture comes in from the right and pushes the first one out."""


class Motion(Enum):
    """How a picture moves while it is shown."""

    NONE = "none"
    """The picture does not move."""
    KENBURNS = "kenburns"
    """A slow pan and zoom."""


class Quality(Enum):
    """How much work the encoder puts into each picture.

    All look alike to most eyes; ``BEST`` keeps the most detail, in fewer bytes.
    """

    FAST = "fast"
    STANDARD = "standard"
    BEST = "best"
