"""What botocore no longer writes and reads field by field says the same on the wire and to its caller."""

import io
import json
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse, HTTPHeaders
from botocore.exceptions import ClientError
from urllib3 import HTTPResponse

from cloudkon.aws import Connection
from cloudkon.settings import Settings

EMULATOR = Settings(target="docker", endpoint_url="http://127.0.0.1:9")
STATEMENT = {"Statement": "SELECT", "Parameters": [{"S": "ü"}, {"N": "7"}, {"B": b"\x00\xff"}], "ConsistentRead": True}


class Wire:
    """Answers each request of a client in a service's place, and keeps what was sent."""

    def __init__(self, service: str, answer: bytes, status: int = 200) -> None:
        self.sent: list[Any] = []
        client: Any = Connection(EMULATOR).client(service)
        self.client = client
        self._answer, self._status = answer, status
        self.client.meta.events.register("before-send", self._take)

    def _take(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        self.sent.append(request)
        raw: Any = HTTPResponse(io.BytesIO(self._answer), preload_content=False)
        return AWSResponse(request.url, self._status, HTTPHeaders(), raw)


def test_a_batch_is_sent_as_dynamodb_reads_it() -> None:
    wire = Wire("dynamodb", b'{"Responses": [{}]}')
    wire.client.batch_execute_statement(Statements=[STATEMENT])
    body = json.loads(wire.sent[0].body)
    assert body == {"Statements": [{**STATEMENT, "Parameters": [{"S": "ü"}, {"N": "7"}, {"B": "AP8="}]}]}
    assert "Authorization" in wire.sent[0].headers


def test_deletions_are_sent_as_sqs_reads_them() -> None:
    wire = Wire("sqs", b'{"Successful": [{"Id": "0"}]}')
    asked = {"QueueUrl": "http://127.0.0.1:9/0/q", "Entries": [{"Id": "0", "ReceiptHandle": "h"}]}
    assert wire.client.delete_message_batch(**asked)["Successful"] == [{"Id": "0"}]
    assert json.loads(wire.sent[0].body) == asked


def test_a_batchs_items_come_with_their_bytes() -> None:
    wire = Wire(
        "dynamodb", b'{"Responses": [{"Item": {"progress": {"B": "AP8="}, "n": {"N": "7"}}}, {"TableName": "t"}]}'
    )
    answer = wire.client.batch_execute_statement(Statements=[STATEMENT])
    assert answer["Responses"] == [{"Item": {"progress": {"B": b"\x00\xff"}, "n": {"N": "7"}}}, {"TableName": "t"}]
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_half_a_character_in_a_message_is_left_to_botocore() -> None:
    wire = Wire("sqs", rb'{"Messages": [{"MessageId": "1", "ReceiptHandle": "h", "Body": "\ud800"}]}')
    assert wire.client.receive_message(QueueUrl="http://127.0.0.1:9/0/q")["Messages"][0]["Body"] == "\ud800"


def test_a_refusal_is_botocores_to_tell() -> None:
    wire = Wire("dynamodb", b'{"__type": "com.amazonaws#ThrottlingException", "message": "slow down"}', 400)
    with pytest.raises(ClientError, match="slow down"):
        wire.client.batch_execute_statement(Statements=[STATEMENT])
