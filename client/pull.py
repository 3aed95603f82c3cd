"""Pull: the objects that a run's results name, brought into a folder."""

import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import trio

from client.backoff import PATIENT, persist
from client.pulls import PullRecord
from client.results import results
from cloudkon.errors import CloudKonError, InvalidInput, ObjectMissing, ServiceError
from cloudkon.ports import Services, Store, StoredObject
from cloudkon.words import Result, Run

PULLERS = 8
"""Objects on their way at a time."""
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
    word = result.output.split(maxsplit=1)[0] if result.output.strip() else ""
    return word if word.startswith("s3://") else ""


def file_name(result: Result) -> str:
    """The name of a task's file: its number, and the object's own suffix if that is a plain one."""
    suffix = PurePosixPath(object_address(result)).suffix
    return f"{result.task.seq}{suffix if _SUFFIX.fullmatch(suffix) else ''}"


async def pull(services: Services, run: Run, folder: Path, on_object: Callable[[], None] = lambda: None) -> Pulled:
    """Fetch every object of the run that is not in the folder yet.

    One that is missing, or in whose place another file lies, becomes a problem and stops no other. Raises
    ``PullBroke`` if the services fail, ``OSError`` if the folder can't be written.
    """
    pulled = Pulled()
    give, take = trio.open_memory_channel[Result](0)
    failures: list[CloudKonError | OSError] = []
    with PullRecord(folder) as record:

        async def fetch_some(scope: trio.CancelScope) -> None:
            async for result in take:
                try:
                    await _fetch(services.store, result, folder, record, pulled)
                except (ObjectMissing, InvalidInput) as error:
                    pulled.problems.append(f"task {result.task}: {error}")
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


async def _fetch(store: Store, result: Result, folder: Path, record: PullRecord, pulled: Pulled) -> None:
    name, address = file_name(result), object_address(result)
    if await _is_there(store, name, address, record):
        pulled.present += 1
        return
    if record.is_foreign(name):
        raise InvalidInput(str(folder / name), "a file that no pull made is in the way", "Move it, or name a folder")
    record.begin(name, address)
    stored = await persist(lambda: store.get(address, folder / name), PATIENT)
    record.done(name, stored)
    pulled.fetched += 1


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
    return PullBroke(f"{error}. {pulled.fetched} new files are in {folder}: pull again to go on")
