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
    """What a pull did: how many objects it fetched, how many files were present before, and why others are missing."""

    fetched: int = 0
    present: int = 0
    problems: list[str] = field(default_factory=list)


def object_address(result: Result) -> str:
    """Return the ``s3://`` address that an output begins with, or an empty string."""
    return next(iter(objects(result).values()), "")


def file_name(result: Result) -> str:
    """Return the name of that object's file, or an empty string."""
    return next(iter(objects(result)), "")


def objects(result: Result) -> dict[str, str]:
    """Return the ``s3://`` addresses that an output begins with, by the names of their files.

    A file is named by its task's number and the object's suffix, if that has only letters and digits. If two objects
    would have the same name, the later one is numbered: ``7.csv``, ``7-2.csv``.
    """
    found: dict[str, str] = {}
    for address in takewhile(lambda word: word.startswith("s3://"), result.output.split()):
        suffix = PurePosixPath(address).suffix
        suffix = suffix if _SUFFIX.fullmatch(suffix) else ""
        name = f"{result.task.seq}{suffix}"
        found[f"{result.task.seq}-{len(found) + 1}{suffix}" if name in found else name] = address
    return found


def poster_address(result: Result) -> str:
    """Return the address of a video's poster, which is beside the video; empty if the output is no video."""
    video = object_address(result)
    return f"{video.removesuffix(VIDEO)}{POSTER}" if video.endswith(VIDEO) else ""


def poster_name(result: Result) -> str:
    """Return the name of the poster's file."""
    return f"{result.task.seq}{POSTER}"


async def pull(
    services: Services,
    run: Run,
    folder: Path,
    on_object: Callable[[], None] = lambda: None,
    *,
    posters: bool = False,
) -> Pulled:
    """Fetch every object of the run that is not in the folder yet, with ``posters`` also the posters of its videos.

    ``on_object`` is called after each result whose objects were fetched. An object that is missing, or whose file name
    is taken by another file, becomes a problem and stops no other. A missing poster is no problem. Raises ``PullBroke``
    if the services fail, ``OSError`` if the folder can't be written.
    """
    pulled = Pulled()
    fetch = partial(_fetch_all, services.store, folder, pulled, posters=posters)
    sender, receiver = trio.open_memory_channel[Result](0)
    failures: list[CloudKonError | OSError] = []
    with PullRecord(folder) as record:

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


async def _with_objects(services: Services, run: Run) -> AsyncIterator[Result]:
    async for result in results(services.ledger, run):
        if object_address(result):
            yield result


async def _fetch_all(
    store: Store, folder: Path, pulled: Pulled, record: PullRecord, result: Result, *, posters: bool
) -> None:
    for name, address in objects(result).items():
        try:
            if await _is_current(store, name, address, record):
                pulled.present += 1
            else:
                await _get(store, name, address, folder, record)
                pulled.fetched += 1
        except (ObjectMissing, InvalidInput) as error:
            pulled.problems.append(f"task {result.task}: {error}")
    poster = poster_address(result)
    # A poster's key holds the claim's token, as its video's does, so a fetched poster can't be out of date.
    if posters and poster and record.whole(poster_name(result), poster) is None:
        with suppress(ObjectMissing, InvalidInput):
            await _get(store, poster_name(result), poster, folder, record)


async def _get(store: Store, name: str, address: str, folder: Path, record: PullRecord) -> None:
    if record.is_foreign(name):
        raise InvalidInput(str(folder / name), "this file was not written by a pull", "Move it, or name another folder")
    record.begin(name, address)
    stored = await persist(lambda: store.get(address, folder / name), PATIENT)
    record.done(name, stored)


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
