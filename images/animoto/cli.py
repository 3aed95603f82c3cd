"""The animoto worker's command line."""

import sys

import click

from cloudkon.settings import Settings
from cloudkon.words import ANIMOTO
from images.animoto.handler import animoto
from images.worker.handlers import Handler
from images.worker.program import serve


@click.command(epilog="Everything else is set by CLOUDKON_… variables; see the README.")
@click.option("--until-empty", is_flag=True, help="End when the queue is empty and nothing is in flight.")
@click.option("--slots", type=click.IntRange(1, 64), help="Videos at a time.  [default: CLOUDKON_SLOTS, or 1]")
def main(*, until_empty: bool, slots: int | None) -> None:
    """Take slideshows off the queue of the pool "animoto" and render them until SIGTERM."""
    sys.exit(serve(ANIMOTO, _find_handlers, until_empty=until_empty, slots=slots))


def _find_handlers(settings: Settings) -> dict[str, Handler]:  # noqa: ARG001  (what the worker asks of a pool)
    return {"animoto": animoto}
