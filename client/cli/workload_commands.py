"""Commands that make workload files."""

import sys
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path

import click

from cloudkon.errors import InvalidInput
from cloudkon.ports import Services

from ..push.workload import DEFAULT_WORKLOAD, repeat_instruction, write_workload
from ..slideshows.pictures import Picture, find_pictures, upload_found
from ..slideshows.slideshows import slideshow_instructions
from ..slideshows.storyboards import Storyboard
from .display import progress_bar, say
from .formatting import counted
from .session import Session, pass_session

output_option = click.option(
    "-o", "--output", default=str(DEFAULT_WORKLOAD), show_default=True, help="The file to write; - for standard output."
)


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("count", type=int)
@click.argument("instruction", nargs=-1, required=True)
@output_option
@pass_session
def generate(session: Session, count: int, instruction: tuple[str, ...], output: str) -> None:
    """Write COUNT lines of INSTRUCTION.

    \b
    Examples:
      python -m client generate 1000 sleep 10
      python -m client generate 20 -o simulations.txt -- exec python simulate.py --seed 3
    """  # noqa: D301  (click's mark for text that keeps its lines)
    if count < 1:
        raise InvalidInput(f"COUNT {count}", "it must be at least 1")
    _write(repeat_instruction(count, " ".join(instruction), session.settings.handlers), output, count)


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("jobs", type=int)
@click.argument("rest", nargs=-1, metavar="[-- --OPTION VALUE...]")
@click.option("--pictures", type=int, default=60, show_default=True, help="Pictures of each slideshow.")
@click.option(
    "--from",
    "sources",
    multiple=True,
    metavar="SOURCE...",
    help="Links, files of links (one a line), pictures, or folders of pictures, which are uploaded first.",
)
@output_option
@pass_session
def animoto(
    session: Session, jobs: int, rest: tuple[str, ...], pictures: int, sources: tuple[str, ...], output: str
) -> None:
    """Write JOBS slideshow instructions, each of other pictures as long as there are enough.

    Options of the slideshow itself stand at the end, behind --.

    \b
    Examples:
      python -m client animoto 3 --pictures 12 --from photos
      python -m client animoto 16 --from links.txt -- --seconds 2 --size 720p
    """  # noqa: D301  (click's mark for text that keeps its lines)
    more, options = _split_rest(rest)
    if more and not sources:
        raise InvalidInput(f"argument {more[0]!r}", "it belongs to nothing", "Sources stand behind --from")
    found = find_pictures([*sources, *more])
    if found:
        # Everything but the addresses can be checked before anything is uploaded.
        slideshow_instructions(["s3://store/picture"] * len(found), jobs, pictures, options)
    links = _with_addresses(session, found)
    instructions = slideshow_instructions(links, jobs, pictures, options)
    if len(links) < pictures:
        say(f"{len(links)} pictures for {pictures} places in each slideshow: they repeat")
    _write(instructions, output, jobs)


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path))
@output_option
@pass_session
def slideshow(session: Session, files: tuple[Path, ...], output: str) -> None:
    """Write an instruction for the slideshow that each of the JSON FILES describes.

    Its pictures may have settings of their own, and be links, or files beside it, which are uploaded first.

    \b
    Examples:
      python -m client slideshow holiday.json
    with {"transition": "crossfade", "title": "Our holiday", "pictures": [
            {"link": "beach.jpg", "seconds": 4, "caption": "The first day"},
            "https://example.org/harbour.jpg"]}
    """  # noqa: D301  (click's mark for text that keeps its lines)
    boards = [Storyboard.read(file) for file in files]
    pictures = [file for board in boards for file in board.files]
    addresses = dict(zip(pictures, _with_addresses(session, [*pictures]), strict=True))
    _write((board.instruction(addresses) for board in boards), output, len(boards))


def _split_rest(rest: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """More sources, then options for each instruction, from the first word that begins with ``--``."""
    begin = next((position for position, word in enumerate(rest) if word.startswith("--")), len(rest))
    return list(rest[:begin]), list(rest[begin:])


def _with_addresses(session: Session, pictures: list[Picture]) -> list[str]:
    files = {picture for picture in pictures if isinstance(picture, Path)}
    if not files:
        return [str(picture) for picture in pictures]
    with progress_bar("uploading pictures", len(files)) as bar:

        async def work(services: Services) -> list[str]:
            return await upload_found(services.store, pictures, bar.advance)

        return session.run(work, "The same command again uploads only what is missing")


def _write(instructions: Iterator[str], output: str, count: int) -> None:
    if output == "-":
        if isinstance(sys.stdout, TextIOWrapper):
            # What a workload is written in, whatever the terminal's is.
            sys.stdout.reconfigure(encoding="utf-8")
        sys.stdout.writelines(f"{instruction}\n" for instruction in instructions)
        return
    write_workload(instructions, Path(output))
    given = "" if Path(output) == DEFAULT_WORKLOAD else f" {output}"
    say(f"{output}: {counted(count, 'instruction')}. Push with: python -m client push{given}")
