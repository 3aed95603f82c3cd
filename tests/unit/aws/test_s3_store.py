"""The store's handling of responses that S3 can give and an emulator can't."""

import io
from pathlib import Path
from typing import Any

import pytest
import trio
from botocore.response import StreamingBody
from botocore.stub import Stubber

from cloudkon.aws import Connection
from cloudkon.aws.store import S3Store
from cloudkon.errors import AccessDenied, NoFleet, ObjectMissing, ObjectTooLarge, Unavailable

ADDRESS = "s3://unit-store/videos/1.mp4"


@pytest.fixture
def store(connection: Connection, s3: Stubber) -> S3Store:
    return S3Store(connection, "unit-store")


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def found(body: StreamingBody, size: int) -> dict[str, Any]:
    return {"Body": body, "ContentLength": size, "ETag": '"e"'}


async def test_transfer_that_breaks_off_leaves_the_file_unchanged(store: S3Store, s3: Stubber, tmp_path: Path) -> None:
    (tmp_path / "got").write_bytes(b"before")
    s3.add_response("get_object", found(StreamingBody(io.BytesIO(b"half"), 8), 8))
    with pytest.raises(Unavailable):
        await store.get(ADDRESS, tmp_path / "got")
    assert names_in(tmp_path) == ["got"]
    assert (tmp_path / "got").read_bytes() == b"before"


async def test_body_longer_than_its_reader_allows_is_not_kept(store: S3Store, s3: Stubber, tmp_path: Path) -> None:
    body = StreamingBody(io.BytesIO(bytes(10)), None)  # type: ignore[arg-type]  # as of a response in chunks
    s3.add_response("get_object", found(body, 4))
    with pytest.raises(ObjectTooLarge, match="at most 4 can be right"):
        await store.get(ADDRESS, tmp_path / "got", 4)
    assert names_in(tmp_path) == []


class Endless(io.RawIOBase):
    """A body that never ends, and sets ``reads`` when it is read."""

    def __init__(self) -> None:
        self.reads = trio.Event()
        self._token = trio.lowlevel.current_trio_token()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # a raw stream only gets a memoryview
        self._token.run_sync_soon(self.reads.set)
        return len(buffer)


async def test_cancelled_transfer_leaves_no_file_behind(store: S3Store, s3: Stubber, tmp_path: Path) -> None:
    body = Endless()
    s3.add_response("get_object", found(StreamingBody(io.BufferedReader(body), 2**40), 2**40))
    with trio.fail_after(120):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.get, ADDRESS, tmp_path / "got")
            await body.reads.wait()
            nursery.cancel_scope.cancel()
    assert names_in(tmp_path) == []
    assert body.closed


async def test_objects_are_listed_page_by_page(store: S3Store, s3: Stubber) -> None:
    def page(*keys: str) -> dict[str, Any]:
        return {"Contents": [{"Key": key, "Size": 1, "ETag": '"e"'} for key in keys]}

    s3.add_response("list_objects_v2", {**page("a/1", "a/2"), "IsTruncated": True, "NextContinuationToken": "more"})
    s3.add_response("list_objects_v2", {**page("a/3"), "IsTruncated": False})
    assert [one.address async for one in store.list("a/")] == [f"s3://unit-store/a/{number}" for number in (1, 2, 3)]


async def test_refused_listing_is_access_denied(store: S3Store, s3: Stubber) -> None:
    s3.add_client_error("list_objects_v2", "AccessDenied", http_status_code=403)
    with pytest.raises(AccessDenied):
        await anext(aiter(store.list("a/")))


async def test_missing_object_is_reported_without_permission_for_the_bucket(store: S3Store, s3: Stubber) -> None:
    s3.add_client_error("head_object", "404", http_status_code=404)
    s3.add_client_error("head_bucket", "403", http_status_code=403)
    with pytest.raises(ObjectMissing, match=r"videos/1\.mp4"):
        await store.head(ADDRESS)


async def test_missing_bucket_of_the_fleet_raises_no_fleet(store: S3Store, s3: Stubber, tmp_path: Path) -> None:
    for call, name in ((store.head(ADDRESS), "head_object"), (store.get(ADDRESS, tmp_path / "got"), "get_object")):
        s3.add_client_error(name, "404", http_status_code=404)
        s3.add_client_error("head_bucket", "404", http_status_code=404)
        with pytest.raises(NoFleet, match="unit-store"):
            await call


async def test_object_without_permission_is_access_denied(store: S3Store, s3: Stubber, tmp_path: Path) -> None:
    s3.add_client_error("get_object", "AccessDenied", http_status_code=403)
    with pytest.raises(AccessDenied):
        await store.get(ADDRESS, tmp_path / "got")
