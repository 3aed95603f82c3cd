"""Bodies by orjson equal botocore's, on the wire and for the caller."""

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
    """Responds to each request of a client instead of the service, and keeps the requests."""

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


def test_batch_is_encoded_as_dynamodb_expects() -> None:
    wire = Wire("dynamodb", b'{"Responses": [{}]}')
    wire.client.batch_execute_statement(Statements=[STATEMENT])
    body = json.loads(wire.sent[0].body)
    assert body == {"Statements": [{**STATEMENT, "Parameters": [{"S": "ü"}, {"N": "7"}, {"B": "AP8="}]}]}
    assert "Authorization" in wire.sent[0].headers


def test_deletions_are_encoded_as_sqs_expects() -> None:
    wire = Wire("sqs", b'{"Successful": [{"Id": "0"}]}')
    request = {"QueueUrl": "http://127.0.0.1:9/0/q", "Entries": [{"Id": "0", "ReceiptHandle": "h"}]}
    assert wire.client.delete_message_batch(**request)["Successful"] == [{"Id": "0"}]
    assert json.loads(wire.sent[0].body) == request


def test_binary_attributes_of_a_batch_are_decoded_to_bytes() -> None:
    wire = Wire(
        "dynamodb", b'{"Responses": [{"Item": {"progress": {"B": "AP8="}, "n": {"N": "7"}}}, {"TableName": "t"}]}'
    )
    answer = wire.client.batch_execute_statement(Statements=[STATEMENT])
    assert answer["Responses"] == [{"Item": {"progress": {"B": b"\x00\xff"}, "n": {"N": "7"}}}, {"TableName": "t"}]
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_lone_surrogate_in_a_message_is_left_to_botocore() -> None:
    wire = Wire("sqs", rb'{"Messages": [{"MessageId": "1", "ReceiptHandle": "h", "Body": "\ud800"}]}')
    assert wire.client.receive_message(QueueUrl="http://127.0.0.1:9/0/q")["Messages"][0]["Body"] == "\ud800"


def test_error_responses_are_left_to_botocore() -> None:
    wire = Wire("dynamodb", b'{"__type": "com.amazonaws#ThrottlingException", "message": "slow down"}', 400)
    with pytest.raises(ClientError, match="slow down"):
        wire.client.batch_execute_statement(Statements=[STATEMENT])
