"""The translation of botocore's errors to those of ``cloudkon.errors``."""

import pytest
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionClosedError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    IncompleteReadError,
    NoCredentialsError,
    ParamValidationError,
    ReadTimeoutError,
    ResponseStreamingError,
    SSLError,
    SSOTokenLoadError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
from botocore.parsers import ResponseParserError
from urllib3.exceptions import ProtocolError

from cloudkon.aws.aws_errors import BOTO_ERRORS, to_cloudkon_error
from cloudkon.errors import (
    AccessDenied,
    CloudKonError,
    NoFleet,
    ObjectMissing,
    ServiceError,
    Throttled,
    Unavailable,
)

URL = "http://127.0.0.1:4566"


def refusal(code: str, status: int = 400) -> ClientError:
    return ClientError(
        {"Error": {"Code": code, "Message": "the reason"}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item]  # a real answer has more
        "SendMessageBatch",
    )


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("ThrottlingException", 400, Throttled),
        ("ProvisionedThroughputExceededException", 400, Throttled),
        ("RequestThrottled", 403, Throttled),
        ("OverLimit", 403, Throttled),
        ("SlowDown", 503, Throttled),
        ("UnknownCode", 429, Throttled),
        ("InternalError", 400, Unavailable),
        ("RequestTimeout", 400, Unavailable),
        ("UnknownCode", 500, Unavailable),
        ("UnknownCode", 503, Unavailable),
        ("AWS.SimpleQueueService.NonExistentQueue", 400, NoFleet),
        ("QueueDoesNotExist", 400, NoFleet),
        ("com.amazonaws.sqs#QueueDoesNotExist", 400, NoFleet),
        ("ResourceNotFoundException", 400, NoFleet),
        ("NoSuchBucket", 404, NoFleet),
        ("NoSuchKey", 404, ObjectMissing),
        ("404", 404, ObjectMissing),
        ("AccessDenied", 403, AccessDenied),
        ("AccessDeniedException", 400, AccessDenied),
        ("ExpiredTokenException", 400, AccessDenied),
        ("UnrecognizedClientException", 400, AccessDenied),
        ("403", 403, AccessDenied),
        ("ValidationException", 400, ServiceError),
        ("UnknownCode", 400, ServiceError),
        ("", 0, ServiceError),
    ],
)
def test_error_codes_are_translated(code: str, status: int, expected: type[CloudKonError]) -> None:
    found = to_cloudkon_error(refusal(code, status), "fleet-a", URL)
    assert type(found) is expected
    assert "SendMessageBatch" in str(found)
    assert "the reason" in str(found)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (EndpointConnectionError(endpoint_url=URL), Unavailable),
        (ConnectTimeoutError(endpoint_url=URL), Unavailable),
        (ReadTimeoutError(endpoint_url=URL), Unavailable),
        (ConnectionClosedError(endpoint_url=URL), Unavailable),
        (SSLError(endpoint_url=URL, error=OSError("bad")), Unavailable),
        (ResponseStreamingError(error="cut"), Unavailable),
        (IncompleteReadError(actual_bytes=1, expected_bytes=2), Unavailable),
        (ResponseParserError("<html>"), Unavailable),
        (ProtocolError("cut"), Unavailable),
        (NoCredentialsError(), AccessDenied),
        (CredentialRetrievalError(provider="process", error_msg="no"), AccessDenied),
        (TokenRetrievalError(provider="sso", error_msg="no"), AccessDenied),
        (SSOTokenLoadError(error_msg="no"), AccessDenied),
        (UnauthorizedSSOTokenError(), AccessDenied),
        (ParamValidationError(report="bad"), ServiceError),
        (BotoCoreError(), ServiceError),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else value.__name__,
)
@pytest.mark.parametrize("endpoint", [URL, ""], ids=["emulator", "aws"])
def test_botocore_exceptions_are_translated(error: Exception, expected: type[CloudKonError], endpoint: str) -> None:
    assert isinstance(error, BOTO_ERRORS)
    assert type(to_cloudkon_error(error, "fleet-a", endpoint)) is expected


def test_error_for_a_missing_fleet_says_how_to_start_it() -> None:
    found = to_cloudkon_error(refusal("QueueDoesNotExist"), "fleet-a", URL)
    assert isinstance(found, NoFleet)
    assert "fleet-a" in found.subject
    assert "python -m fleet up" in found.remedy
    assert found.exit_code == 2


def test_error_for_a_stopped_emulator_says_how_to_start_it() -> None:
    text = str(to_cloudkon_error(EndpointConnectionError(endpoint_url=URL), "fleet-a", URL))
    assert URL in text
    assert "python -m fleet up" in text
    assert "fleet up" not in str(to_cloudkon_error(EndpointConnectionError(endpoint_url=URL), "fleet-a", ""))


def test_error_for_missing_credentials_says_what_to_set() -> None:
    assert "AWS_PROFILE" in str(to_cloudkon_error(NoCredentialsError(), "fleet-a", ""))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("ExpiredToken", "Log in again"),
        ("ExpiredTokenException", "Log in again"),
        ("InvalidClientTokenId", "AWS_PROFILE"),
        ("RequestTimeTooSkewed", "clock"),
    ],
)
def test_error_for_refused_credentials_has_a_remedy(code: str, words: str) -> None:
    text = str(to_cloudkon_error(refusal(code), "fleet-a", ""))
    assert words in text.partition("the reason. ")[2]


def test_error_for_an_unknown_region_names_the_variable() -> None:
    error = EndpointConnectionError(endpoint_url="https://sts.eu-central-9.amazonaws.com/")
    text = str(to_cloudkon_error(error, "fleet-a", ""))
    assert "eu-central-9" in text
    assert "AWS_REGION" in text


def test_html_page_as_a_response_is_quoted_in_one_short_line() -> None:
    page = "<!DOCTYPE HTML>\n<html>\n" + "<p>Unsupported method</p>\n" * 100
    text = str(
        to_cloudkon_error(ResponseParserError(f"Unable to parse response:\n{page}"), "fleet", "http://127.0.0.1:4601")
    )
    assert text.startswith("http://127.0.0.1:4601: the connection failed: Unable to parse response: <!DOCTYPE HTML>")
    assert "\n" not in text
    assert len(text) < 400
