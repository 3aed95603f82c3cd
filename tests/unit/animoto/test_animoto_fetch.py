# ruff: noqa: ASYNC240  (a test has the loop to itself, and its files are small)

import gzip
import shutil
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
import trio

from cloudkon.errors import AccessDenied, CloudKonError, NoFleet, Throttled
from cloudkon.memory import MemoryStore
from cloudkon.ports import StoredObject
from cloudkon.settings import Settings
from images.animoto.fetch import address_guard
from images.animoto.fetch.fetch import Fetcher, Limits
from images.animoto.pictures.missing import Outlook, Unusable
from tests.support.web import Request, Web, http_date
from tests.unit.animoto.test_animoto_address_guard import Resolver

BODY = bytes(range(256)) * 1000
QUICK = Limits(bytes=1_000_000, transfer=20.0, silence=10.0, first_wait=0.01, longest_wait=5.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "1.picture"


@pytest.fixture
def fetcher(settings: Settings, store: MemoryStore) -> Fetcher:
    return Fetcher(settings, store, QUICK)


async def refusal(fetcher: Fetcher, link: str, path: Path) -> Unusable:
    with pytest.raises(Unusable) as caught:
        await fetcher.fetch(link, path)
    return caught.value


async def test_picture_is_fetched_completely(web: Web, fetcher: Fetcher, path: Path) -> None:
    await fetcher.fetch(web.add("/one.jpg", BODY), path)
    assert path.read_bytes() == BODY


async def test_unusual_characters_in_a_link_are_escaped(web: Web, fetcher: Fetcher, path: Path) -> None:
    web.add("/b%C3%A4r%20x?size=1", BODY)
    await fetcher.fetch(web.link("/bär x?size=1#top"), path)
    assert path.read_bytes() == BODY


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (404, "nothing is there"),
        (410, "nothing is there"),
        (401, "denies access"),
        (403, "denies access"),
        (418, "HTTP 418"),
        (204, "HTTP 204"),
    ],
)
async def test_missing_or_forbidden_link_is_requested_once(
    web: Web, fetcher: Fetcher, path: Path, status: int, says: str
) -> None:
    web.answers["/one.jpg"] = lambda request: request.reply(status)
    error = await refusal(fetcher, web.link("/one.jpg"), path)
    assert says in error.reason
    assert error.outlook is Outlook.NEVER
    assert web.asked("/one.jpg") == 1


def in_turn(*answers: Callable[[Request], None]) -> Callable[[Request], None]:
    waiting = list(answers)

    def answer(request: Request) -> None:
        (waiting.pop(0) if len(waiting) > 1 else waiting[0])(request)

    return answer


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
async def test_busy_server_is_asked_again(web: Web, fetcher: Fetcher, path: Path, status: int) -> None:
    web.answers["/one.jpg"] = in_turn(
        lambda request: request.reply(status, headers={"Retry-After": "0"}),
        lambda request: request.reply(status),
        lambda request: request.reply(200, BODY),
    )
    await fetcher.fetch(web.link("/one.jpg"), path)
    assert path.read_bytes() == BODY
    assert web.asked("/one.jpg") == 3


@pytest.mark.parametrize("asks", [lambda: "7", lambda: http_date(7)])
async def test_retry_after_of_the_server_sets_the_wait(
    web: Web,
    settings: Settings,
    store: MemoryStore,
    path: Path,
    asks: Callable[[], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("images.animoto.fetch.fetch.trio.sleep", sleep)
    web.answers["/one.jpg"] = in_turn(
        lambda request: request.reply(429, headers={"Retry-After": asks()}), lambda request: request.reply(200, BODY)
    )
    await Fetcher(settings, store, Limits()).fetch(web.link("/one.jpg"), path)
    assert len(waits) == 1
    assert 0.5 < waits[0] <= 7


class FixedRandom(Random):
    """Draws the same number each time."""

    def __init__(self, drawn: float) -> None:
        super().__init__()
        self.drawn = drawn

    def random(self) -> float:
        return self.drawn


@pytest.mark.parametrize(("drawn", "longer"), [(0.0, 1.0), (0.5, 1.25), (1.0, 1.5)])
async def test_waits_double_when_the_server_names_none(
    web: Web,
    settings: Settings,
    store: MemoryStore,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    drawn: float,
    longer: float,
) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("images.animoto.fetch.fetch.trio.sleep", sleep)
    web.answers["/one.jpg"] = lambda request: request.reply(503, headers={"Retry-After": "soon"})
    error = await refusal(Fetcher(settings, store, Limits(), rng=FixedRandom(drawn)), web.link("/one.jpg"), path)
    assert waits == pytest.approx([0.5 * longer, 1.0 * longer, 2.0 * longer])
    assert error.outlook is Outlook.SOON


async def test_wait_of_an_hour_is_left_to_the_next_attempt(web: Web, fetcher: Fetcher, path: Path) -> None:
    web.answers["/one.jpg"] = lambda request: request.reply(503, headers={"Retry-After": "3600"})
    error = await refusal(fetcher, web.link("/one.jpg"), path)
    assert error.outlook is Outlook.LATER
    assert "3600 s" in error.reason
    assert web.asked("/one.jpg") == 1


async def test_truncated_body_is_fetched_again(web: Web, fetcher: Fetcher, path: Path) -> None:
    web.answers["/one.jpg"] = in_turn(
        lambda request: request.reply(200, BODY[:1000], {"Content-Length": str(len(BODY)), "Connection": "close"}),
        reset,
        lambda request: request.reply(200, BODY),
    )
    await fetcher.fetch(web.link("/one.jpg"), path)
    assert path.read_bytes() == BODY


def reset(request: Request) -> None:
    """Close the connection without a response."""
    request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    request.close_connection = True
    request.connection.close()
    raise ConnectionResetError


async def test_unreachable_server_is_worth_another_try(fetcher: Fetcher, path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    error = await refusal(fetcher, f"http://127.0.0.1:{port}/one.jpg", path)
    assert error.outlook is Outlook.SOON
    assert "refused" in error.reason
    assert "HTTPConnectionPool" not in error.reason


@pytest.mark.parametrize("declared", [True, False])
async def test_endless_body_ends_at_the_size_limit(web: Web, fetcher: Fetcher, path: Path, *, declared: bool) -> None:
    def answer(request: Request) -> None:
        request.send_response(200)
        if declared:
            request.send_header("Content-Length", "99999999999")
        request.end_headers()
        request.close_connection = True
        while not request.server.web.stopping.is_set():
            request.wfile.write(BODY)

    web.answers["/one.jpg"] = answer
    error = await refusal(fetcher, web.link("/one.jpg"), path)
    assert "larger than" in error.reason
    assert error.outlook is Outlook.NEVER
    assert not path.exists() or path.stat().st_size <= QUICK.bytes


async def test_decompression_bomb_ends_at_the_size_limit(web: Web, fetcher: Fetcher, path: Path) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    web.answers["/one.jpg"] = lambda request: request.reply(200, bomb, {"Content-Encoding": "gzip"})
    assert "larger than" in (await refusal(fetcher, web.link("/one.jpg"), path)).reason
    assert path.stat().st_size <= QUICK.bytes


@pytest.mark.parametrize("where", ["head", "body"])
async def test_dripping_server_exceeds_the_transfer_limit(
    web: Web, settings: Settings, store: MemoryStore, path: Path, where: str
) -> None:
    def answer(request: Request) -> None:
        if where == "head":
            request.drip(b"HTTP/1.1 200 OK\r\nX-Name: value\r\n" * 1000, 0.05)
        else:
            request.send_response(200)
            request.end_headers()
            request.drip(BODY, 0.05)

    web.answers["/one.jpg"] = answer
    limits = Limits(transfer=1.5, silence=30.0)
    with trio.fail_after(120):
        error = await refusal(Fetcher(settings, store, limits), web.link("/one.jpg"), path)
    assert "longer than 1.5 s" in error.reason
    assert error.outlook is Outlook.LATER
    assert web.asked("/one.jpg") == 1


async def test_silent_server_exceeds_the_silence_limit(
    web: Web, settings: Settings, store: MemoryStore, path: Path
) -> None:
    web.answers["/one.jpg"] = lambda request: request.be_silent()
    limits = Limits(transfer=20.0, silence=0.1, attempts=2, first_wait=0.01)
    error = await refusal(Fetcher(settings, store, limits), web.link("/one.jpg"), path)
    assert "does not answer" in error.reason
    # The client may have closed the connection before the server read its request.
    with trio.fail_after(120):
        while web.asked("/one.jpg") < 2:  # noqa: ASYNC110  (the server is a thread, which knows no events of trio)
            await trio.sleep(0.01)
    assert web.asked("/one.jpg") == 2


async def test_cancelling_ends_a_read_at_once(web: Web, settings: Settings, store: MemoryStore, path: Path) -> None:
    web.answers["/one.jpg"] = lambda request: request.be_silent()
    fetcher = Fetcher(settings, store, Limits(transfer=50.0, silence=50.0))
    with trio.fail_after(120), trio.move_on_after(0.2) as scope:
        await fetcher.fetch(web.link("/one.jpg"), path)
    assert scope.cancelled_caught


# Redirects


def to(location: str) -> Callable[[Request], None]:
    return lambda request: request.reply(302, headers={"Location": location})


async def test_redirects_are_followed(web: Web, fetcher: Fetcher, path: Path) -> None:
    web.answers["/a"] = to("/b/c?d=1")
    web.answers["/b/c?d=1"] = to("e.jpg")
    web.add("/b/e.jpg", BODY)
    await fetcher.fetch(web.link("/a"), path)
    assert path.read_bytes() == BODY


async def test_redirect_loop_ends(web: Web, fetcher: Fetcher, path: Path) -> None:
    web.answers["/a"] = to("/b")
    web.answers["/b"] = to("/a")
    error = await refusal(fetcher, web.link("/a"), path)
    assert "redirects more than 5 times" in error.reason
    assert len(web.requests) == 6


@pytest.mark.parametrize("location", ["file:///etc/passwd", "s3://memory/secret", "gopher://127.0.0.1/", "http://"])
async def test_redirect_to_another_scheme_is_refused(web: Web, fetcher: Fetcher, path: Path, location: str) -> None:
    web.answers["/a"] = to(location)
    error = await refusal(fetcher, web.link("/a"), path)
    assert error.outlook is Outlook.NEVER
    assert not path.exists()


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch, store: MemoryStore) -> Fetcher:
    """A worker for which the test's web server counts as public, and the rest of loopback does not."""
    monkeypatch.setattr(address_guard, "is_public", lambda address: address == "127.0.0.1")
    return Fetcher(Settings(), store, QUICK)


async def test_private_links_are_refused_unless_the_settings_allow_them(
    web: Web, store: MemoryStore, path: Path
) -> None:
    error = await refusal(Fetcher(Settings(), store, QUICK), web.add("/one.jpg", BODY), path)
    assert "at 127.0.0.1, which is not a public address" in error.reason
    assert web.requests == []


async def test_redirect_to_a_private_address_is_refused(web: Web, guarded: Fetcher, path: Path) -> None:
    web.answers["/a"] = to(f"http://127.0.0.2:{web.port}/credentials")
    error = await refusal(guarded, web.link("/a"), path)
    assert "at 127.0.0.2, which is not a public address" in error.reason
    assert web.asked("/credentials") == 0


async def test_host_that_moves_to_a_private_address_between_redirects_is_refused(
    web: Web, guarded: Fetcher, path: Path
) -> None:
    trio.socket.set_custom_hostname_resolver(Resolver(["127.0.0.1"], ["127.0.0.2"]))
    web.answers["/a"] = to("/credentials")
    error = await refusal(guarded, web.link("/a", host="pictures.test"), path)
    assert "at 127.0.0.2" in error.reason
    assert web.asked("/credentials") == 0


async def test_connection_goes_to_the_checked_address(
    web: Web, guarded: Fetcher, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DNS rebinding: a second look-up after the check returns a private address."""
    real = socket.getaddrinfo

    def rebound(host: str, *rest: object) -> object:
        later = threading.current_thread() is not threading.main_thread()
        return real("127.0.0.2" if later and host == "pictures.test" else host, *rest)  # type: ignore[arg-type]  # passed on

    monkeypatch.setattr(socket, "getaddrinfo", rebound)
    trio.socket.set_custom_hostname_resolver(Resolver(["127.0.0.1"]))
    web.add("/one.jpg", BODY)
    await guarded.fetch(web.link("/one.jpg", host="pictures.test"), path)
    assert path.read_bytes() == BODY
    assert web.requests[0].headers["Host"] == f"pictures.test:{web.port}"


async def test_second_address_is_tried_when_the_first_fails(web: Web, fetcher: Fetcher, path: Path) -> None:
    trio.socket.set_custom_hostname_resolver(Resolver(["127.0.0.9", "127.0.0.1"]))
    web.add("/one.jpg", BODY)
    await fetcher.fetch(web.link("/one.jpg", host="pictures.test"), path)
    assert path.read_bytes() == BODY


async def test_proxies_and_netrc_of_the_environment_are_ignored(
    web: Web, fetcher: Fetcher, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    await fetcher.fetch(web.add("/one.jpg", BODY), path)
    assert "Authorization" not in web.requests[0].headers


# # TLS


MAKE_CERTIFICATE = [
    "req",
    "-x509",
    "-newkey",
    "rsa:2048",
    "-nodes",
    "-days",
    "2",
    "-subj",
    "/CN=pictures.test",
    "-addext",
    "subjectAltName=DNS:pictures.test",
]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a certificate for pictures.test and its key, in one file."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl on PATH to make a certificate with")
    made = tmp_path_factory.mktemp("tls") / "both.pem"
    subprocess.run(
        [openssl, *MAKE_CERTIFICATE, "-keyout", made, "-out", made.with_suffix(".crt")],
        check=True,
        capture_output=True,
    )
    made.write_text(made.read_text() + made.with_suffix(".crt").read_text())
    return made


@pytest.mark.parametrize(
    ("host", "trusted"), [("pictures.test", True), ("pictures.test", False), ("others.test", True)]
)
async def test_certificates_are_checked_against_the_host_name(
    certificate: Path, settings: Settings, store: MemoryStore, path: Path, host: str, *, trusted: bool
) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate)
    trio.socket.set_custom_hostname_resolver(Resolver(["127.0.0.1"]))
    certificates = str(certificate.with_suffix(".crt")) if trusted else True
    fetcher = Fetcher(settings, store, QUICK, certificates)
    with Web(tls) as web:
        web.add("/one.jpg", BODY)
        link = web.link("/one.jpg", host)
        if trusted and host == "pictures.test":
            await fetcher.fetch(link, path)
            assert path.read_bytes() == BODY
        else:
            error = await refusal(fetcher, link, path)
            assert "certificate" in error.reason
            assert error.outlook is Outlook.NEVER


# The store


async def test_picture_from_the_store_is_fetched_completely(fetcher: Fetcher, store: MemoryStore, path: Path) -> None:
    stored = await store.put("pictures/one.jpg", BODY, "image/jpeg", {})
    await fetcher.fetch(stored.address, path)
    assert path.read_bytes() == BODY


async def test_missing_objects_and_foreign_buckets_are_refused(
    fetcher: Fetcher, store: MemoryStore, path: Path
) -> None:
    assert "no object" in (await refusal(fetcher, "s3://memory/none.jpg", path)).reason
    assert "bucket payroll" in (await refusal(fetcher, "s3://payroll/one.jpg", path)).reason
    large = await store.put("large.jpg", bytes(QUICK.bytes + 1), "image/jpeg", {})
    assert "larger than" in (await refusal(fetcher, large.address, path)).reason
    assert not path.exists()


async def test_object_that_grows_before_it_is_read_is_refused(settings: Settings, path: Path) -> None:
    class Replaced(MemoryStore):
        async def get(self, address: str, destination: Path, limit: int | None = None) -> StoredObject:
            await self.put("one.jpg", bytes(QUICK.bytes + 1), "image/jpeg", {})
            return await super().get(address, destination, limit)

    replaced = Replaced()
    stored = await replaced.put("one.jpg", BODY, "image/jpeg", {})
    error = await refusal(Fetcher(settings, replaced, QUICK), stored.address, path)
    assert "larger than" in error.reason
    assert error.outlook is Outlook.NEVER
    assert not path.exists()


@pytest.mark.parametrize(
    ("error", "outlook"),
    [
        (Throttled("slow down"), Outlook.SOON),
        (AccessDenied("no credentials"), Outlook.LATER),
        (NoFleet("bucket", "not there"), Outlook.NEVER),
    ],
)
async def test_failing_store_differs_from_a_missing_picture(
    settings: Settings, path: Path, error: CloudKonError, outlook: Outlook
) -> None:
    class Failing(MemoryStore):
        calls = 0

        async def get(self, *_arguments: object, **_options: object) -> StoredObject:
            Failing.calls += 1
            raise error

    caught = await refusal(Fetcher(settings, Failing(), QUICK), "s3://memory/one.jpg", path)
    assert caught.outlook is outlook
    assert Failing.calls == (QUICK.attempts if outlook is Outlook.SOON else 1)


async def test_full_disk_is_not_an_error_of_the_picture(web: Web, fetcher: Fetcher) -> None:
    with pytest.raises(OSError, match="No space left"):
        await fetcher.fetch(web.add("/one.jpg", BODY), Path("/dev/full"))
