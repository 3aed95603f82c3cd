"""Implements the store on S3."""

import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import trio
from boto3.s3.transfer import TransferConfig

from cloudkon.aws.aws_errors import no_fleet
from cloudkon.aws.bucket_owner import explained
from cloudkon.aws.connection import Connection
from cloudkon.errors import (
    AccessDenied,
    CloudKonError,
    InvalidInput,
    NoFleet,
    ObjectMissing,
    ObjectTooLarge,
    ServiceError,
)
from cloudkon.ports.store import StoredObject, check_facts, check_limit

if TYPE_CHECKING:  # the stubs are for development only
    from botocore.response import StreamingBody
    from mypy_boto3_s3 import S3Client

P = ParamSpec("P")
R = TypeVar("R")

_PIECE_BYTES = 1024 * 1024
"""Bytes read between two checks for cancellation."""
_SCHEME = "s3://"


class S3Store:
    """One bucket. ``get`` and ``head`` also read other buckets, if the credentials allow it.

    On AWS, S3 refuses calls about buckets of other accounts, except link buckets (``Connection.owner_of``).
    """

    def __init__(self, connection: Connection, bucket: str) -> None:
        """Name the bucket. No call is made yet."""
        self._connection = connection
        self._bucket = bucket
        self._client: S3Client | None = None

    def address(self, key: str) -> str:
        """Return the address ``s3://BUCKET/KEY`` of a key."""
        return f"{_SCHEME}{self._bucket}/{key}"

    async def put(self, key: str, source: Path | bytes, media_type: str, facts: Mapping[str, str]) -> StoredObject:
        """Store a file or bytes. Raises ``ValueError`` for facts that are not ASCII, ``OSError`` for the file."""
        check_facts(facts)
        s3 = await self._open()
        if isinstance(source, bytes):
            answer = await self._call(
                self._bucket,
                s3.put_object,
                Bucket=self._bucket,
                Key=key,
                Body=source,
                ContentType=media_type,
                Metadata=dict(facts),
            )
            return StoredObject(self.address(key), len(source), _tag(answer["ETag"]), dict(facts))
        extra = {"ContentType": media_type, "Metadata": dict(facts)}
        # When cancelled, the upload goes on in its thread: it only reads the file, and only we use its key.
        await self._call(self._bucket, _upload, s3, self._bucket, key, source, extra)
        return await self.head(self.address(key))

    async def get(self, address: str, destination: Path, limit: int | None = None) -> StoredObject:
        """Write the object at the address to a file, completely or not at all: it is written under another name first.

        This also holds if the process dies, but not if the computer loses power, because nothing is synced to disk.
        """
        bucket, key = _parse(address)
        s3 = await self._open()
        staged = destination.with_name(f".{destination.name}.{secrets.token_hex(4)}.part")
        try:
            answer = await self._call(bucket, s3.get_object, Bucket=bucket, Key=key)
        except (ObjectMissing, NoFleet):
            raise await self._missing(s3, bucket, address) from None
        try:
            check_limit(address, answer["ContentLength"], limit)
        except ObjectTooLarge:
            answer["Body"].close()
            raise
        await self._connection.transfer(_save, address, answer["Body"], staged, destination, limit)
        return StoredObject(address, answer["ContentLength"], _tag(answer["ETag"]), answer.get("Metadata", {}))

    async def head(self, address: str) -> StoredObject:
        """Describe the object without reading its content."""
        bucket, key = _parse(address)
        s3 = await self._open()
        try:
            answer = await self._call(bucket, s3.head_object, Bucket=bucket, Key=key)
        except (ObjectMissing, NoFleet):
            raise await self._missing(s3, bucket, address) from None
        return StoredObject(address, answer["ContentLength"], _tag(answer["ETag"]), answer.get("Metadata", {}))

    async def list(self, prefix: str) -> AsyncIterator[StoredObject]:
        """Iterate over all objects whose key begins with ``prefix``, in the order of their keys, 1,000 a call."""
        s3 = await self._open()
        pages = iter(s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix))
        while page := await self._call(self._bucket, next, pages, None):
            for one in page.get("Contents", []):
                yield StoredObject(self.address(one["Key"]), one["Size"], _tag(one["ETag"]))

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete the objects with these keys. Raises ``ServiceError``, which names the first one that is left."""
        s3 = await self._open()
        request = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
        answer: Any = await self._call(self._bucket, s3.delete_objects, Bucket=self._bucket, Delete=request)  # type: ignore[arg-type]  # a dict where the stubs want a TypedDict
        for error in answer.get("Errors", []):
            raise ServiceError(f"{self.address(error['Key'])} was not deleted: {error.get('Message', '')}")

    async def _call(self, bucket: str, function: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
        """Make a call about a bucket, and say which reasons a refusal may have."""
        try:
            return await self._connection.call(function, *arguments, **named)
        except AccessDenied as error:
            owner = await self._connection.call(self._connection.owner_of, bucket)
            raise explained(error, bucket, owner) from error

    async def _open(self) -> "S3Client":
        if self._client is None:
            self._client = await self._connection.call(lambda: self._connection.client("s3"))
        return self._client

    async def _missing(self, s3: "S3Client", bucket: str, address: str) -> CloudKonError:
        """Find out whether the object or the bucket is missing: the response to HEAD has no body that tells."""
        try:
            await self._connection.call(s3.head_bucket, Bucket=bucket)
        except (ObjectMissing, NoFleet):
            if bucket == self._bucket:
                return no_fleet(self._connection.fleet, f"bucket {bucket} doesn't exist")
            return ObjectMissing(f"{address}: there is no bucket {bucket}")
        except ServiceError:
            # Without permission for the bucket, the object is still known to be missing.
            pass
        return ObjectMissing(f"{address}: no object is stored there")


def _upload(s3: "S3Client", bucket: str, key: str, source: Path, extra: dict[str, Any]) -> None:
    # Use one thread, which is trio's. boto3's own threads would keep a stopped program alive until the upload ends.
    config = TransferConfig(use_threads=False)
    with source.open("rb") as file:
        s3.upload_fileobj(file, bucket, key, ExtraArgs=extra, Config=config)


def _save(address: str, body: "StreamingBody", staged: Path, destination: Path, limit: int | None) -> None:
    size = 0
    try:
        with closing(body), staged.open("wb") as file:
            for piece in body.iter_chunks(_PIECE_BYTES):
                trio.from_thread.check_cancelled()
                # Not only the length that the response declares: a body in chunks may be longer.
                size += len(piece)
                check_limit(address, size, limit)
                file.write(piece)
        staged.replace(destination)
    except BaseException:
        staged.unlink(missing_ok=True)
        raise


def _parse(address: str) -> tuple[str, str]:
    bucket, slash, key = address.removeprefix(_SCHEME).partition("/")
    if not (address.startswith(_SCHEME) and bucket and slash and key):
        raise InvalidInput(f"address {address!r}", "it is not of the form s3://BUCKET/KEY")
    return bucket, key


def _tag(etag: str) -> str:
    return etag.strip('"')
