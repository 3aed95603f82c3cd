"""Links from anybody: refused in words, or an address that anybody on the internet can reach."""

import ipaddress
import string
from contextlib import suppress

import pytest
import trio
from hypothesis import strategies as st

from cloudkon.errors import CloudKonError
from cloudkon.instructions.animoto.bad_value import BadValue
from cloudkon.instructions.animoto.links import check_link
from cloudkon.settings import Settings
from images.animoto.fetch.address_guard import check_bucket, resolve
from images.animoto.fetch.fetch import _encoded_url
from images.animoto.fetch.special_addresses import is_public
from images.animoto.pictures.missing import Unusable
from tests.fuzz.fuzzing import fuzzed
from tests.fuzz.hostile_values import ANY_TEXT, TEXT

METADATA = ["169.254.169.254", "169.254.170.2", "169.254.170.23", "fd00:ec2::254", "192.0.0.192"]
PRIVATE = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::1/128",
    "64:ff9b:1::/48",
    "100::/64",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
]
"""Ranges that are not the public internet (IANA's registries of special-purpose addresses)."""
SCHEMES = st.sampled_from(["http", "https", "s3", "HTTP", "ftp", "file", "javascript", "gopher", ""])
PARTS = st.text(st.sampled_from("/?#@:[]%.\\ &=;,\t") | st.characters(codec=None), max_size=20)
LINKS = st.builds(lambda scheme, rest: f"{scheme}://{rest}", SCHEMES, PARTS) | ANY_TEXT


@st.composite
def addresses_in(draw: st.DrawFn, ranges: list[str]) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    network = ipaddress.ip_network(draw(st.sampled_from(ranges)))
    return network[draw(st.integers(0, network.num_addresses - 1))]


def spellings(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> list[str]:
    """Ways to write an address in a link that lead to it."""
    if address.version == 6:
        return [f"[{address}]", f"[{address.exploded}]", f"[{address}]".upper()]
    number, parts = int(address), [int(part) for part in str(address).split(".")]
    nat64 = ipaddress.IPv6Address(int(ipaddress.IPv6Address("64:ff9b::")) + number)
    return [
        str(address),
        str(number),
        hex(number),
        f"0{number:o}",
        ".".join(map(hex, parts)),
        ".".join(f"0{part:o}" for part in parts),
        f"{parts[0]}.{number % 2**24}",
        f"{parts[0]}.{parts[1]}.{number % 2**16}",
        f"[::ffff:{address}]",
        f"[{nat64}]",
    ]


@fuzzed(link=LINKS)
def test_link_of_a_stranger_is_refused_in_words_or_can_be_sent(link: str) -> None:
    try:
        check_link(link)
    except BadValue:
        return
    link.encode()
    if not link.startswith("s3://"):
        with suppress(Unusable):
            sent = _encoded_url(link)
            assert sent.isascii()
            assert not set(sent) & set(string.whitespace)


@fuzzed(address=addresses_in(PRIVATE))
def test_address_that_is_not_on_the_internet_is_not_public(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    assert not is_public(str(address))
    if address.version == 4:
        assert not is_public(f"::ffff:{address}")
        assert not is_public(str(ipaddress.IPv6Address(int(ipaddress.IPv6Address("64:ff9b::")) + int(address))))


@fuzzed(
    address=addresses_in(PRIVATE),
    choice=st.integers(0, 9),
    port=st.sampled_from(["", ":80", ":0", ":65535"]),
    share=0.5,
)
def test_link_to_a_private_address_is_refused_in_every_spelling(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, choice: int, port: str
) -> None:
    ways = spellings(address)
    link = f"http://{ways[choice % len(ways)]}{port}/picture.jpg"
    with pytest.raises(Unusable):
        trio.run(lambda: resolve(link, allow_private=False))


@fuzzed(name=st.sampled_from(METADATA), choice=st.integers(0, 9), share=0.3)
def test_link_to_a_metadata_address_is_refused_where_private_ones_are_allowed(name: str, choice: int) -> None:
    ways = spellings(ipaddress.ip_address(name))
    link = f"http://{ways[choice % len(ways)]}/latest/meta-data"
    with pytest.raises(Unusable):
        trio.run(lambda: resolve(link, allow_private=True))


@fuzzed(link=st.builds("s3://{}/{}".format, TEXT, TEXT), bucket=TEXT)
def test_bucket_of_a_stranger_is_read_only_if_it_is_named(link: str, bucket: str) -> None:
    settings = Settings(bucket="store", link_buckets=("other", bucket))
    with suppress(CloudKonError, Unusable):
        check_bucket(link, settings)
        assert link.removeprefix("s3://").partition("/")[0] in {"store", "other", bucket}
