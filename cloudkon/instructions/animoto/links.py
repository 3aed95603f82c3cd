"""Links: where pictures and music may lie, as far as that can be told without asking there."""

import re
from urllib.parse import urlsplit

from cloudkon.instructions.animoto.bad_value import Unfit

REMEDY = "Links are like https://example.org/one.jpg and s3://bucket/two.png"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LONGEST_KEY = 1024
"""Bytes that S3 lets a key have."""


def check_link(link: str) -> None:
    """Raise ``Unfit``. The worker finds out the rest: whether the host exists, may be reached, and has a picture."""
    if _CONTROL.search(link):
        raise Unfit("it has a line break or another control character in it", REMEDY)
    if link.startswith("s3://"):
        _check_s3(link)
    else:
        _check_web(link)


def _check_s3(link: str) -> None:
    bucket, _, key = link.removeprefix("s3://").partition("/")
    if not _BUCKET.fullmatch(bucket) or not 1 <= len(key.encode()) <= _LONGEST_KEY:
        raise Unfit("it names no bucket and key", "Write it as: s3://bucket/path/picture.jpg")


def _check_web(link: str) -> None:
    try:
        parts = urlsplit(link)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise Unfit(f"it can't be read: {error}", REMEDY) from None
    if parts.scheme not in {"http", "https"}:
        raise Unfit("it is neither http, https nor s3", REMEDY)
    if not host:
        raise Unfit("it names no host", REMEDY)
    if "@" in parts.netloc:
        raise Unfit(
            "it carries a user name or password, which logs and results would show",
            "Use a link that needs none, such as a presigned one, or copy the picture to the store",
        )
