"""Checks which addresses a worker may reach for its users.

A worker runs inside a private network, and on ECS 169.254.170.2 hands out its credentials to any request from there. So
a link's host is resolved here, every address it resolves to must be public, and the connection is then made to exactly
these addresses (``images.animoto.fetch.http_connection``): a second resolution could return others. A setting allows
private addresses, but never those of metadata services.
"""

import socket
from typing import NamedTuple
from urllib.parse import urlsplit

import trio

from cloudkon.settings import Settings

from ..pictures.missing import Outlook, Unusable
from .special_addresses import is_metadata, is_public

MOST_ADDRESSES = 4
"""Addresses of one host that are tried."""
_WEB_PORTS = {"http": 80, "https": 443}
_FINAL_DNS_ERRORS = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}


class Destination(NamedTuple):
    """Where a link leads: at most ``MOST_ADDRESSES``, which were checked and must be used without a new look-up."""

    url: str
    port: int
    addresses: tuple[str, ...]


async def resolve(url: str, *, allow_private: bool) -> Destination:
    """Find and check the addresses of an ``http`` or ``https`` URL, or raise ``Unusable``."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise Unusable(f"the address can't be read: {error}") from None
    if parts.scheme not in _WEB_PORTS or not host:
        raise Unusable(f"it leads to {parts.scheme or 'no'}: and not to http or https")
    if "@" in parts.netloc:
        raise Unusable("it leads to an address with a user name")
    port = port or _WEB_PORTS[parts.scheme]
    addresses = await _look_up(host, port)
    for address in addresses:
        # One bad address refuses the host: honest hosts don't mix, and using only the good ones would help attackers.
        if is_metadata(address):
            raise Unusable(f"its host {host} is at {address}, where a metadata service hands out credentials")
        if not allow_private and not is_public(address):
            raise Unusable(f"its host {host} is at {address}, which is not a public address")
    return Destination(url, port, addresses[:MOST_ADDRESSES])


async def _look_up(host: str, port: int) -> tuple[str, ...]:
    try:
        found = await trio.socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno in _FINAL_DNS_ERRORS:
            raise Unusable(f"there is no host {host}") from None
        raise Unusable(f"the host {host} can't be looked up: {error.strerror}", Outlook.SOON) from None
    except UnicodeError:
        raise Unusable(f"{host!r:.80} is not a valid host name") from None
    return tuple(dict.fromkeys(str(address[0]) for _family, _kind, _protocol, _name, address in found))


def check_bucket(link: str, settings: Settings) -> None:
    """Raise ``Unusable`` unless an ``s3://`` link names the store or a bucket that the settings allow.

    The bucket is read with the worker's own credentials, so users could otherwise read everything these can.
    """
    bucket = link.removeprefix("s3://").partition("/")[0]
    if bucket != settings.store_bucket and bucket not in settings.link_buckets:
        raise Unusable(
            f"bucket {bucket} is neither the store ({settings.store_bucket}) nor named in CLOUDKON_LINK_BUCKETS"
        )
