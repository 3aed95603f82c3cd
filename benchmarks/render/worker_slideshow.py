"""Makes a slideshow as the worker does, from its links to the stored video, in a process that can be measured."""

import shutil
import time
from collections.abc import Mapping
from pathlib import Path

import click
import trio

from cloudkon.handler import Context
from cloudkon.instructions import parse
from cloudkon.instructions.animoto import parse_animoto
from cloudkon.log import Log
from cloudkon.memory import MemoryStore
from cloudkon.model import TaskId
from cloudkon.ports import StoredObject
from cloudkon.settings import Settings
from images.animoto.video import make_video

_SECONDS = 3600.0


class _Folder(MemoryStore):
    """A store that keeps the video as a file: in memory it would count as the worker's memory."""

    def __init__(self, video: Path) -> None:
        super().__init__()
        self._video = video

    async def put(self, key: str, source: Path | bytes, media_type: str, facts: Mapping[str, str]) -> StoredObject:
        if isinstance(source, Path):
            await trio.to_thread.run_sync(shutil.move, source, self._video)
            source = b""
        return await super().put(key, source, media_type, facts)


@click.command()
@click.argument("instruction", type=click.Path(path_type=Path))
@click.argument("video", type=click.Path(path_type=Path))
def main(instruction: Path, video: Path) -> None:
    """Make VIDEO from the instruction in the file INSTRUCTION. Links to loopback are allowed."""
    job = parse_animoto(parse(instruction.read_text().strip()).arguments)
    deadline, scratch = time.time() + _SECONDS, str(video.with_suffix(".scratch"))
    settings = Settings(allow_private_links=True, bucket="memory")
    context = Context(TaskId("run", 0), 1, "owner", deadline, scratch, settings, Log("error"))
    trio.run(make_video, job, context, _Folder(video))


if __name__ == "__main__":
    main()
