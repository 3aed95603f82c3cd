"""Implements S3 buckets with their objects' keys."""

from typing import TYPE_CHECKING, Any

from tests.fleet.double.api_error import ApiError
from tests.fleet.double.resource_table import ResourceTable

if TYPE_CHECKING:
    from tests.fleet.double.account import Account

Document = dict[str, Any]
PAGE = 1000


class S3:
    """A bucket is a set of keys; ``old_versions`` has the keys and ids of versions beyond the current ones."""

    def __init__(self, account: "Account") -> None:
        self._account = account
        self.buckets: ResourceTable[set[str]] = ResourceTable(
            account.timeline, lambda _: ApiError("NoSuchBucket", "The specified bucket does not exist", 404)
        )

        self.old_versions: dict[str, set[tuple[str, str]]] = {}

    def create(self, name: str, tags: dict[str, str]) -> str:
        """Create a bucket and return its ARN."""
        if name in self.buckets:
            raise ApiError("BucketAlreadyOwnedByYou", "Your previous request to create the named bucket succeeded", 409)
        self.buckets.add(name, set())
        self._account.tags.put(f"arn:{self._account.partition}:s3:::{name}", tags)
        return f"arn:{self._account.partition}:s3:::{name}"

    def remove(self, name: str) -> None:
        if self.buckets.get(name) or self.old_versions.get(name):
            raise ApiError("BucketNotEmpty", "The bucket you tried to delete is not empty", 409)
        self.buckets.remove(name)
        self._account.tags.remove(f"arn:{self._account.partition}:s3:::{name}")

    def _check_owner(self, request: Document) -> None:
        """Refuse a call whose sender expects another owner. All buckets here are of the double's account."""
        assert "ExpectedBucketOwner" in request, f"a call about bucket {request['Bucket']} names no owner"
        if request["ExpectedBucketOwner"] != self._account.number:
            raise ApiError("AccessDenied", "Access Denied", 403)

    def list_objects_v2(self, request: Document) -> Document:
        self._check_owner(request)
        keys, token = self._page(request, request.get("ContinuationToken", ""))
        more = {"NextContinuationToken": token} if token else {}
        return {"Contents": [{"Key": key} for key in keys], "IsTruncated": bool(token), "KeyCount": len(keys)} | more

    def list_object_versions(self, request: Document) -> Document:
        """One page: all of a small bucket, but never more than ``PAGE``."""
        self._check_owner(request)
        held = [(key, "null") for key in sorted(self.buckets.get(request["Bucket"]))]
        old = sorted(self.old_versions.get(request["Bucket"], ()))
        page = [{"Key": key, "VersionId": version} for key, version in [*held, *old][:PAGE]]
        return {"Versions": page[::2], "DeleteMarkers": page[1::2], "IsTruncated": len(held) + len(old) > PAGE}

    def delete_objects(self, request: Document) -> Document:
        self._check_owner(request)
        held = self.buckets.get(request["Bucket"])
        wanted = [one["Key"] for one in request["Delete"]["Objects"]]
        if not 0 < len(wanted) <= PAGE:
            raise ApiError("MalformedXML", "The XML you provided was not well-formed")
        versions = {(one["Key"], one.get("VersionId", "null")) for one in request["Delete"]["Objects"]}
        held.difference_update(key for key, version in versions if version == "null")
        self.old_versions.get(request["Bucket"], set()).difference_update(versions)
        return {} if request["Delete"].get("Quiet") else {"Deleted": [{"Key": key} for key in wanted]}

    def _page(self, request: Document, after: str) -> tuple[list[str], str]:
        """Return the keys after ``after``, and the last of them if there are more."""
        held = self.buckets.get(request["Bucket"])
        keys = sorted(key for key in held if key.startswith(request.get("Prefix", "")) and key > after)
        page = keys[: request.get("MaxKeys", PAGE)]
        return page, page[-1] if len(page) < len(keys) else ""
