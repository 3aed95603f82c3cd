"""Hosts whose addresses answer no connection: a fetch ends at its deadline, or at once when it is cancelled."""

# ruff: noqa: ASYNC240  (a test has the loop to itself, and its files are small)

import socket
from pathlib import Path

import pytest
import trio

from cloudkon.memory import MemoryStore
from cloudkon.settings import Settings
from images.animoto.fetch.address_guard import MOST_ADDRESSES
from images.animoto.fetch.fetch import Fetcher, Limits
from images.animoto.pictures.missing import Outlook
from tests.support.black_holes import black_holes
from tests.support.web import Web
from tests.unit.animoto.test_animoto_address_guard import Resolver
from tests.unit.animoto.test_animoto_fetch import refusal

HOUR = 3600.0
ADDRESSES = [f"127.0.1.{last}" for last in range(1, 13)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "1.picture"


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.1.1", 0)) as listening:
        return int(listening.getsockname()[1])


@pytest.fixture
def link(port: int) -> str:
    return f"http://pictures.test:{port}/one.jpg"


async def test_cancelling_ends_a_connection_attempt_at_once(
    settings: Settings, store: MemoryStore, path: Path, port: int, link: str
) -> None:
    trio.socket.set_custom_hostname_resolver(Resolver(ADDRESSES))
    patient = Fetcher(settings, store, Limits(total=HOUR, transfer=HOUR, connect=HOUR))
    with black_holes(ADDRESSES, port), trio.fail_after(120), trio.move_on_after(0.2) as scope:
        await patient.fetch(link, path)
    assert scope.cancelled_caught


async def test_black_hole_ends_at_the_deadline_of_an_attempt(
    settings: Settings, store: MemoryStore, path: Path, port: int, link: str
) -> None:
    trio.socket.set_custom_hostname_resolver(Resolver(ADDRESSES))
    fetcher = Fetcher(settings, store, Limits(total=HOUR, transfer=0.2, connect=HOUR))
    with black_holes(ADDRESSES, port), trio.fail_after(120):
        error = await refusal(fetcher, link, path)
    assert error.reason == "it took longer than 0.2 s"
    assert error.outlook is Outlook.LATER


async def test_black_hole_of_many_addresses_ends_at_one_limit_for_connecting(
    settings: Settings, store: MemoryStore, path: Path, port: int, link: str
) -> None:
    """The address after those that are tried would accept, and so would every address get the whole limit."""
    trio.socket.set_custom_hostname_resolver(Resolver(ADDRESSES))
    fetcher = Fetcher(settings, store, Limits(connect=0.4, attempts=1))
    tried, untried = ADDRESSES[:MOST_ADDRESSES], ADDRESSES[MOST_ADDRESSES]
    with black_holes(tried, port), socket.create_server((untried, port)) as listening, trio.fail_after(120):
        error = await refusal(fetcher, link, path)
        listening.settimeout(0)
        with pytest.raises(BlockingIOError):
            listening.accept()
    assert "the server does not answer" in error.reason
    assert error.outlook is Outlook.SOON


async def test_last_address_is_reached_behind_black_holes(
    web: Web, settings: Settings, store: MemoryStore, path: Path
) -> None:
    holes = ADDRESSES[: MOST_ADDRESSES - 1]
    trio.socket.set_custom_hostname_resolver(Resolver([*holes, "127.0.0.1"]))
    web.add("/one.jpg", b"hello")
    with black_holes(holes, web.port):
        await Fetcher(settings, store, Limits(connect=2.0)).fetch(web.link("/one.jpg", host="pictures.test"), path)
    assert path.read_bytes() == b"hello"


async def test_attempts_and_waits_end_at_the_deadline_of_the_whole_fetch(
    web: Web, settings: Settings, store: MemoryStore, path: Path
) -> None:
    web.answers["/one.jpg"] = lambda request: request.reply(503)
    fetcher = Fetcher(settings, store, Limits(total=1.0, attempts=1_000_000, first_wait=0.01))
    with trio.fail_after(120):
        error = await refusal(fetcher, web.link("/one.jpg"), path)
    assert error.reason == "it took longer than 1 s in several attempts"
    assert error.outlook is Outlook.LATER
    assert web.asked("/one.jpg") > 1
