"""The contract of every queue. A delete with a stale handle, undefined on SQS, only must not be an error."""

import json
from collections.abc import Awaitable, Callable

import pytest
import trio

from cloudkon.errors import NoFleet
from cloudkon.model import Delivery, Depth, Outgoing
from cloudkon.ports import BATCH, Queue, QueueOutcome, Services

NO_ERROR = {QueueOutcome.DONE, QueueOutcome.GONE}
LONG = 60.0
"""Seconds of invisibility, longer than any test."""


def messages(*texts: str) -> list[Outgoing]:
    return [Outgoing(json.dumps(text)) for text in texts]


async def drain(queue: Queue, count: int) -> list[Delivery]:
    """Receive until there are ``count`` messages: one receive may return fewer than the queue has."""
    found: list[Delivery] = []
    with trio.fail_after(120):
        while len(found) < count:
            found += await queue.receive(BATCH, 1, LONG)
    return found


async def until(queue: Queue, wanted: Callable[[Depth], bool]) -> None:
    """Wait until ``wanted`` is true for the depth, which may be late."""
    with trio.fail_after(120):
        while not wanted(await queue.depth()):  # noqa: ASYNC110  (a server's counts raise no event here)
            await trio.sleep(0.2)


async def test_messages_are_delivered_as_sent(queue: Queue) -> None:
    assert await queue.send(messages("a", "b", "c")) == [QueueOutcome.DONE] * 3
    found = await drain(queue, 3)
    assert sorted(json.loads(one.body) for one in found) == ["a", "b", "c"]
    assert len({one.message_id for one in found}) == len({one.handle for one in found}) == 3
    assert {one.receives for one in found} == {1}


async def test_receive_returns_no_more_than_the_limit(queue: Queue) -> None:
    await queue.send(messages(*"abcdefghij"))
    assert len(await queue.receive(3, 1, LONG)) <= 3
    first = await queue.receive(1, 1, LONG)
    assert len(first) == 1


async def test_full_batch_is_sent_hidden_and_deleted(queue: Queue) -> None:
    assert await queue.send(messages(*"abcdefghij")) == [QueueOutcome.DONE] * BATCH
    found = await drain(queue, BATCH)
    assert await queue.set_visibility(found, [LONG] * BATCH) == [QueueOutcome.DONE] * BATCH
    assert await queue.delete(found) == [QueueOutcome.DONE] * BATCH


async def test_new_queue_is_empty(queue: Queue) -> None:
    assert await queue.receive(BATCH, 0, LONG) == []
    assert await queue.depth() == Depth(0, 0, 0)


async def test_receive_on_an_empty_queue_ends(queue: Queue) -> None:
    with trio.fail_after(120):
        assert await queue.receive(BATCH, 0.3, LONG) == []


@pytest.mark.parametrize(
    "text",
    [
        "h\u00e9llo \u4e16\u754c \U0001f39e",
        "".join(map(chr, range(0x20))),
        "\x7f\x80\x9f\u2028\u2029",
        "\ufffe\uffff\U0001ffff",
        "\ud800 alone",
        "<&>\"'\\ %s {}",
    ],
    ids=["letters", "control characters", "late controls", "no characters", "half a pair", "markup"],
)
@pytest.mark.parametrize("ascii_only", [True, False])
async def test_every_character_of_json_is_delivered(queue: Queue, text: str, ascii_only: bool) -> None:
    body = json.dumps({"text": text}, ensure_ascii=ascii_only)
    assert await queue.send([Outgoing(body, {"reason": text})]) == [QueueOutcome.DONE]
    (found,) = await drain(queue, 1)
    assert json.loads(found.body) == {"text": text}


async def test_batch_over_the_limit_of_one_call_is_sent(queue: Queue) -> None:
    texts = [str(number) * 300_000 for number in range(BATCH)]
    assert await queue.send(messages(*texts)) == [QueueOutcome.DONE] * BATCH
    assert sorted(json.loads(one.body) for one in await drain(queue, BATCH)) == texts


async def test_message_over_the_limit_is_refused(queue: Queue) -> None:
    with pytest.raises(ValueError, match="SQS accepts up to"):
        await queue.send([Outgoing("1" * 1_048_577)])


async def test_largest_message_is_sent_and_received(queue: Queue) -> None:
    largest = Outgoing("1" * 1_048_576, {"reason": "attributes must not prevent the send"})
    assert await queue.send([largest]) == [QueueOutcome.DONE]
    (found,) = await drain(queue, 1)
    assert found.body == largest.body


async def test_hidden_delivery_comes_back_with_a_new_handle(queue: Queue) -> None:
    await queue.send(messages("a"))
    (first,) = await queue.receive(1, 5, 5)
    assert await queue.receive(1, 0, LONG) == []
    (second,) = await queue.receive(1, 15, LONG)
    assert (second.message_id, second.body) == (first.message_id, first.body)
    assert second.handle != first.handle
    assert second.receives == 2


async def test_deleted_message_does_not_come_back(queue: Queue) -> None:
    await queue.send(messages("a"))
    (found,) = await queue.receive(1, 5, 1)
    assert await queue.delete([found]) == [QueueOutcome.DONE]
    assert await queue.receive(1, 3, LONG) == []
    assert await queue.depth() == Depth(0, 0, 0)


async def test_newest_handle_deletes_even_after_its_visibility_ended(queue: Queue) -> None:
    await queue.send(messages("a"))
    (found,) = await queue.receive(1, 5, 1)
    await until(queue, lambda depth: depth.visible == 1)
    assert await queue.delete([found]) == [QueueOutcome.DONE]
    assert await queue.receive(1, 1, LONG) == []


async def test_second_delete_is_not_an_error(queue: Queue) -> None:
    await queue.send(messages("a"))
    (found,) = await queue.receive(1, 5, LONG)
    await queue.delete([found])
    (outcome,) = await queue.delete([found])
    assert outcome in NO_ERROR


async def test_stale_handle_is_not_an_error(queue: Queue) -> None:
    await queue.send(messages("a"))
    (stale,) = await queue.receive(1, 5, 1)
    (newest,) = await queue.receive(1, 15, LONG)
    (outcome,) = await queue.delete([stale])
    assert outcome in NO_ERROR
    (outcome,) = await queue.delete([newest])
    assert outcome in NO_ERROR
    assert await queue.receive(1, 0, LONG) == []


async def test_deleted_message_can_not_be_hidden(queue: Queue) -> None:
    await queue.send(messages("a"))
    (found,) = await queue.receive(1, 5, LONG)
    await queue.delete([found])
    assert await queue.set_visibility([found], [LONG]) == [QueueOutcome.GONE]


async def test_outcomes_are_in_the_order_of_their_entries(queue: Queue) -> None:
    await queue.send(messages("a", "b", "c"))
    first, second, third = await drain(queue, 3)
    await queue.delete([second])
    assert await queue.set_visibility([first, second, third], [LONG, LONG, LONG]) == [
        QueueOutcome.DONE,
        QueueOutcome.GONE,
        QueueOutcome.DONE,
    ]


async def test_zero_visibility_makes_a_delivery_visible_at_once(queue: Queue) -> None:
    await queue.send(messages("a"))
    (first,) = await queue.receive(1, 5, LONG)
    assert await queue.set_visibility([first], [0]) == [QueueOutcome.DONE]
    (second,) = await queue.receive(1, 5, LONG)
    assert second.message_id == first.message_id


async def test_delivery_can_be_hidden_for_longer(queue: Queue) -> None:
    await queue.send(messages("a"))
    (found,) = await queue.receive(1, 5, 5)
    assert await queue.set_visibility([found], [LONG]) == [QueueOutcome.DONE]
    assert await queue.receive(1, 7, LONG) == []
    assert await queue.delete([found]) == [QueueOutcome.DONE]


async def test_delivery_can_be_hidden_for_less(queue: Queue) -> None:
    await queue.send(messages("a"))
    (first,) = await queue.receive(1, 5, LONG)
    await queue.set_visibility([first], [1])
    (second,) = await queue.receive(1, 15, LONG)
    assert second.message_id == first.message_id


async def while_polling(queue: Queue, then: Callable[[], Awaitable[object]]) -> list[Delivery]:
    """Wait for a message with a long poll, and call ``then`` meanwhile."""
    found: list[Delivery] = []

    async def poll() -> None:
        found.extend(await queue.receive(1, 20, LONG))

    with trio.fail_after(120):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(poll)
            await trio.sleep(0.5)
            await then()
    return found


async def test_send_wakes_a_long_poll(queue: Queue) -> None:
    (found,) = await while_polling(queue, lambda: queue.send(messages("a")))
    assert json.loads(found.body) == "a"


async def test_zero_visibility_wakes_a_long_poll(queue: Queue) -> None:
    await queue.send(messages("a"))
    first = await queue.receive(1, 5, LONG)
    (second,) = await while_polling(queue, lambda: queue.set_visibility(first, [0]))
    assert second.message_id == first[0].message_id


async def test_cancelled_long_poll_ends_at_once(queue: Queue) -> None:
    with trio.fail_after(120), trio.move_on_after(0.5) as scope:
        await queue.receive(1, 20, LONG)
    assert scope.cancelled_caught


async def test_depth_counts_visible_and_in_flight_messages(queue: Queue) -> None:
    await queue.send(messages("a", "b", "c"))
    held = await queue.receive(1, 5, LONG)
    expected = Depth(visible=3 - len(held), in_flight=len(held), delayed=0)
    await until(queue, lambda depth: depth == expected)
    assert not expected.empty


async def test_concurrent_receivers_never_get_the_same_delivery(queue: Queue) -> None:
    await queue.send(messages(*"abcdefghij"))
    found: list[Delivery] = []

    async def receive() -> None:
        while some := await queue.receive(2, 1, LONG):
            found.extend(some)

    with trio.fail_after(120):
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(receive)
    assert sorted(json.loads(one.body) for one in found) == list("abcdefghij")


async def test_batch_over_the_limit_is_refused(queue: Queue) -> None:
    delivery = Delivery("id", "handle", "body")
    with pytest.raises(ValueError, match="11"):
        await queue.send([Outgoing("1")] * 11)
    with pytest.raises(ValueError, match="11"):
        await queue.receive(11, 0, LONG)
    with pytest.raises(ValueError, match="11"):
        await queue.delete([delivery] * 11)
    with pytest.raises(ValueError, match="11"):
        await queue.set_visibility([delivery] * 11, [0] * 11)


async def test_empty_batch_succeeds(queue: Queue) -> None:
    assert await queue.send([]) == await queue.delete([]) == await queue.set_visibility([], []) == []


async def test_queue_without_a_fleet_raises_no_fleet(no_fleet: Services) -> None:
    queue = no_fleet.queues["worker"]
    delivery = Delivery("id", "handle", "body")
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: queue.send(messages("a")),
        lambda: queue.receive(1, 0, LONG),
        lambda: queue.delete([delivery]),
        lambda: queue.set_visibility([delivery], [0]),
        queue.depth,
    ]
    for call in calls:
        with pytest.raises(NoFleet, match="python -m fleet up"):
            await call()


async def test_attributes_of_a_message_are_delivered(queue: Queue) -> None:
    await queue.send([Outgoing('"a"', {"reason": "unknown version 9", "worker": "w-1"})])
    [found] = await drain(queue, 1)
    assert found.attributes == {"reason": "unknown version 9", "worker": "w-1"}


async def test_purge_deletes_all_messages(queue: Queue) -> None:
    await queue.send(messages("a", "b", "c"))
    await queue.receive(1, 1, LONG)
    await queue.purge()
    await until(queue, lambda depth: depth.empty)
