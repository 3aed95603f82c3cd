"""Uploads the local pictures of slideshows with a progress bar."""

from pathlib import Path

from cloudkon.ports import Services

from ..slideshows.pictures import Picture, upload_found
from .session import Session
from .view.display import progress_bar


def upload_pictures(session: Session, pictures: list[Picture]) -> list[str]:
    """Return a link for each picture, in order; files are uploaded first."""
    files = {picture for picture in pictures if isinstance(picture, Path)}
    if not files:
        return [str(picture) for picture in pictures]
    with progress_bar("uploading pictures", len(files)) as bar:

        async def work(services: Services) -> list[str]:
            return await upload_found(services.store, pictures, bar.advance)

        return session.run(work, "Run the same command again: it uploads only the missing pictures")
