"""Parses ``animoto`` instructions: a slideshow video of the pictures at some links.

An instruction is written as ``animoto --option value … link link …``, or as ``animoto {…}``, a JSON object on one line.
"""

from cloudkon.instructions.animoto.choices import Fit, Motion, OnMissing, Quality, Transition
from cloudkon.instructions.animoto.job import MOST_TRANSITION_FRAMES, AnimotoJob, Slide, transition_frames
from cloudkon.instructions.animoto.job_builder import EXAMPLE, MOST_LINKS
from cloudkon.instructions.animoto.json_form import parse_document
from cloudkon.instructions.animoto.line_form import parse_line
from cloudkon.instructions.animoto.options import LONGEST_VIDEO, OPTIONS, Option, Scope
from cloudkon.wire.message import check_size

__all__ = [
    "EXAMPLE",
    "LONGEST_VIDEO",
    "MOST_LINKS",
    "MOST_TRANSITION_FRAMES",
    "OPTIONS",
    "AnimotoJob",
    "Fit",
    "Motion",
    "OnMissing",
    "Option",
    "Quality",
    "Scope",
    "Slide",
    "Transition",
    "check_animoto",
    "parse_animoto",
    "transition_frames",
]


def parse_animoto(arguments: str) -> AnimotoJob:
    """Read the arguments, or raise ``InvalidInstruction`` that names the option or link, the reason and the remedy."""
    check_size(arguments)
    return parse_document(arguments) if arguments.startswith("{") else parse_line(arguments)


def check_animoto(arguments: str) -> None:
    """Raise ``InvalidInstruction`` if the arguments are not valid."""
    parse_animoto(arguments)
