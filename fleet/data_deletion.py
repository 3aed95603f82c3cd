"""Deletes a fleet's queues, ledger and stored objects, on any target with CloudFormation."""

from contextlib import suppress

from cloudkon.aws import Connection
from cloudkon.aws.control_plane import ControlPlane
from cloudkon.aws.stack import Stack
from cloudkon.errors import NoFleet, ServiceError
from cloudkon.settings import Settings

from .provision import stack_name


async def delete_data(settings: Settings, connection: Connection | None = None) -> None:
    """Empty the store, because only an empty bucket can be deleted, then delete the stack. Do nothing without a stack.

    Raises ``ServiceError`` or a subclass, which names what is left.
    """
    control = ControlPlane(connection or Connection(settings))
    stack = Stack(control.connection, stack_name(settings))
    if not await stack.state():
        return
    # The bucket may have been deleted by hand while the rest of the stack still exists.
    with suppress(NoFleet):
        await _empty(control, settings.store_bucket)
    await stack.delete()


async def _empty(control: ControlPlane, bucket: str) -> None:
    while keys := [
        {"Key": entry["Key"]}
        for entry in (await control.call("s3", "list_objects_v2", Bucket=bucket)).get("Contents", ())
    ]:
        answer = await control.call("s3", "delete_objects", Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
        if errors := answer.get("Errors"):
            first = errors[0]
            raise ServiceError(
                f"bucket {bucket}: {len(errors)} objects could not be deleted, such as {first['Key']}: "
                f"{first.get('Message', '')}"
            )
