"""The ``slideshow`` command."""

from pathlib import Path

import click

from ..slideshows.storyboards import Storyboard
from .picture_upload import upload_pictures
from .session import Session, pass_session
from .view.workload_output import output_option, write_output


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(dir_okay=False, path_type=Path))
@output_option
@pass_session
def slideshow(session: Session, files: tuple[Path, ...], output: str) -> None:
    """Write an instruction for the slideshow that each of the JSON FILES describes.

    Its pictures may have settings of their own. They are links, or files next to the JSON file, which are uploaded
    first.

    \b
    Examples:
      python -m client slideshow holiday.json
    with {"transition": "crossfade", "title": "Our holiday", "pictures": [
            {"link": "beach.jpg", "seconds": 4, "caption": "The first day"},
            "https://example.org/harbour.jpg"]}
    """  # noqa: D301  (click's mark for text that keeps its lines)
    storyboards = [Storyboard.read(file) for file in files]
    pictures = [file for storyboard in storyboards for file in storyboard.files]
    addresses = dict(zip(pictures, upload_pictures(session, [*pictures]), strict=True))
    write_output((storyboard.instruction(addresses) for storyboard in storyboards), output, len(storyboards))
