"""Deletes a fleet's queues, ledger and stored objects, on any target with CloudFormation."""

from contextlib import suppress

from cloudkon.aws import Connection
from cloudkon.aws.bucket_owner import explained
from cloudkon.aws.control_plane import Answer, ControlPlane
from cloudkon.aws.stack import Stack
from cloudkon.errors import AccessDenied, InvalidInput, NoFleet, ServiceError
from cloudkon.settings import Settings

from .provision import stack_name


async def delete_data(settings: Settings, connection: Connection | None = None) -> None:
    """Empty the store, because only an empty bucket can be deleted, then delete the stack. Do nothing without a stack.

    Termination protection is taken off: who deletes the data has said so. All versions of the objects are deleted.
    The emptied bucket is the one that the stack made, whatever the settings say. Raises ``InvalidInput`` if the stack
    is not a fleet's, and ``ServiceError`` or a subclass, which names what is left.
    """
    control = ControlPlane(connection or Connection(settings))
    stack = Stack(control.connection, stack_name(settings))
    facts = await stack.facts()
    if not facts.state:
        return
    if facts.exists and facts.parameters.get("Fleet") != settings.fleet:
        reason = f"it was not made for the fleet {settings.fleet!r}, so it is not deleted"
        raise InvalidInput(f"stack {stack.name!r}", reason, "Correct CLOUDKON_FLEET, or delete the stack by hand")
    if facts.protected:
        await stack.protect(enabled=False)
    # A stack that was rolled back has no bucket, and the one of that name, which stopped it, is another owner's.
    if facts.exists and facts.state != "ROLLBACK_COMPLETE":
        # The bucket may have been deleted by hand while the rest of the stack still exists.
        with suppress(NoFleet):
            await _empty(control, facts.parameters["BucketName"])
    await stack.delete()


async def _empty(control: ControlPlane, bucket: str) -> None:
    try:
        await _delete_versions(control, bucket)
    except AccessDenied as error:
        owner = await control.connection.call(control.connection.owner_of, bucket)
        raise explained(error, bucket, owner) from error


async def _delete_versions(control: ControlPlane, bucket: str) -> None:
    while keys := _versions(await control.call("s3", "list_object_versions", Bucket=bucket)):
        answer = await control.call("s3", "delete_objects", Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
        if errors := answer.get("Errors"):
            first = errors[0]
            raise ServiceError(
                f"bucket {bucket}: {len(errors)} objects could not be deleted, such as {first['Key']}: "
                f"{first.get('Message', '')}"
            )


def _versions(page: Answer) -> list[dict[str, str]]:
    """Return each version and delete marker of a page. An object of an unversioned bucket has the version ``null``."""
    entries = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
    return [{"Key": entry["Key"], "VersionId": entry["VersionId"]} for entry in entries]
