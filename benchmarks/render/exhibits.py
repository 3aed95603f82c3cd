"""Lists what docs/gallery shows: instructions, and the moments of their videos."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from cloudkon.instructions.animoto import Transition

SIZE: Final = "--size 960x540 --fit cover"


@dataclass(frozen=True, slots=True)
class Exhibit:
    """One picture of the gallery: frames of one or more videos side by side.

    ``instructions`` name scenes of the demo where users write links; ``seconds`` are the moments in each video.
    """

    name: str
    instructions: tuple[str, ...]
    seconds: tuple[Fraction, ...]
    columns: int
    height: int
    """Pixels of each frame in the gallery."""


@dataclass(frozen=True, slots=True)
class Room:
    """A section of the gallery, with a sentence that describes it."""

    head: str
    says: str
    exhibits: tuple[Exhibit, ...]


def _transition(kind: Transition) -> Exhibit:
    """Frames from the last one that shows only one picture to the first one that shows only the next."""
    moments = tuple(Fraction(22, 30) + Fraction(16, 30) * step / 5 for step in range(6))
    return Exhibit(kind.value, (f"--transition {kind.value} {SIZE} dragon seahorse-valley",), moments, 6, 135)


def _sides(name: str, option: str, choices: tuple[str, ...], rest: str) -> Exhibit:
    """One video for each choice, all of the same height."""
    instructions = tuple(f"--{option} {choice} {rest}" for choice in choices)
    return Exhibit(name, instructions, (Fraction(0),), len(choices), 270)


_CAPTION = (
    '{"size": "960x540", "fit": "blur", "pictures": [{"link": "curtain", '
    '"caption": "The ferry leaves at half past eight, and whoever is on deck by then has the best view"}]}'
)
_STORY = """{
  "size": "720p", "fit": "blur", "transition": "crossfade", "title": "A walk through the valley",
  "pictures": [
    {"link": "elephant-valley", "seconds": 3},
    {"link": "lanterns", "seconds": 2, "caption": "Lanterns, lit at noon: ¿por qué no?"},
    {"link": "river-delta", "seconds": 2, "transition": "wipe", "transition-seconds": 1},
    {"link": "star-tree", "seconds": 2, "caption": "Bäume wie Sterne", "transition": "fade-black"},
    {"link": "milky-way", "seconds": 3, "caption": "Et la nuit était là, d'un seul coup"}
  ]
}"""
_STORY_SECONDS = (1.0, 2.85, 3.0, 3.15, 4.0, 4.9, 5.1, 6.0, 6.7, 7.0, 7.3, 8.0, 8.85, 9.0, 9.15, 10.5)
ROOMS: Final = (
    Room(
        "Transitions",
        "Each from the last frame of one picture to the first of the next.",
        tuple(_transition(kind) for kind in Transition),
    ),
    Room(
        "Fit",
        "A tall picture in a wide video: `contain`, `cover`, `blur`.",
        (_sides("fit", "fit", ("contain", "cover", "blur"), "--size 960x540 curtain"),),
    ),
    Room(
        "Aspect",
        "One picture in each shape: `16:9`, `1:1`, `4:5`, `9:16`.",
        (_sides("aspect", "aspect", ("16:9", "1:1", "4:5", "9:16"), "--size 720p --fit cover waves"),),
    ),
    Room(
        "Title and captions",
        "A title stands on the first picture, whatever that shows; captions, in JSON, at the foot of their own.",
        (
            Exhibit(
                "title",
                (f"--title 'Our summer in Zürich' {SIZE} seahorse-valley",),
                (Fraction(0),),
                1,
                540,
            ),
            Exhibit("caption", (_CAPTION,), (Fraction(0),), 1, 540),
        ),
    ),
    Room(
        "Motion",
        "`--motion kenburns`: a slow move, of which these are the first frame, two between, and the last.",
        (
            Exhibit(
                "kenburns",
                (f"--motion kenburns --seconds 4 {SIZE} galaxies",),
                (Fraction(0), Fraction(4, 3), Fraction(8, 3), Fraction(119, 30)),
                4,
                180,
            ),
        ),
    ),
    Room(
        "Pictures with settings of their own",
        "Each with its own seconds, caption and transition, in JSON.",
        (
            Exhibit(
                "story",
                (_STORY,),
                tuple(Fraction(second).limit_denominator(100) for second in _STORY_SECONDS),
                4,
                180,
            ),
        ),
    ),
)
