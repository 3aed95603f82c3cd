"""Fetches the objects that a run's results name into a folder."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile
from pathlib import Path, PurePosixPath

import trio

from cloudkon.backoff import PATIENT, persist
from cloudkon.errors import CloudKonError, InvalidInput, ObjectMissing, ServiceError
from cloudkon.model import Result, Run
from cloudkon.ports import Services, Store, StoredObject

from ..records.root_tasks import RootTasks, root_tasks
from .pull_manifest import PullRecord
from .results import results

PULLERS = 8
"""Objects that are fetched at a time."""
VIDEO, POSTER = ".mp4", ".jpg"
"""Suffixes of a slideshow and of its poster."""
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}")


class PullBroke(ServiceError):
    """A pull broke off; another pull continues where it stopped."""


@dataclass(slots=True)
class Pulled:
    """What a pull did: how many objects it fetched, how many files were present before, and why others are missing.

    ``note`` says why the files of a retry have the retry's own numbers; empty if they have the right ones.
    """

    fetched: int = 0
    present: int = 0
    problems: list[str] = field(default_factory=list)
    note: str = ""


def object_address(result: Result) -> str:
    """Return the ``s3://`` address that an output begins with, or an empty string."""
    return next(iter(objects(result).values()), "")


def file_name(result: Result, number: int) -> str:
    """Return the name of that object's file, or an empty string."""
    return next(iter(objects(result, number)), "")


def objects(result: Result, number: int | None = None) -> dict[str, str]:
    """Return the ``s3://`` addresses that an output begins with, by the names of their files.

    A file is named by ``number``, by default its task's, and the object's suffix, if that has only letters and digits.
    If two objects would have the same name, in a file system that ignores case, the later one is numbered: ``7.csv``,
    ``7-2.csv``.
    """
    number = result.task.seq if number is None else number
    found: dict[str, str] = {}
    taken: set[str] = set()
    for address in takewhile(lambda word: word.startswith("s3://"), result.output.split()):
        suffix = PurePosixPath(address).suffix
        suffix = suffix if _SUFFIX.fullmatch(suffix) else ""
        name = f"{number}{suffix}"
        found[f"{number}-{len(found) + 1}{suffix}" if name.lower() in taken else name] = address
        taken.add(name.lower())
    return found


def poster_address(result: Result) -> str:
    """Return the address of a video's poster, which is beside the video; empty if the output is no video."""
    video = object_address(result)
    return f"{video.removesuffix(VIDEO)}{POSTER}" if video.endswith(VIDEO) else ""


def poster_name(number: int) -> str:
    """Return the name of the poster's file."""
    return f"{number}{POSTER}"


async def pull(
    services: Services,
    run: Run,
    folder: Path,
    on_object: Callable[[], None] = lambda: None,
    *,
    posters: bool = False,
) -> Pulled:
    """Fetch every object of the run that is not in the folder yet, with ``posters`` also the posters of its videos.

    A file is named by its task's number; a retry's file by the number of the root's task that it retries.
    ``on_object`` is called after each result whose objects were fetched. An object that is missing, or whose file name
    is taken by another file, becomes a problem and stops no other. A missing poster is no problem. Raises ``PullBroke``
    if the services fail, ``OSError`` if the folder can't be written, ``InvalidInput`` if it belongs to another run.
    """
    tasks = await root_tasks(services, run)
    pulled = Pulled(note=note_of(run, tasks))
    fetch = partial(_fetch_all, services.store, tasks, pulled, posters=posters)
    sender, receiver = trio.open_memory_channel[Result](0)
    failures: list[CloudKonError | OSError] = []
    with PullRecord(folder, tasks.root, run.id) as record:

        async def fetch_some(scope: trio.CancelScope) -> None:
            async for result in receiver:
                try:
                    await fetch(record, result)
                except (CloudKonError, OSError) as error:
                    failures.append(error)
                    scope.cancel()
                    return
                on_object()

        async def send_all(scope: trio.CancelScope) -> None:
            async with sender:
                try:
                    async for result in _with_objects(services, run):
                        await sender.send(result)
                except CloudKonError as error:
                    failures.append(error)
                    scope.cancel()

        async with trio.open_nursery() as nursery:
            for _ in range(PULLERS):
                nursery.start_soon(fetch_some, nursery.cancel_scope)
            nursery.start_soon(send_all, nursery.cancel_scope)
        receiver.close()
    if failures:
        raise _broke(failures[0], pulled, folder) from failures[0]
    return pulled


def note_of(run: Run, tasks: RootTasks) -> str:
    """Say which run's numbers the files have, if it is not the first of a chain of retries; else return nothing."""
    if not tasks.unknown_parent:
        return ""
    subject = f"run {tasks.root} retries run {tasks.unknown_parent}"
    numbers = "its own numbers" if tasks.root == run.id else f"the numbers of run {tasks.root}"
    return f"{subject}, but which of its tasks was not recorded: the files have {numbers}"


async def _with_objects(services: Services, run: Run) -> AsyncIterator[Result]:
    async for result in results(services.ledger, run):
        if object_address(result):
            yield result


async def _fetch_all(
    store: Store, tasks: RootTasks, pulled: Pulled, record: PullRecord, result: Result, *, posters: bool
) -> None:
    number = tasks.numbers[result.task.seq]
    for name, address in objects(result, number).items():
        try:
            if await _is_current(store, name, address, record):
                pulled.present += 1
            else:
                await _get(store, name, address, record, str(result.task))
                pulled.fetched += 1
        except (ObjectMissing, InvalidInput) as error:
            pulled.problems.append(f"task {result.task}: {error}")
    poster = poster_address(result)
    # A poster's key holds the claim's token, as its video's does, so a fetched poster can't be out of date.
    if posters and poster and record.whole(poster_name(number), poster) is None:
        with suppress(ObjectMissing, InvalidInput):
            await _get(store, poster_name(number), poster, record, str(result.task))


async def _get(store: Store, name: str, address: str, record: PullRecord, task: str) -> None:
    record.check_free(name, task, address)
    with record.staged(name) as path:
        stored = await persist(lambda: store.get(address, path), PATIENT)
        record.place(name, path, stored, task)


async def _is_current(store: Store, name: str, address: str, record: PullRecord) -> bool:
    """Whether the file is whole and equals the stored object: an ``exec`` task may write one key twice."""
    known = record.whole(name, address)
    if known is None:
        return False
    try:
        stored: StoredObject = await persist(lambda: store.head(address), PATIENT)
    except ObjectMissing:
        return True
    return (stored.size, stored.etag) == (known.size, known.etag)


def _broke(error: CloudKonError | OSError, pulled: Pulled, folder: Path) -> CloudKonError | OSError:
    if isinstance(error, OSError):
        return error
    return PullBroke(f"{error}. The files so far ({pulled.fetched:,} new) are in {folder}: pull again to continue")
