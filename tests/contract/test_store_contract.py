"""The contract of every store."""

import hashlib
import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
import trio

from cloudkon.aws import Connection, connect
from cloudkon.errors import InvalidInput, NoFleet, ObjectMissing, ObjectTooLarge
from cloudkon.ports import Services, Store, StoredObject
from cloudkon.settings import Settings

VIDEO = "video/mp4"
FACTS = {"pictures": "12", "renderer": "plain/1"}


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("content", [b"", b"\x00\xff a video"], ids=["empty", "small"])
async def test_bytes_are_stored_and_read_back(store: Store, run_id: str, tmp_path: Path, content: bytes) -> None:
    stored = await store.put(f"{run_id}/1.mp4", content, VIDEO, FACTS)
    assert stored.address == store.address(f"{run_id}/1.mp4")
    assert stored.size == len(content)
    assert stored.etag == hashlib.md5(content).hexdigest()
    assert await store.head(stored.address) == stored
    assert await store.get(stored.address, tmp_path / "got") == stored
    assert (tmp_path / "got").read_bytes() == content


@pytest.mark.parametrize("size", [0, 1000, 20_000_000], ids=["empty", "small", "in parts"])
async def test_file_is_stored_and_read_back(store: Store, run_id: str, tmp_path: Path, size: int) -> None:
    source = tmp_path / "made.mp4"
    source.write_bytes(os.urandom(size))
    stored = await store.put(f"{run_id}/1.mp4", source, VIDEO, FACTS)
    assert stored.size == size
    assert await store.get(stored.address, tmp_path / "got") == stored
    assert (tmp_path / "got").read_bytes() == source.read_bytes()


async def test_facts_are_stored_and_read_back(store: Store, run_id: str, tmp_path: Path) -> None:
    (tmp_path / "made").write_bytes(b"x")
    for source in (b"x", tmp_path / "made"):
        stored = await store.put(f"{run_id}/1", source, VIDEO, FACTS)
        assert stored.facts == FACTS
        assert (await store.head(stored.address)).facts == FACTS
        assert (await store.get(stored.address, tmp_path / "got")).facts == FACTS
    bare = await store.put(f"{run_id}/2", b"x", VIDEO, {})
    assert (await store.head(bare.address)).facts == {}


async def test_address_names_bucket_and_key(store: Store) -> None:
    assert store.address("videos/r/1.mp4").startswith("s3://")
    assert store.address("videos/r/1.mp4").endswith("/videos/r/1.mp4")


async def test_last_object_stored_under_a_key_wins(store: Store, run_id: str, tmp_path: Path) -> None:
    before = await store.put(f"{run_id}/1", b"before", VIDEO, {})
    after = await store.put(f"{run_id}/1", b"afterwards", VIDEO, {})
    assert after.etag != before.etag
    await store.get(after.address, tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == b"afterwards"


async def test_missing_object_is_named_and_leaves_no_file_behind(store: Store, run_id: str, tmp_path: Path) -> None:
    address = store.address(f"{run_id}/nothing")
    with pytest.raises(ObjectMissing, match=f"{run_id}/nothing"):
        await store.head(address)
    (tmp_path / "there").write_bytes(b"before")
    for name in ("new", "there"):
        with pytest.raises(ObjectMissing, match=f"{run_id}/nothing"):
            await store.get(address, tmp_path / name)
    assert names_in(tmp_path) == ["there"]
    assert (tmp_path / "there").read_bytes() == b"before"


async def test_object_above_the_limit_is_refused_and_leaves_no_file(store: Store, run_id: str, tmp_path: Path) -> None:
    stored = await store.put(f"{run_id}/1.mp4", b"12345", VIDEO, {})
    with pytest.raises(ObjectTooLarge, match="the object has 5 bytes, and at most 4 can be right"):
        await store.get(stored.address, tmp_path / "got", limit=4)
    assert names_in(tmp_path) == []
    assert await store.get(stored.address, tmp_path / "got", limit=5) == stored


async def test_file_that_can_not_be_written_raises_os_error(store: Store, run_id: str, tmp_path: Path) -> None:
    stored = await store.put(f"{run_id}/1", b"x", VIDEO, {})
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "full").write_bytes(b"")
    with pytest.raises(OSError, match="folder"):
        await store.get(stored.address, tmp_path / "folder")
    assert names_in(tmp_path) == ["folder"]


async def test_missing_file_can_not_be_stored(store: Store, run_id: str, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await store.put(f"{run_id}/1", tmp_path / "nothing", VIDEO, {})
    with pytest.raises(ObjectMissing):
        await store.head(store.address(f"{run_id}/1"))


async def test_objects_are_listed_by_prefix(store: Store, run_id: str) -> None:
    stored: list[StoredObject] = []
    for name in ("a/1", "a/10", "a/2", "ab/1", "b"):
        stored.append(await store.put(f"{run_id}/{name}", name.encode(), VIDEO, {}))  # noqa: PERF401  (awaits)
    assert [one async for one in store.list(f"{run_id}/a/")] == stored[:3]
    assert [one async for one in store.list(f"{run_id}/")] == stored
    assert [one async for one in store.list(f"{run_id}/c")] == []


@pytest.mark.parametrize("facts", [{"name": "\u00e9"}, {"name": "two\nlines"}, {"": "x"}], ids=str)
async def test_facts_that_are_not_ascii_are_refused(store: Store, run_id: str, facts: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="printable ASCII"):
        await store.put(f"{run_id}/1", b"x", VIDEO, facts)


async def test_object_in_a_missing_bucket_is_missing(store: Store, tmp_path: Path) -> None:
    for call in (store.head("s3://no-such-bucket/a"), store.get("s3://no-such-bucket/a", tmp_path / "got")):
        with pytest.raises(ObjectMissing, match="no-such-bucket"):
            await call
    assert names_in(tmp_path) == []


async def test_cancelled_get_leaves_no_file_behind(store: Store, run_id: str, tmp_path: Path) -> None:
    stored = await store.put(f"{run_id}/1", b"x" * 5_000_000, VIDEO, {})
    with trio.CancelScope() as scope:
        scope.cancel()
        await store.get(stored.address, tmp_path / "got")
    assert names_in(tmp_path) == []


# The tests below need a server.


@pytest.mark.parametrize("address", ["https://host/a", "s3://bucket", "s3://bucket/", "s3:///key", ""])
async def test_malformed_address_is_invalid_input(fleet: Settings, address: str, tmp_path: Path) -> None:
    store = connect(fleet).store
    with pytest.raises(InvalidInput, match="s3://BUCKET/KEY"):
        await store.head(address)
    with pytest.raises(InvalidInput, match="s3://BUCKET/KEY"):
        await store.get(address, tmp_path / "got")


@pytest.mark.parametrize("as_file", [True, False])
async def test_media_type_and_facts_are_stored_on_s3(
    fleet: Settings, run_id: str, tmp_path: Path, as_file: bool
) -> None:
    (tmp_path / "made").write_bytes(b"x")
    await connect(fleet).store.put(f"{run_id}/1", tmp_path / "made" if as_file else b"x", VIDEO, FACTS)
    answer = Connection(fleet).client("s3").head_object(Bucket=fleet.store_bucket, Key=f"{run_id}/1")
    assert answer["ContentType"] == VIDEO
    assert answer["Metadata"] == FACTS


async def test_objects_in_other_buckets_can_be_read(fleet: Settings, run_id: str, tmp_path: Path) -> None:
    other = replace(fleet, bucket=f"{run_id}-pictures")
    Connection(other).client("s3").create_bucket(Bucket=other.bucket)
    stored = await connect(other).store.put("1.jpg", b"a picture", "image/jpeg", {})
    store = connect(fleet).store
    assert await store.head(stored.address) == stored
    await store.get(stored.address, tmp_path / "got")
    assert (tmp_path / "got").read_bytes() == b"a picture"


async def test_store_without_a_fleet_raises_no_fleet(no_fleet: Services, tmp_path: Path) -> None:
    store = no_fleet.store

    async def list_objects() -> None:
        async for _ in store.list("a"):
            pass

    (tmp_path / "made").write_bytes(b"x")
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: store.put("a", b"x", VIDEO, {}),
        lambda: store.put("a", tmp_path / "made", VIDEO, {}),
        lambda: store.head(store.address("a")),
        lambda: store.get(store.address("a"), tmp_path / "got"),
        list_objects,
    ]
    for call in calls:
        with pytest.raises(NoFleet, match="python -m fleet up"):
            await call()
