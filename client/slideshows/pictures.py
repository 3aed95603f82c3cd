"""Pictures: what a slideshow is made of, given as links, as files of links, or as pictures and folders of them."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import trio

from cloudkon.backoff import BRIEF, PATIENT, persist
from cloudkon.errors import CloudKonError, InvalidInput, ObjectMissing, ServiceError
from cloudkon.ports import Store

SCHEMES = ("https://", "http://", "s3://")
MEDIA_TYPES = {
    ".avif": "image/avif",
    ".bmp": "image/bmp",
    ".gif": "image/gif",
    ".heic": "image/heic",
    ".heif": "image/heif",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".png": "image/png",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".webp": "image/webp",
}
"""File names' ends that are taken for pictures."""
UPLOADERS = 8
"""Pictures on their way at a time."""

Picture = str | Path
"""A link, or a file that has none yet."""


def find_pictures(sources: Iterable[str]) -> list[Picture]:
    """All pictures that the sources name, in their order; a folder's are sorted by path, those below it included.

    Raises ``InvalidInput`` for a source that is none.
    """
    return [picture for source in sources for picture in _of_source(source)]


def _of_source(source: str) -> Iterator[Picture]:
    if source.startswith(SCHEMES):
        yield source
        return
    path = Path(source)
    if path.is_dir():
        found = [one for one in sorted(path.rglob("*")) if _is_picture(one.relative_to(path)) and one.is_file()]
        if not found:
            raise InvalidInput(f"folder {source!r}", "no picture is in it", "Known: " + " ".join(MEDIA_TYPES))
        yield from found
    elif not path.exists():
        raise InvalidInput(f"--from {source!r}", "it is no link, no file and no folder")
    elif _is_picture(path):
        yield path
    else:
        yield from _links_in(path)


def _is_picture(path: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.parts if part not in (".", ".."))
    return path.suffix.lower() in MEDIA_TYPES and not hidden


def _links_in(path: Path) -> Iterator[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        remedy = "Pictures' names end in: " + " ".join(MEDIA_TYPES)
        raise InvalidInput(str(path), "it is neither a picture nor a text of links", remedy) from None
    links = [(number, line.strip()) for number, line in enumerate(lines, start=1)]
    links = [(number, link) for number, link in links if link and not link.startswith("#")]
    for number, link in links:
        if not link.startswith(SCHEMES):
            raise InvalidInput(
                f"{path}, line {number}", f"{link!r:.60} is no link", "Links begin: " + " ".join(SCHEMES)
            )
        yield link
    if not links:
        raise InvalidInput(str(path), "there is no link in it")


async def upload(store: Store, paths: Iterable[Path], on_uploaded: Callable[[], None]) -> dict[Path, str]:
    """Store the pictures, and give the address of each. What is stored already is not sent again.

    The key is the content's SHA-256, so equal pictures are stored once. Raises ``OSError`` for a file that can't be
    read, ``ServiceError`` if the store fails.
    """
    addresses: dict[Path, str] = {}
    begun: set[str] = set()
    failures: list[CloudKonError | OSError] = []
    limit = trio.CapacityLimiter(UPLOADERS)
    wanted = list(dict.fromkeys(paths))

    async def store_one(path: Path, scope: trio.CancelScope) -> None:
        async with limit:
            try:
                addresses[path] = await _store_picture(store, path, begun)
            except (CloudKonError, OSError) as error:
                failures.append(error)
                scope.cancel()
                return
            on_uploaded()

    async with trio.open_nursery() as nursery:
        for path in wanted:
            nursery.start_soon(store_one, path, nursery.cancel_scope)
    if failures and isinstance(failures[0], ServiceError):
        done = f"{len(addresses)} of {len(wanted)} pictures are uploaded: the same command again sends the others only"
        raise type(failures[0])(f"{failures[0]}. {done}") from failures[0]
    if failures:
        raise failures[0]
    return addresses


async def upload_found(
    store: Store, found: Sequence[Picture], on_uploaded: Callable[[], None] = lambda: None
) -> list[str]:
    """Upload those that are files, and give a link to each, in their order. Raises what ``upload`` does."""
    paths = [picture for picture in found if isinstance(picture, Path)]
    addresses = await upload(store, paths, on_uploaded)
    return [addresses[picture] if isinstance(picture, Path) else picture for picture in found]


async def _store_picture(store: Store, path: Path, begun: set[str]) -> str:
    digest, size = await trio.to_thread.run_sync(_digest, path)
    suffix = path.suffix.lower()
    key = f"pictures/{digest}{suffix}"
    address = store.address(key)
    if key in begun:
        return address
    begun.add(key)
    try:
        if (await persist(partial(store.head, address), BRIEF)).size == size:
            return address
    except ObjectMissing:
        pass
    await persist(partial(store.put, key, path, MEDIA_TYPES[suffix], {}), PATIENT)
    return address


def _digest(path: Path) -> tuple[str, int]:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256")
        return digest.hexdigest(), stream.tell()
