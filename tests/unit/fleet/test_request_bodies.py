"""Bodies that anybody may send are bounded in size, together and in time, and honest ones come through beside them."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from fleet.local.emulator_server import bodies
from fleet.local.emulator_server.authentication import Authentication
from fleet.local.emulator_server.bodies import Body, Message, Reader
from fleet.local.emulator_server.proof import Prover
from fleet.local.emulator_server.signature import RefusedRequest, Verifier
from tests.support.patience import PATIENCE

MOST, TOGETHER, PART = 1000, 3000, 100
HOST = "127.0.0.1:4567"


class Sender:
    """A client's body, of which the test says when each part comes."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        self.body = Body(headers, self._messages.get)

    def send(self, count: int, *, more: bool = True) -> None:
        self._messages.put_nowait({"type": "http.request", "body": b"x" * count, "more_body": more})

    def leave(self) -> None:
        self._messages.put_nowait({"type": "http.disconnect"})


def _run(test: Callable[[], Awaitable[None]]) -> None:
    async def guarded() -> None:
        async with asyncio.timeout(PATIENCE):
            await test()

    asyncio.run(guarded())


def _reader(*, trusted: bool = False, seconds: int = 3600) -> Reader:
    return Reader(most=MOST, together=TOGETHER, seconds=seconds, trusted=trusted)


def _announced(size: int) -> Sender:
    return Sender({"content-length": str(size)})


async def _started(reader: Reader, sender: Sender, sent: int) -> "asyncio.Task[bytes]":
    """Begin to read a body, and return when all that was sent has been read."""
    task = asyncio.create_task(reader.read(sender.body))
    for _ in range(sent // PART):
        sender.send(PART)
    await asyncio.sleep(0.01)
    return task


@pytest.mark.parametrize("trusted", [False, True])
def test_body_is_read_as_it_was_sent(*, trusted: bool) -> None:
    async def test() -> None:
        for parts in ([], [7], [100, 1, 899]):
            sender = _announced(sum(parts))
            for count in parts:
                sender.send(count)
            sender.send(0, more=False)
            assert await _reader(trusted=trusted).read(sender.body) == b"x" * sum(parts)

    _run(test)


def test_body_that_announces_too_much_is_refused_unread() -> None:
    async def test() -> None:
        with pytest.raises(RefusedRequest, match="1001 bytes; the most here are 1000") as caught:
            await _reader().read(_announced(MOST + 1).body)
        assert caught.value.code == "EntityTooLarge"

    _run(test)


def test_body_that_announces_nothing_is_refused_when_it_grows_too_large() -> None:
    async def test() -> None:
        sender = Sender({"transfer-encoding": "chunked"})
        for _ in range(MOST // PART + 1):
            sender.send(PART)
        with pytest.raises(RefusedRequest, match="more than 1000 bytes"):
            await _reader().read(sender.body)

    _run(test)


def test_client_that_leaves_ends_the_reading() -> None:
    async def test() -> None:
        sender = _announced(MOST)
        sender.send(PART)
        sender.leave()
        with pytest.raises(RefusedRequest, match="the client left"):
            await _reader().read(sender.body)

    _run(test)


def test_bodies_that_hold_all_memory_make_room_for_one_that_comes_at_once() -> None:
    async def test() -> None:
        reader = _reader()
        holders = [await _started(reader, _announced(MOST), MOST - PART) for _ in range(3)]
        for _ in range(20):
            honest = _announced(MOST)
            honest.send(MOST, more=False)
            assert len(await reader.read(honest.body)) == MOST
        await asyncio.sleep(0)
        # The first made room for the honest ones; the others still fit.
        assert [task.done() for task in holders] == [True, False, False]
        with pytest.raises(RefusedRequest) as caught:
            await holders[0]
        assert caught.value.code == "SlowDown"
        for task in holders[1:]:
            task.cancel()
        await asyncio.gather(*holders, return_exceptions=True)
        assert reader._room == TOGETHER

    _run(test)


def test_trusted_body_without_room_is_refused_and_those_before_it_go_on() -> None:
    async def test() -> None:
        reader, first = _reader(trusted=True), [_announced(MOST) for _ in range(3)]
        tasks = [await _started(reader, sender, MOST - PART) for sender in first]
        late = _announced(MOST)
        late.send(4 * PART)
        with pytest.raises(RefusedRequest) as caught:
            await reader.read(late.body)
        assert caught.value.code == "SlowDown"
        for sender in first:
            sender.send(PART, more=False)
        assert [len(await task) for task in tasks] == [MOST] * 3
        assert reader._room == TOGETHER

    _run(test)


def test_slow_body_is_refused_though_it_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        sender = _announced(MOST)
        task = asyncio.create_task(_reader(seconds=2).read(sender.body))
        while not task.done():
            sender.send(1)
            await asyncio.sleep(0.001)
        with pytest.raises(RefusedRequest, match="more than 2 s") as caught:
            await task
        assert caught.value.code == "RequestTimeout"

    _sweep_often(monkeypatch)
    _run(test)


def test_trusted_body_may_be_slow_and_not_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test() -> None:
        swept = _sweeps(monkeypatch)
        sender = _announced(MOST)
        task = asyncio.create_task(_reader(trusted=True, seconds=2).read(sender.body))
        for _ in range(10):
            sender.send(1)
            swept.clear()
            await swept.wait()
        assert not task.done()
        with pytest.raises(RefusedRequest, match="more than 2 s"):
            await task

    _sweep_often(monkeypatch)
    _run(test)


def _sweep_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a second pass in a hundredth of one."""
    later = asyncio.BaseEventLoop.call_later

    def sooner(self: asyncio.BaseEventLoop, delay: float, *rest: Any, **named: Any) -> asyncio.TimerHandle:  # noqa: ANN401  (as the original)
        return later(self, 0.01 if delay == bodies.SWEEP_SECONDS else delay, *rest, **named)

    monkeypatch.setattr(asyncio.BaseEventLoop, "call_later", sooner)


def _sweeps(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Return an event that each sweep sets."""
    swept, sweep = asyncio.Event(), Reader._sweep

    def noticed(self: Reader) -> None:
        sweep(self)
        swept.set()

    monkeypatch.setattr(Reader, "_sweep", noticed)
    return swept


def test_reader_that_is_cancelled_by_others_ends_as_cancelled() -> None:
    async def test() -> None:
        reader = _reader()
        task = await _started(reader, _announced(MOST), PART)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert reader._room == TOGETHER

    _run(test)


@pytest.mark.parametrize(
    ("headers", "size"),
    [
        ({}, 0),
        ({"content-length": "12"}, 12),
        ({"content-length": "x"}, 0),
        ({"content-length": "²"}, 0),
        ({"transfer-encoding": "chunked"}, -1),
        ({"transfer-encoding": "chunked", "x-amz-decoded-content-length": "160"}, 160 + 10 + 65_536),
    ],
)
def test_announced_size(headers: dict[str, str], size: int) -> None:
    assert Sender(headers).body.size == size


NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def _signed(*, key: str = "cloudkon", hour: int = 12, covered: str = "host") -> dict[str, str]:
    credential = f"AWS4-HMAC-SHA256 Credential={key}/20261130/r/sqs/aws4_request"
    return {
        "authorization": f"{credential}, SignedHeaders={covered}, Signature={'0' * 64}",
        "x-amz-date": f"20261130T{hour}0000Z",
    }


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "MissingAuthenticationToken"),
        ({"authorization": "Basic dTpw"}, "IncompleteSignature"),
        (_signed(key="another"), "InvalidClientTokenId"),
        (_signed(hour=11), "RequestTimeTooSkewed"),
        (_signed(covered="x-amz-date"), "SignatureDoesNotMatch"),
        (_signed(), "EntityTooLarge"),
    ],
)
def test_request_that_no_body_could_make_valid_is_refused_before_its_body_comes(
    headers: dict[str, str], code: str
) -> None:
    async def test() -> None:
        async def never(*_: object) -> Any:  # noqa: ANN401  (it does not return)
            pytest.fail("the emulator was asked")

        answers: list[Message] = []

        async def send(message: Message) -> None:
            answers.append(message)

        async def receive() -> Message:
            await asyncio.Event().wait()
            raise AssertionError("nobody sends it")

        verifier = Verifier("cloudkon", "secret", clock=NOW.timestamp)
        application = Authentication(
            never, verifier, Prover("secret"), frozenset({HOST}), on_loaded=lambda: None, save=never
        )
        sent = {"host": HOST, "content-length": "999999999", **headers}
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/",
            "raw_path": b"/",
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
            "server": ("127.0.0.1", 4567),
        }
        await application(scope, receive, send)
        assert answers[0]["status"] == 403
        assert f"<Code>{code}</Code>" in answers[1]["body"].decode()

    _run(test)
