"""Checks links to pictures and music, as far as possible without a request."""

import re
from urllib.parse import urlsplit

from cloudkon.instructions.animoto.bad_value import BadValue

REMEDY = "Links are like https://example.org/one.jpg and s3://bucket/two.png"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LONGEST_KEY = 1024
"""Limit of S3, in bytes."""


def check_link(link: str) -> None:
    """Raise ``BadValue`` for a malformed link.

    The worker checks the rest: whether the host exists, may be reached, and serves a picture.
    """
    if _CONTROL.search(link):
        raise BadValue("it has a line break or another control character in it", REMEDY)
    if link.startswith("s3://"):
        _check_s3(link)
    else:
        _check_web(link)


def _check_s3(link: str) -> None:
    bucket, _, key = link.removeprefix("s3://").partition("/")
    if not _BUCKET.fullmatch(bucket) or not 1 <= len(key.encode()) <= _LONGEST_KEY:
        raise BadValue("it names no bucket and key", "Write it as: s3://bucket/path/picture.jpg")


def _check_web(link: str) -> None:
    try:
        parts = urlsplit(link)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise BadValue(f"it can't be read: {error}", REMEDY) from None
    if parts.scheme not in {"http", "https"}:
        raise BadValue("it is neither http, https nor s3", REMEDY)
    if not host:
        raise BadValue("it names no host", REMEDY)
    if "@" in parts.netloc:
        raise BadValue(
            "it carries a user name or password, which logs and results would show",
            "Use a link that needs none, such as a presigned one, or copy the picture to the store",
        )
