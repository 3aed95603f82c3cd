"""Lets S3 refuse calls about buckets that another account owns, by ``ExpectedBucketOwner`` in each call.

Names of buckets are global, and the store's is predictable: once it is deleted, another account can take its name, and
would get the fleet's videos (S3 User Guide, Verifying bucket ownership with bucket owner condition).
"""

from collections.abc import Callable
from typing import Any, Final

from botocore.model import OperationModel

from cloudkon.errors import AccessDenied

MEMBER: Final = "ExpectedBucketOwner"
_EVENT: Final = "provide-client-params.s3"
_REFUSED: Final = ("403", "AccessDenied", "Forbidden")
"""How S3 refuses a call. Its answer to HEAD has no body, so that the status is the code."""


def require_owner(client: Any, owner_of: Callable[[str], str]) -> None:  # noqa: ANN401  (boto3 makes its clients' classes at run time)
    """Let each call of an S3 client say which account must own its bucket.

    ``owner_of`` returns a bucket's owner, empty for one that any account may own. It is called in the call's thread.
    Raises ``TypeError`` at an operation for which S3 has no such condition.
    """

    def demand(params: dict[str, Any], model: OperationModel, **_: object) -> dict[str, Any] | None:
        bucket = params.get("Bucket", "")
        if not (owner := owner_of(bucket)):
            return None
        shape = model.input_shape
        if shape is None or MEMBER not in shape.members:
            raise TypeError(f"S3's {model.name} can't be limited to the owner of bucket {bucket!r}")
        return {**params, MEMBER: owner}

    # The name lets another connection replace it on a client that both use.
    client.meta.events.unregister(_EVENT, unique_id=MEMBER)
    client.meta.events.register(_EVENT, demand, unique_id=MEMBER)


def explained(error: AccessDenied, bucket: str, owner: str) -> AccessDenied:
    """Return S3's refusal of a call with both of its possible reasons: S3 gives the same answer for either."""
    if not owner or error.code not in _REFUSED:
        return error
    return error.extended(
        f"These credentials have no permission for bucket {bucket}, or account {owner} does not own it. "
        "Fix the permission, or, if you trust the account that owns it, set CLOUDKON_BUCKET_OWNER"
    )
