"""Collects what a gallery page shows: a run's pulled files, and its tasks without a file."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cloudkon.model import Result, Run, TaskState
from cloudkon.ports import Services, StoredObject

from ..records.root_tasks import RootTasks, root_tasks
from .pull import file_name, object_address, poster_address, poster_name
from .pull_manifest import PAGE_ADDRESS, PullRecord
from .results import results

PAGE_NAME = "index.html"
"""The page of a run; the page of a retry is named by the retry's id, so that both stay."""
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
    tasks: RootTasks
    exhibits: list[Exhibit] = field(default_factory=list)
    absent: list[Result] = field(default_factory=list)
    """Succeeded tasks whose files are not in the folder."""
    failures: list[Result] = field(default_factory=list)
    """The first failed tasks that were read, ``MOST_FAILURES`` at most."""
    counts: Counter[TaskState] = field(default_factory=Counter)
    """All tasks that have ended, by state."""


async def gather(services: Services, run: Run, folder: Path) -> Gallery:
    """Collect a run's results and the files that pulls fetched into the folder. Raises what ``pull`` raises."""
    gallery = Gallery(run, await root_tasks(services, run))
    with PullRecord(folder, gallery.tasks.root, run.id) as record:
        async for result in results(services.ledger, run):
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
    number = gallery.tasks.numbers[result.task.seq]
    name, poster = file_name(result, number), poster_name(number)
    pull = record.whole(name, address)
    if pull is None:
        gallery.absent.append(result)
        return
    has_poster = record.whole(poster, poster_address(result)) is not None
    gallery.exhibits.append(Exhibit(result, name, poster if has_poster else "", pull.facts))


def keep_page(folder: Path, gallery: Gallery, page: str) -> Path:
    """Write a gallery's page into its folder atomically, and return its path.

    Raises ``InvalidInput`` if another file of that name is in the folder, ``OSError`` if the page can't be written.
    """
    run = gallery.run.id
    name = PAGE_NAME if run == gallery.tasks.root else f"{run}.html"
    with PullRecord(folder, gallery.tasks.root, run) as record, record.staged(name) as staged:
        staged.write_text(page, encoding="utf-8")
        record.place(name, staged, StoredObject(PAGE_ADDRESS, -1, ""), run)
    return folder / name
