"""Defines the animoto worker's command line."""

import sys

import click

from cloudkon.errors import CloudKonError
from cloudkon.instructions import parse
from cloudkon.instructions.animoto import parse_animoto
from cloudkon.model import ANIMOTO
from cloudkon.settings import Settings
from cloudkon.terminal import print_line, say_error

from ..worker.handlers import Handler
from ..worker.program import serve
from .slideshow_handler import animoto
from .timeline.plan import describe_plan


@click.command(epilog="Everything else is set by CLOUDKON_… variables; see the README.")
@click.option("--until-empty", is_flag=True, help="Exit when the queue is empty and nothing is in flight.")
@click.option("--slots", type=click.IntRange(1, 64), help="Videos rendered at a time.  [default: CLOUDKON_SLOTS, or 1]")
@click.option("--plan", "instruction", metavar="INSTRUCTION", help="Print when its video would show what, and exit.")
def main(*, until_empty: bool, slots: int | None, instruction: str | None) -> None:
    """Render the slideshows on the queue of the pool "animoto" until SIGTERM."""
    if instruction is not None:
        sys.exit(_print_plan(instruction))
    sys.exit(serve(ANIMOTO, _find_handlers, until_empty=until_empty, slots=slots))


def _find_handlers(settings: Settings) -> dict[str, Handler]:  # noqa: ARG001  (the signature that the worker expects)
    return {"animoto": animoto}


def _print_plan(instruction: str) -> int:
    """Print the plan as if no picture were missing. Return the exit code."""
    try:
        job = parse_animoto(parse(instruction).arguments)
    except CloudKonError as error:
        say_error(str(error))
        return error.exit_code
    for line in describe_plan(job.fps, job.slides):
        print_line(line)
    return 0
