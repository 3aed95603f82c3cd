"""Finds the pictures of slideshows in links, files of links, picture files and folders, and uploads them."""

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
"""Suffixes of picture files."""
_PICTURE_FILES = "Picture files end in: " + " ".join(MEDIA_TYPES)
UPLOADERS = 8
"""Pictures that are uploaded at the same time."""

Picture = str | Path
"""A link, or a file that is not uploaded yet."""


def find_pictures(sources: Iterable[str]) -> list[Picture]:
    """Return all pictures of the sources in their order. A folder's pictures, also in subfolders, are sorted by path.

    Raises ``InvalidInput`` for an invalid source.
    """
    return [picture for source in sources for picture in _pictures_of(source)]


def _pictures_of(source: str) -> Iterator[Picture]:
    if source.startswith(SCHEMES):
        yield source
        return
    path = Path(source)
    if path.is_dir():
        found = [file for file in sorted(path.rglob("*")) if _is_picture(file.relative_to(path)) and file.is_file()]
        if not found:
            raise InvalidInput(f"folder {source!r}", "it has no pictures", _PICTURE_FILES)
        yield from found
    elif not path.exists():
        raise InvalidInput(f"--from {source!r}", "not a link, a file or a folder")
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
        raise InvalidInput(str(path), "neither a picture nor a text file of links", _PICTURE_FILES) from None
    links = [(number, line.strip()) for number, line in enumerate(lines, start=1)]
    links = [(number, link) for number, link in links if link and not link.startswith("#")]
    for number, link in links:
        if not link.startswith(SCHEMES):
            raise InvalidInput(
                f"{path}, line {number}", f"{link!r:.60} is not a link", "Links begin with: " + " ".join(SCHEMES)
            )
        yield link
    if not links:
        raise InvalidInput(str(path), "it has no links")


async def upload(store: Store, paths: Iterable[Path], on_uploaded: Callable[[], None]) -> dict[Path, str]:
    """Upload the pictures that the store does not have yet, and return the address of each.

    The key is the content's SHA-256, so equal pictures are stored once. ``on_uploaded`` is called after each picture.
    Raises ``OSError`` for a file that can't be read, ``ServiceError`` if the store fails.
    """
    addresses: dict[Path, str] = {}
    begun_keys: set[str] = set()
    failures: list[CloudKonError | OSError] = []
    limit = trio.CapacityLimiter(UPLOADERS)
    distinct = list(dict.fromkeys(paths))

    async def store_one(path: Path, scope: trio.CancelScope) -> None:
        async with limit:
            try:
                addresses[path] = await _store_picture(store, path, begun_keys)
            except (CloudKonError, OSError) as error:
                failures.append(error)
                scope.cancel()
                return
            on_uploaded()

    async with trio.open_nursery() as nursery:
        for path in distinct:
            nursery.start_soon(store_one, path, nursery.cancel_scope)
    if failures and isinstance(failures[0], ServiceError):
        progress = (
            f"{len(addresses)} of {len(distinct)} pictures are uploaded: "
            "run the same command again to upload only the others"
        )
        raise type(failures[0])(f"{failures[0]}. {progress}") from failures[0]
    if failures:
        raise failures[0]
    return addresses


async def upload_found(
    store: Store, found: Sequence[Picture], on_uploaded: Callable[[], None] = lambda: None
) -> list[str]:
    """Upload the pictures that are files, and return a link to each, in order. Raises what ``upload`` raises."""
    paths = [picture for picture in found if isinstance(picture, Path)]
    addresses = await upload(store, paths, on_uploaded)
    return [addresses[picture] if isinstance(picture, Path) else picture for picture in found]


async def _store_picture(store: Store, path: Path, begun_keys: set[str]) -> str:
    digest, size = await trio.to_thread.run_sync(_digest, path)
    suffix = path.suffix.lower()
    key = f"pictures/{digest}{suffix}"
    address = store.address(key)
    if key in begun_keys:
        return address
    begun_keys.add(key)
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
