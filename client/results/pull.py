"""Pull: the objects that a run's results name, brought into a folder."""

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

from .pull_manifest import PullRecord
from .results import results

PULLERS = 8
"""Objects on their way at a time."""
VIDEO, POSTER = ".mp4", ".jpg"
"""How the names of a slideshow and of its poster end."""
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}")


class PullBroke(ServiceError):
    """A pull broke off; pulling again goes on where it stopped."""


@dataclass(slots=True)
class Pulled:
    """What a pull did: how many objects it fetched, how many files were there, and what is wrong with the others."""

    fetched: int = 0
    present: int = 0
    problems: list[str] = field(default_factory=list)


def object_address(result: Result) -> str:
    """The ``s3://`` address that an output begins with, or nothing."""
    return next(iter(objects(result).values()), "")


def file_name(result: Result) -> str:
    """The name of the file that it becomes, or nothing."""
    return next(iter(objects(result)), "")


def objects(result: Result) -> dict[str, str]:
    """The ``s3://`` addresses that an output begins with, by the names of their files.

    A file is named by its task's number and the object's own suffix, if that is a plain one. Where two would have one
    name, the later is numbered: ``7.csv``, ``7-2.csv``.
    """
    found: dict[str, str] = {}
    for address in takewhile(lambda word: word.startswith("s3://"), result.output.split()):
        suffix = PurePosixPath(address).suffix
        suffix = suffix if _SUFFIX.fullmatch(suffix) else ""
        name = f"{result.task.seq}{suffix}"
        found[f"{result.task.seq}-{len(found) + 1}{suffix}" if name in found else name] = address
    return found


def poster_address(result: Result) -> str:
    """Where the poster of a task's video lies if it has one: beside it. Nothing if its output is no video."""
    video = object_address(result)
    return f"{video.removesuffix(VIDEO)}{POSTER}" if video.endswith(VIDEO) else ""


def poster_name(result: Result) -> str:
    """The name of the poster's file."""
    return f"{result.task.seq}{POSTER}"


async def pull(
    services: Services,
    run: Run,
    folder: Path,
    on_object: Callable[[], None] = lambda: None,
    *,
    posters: bool = False,
) -> Pulled:
    """Fetch every object of the run that is not in the folder yet, and with ``posters`` those of its videos.

    One that is missing, or in whose place another file lies, becomes a problem and stops no other. A poster that no
    output names may be missing. Raises ``PullBroke`` if the services fail, ``OSError`` if the folder can't be written.
    """
    pulled = Pulled()
    fetch = partial(_fetch_all, services.store, folder, pulled, posters=posters)
    give, take = trio.open_memory_channel[Result](0)
    failures: list[CloudKonError | OSError] = []
    with PullRecord(folder) as record:

        async def fetch_some(scope: trio.CancelScope) -> None:
            async for result in take:
                try:
                    await fetch(record, result)
                except (CloudKonError, OSError) as error:
                    failures.append(error)
                    scope.cancel()
                    return
                on_object()

        async def give_all(scope: trio.CancelScope) -> None:
            async with give:
                try:
                    async for result in _with_objects(services, run):
                        await give.send(result)
                except CloudKonError as error:
                    failures.append(error)
                    scope.cancel()

        async with trio.open_nursery() as nursery:
            for _ in range(PULLERS):
                nursery.start_soon(fetch_some, nursery.cancel_scope)
            nursery.start_soon(give_all, nursery.cancel_scope)
        take.close()
    if failures:
        raise _broke(failures[0], pulled, folder) from failures[0]
    return pulled


async def _with_objects(services: Services, run: Run) -> AsyncIterator[Result]:
    async for result in results(services.ledger, run):
        if object_address(result):
            yield result


async def _fetch_all(
    store: Store, folder: Path, pulled: Pulled, record: PullRecord, result: Result, *, posters: bool
) -> None:
    for name, address in objects(result).items():
        try:
            if await _is_there(store, name, address, record):
                pulled.present += 1
            else:
                await _get(store, name, address, folder, record)
                pulled.fetched += 1
        except (ObjectMissing, InvalidInput) as error:
            pulled.problems.append(f"task {result.task}: {error}")
    poster = poster_address(result)
    # It has the claim's token in its key, as its video has: what was fetched once is what is there.
    if posters and poster and record.whole(poster_name(result), poster) is None:
        with suppress(ObjectMissing, InvalidInput):
            await _get(store, poster_name(result), poster, folder, record)


async def _get(store: Store, name: str, address: str, folder: Path, record: PullRecord) -> None:
    if record.is_foreign(name):
        raise InvalidInput(str(folder / name), "a file that no pull made is in the way", "Move it, or name a folder")
    record.begin(name, address)
    stored = await persist(lambda: store.get(address, folder / name), PATIENT)
    record.done(name, stored)


async def _is_there(store: Store, name: str, address: str, record: PullRecord) -> bool:
    """Whether the file is whole, and still what lies at the address (an ``exec`` task may write one key twice)."""
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
    return PullBroke(f"{error}. What was fetched ({pulled.fetched:,} new) is in {folder}: pull again to go on")
