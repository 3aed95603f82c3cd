"""Collects what a gallery page shows: a run's pulled files, and its tasks without a file."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cloudkon.errors import InvalidInput
from cloudkon.model import Result, Run, TaskState
from cloudkon.ports import Ledger

from .pull import file_name, object_address, poster_address, poster_name
from .pull_manifest import PullRecord
from .results import results

PAGE_NAME = "index.html"
_PAGE_ADDRESS = "gallery"
"""Stands for the page's address in the folder's pull record, which marks the page as ours to overwrite."""
MOST_FAILURES = 200
"""Failed tasks that a page lists; ``failures`` groups more of them."""


@dataclass(frozen=True, slots=True)
class Exhibit:
    """A task's file in the folder; ``poster`` is a file name or empty, ``facts`` are the object's metadata."""

    result: Result
    name: str
    poster: str
    facts: Mapping[str, str]

    @property
    def note(self) -> str:
        """The output's text without its addresses."""
        return " ".join(word for word in self.result.output.split() if not word.startswith("s3://"))


@dataclass(slots=True)
class Gallery:
    """What the page shows of a run, in the order of its tasks."""

    run: Run
    exhibits: list[Exhibit] = field(default_factory=list)
    absent: list[Result] = field(default_factory=list)
    """Succeeded tasks whose files are not in the folder."""
    failures: list[Result] = field(default_factory=list)
    """The first failed tasks that were read, ``MOST_FAILURES`` at most."""
    counts: Counter[TaskState] = field(default_factory=Counter)
    """All tasks that have ended, by state."""


async def gather(ledger: Ledger, run: Run, folder: Path) -> Gallery:
    """Collect a run's results and the files that pulls fetched into the folder. Raises what the ledger raises."""
    gallery = Gallery(run)
    with PullRecord(folder) as record:
        async for result in results(ledger, run):
            gallery.counts[result.state] += 1
            if result.state is TaskState.FAILED and len(gallery.failures) < MOST_FAILURES:
                gallery.failures.append(result)
            elif address := object_address(result):
                _add_file(gallery, result, address, record)
    for kind in (gallery.failures, gallery.absent):
        kind.sort(key=lambda result: result.task.seq)
    gallery.exhibits.sort(key=lambda exhibit: exhibit.result.task.seq)
    return gallery


def _add_file(gallery: Gallery, result: Result, address: str, record: PullRecord) -> None:
    name, poster = file_name(result), poster_name(result)
    pull = record.whole(name, address)
    if pull is None:
        gallery.absent.append(result)
        return
    has_poster = record.whole(poster, poster_address(result)) is not None
    gallery.exhibits.append(Exhibit(result, name, poster if has_poster else "", pull.facts))


def keep_page(folder: Path, page: str) -> Path:
    """Write a gallery's page into its folder atomically, and return its path.

    Raises ``InvalidInput`` if another file of that name is in the folder, ``OSError`` if the page can't be written.
    """
    path = folder / PAGE_NAME
    with PullRecord(folder) as record:
        if record.is_foreign(PAGE_NAME):
            raise InvalidInput(str(path), "this file was not written by a pull", "Move it, or name another folder")
        record.begin(PAGE_NAME, _PAGE_ADDRESS)
    staged = path.with_name(f".{PAGE_NAME}.part")
    staged.write_text(page, encoding="utf-8")
    staged.replace(path)
    return path
