"""Data: deletes a fleet's queues, ledger and stored objects from an emulator that is not ours to remove."""

from contextlib import suppress
from typing import Any

from cloudkon.aws import Connection
from cloudkon.aws.stack import Stack
from cloudkon.errors import NoFleet
from cloudkon.settings import Settings
from fleet.provision import stack_name


async def delete_data(settings: Settings) -> None:
    """Empty the store, since no full bucket can be deleted, then delete the stack. Nothing where there is none.

    Raises ``ServiceError`` (or a kind of it) that names what is left.
    """
    connection = Connection(settings)
    stack = Stack(connection, stack_name(settings))
    if not await stack.state():
        return
    # Somebody may have deleted the bucket by hand; the rest of the stack is still there.
    with suppress(NoFleet):
        await _empty(connection, settings.store_bucket)
    await stack.delete()


async def _empty(connection: Connection, bucket: str) -> None:
    s3: Any = connection.client("s3")
    while True:
        page: Any = await connection.call(s3.list_objects_v2, Bucket=bucket)
        keys = [{"Key": entry["Key"]} for entry in page.get("Contents", ())]
        if not keys:
            return
        await connection.call(s3.delete_objects, Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
