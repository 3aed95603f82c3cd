"""S3: buckets and their objects' keys."""

from typing import TYPE_CHECKING, Any

from tests.fleet.double.refusal import Refusal
from tests.fleet.double.table import Table

if TYPE_CHECKING:
    from tests.fleet.double.account import Account

Asked = dict[str, Any]
PAGE = 1000


class S3:
    """A bucket is a set of keys; nothing is versioned."""

    def __init__(self, account: "Account") -> None:
        self._account = account
        self.buckets: Table[set[str]] = Table(
            account.timeline, lambda _: Refusal("NoSuchBucket", "The specified bucket does not exist", 404)
        )

    def make(self, name: str, tags: dict[str, str]) -> str:
        """Make a bucket and give its ARN."""
        if name in self.buckets:
            raise Refusal("BucketAlreadyOwnedByYou", "Your previous request to create the named bucket succeeded", 409)
        self.buckets.add(name, set())
        self._account.tags.put(f"arn:aws:s3:::{name}", tags)
        return f"arn:aws:s3:::{name}"

    def drop(self, name: str) -> None:
        if self.buckets.get(name):
            raise Refusal("BucketNotEmpty", "The bucket you tried to delete is not empty", 409)
        self.buckets.remove(name)
        self._account.tags.drop(f"arn:aws:s3:::{name}")

    def list_objects_v2(self, asked: Asked) -> Asked:
        keys, token = self._page(asked, asked.get("ContinuationToken", ""))
        more = {"NextContinuationToken": token} if token else {}
        return {"Contents": [{"Key": key} for key in keys], "IsTruncated": bool(token), "KeyCount": len(keys)} | more

    def delete_objects(self, asked: Asked) -> Asked:
        held = self.buckets.get(asked["Bucket"])
        wanted = [one["Key"] for one in asked["Delete"]["Objects"]]
        if not 0 < len(wanted) <= PAGE:
            raise Refusal("MalformedXML", "The XML you provided was not well-formed")
        held.difference_update(wanted)
        return {} if asked["Delete"].get("Quiet") else {"Deleted": [{"Key": key} for key in wanted]}

    def _page(self, asked: Asked, after: str) -> tuple[list[str], str]:
        """Keys after one, and the last of them if there are more."""
        held = self.buckets.get(asked["Bucket"])
        keys = sorted(key for key in held if key.startswith(asked.get("Prefix", "")) and key > after)
        page = keys[: asked.get("MaxKeys", PAGE)]
        return page, page[-1] if len(page) < len(keys) else ""
