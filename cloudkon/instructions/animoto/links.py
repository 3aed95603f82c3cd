"""Checks links to pictures and music, as far as possible without a request."""

import re
from urllib.parse import urlsplit

from cloudkon.instructions.animoto.bad_value import BadValue

REMEDY = "Links are like https://example.org/one.jpg and s3://bucket/two.png"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LONGEST_KEY = 1024
"""Limit of S3, in bytes."""
LONGEST_LINK = 8000
"""Characters; servers need not accept more (RFC 9110, 4.1)."""
_LONGEST_HOST = 300
"""Characters of a host with its port; a host name has 253 at most (RFC 1035, 2.3.4)."""
_HOST = re.compile(r"[^:/?#]*://([^/?#]*)")


def check_link(link: str) -> None:
    """Raise ``BadValue`` for a malformed link.

    The worker checks the rest: whether the host exists, may be reached, and serves a picture.
    """
    check_length(link)
    if _CONTROL.search(link):
        raise BadValue("it has a line break or another control character in it", REMEDY)
    if link.startswith("s3://"):
        _check_s3(link)
    else:
        _check_web(link)


def check_length(link: str) -> None:
    """Raise ``BadValue`` for a link or a host name that is too long.

    This comes before ``urlsplit``, which normalises the host's characters: that takes the square of their number.
    """
    if len(link) > LONGEST_LINK:
        raise BadValue(f"it has {len(link):,} characters, and the limit is {LONGEST_LINK:,}", REMEDY)
    host = _HOST.match(link)
    if host and len(host[1]) > _LONGEST_HOST:
        raise BadValue(f"its host name has {len(host[1]):,} characters, and the limit is {_LONGEST_HOST}", REMEDY)


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
