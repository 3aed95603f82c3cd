"""Gallery: what a page beside a run's pulled files shows of them, and of the tasks that made none."""

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
"""What stands for an object's address in the folder's record: it says that the page is ours to write again."""
MOST_FAILURES = 200
"""Named on a page; more of them are for ``failures`` to sort."""


@dataclass(frozen=True, slots=True)
class Exhibit:
    """A task's file in the folder, and its poster's name or nothing. ``facts`` are those that were stored with it."""

    result: Result
    name: str
    poster: str
    facts: Mapping[str, str]

    @property
    def note(self) -> str:
        """What the output says behind its addresses."""
        return " ".join(word for word in self.result.output.split() if not word.startswith("s3://"))


@dataclass(slots=True)
class Gallery:
    """What is to be shown of a run, in the order of its tasks."""

    run: Run
    exhibits: list[Exhibit] = field(default_factory=list)
    absent: list[Result] = field(default_factory=list)
    """Succeeded, and their files are not in the folder."""
    failures: list[Result] = field(default_factory=list)
    """``MOST_FAILURES`` of them at most."""
    counts: Counter[TaskState] = field(default_factory=Counter)
    """Of all tasks that have ended."""


async def gather(ledger: Ledger, run: Run, folder: Path) -> Gallery:
    """Look at a run's results, and at what pulls brought into the folder. Raises what the ledger raises."""
    gallery = Gallery(run)
    with PullRecord(folder) as record:
        async for result in results(ledger, run):
            gallery.counts[result.state] += 1
            if result.state is TaskState.FAILED and len(gallery.failures) < MOST_FAILURES:
                gallery.failures.append(result)
            elif address := object_address(result):
                _place(gallery, result, address, record)
    for kind in (gallery.failures, gallery.absent):
        kind.sort(key=lambda result: result.task.seq)
    gallery.exhibits.sort(key=lambda exhibit: exhibit.result.task.seq)
    return gallery


def _place(gallery: Gallery, result: Result, address: str, record: PullRecord) -> None:
    name, poster = file_name(result), poster_name(result)
    pull = record.whole(name, address)
    if pull is None:
        gallery.absent.append(result)
        return
    has_poster = record.whole(poster, poster_address(result)) is not None
    gallery.exhibits.append(Exhibit(result, name, poster if has_poster else "", pull.facts))


def keep_page(folder: Path, page: str) -> Path:
    """Write a gallery's page into its folder, whole or not at all; gives its path.

    Raises ``InvalidInput`` if a file of that name is there which is not ours, ``OSError`` if it can't be written.
    """
    path = folder / PAGE_NAME
    with PullRecord(folder) as record:
        if record.is_foreign(PAGE_NAME):
            raise InvalidInput(str(path), "a file that no pull made is in the way", "Move it, or name a folder")
        record.begin(PAGE_NAME, _PAGE_ADDRESS)
    staged = path.with_name(f".{PAGE_NAME}.part")
    staged.write_text(page, encoding="utf-8")
    staged.replace(path)
    return path
