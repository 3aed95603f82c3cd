import socket
from typing import Any

import pytest
import trio

from cloudkon.settings import Settings
from images.animoto.fetch.address_guard import MOST_ADDRESSES, check_bucket, resolve
from images.animoto.fetch.special_addresses import is_metadata, is_public
from images.animoto.pictures.missing import Outlook, Unusable


@pytest.mark.parametrize(
    "address", ["93.184.216.34", "8.8.8.8", "2606:2800:220:1::1", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_public_addresses_are_allowed(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",  # the credentials of an EC2 instance
        "169.254.170.2",  # the credentials of an ECS container
        "100.64.0.1",
        "192.0.2.1",
        "192.0.0.1",
        "192.0.0.9",
        "192.0.0.192",
        "192.88.99.1",
        "198.18.0.1",
        "203.0.113.7",
        "0.0.0.0",
        "255.255.255.255",
        "224.0.0.1",
        "239.1.1.1",
        "240.0.0.1",
        "::",
        "::1",
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.170.2",
        "64:ff9b::127.0.0.1",
        "64:ff9b::a9fe:aa02",
        "64:ff9b:1::8.8.8.8",
        "2002:7f00:1::",
        "2002:808:808::",
        "2001:0:808:808::1",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "fd00:ec2::254",
        "fc00::1",
        "ff02::1",
        "ff0e::1",
        "2001:db8::1",
        "2001:20::1",
        "3fff::1",
        "3fff:fff:ffff::1",
        "3ffe::1",
        "4000::1",
        "5f00::1",
        "100::1",
        "::ffff:0:8.8.8.8",
        "::ffff:192.0.0.192",
        "64:ff9b::c058:6301",
    ],
)
def test_other_addresses_are_refused(address: str) -> None:
    assert not is_public(address)


METADATA = [
    "169.254.169.254",
    "169.254.170.2",
    "169.254.170.23",
    "192.0.0.192",
    "100.100.100.200",
    "168.63.129.16",
    "fd00:ec2::254",
    "fd00:ec2::23",
    "fd00:ec2::254%eth0",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:aa02%1",
    "::169.254.170.2",
    "::ffff:0:169.254.170.2",
    "64:ff9b::169.254.169.254",
    "64:ff9b::c000:c0",
    "64:ff9b:1::169.254.170.23",
    "64:ff9b:1:abcd::169.254.170.23",
    "64:ff9b:1:a9fe:a9:fe00::",
    "64:ff9b:1:a9:fe:a9fe::",
    "64:ff9b:1:0:a9:fea9:fe00:0",
    "169.254.0.23",
    "169.254.42.42",
    "2001:db8:64::169.254.169.254",
    "2002:a9fe:aa02::1",
    "2001:0:a9fe:a9fe::1",
    "2001:0:808:808::5601:55fd",
    "fe80::5efe:169.254.169.254%eth0",
]


@pytest.mark.parametrize("address", METADATA)
def test_metadata_addresses_are_known_in_every_embedding(address: str) -> None:
    assert is_metadata(address)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.1.1", "fd00::254", "8.8.8.8", "2606:2800::1"])
def test_other_private_addresses_are_no_metadata_services(address: str) -> None:
    assert not is_metadata(address)


class Resolver(trio.abc.HostnameResolver):
    """Answers look-ups with the test's addresses, in order."""

    def __init__(self, *answers: list[str] | socket.gaierror) -> None:
        self._answers = list(answers)

    async def getaddrinfo(self, *_arguments: object, **_options: object) -> Any:  # noqa: ANN401  (a table of tuples)
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, socket.gaierror):
            raise answer
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)) for address in answer]

    async def getnameinfo(self, *_arguments: object, **_options: object) -> tuple[str, str]:
        raise NotImplementedError


async def test_host_with_any_private_address_is_refused() -> None:
    trio.socket.set_custom_hostname_resolver(Resolver(["93.184.216.34", "10.0.0.1"]))
    with pytest.raises(Unusable, match=r"its host pictures.test is at 10.0.0.1, which is not a public address"):
        await resolve("http://pictures.test/one.jpg", allow_private=False)


async def test_public_host_resolves_to_the_addresses_to_connect_to() -> None:
    trio.socket.set_custom_hostname_resolver(Resolver(["93.184.216.34", "93.184.216.35", "93.184.216.34"]))
    found = await resolve("https://pictures.test/one.jpg", allow_private=False)
    assert (found.addresses, found.port) == (("93.184.216.34", "93.184.216.35"), 443)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "2130706433", "0x7f.1", "017700000001", "[::1]", "[::ffff:127.0.0.1]", "localhost"]
)
async def test_loopback_is_refused_however_it_is_written(host: str) -> None:
    with pytest.raises(Unusable, match="is not a public address"):
        await resolve(f"http://{host}/one.jpg", allow_private=False)


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "2852039166",
        "0xa9fea9fe",
        "0xA9.254.0251.0xfe",
        "025177524776",
        "169.254.43518",
        "169.16689662",
        "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
        "[0:0:0:0:0:ffff:a9fe:a9fe]",
        "[64:ff9b::a9fe:a9fe]",
        "[2002:a9fe:a9fe::]",
        "[fd00:ec2::254]",
        "[fd00:0ec2:0:0:0:0:0:0254]",
        "192.0.0.192",
        "3221225664",
    ],
)
async def test_metadata_addresses_are_refused_with_private_links_allowed(host: str) -> None:
    with pytest.raises(Unusable, match="where a metadata service hands out credentials"):
        await resolve(f"http://{host}/latest/meta-data/", allow_private=True)


async def test_host_with_one_metadata_address_is_refused_with_private_links_allowed() -> None:
    trio.socket.set_custom_hostname_resolver(Resolver([*(f"127.0.0.{last}" for last in range(1, 9)), "169.254.170.2"]))
    with pytest.raises(Unusable, match=r"its host pictures.test is at 169.254.170.2, where a metadata service"):
        await resolve("http://pictures.test/one.jpg", allow_private=True)


async def test_few_addresses_of_a_host_are_tried() -> None:
    addresses = [f"127.0.0.{last}" for last in range(1, 13)]
    trio.socket.set_custom_hostname_resolver(Resolver(addresses))
    found = await resolve("http://pictures.test/one.jpg", allow_private=True)
    assert found.addresses == tuple(addresses[:MOST_ADDRESSES])


async def test_private_addresses_are_allowed_by_a_setting() -> None:
    assert (await resolve("http://127.0.0.1:81/", allow_private=True)).addresses == ("127.0.0.1",)


@pytest.mark.parametrize(("code", "outlook"), [(socket.EAI_NONAME, Outlook.NEVER), (socket.EAI_AGAIN, Outlook.SOON)])
async def test_unknown_host_is_final_but_a_busy_name_server_is_not(code: int, outlook: Outlook) -> None:
    trio.socket.set_custom_hostname_resolver(Resolver(socket.gaierror(code, "no answer")))
    with pytest.raises(Unusable, match="host pictures") as caught:
        await resolve("http://pictures.test/one.jpg", allow_private=False)
    assert caught.value.outlook is outlook


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/", "//nothing", "http://me@example.org/"])
async def test_urls_of_other_schemes_are_refused(url: str) -> None:
    with pytest.raises(Unusable, match="it leads to"):
        await resolve(url, allow_private=True)


@pytest.mark.parametrize(
    ("bucket", "allowed"), [("cloudkon-store", True), ("photos", True), ("others", False), ("cloudkon-store-2", False)]
)
def test_buckets_other_than_the_store_must_be_named(bucket: str, allowed: bool) -> None:
    link, settings = f"s3://{bucket}/one.jpg", Settings(link_buckets=("photos",))
    if allowed:
        check_bucket(link, settings)
    else:
        with pytest.raises(
            Unusable, match=f"bucket {bucket} is neither the store .* nor named in CLOUDKON_LINK_BUCKETS"
        ):
            check_bucket(link, settings)
