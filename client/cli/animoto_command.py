"""The ``animoto`` command."""

import click

from cloudkon.errors import InvalidInput
from cloudkon.terminal import say

from ..slideshows.pictures import find_pictures
from ..slideshows.slideshows import slideshow_instructions
from .picture_upload import upload_pictures
from .session import Session, pass_session
from .view.workload_output import output_option, write_output


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("jobs", type=int)
@click.argument("rest", nargs=-1, metavar="[-- --OPTION VALUE...]")
@click.option("--pictures", type=int, default=60, show_default=True, help="Pictures per slideshow.")
@click.option(
    "--from",
    "sources",
    multiple=True,
    metavar="SOURCE...",
    help="Links, files of links (one per line), pictures, or folders of pictures. Local pictures are uploaded first.",
)
@output_option
@pass_session
def animoto(
    session: Session, jobs: int, rest: tuple[str, ...], pictures: int, sources: tuple[str, ...], output: str
) -> None:
    """Write JOBS slideshow instructions, each with different pictures if there are enough.

    Options of the slideshow itself follow after --.

    \b
    Examples:
      python -m client animoto 3 --pictures 12 --from photos
      python -m client animoto 16 --from links.txt -- --seconds 2 --size 720p
    """  # noqa: D301  (click's mark for text that keeps its lines)
    more_sources, options = _split_rest(rest)
    if more_sources and not sources:
        raise InvalidInput(f"argument {more_sources[0]!r}", "it is unexpected here", "Give sources after --from")
    found = find_pictures([*sources, *more_sources])
    if found:
        # Everything but the addresses can be checked before anything is uploaded.
        slideshow_instructions(["s3://store/picture"] * len(found), jobs, pictures, options)
    links = upload_pictures(session, found)
    instructions = slideshow_instructions(links, jobs, pictures, options)
    if len(links) < pictures:
        say(f"{len(links)} pictures for {pictures} places in each slideshow: they repeat")
    write_output(instructions, output, jobs)


def _split_rest(rest: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Split into more sources and, from the first word that begins with ``--``, options for each instruction."""
    begin = next((position for position, word in enumerate(rest) if word.startswith("--")), len(rest))
    return list(rest[:begin]), list(rest[begin:])
