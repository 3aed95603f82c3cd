"""Defines every option of a slideshow, once for lines, JSON, errors and the documentation."""

from enum import Enum
from typing import NamedTuple

from cloudkon.instructions.animoto.choices import Fit, Motion, OnMissing, Quality, Transition
from cloudkon.instructions.animoto.sizes import Aspect
from cloudkon.instructions.animoto.values import Value, choice, link, rate, seconds, size, words

LONGEST_PICTURE = 3600
"""Seconds."""
LONGEST_VIDEO = 4 * 3600
"""Seconds; 10,000 pictures of one second each fit."""
MOST_FPS = 120
LONGEST_TITLE = 120
LONGEST_CAPTION = 300


class Scope(Enum):
    """What an option applies to."""

    JOB = "job"
    """The whole slideshow."""
    EACH = "each"
    """All pictures of the slideshow; in JSON also a single picture."""
    PICTURE = "picture"
    """A single picture, in JSON."""


class Option(NamedTuple):
    """One option: ``--name`` on a line, ``"name"`` in JSON."""

    name: str
    value: Value
    scope: Scope
    default: str
    """As a user would write it; empty where leaving the option out differs from every value."""
    help: str

    @property
    def field(self) -> str:
        """Its name in a job or a slide."""
        return self.name.replace("-", "_")


_ALL = (
    Option("seconds", seconds(LONGEST_PICTURE, "2.5"), Scope.EACH, "1", "How long a picture is shown."),
    Option("fps", rate(MOST_FPS), Scope.JOB, "30", "Frames a second."),
    Option("size", size(), Scope.JOB, "1080p", "Pixels; a name is that of the shorter side."),
    Option("aspect", choice(Aspect), Scope.JOB, "16:9", "The shape of a size given by name."),
    Option("fit", choice(Fit), Scope.EACH, "contain", "How a picture of another shape is fitted into the frame."),
    Option("transition", choice(Transition), Scope.EACH, "cut", "How a picture changes to the next one."),
    Option(
        "transition-seconds",
        seconds(LONGEST_PICTURE, "0.5"),
        Scope.EACH,
        "",
        "How long the transition takes; by default 0.5 s, or half of the shorter picture's time.",
    ),
    Option("motion", choice(Motion), Scope.EACH, "none", "How a picture moves while it is shown."),
    Option("caption", words(LONGEST_CAPTION, "Our garden"), Scope.PICTURE, "", "Text at the foot of a picture."),
    Option("title", words(LONGEST_TITLE, "Our summer"), Scope.JOB, "", "Text on the first picture."),
    Option(
        "music",
        link("https://example.org/song.mp3"),
        Scope.JOB,
        "",
        "Music for the video, cut or repeated to its length.",
    ),
    Option(
        "poster",
        seconds(LONGEST_VIDEO, "2.5", from_zero=True),
        Scope.JOB,
        "",
        "The second of the video that the poster shows.",
    ),
    Option("quality", choice(Quality), Scope.JOB, "standard", "How much work the encoder puts into each picture."),
    Option("on-missing", choice(OnMissing), Scope.JOB, "fail", "What happens when pictures are missing."),
)
OPTIONS = {option.name: option for option in _ALL}
LINK = Option("link", link("https://example.org/one.jpg"), Scope.PICTURE, "", "The link to a picture.")
