"""The queue's handling of responses that SQS can give and an emulator can't."""

from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError
from botocore.stub import Stubber

from cloudkon.aws import Connection
from cloudkon.aws.queue import SqsQueue, _entry
from cloudkon.errors import AccessDenied, CloudKonError, Throttled, Unavailable
from cloudkon.model import Chunk, ChunkKey, Delivery, Outgoing
from cloudkon.ports import QueueOutcome
from cloudkon.wire.message import decode_message, encode_message

URL = "http://another-host:4566/000000000000/unit-worker"
DONE, GONE, FAILED = QueueOutcome.DONE, QueueOutcome.GONE, QueueOutcome.FAILED
DELIVERIES = [Delivery(f"id-{number}", f"handle-{number}", "1") for number in range(6)]


@pytest.fixture
def queue(connection: Connection, sqs: Stubber) -> SqsQueue:
    """Its URL is looked up once: a second look-up would have no stubbed response."""
    sqs.add_response("get_queue_url", {"QueueUrl": URL}, {"QueueName": "unit-worker"})
    return SqsQueue(connection, "unit-worker")


def failed(position: int, code: str) -> dict[str, Any]:
    return {"Id": str(position), "Code": code, "SenderFault": True}


PARTLY = [
    failed(1, "InternalError"),
    failed(2, "ReceiptHandleIsInvalid"),
    failed(3, "InvalidParameterValueException"),
    failed(4, "InvalidParameterValue"),
    failed(5, "AWS.SimpleQueueService.MessageNotInflight"),
]


async def test_delete_returns_an_outcome_for_each_entry(queue: SqsQueue, sqs: Stubber) -> None:
    sqs.add_response("delete_message_batch", {"Successful": [{"Id": "0"}], "Failed": PARTLY})
    assert await queue.delete(DELIVERIES) == [DONE, FAILED, GONE, GONE, GONE, GONE]


async def test_set_visibility_returns_an_outcome_for_each_entry(queue: SqsQueue, sqs: Stubber) -> None:
    sqs.add_response("change_message_visibility_batch", {"Successful": [{"Id": "0"}], "Failed": PARTLY})
    assert await queue.set_visibility(DELIVERIES, [60] * 6) == [DONE, FAILED, GONE, GONE, GONE, GONE]


async def test_send_never_returns_gone(queue: SqsQueue, sqs: Stubber) -> None:
    accepted = {"Id": "0", "MessageId": "m", "MD5OfMessageBody": "x"}
    sqs.add_response("send_message_batch", {"Successful": [accepted], "Failed": PARTLY})
    assert await queue.send([Outgoing("1")] * 6) == [DONE, *[FAILED] * 5]


async def test_entries_in_neither_list_are_failed(queue: SqsQueue, sqs: Stubber) -> None:
    sqs.add_response("delete_message_batch", {"Successful": [], "Failed": []})
    assert await queue.delete(DELIVERIES) == [FAILED] * 6


@pytest.mark.parametrize(
    ("wait", "visibility", "sent_wait", "sent_visibility"),
    [(0, 0, 0, 0), (0.2, 1.5, 1, 2), (20, 65, 20, 65), (25, 1e6, 20, 43_200)],
)
async def test_waits_are_whole_seconds_within_the_limits_of_sqs(
    queue: SqsQueue, sqs: Stubber, wait: float, visibility: float, sent_wait: int, sent_visibility: int
) -> None:
    sqs.add_response(
        "receive_message",
        {},
        {
            "QueueUrl": URL,
            "MaxNumberOfMessages": 10,
            "WaitTimeSeconds": sent_wait,
            "VisibilityTimeout": sent_visibility,
            "MessageSystemAttributeNames": ["ApproximateReceiveCount", "SentTimestamp"],
            "MessageAttributeNames": ["All"],
        },
    )
    assert await queue.receive(10, wait, visibility) == []
    sqs.assert_no_pending_responses()


async def test_visibility_is_rounded_up_for_each_entry(queue: SqsQueue, sqs: Stubber) -> None:
    sqs.add_response(
        "change_message_visibility_batch",
        {"Successful": [{"Id": "0"}, {"Id": "1"}, {"Id": "2"}], "Failed": []},
        {
            "QueueUrl": URL,
            "Entries": [
                {"Id": str(position), "ReceiptHandle": f"handle-{position}", "VisibilityTimeout": seconds}
                for position, seconds in enumerate([0, 31, 43_200])
            ],
        },
    )
    assert await queue.set_visibility(DELIVERIES[:3], [-3, 30.01, 50_000]) == [DONE] * 3


async def test_characters_that_sqs_refuses_are_escaped_or_replaced(queue: SqsQueue, sqs: Stubber) -> None:
    attributes = {"reason": {"DataType": "String", "StringValue": "bad \ufffd byte"}}
    sqs.add_response(
        "send_message_batch",
        {"Successful": [{"Id": "0", "MessageId": "m", "MD5OfMessageBody": "x"}], "Failed": []},
        {
            "QueueUrl": URL,
            "Entries": [{"Id": "0", "MessageBody": '"\\ufffe\\ud800\t"', "MessageAttributes": attributes}],
        },
    )
    message = Outgoing('"\ufffe\ud800\t"', {"reason": "bad \x00 byte", "empty": ""})
    assert await queue.send([message]) == [DONE]


def accepted(count: int) -> dict[str, Any]:
    entries = [{"Id": str(position), "MessageId": "m", "MD5OfMessageBody": "x"} for position in range(count)]
    return {"Successful": entries, "Failed": []}


async def test_batch_over_the_limit_is_sent_in_several_calls(queue: SqsQueue, sqs: Stubber) -> None:
    sqs.add_response("send_message_batch", accepted(2))
    sqs.add_response("send_message_batch", accepted(1))
    assert await queue.send([Outgoing("1" * 500_000)] * 3) == [DONE] * 3
    sqs.assert_no_pending_responses()


async def test_failed_part_of_a_batch_keeps_the_outcomes_of_earlier_parts(queue: SqsQueue, sqs: Stubber) -> None:
    sqs.add_response("send_message_batch", accepted(2))
    sqs.add_client_error("send_message_batch", "RequestThrottled", http_status_code=403)
    assert await queue.send([Outgoing("1" * 500_000)] * 3) == [DONE, DONE, FAILED]


async def test_failed_first_part_of_a_batch_raises(queue: SqsQueue, sqs: Stubber) -> None:
    sqs.add_client_error("send_message_batch", "RequestThrottled", http_status_code=403)
    with pytest.raises(Throttled):
        await queue.send([Outgoing("1" * 500_000)] * 3)


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [("OverLimit", 403, Throttled), ("InternalFailure", 500, Unavailable), ("AccessDenied", 403, AccessDenied)],
)
async def test_failed_call_raises_the_translated_error(
    queue: SqsQueue, sqs: Stubber, code: str, status: int, expected: type[CloudKonError]
) -> None:
    sqs.add_client_error("receive_message", code, http_status_code=status)
    with pytest.raises(expected):
        await queue.receive(10, 0, 60)


async def test_lost_response_raises_unavailable(
    connection: Connection, queue: SqsQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(**_: object) -> None:
        raise ReadTimeoutError(endpoint_url=URL)

    monkeypatch.setattr(connection.client("sqs"), "delete_message_batch", lose)
    with pytest.raises(Unavailable):
        await queue.delete(DELIVERIES)


def test_encoded_message_is_sent_without_further_escapes() -> None:
    instruction = "sleep \ufffe\uffff" + "é\t" * 10
    chunk = Chunk(ChunkKey("run", 0, 1), 0, (instruction,))
    body = encode_message(chunk)
    assert _entry(Outgoing(body))["MessageBody"] == body
    assert decode_message(body) == chunk
