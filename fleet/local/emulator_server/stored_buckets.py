"""Lets a new stack adopt stored objects whose bucket no saved state knows.

The emulator keeps objects at once, and makes a bucket for each directory that it finds. Where the state is lost (a
fleet of an older release was killed, or the files are damaged), the stack that makes the bucket must not fail there.
"""

from typing import Any

Buckets = dict[Any, dict[str, Any]]
"""The emulator's records of buckets, by account and name."""


class StoredBuckets:
    """Buckets that were found on the disk only, until their stack makes them."""

    def __init__(self) -> None:
        """Hold none yet."""
        self._found: Buckets = {}

    def take(self, buckets: Buckets) -> None:
        """Take out all buckets that only the disk knows: nobody has told their region."""
        self._found = {key: bucket for key, bucket in buckets.items() if bucket.get("region") is None}
        for key in self._found:
            del buckets[key]

    def give_back(self, buckets: Buckets) -> None:
        """Put the stored objects into the buckets that were made since then."""
        for key in self._found.keys() & buckets.keys():
            stored = self._found.pop(key)["objects"]
            buckets[key]["objects"] = stored | buckets[key]["objects"]
