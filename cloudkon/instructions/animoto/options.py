"""Options: all that can be said of a slideshow, once, for lines, for JSON, for errors and for the documentation."""

from enum import Enum
from typing import NamedTuple

from cloudkon.instructions.animoto.choices import Fit, Motion, OnMissing, Quality, Transition
from cloudkon.instructions.animoto.sizes import Aspect
from cloudkon.instructions.animoto.values import Value, choice, link, rate, seconds, size, words

LONGEST_PICTURE = 3600
"""Seconds that one picture may be shown."""
LONGEST_VIDEO = 4 * 3600
"""Seconds; 10,000 pictures of one second each fit."""
MOST_FPS = 120
LONGEST_TITLE = 120
LONGEST_CAPTION = 300


class Scope(Enum):
    """What an option can be said of."""

    JOB = "job"
    """The whole slideshow."""
    EACH = "each"
    """The whole, for all its pictures; in JSON also a picture of its own."""
    PICTURE = "picture"
    """A picture of its own, in JSON."""


class Option(NamedTuple):
    """One option: ``--name`` on a line, ``"name"`` in JSON."""

    name: str
    value: Value
    scope: Scope
    default: str
    """As a user would write it; empty where leaving the option out says something else than any value."""
    help: str

    @property
    def field(self) -> str:
        """Its name in a job or a slide."""
        return self.name.replace("-", "_")


_ALL = (
    Option("seconds", seconds(LONGEST_PICTURE, "2.5"), Scope.EACH, "1", "How long a picture is shown."),
    Option("fps", rate(MOST_FPS), Scope.JOB, "30", "Frames a second."),
    Option("size", size(), Scope.JOB, "1080p", "Pixels; a name is that of the shorter side."),
    Option("aspect", choice(Aspect), Scope.JOB, "16:9", "The shape of a size that is given by name."),
    Option("fit", choice(Fit), Scope.EACH, "contain", "How a picture of another shape is fitted in."),
    Option("transition", choice(Transition), Scope.EACH, "cut", "How a picture gives way to the next."),
    Option(
        "transition-seconds",
        seconds(LONGEST_PICTURE, "0.5"),
        Scope.EACH,
        "",
        "How long that takes, half of it in the time of each; by default 0.5, or half of the shorter one's seconds.",
    ),
    Option("motion", choice(Motion), Scope.EACH, "none", "What a picture does while it is shown."),
    Option("caption", words(LONGEST_CAPTION, "Our garden"), Scope.PICTURE, "", "Drawn at a picture's foot."),
    Option("title", words(LONGEST_TITLE, "Our summer"), Scope.JOB, "", "Drawn on the first picture."),
    Option("music", link("https://example.org/song.mp3"), Scope.JOB, "", "Heard with it, as long as the video is."),
    Option("poster", seconds(LONGEST_VIDEO, "2.5", from_zero=True), Scope.JOB, "", "The poster shows this second."),
    Option("quality", choice(Quality), Scope.JOB, "standard", "How much work goes into each picture."),
    Option("on-missing", choice(OnMissing), Scope.JOB, "fail", "What becomes of it if pictures can't be had."),
)
OPTIONS = {option.name: option for option in _ALL}
LINK = Option("link", link("https://example.org/one.jpg"), Scope.PICTURE, "", "Where a picture lies.")
