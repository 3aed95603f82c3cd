"""Translates botocore's errors to those of ``cloudkon.errors``."""

from collections.abc import Iterator
from contextlib import contextmanager
from textwrap import shorten
from typing import Final

from botocore.exceptions import (
    BotoCoreError,
    ChecksumError,
    ClientError,
    CredentialRetrievalError,
    EndpointConnectionError,
    FlexibleChecksumError,
    HTTPClientError,
    IncompleteReadError,
    LoginError,
    NoAuthTokenError,
    NoCredentialsError,
    PartialCredentialsError,
    RefreshWithMFAUnsupportedError,
    SSOError,
    TokenRetrievalError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError
from botocore.parsers import ResponseParserError
from urllib3.exceptions import HTTPError

from cloudkon.errors import (
    AccessDenied,
    CloudKonError,
    NoFleet,
    ObjectMissing,
    ServiceError,
    Throttled,
    Unavailable,
)
from cloudkon.programs import command

BOTO_ERRORS = (BotoCoreError, ClientError, ResponseParserError, HTTPError)
"""All errors that a call through boto3 can raise."""

THROTTLED = frozenset(
    {
        "BandwidthLimitExceeded",
        "OverLimit",  # SQS: 120,000 messages are in flight
        "AWS.SimpleQueueService.OverLimit",
        "KmsThrottled",
        "PriorRequestNotComplete",
        "PurgeQueueInProgress",
        "AWS.SimpleQueueService.PurgeQueueInProgress",
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "Throttling",
        "ThrottledException",
        "ThrottlingError",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
MISSING_FLEET = frozenset(
    {
        "AWS.SimpleQueueService.NonExistentQueue",
        "NoSuchBucket",
        "QueueDoesNotExist",
        "ResourceNotFound",
        "ResourceNotFoundException",
    }
)
MISSING_OBJECT = frozenset({"404", "NoSuchKey", "NotFound"})
DENIED = frozenset(
    {
        "403",
        "AccessDenied",
        "AccessDeniedException",
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "Forbidden",
        "IncompleteSignature",
        "InvalidAccessKeyId",
        "InvalidClientTokenId",
        "InvalidSecurity",
        "InvalidSignatureException",
        "InvalidToken",
        "KMS.AccessDeniedException",
        "MissingAuthenticationToken",
        "NotAuthorized",
        "OptInRequired",
        "RequestExpired",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
        "UnauthorizedOperation",
        "UnrecognizedClientException",
    }
)
EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
"""The same error, as the services spell it: query and S3, JSON, EC2."""
UNKNOWN_KEYS = frozenset(
    {
        "AuthFailure",  # EC2
        "InvalidAccessKeyId",  # S3
        "InvalidClientTokenId",  # query services
        "InvalidSignatureException",
        "InvalidToken",  # S3
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",  # JSON services
    }
)
"""Keys or a session that AWS does not know, or no longer."""
REMEDIES = {
    EXPIRED: "Log in again, then repeat the command",
    UNKNOWN_KEYS: (
        "Log in again, or fix AWS_PROFILE or the keys, then repeat the command; "
        "a region that is not enabled for the account causes the same error"
    ),
    frozenset({"RequestTimeTooSkewed"}): "Set the clock of this computer",
    frozenset({"OptInRequired"}): "Sign up the account for this service, or set AWS_REGION to another region",
}
"""What the user can do about some of those."""
TRANSIENT = frozenset(
    {
        "ConcurrentUpdateException",  # Application Auto Scaling: another change of the same target is in progress
        "InternalError",
        "InternalServerError",
        "RequestTimeout",
        "ResourceContention",  # Auto Scaling: another change of the same group is in progress
        "ServiceUnavailable",
    }
)
_NO_CREDENTIALS: Final[tuple[tuple[type[BotoCoreError], str], ...]] = (
    (LoginError, "Log in again with: aws login"),
    (SSOError, "Log in again with: aws sso login"),
    (TokenRetrievalError, "Log in again with: aws sso login"),
    (NoAuthTokenError, "Log in again with: aws sso login"),
    (RefreshWithMFAUnsupportedError, "Run the command again: it asks for a new MFA code"),
    (CredentialRetrievalError, "Fix what AWS_PROFILE names: see what its credential_process or role prints by hand"),
    (NoCredentialsError, "Set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or log in"),
    (PartialCredentialsError, "Set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or log in"),
)
"""What botocore raises without valid credentials, and what the user can do about each."""
_STILL_EXPIRED = "Credentials were refreshed, but the refreshed credentials are still expired."
"""botocore's ``RuntimeError`` when a ``credential_process``, for example, prints credentials that have expired."""
_WRONG_CODE = "MultiFactorAuthentication failed"
"""Begins the message of STS for an MFA code that is wrong, or was used before."""
_CONNECTION_FAILURES = (
    BotoConnectionError,
    ChecksumError,
    FlexibleChecksumError,
    HTTPClientError,
    HTTPError,
    IncompleteReadError,
    ResponseParserError,
)
_SERVER_ERROR = 500
_TOO_MANY_REQUESTS = 429
_MOST_QUOTED = 300
"""Characters of botocore's message that are quoted at most."""


@contextmanager
def translated(fleet: str, endpoint: str) -> Iterator[None]:
    """Raise the errors of boto3 in the block as those of ``cloudkon.errors``. ``endpoint`` as below."""
    try:
        yield
    except BOTO_ERRORS as error:
        raise to_cloudkon_error(error, fleet, endpoint) from error
    except RuntimeError as error:
        if str(error) != _STILL_EXPIRED:
            raise
        raise AccessDenied(f"AWS credentials: {_STILL_EXPIRED} {REMEDIES[EXPIRED]}") from error


def to_cloudkon_error(error: Exception, fleet: str, endpoint: str) -> CloudKonError:
    """Translate one of ``BOTO_ERRORS``. ``endpoint`` is the emulator's address, empty on AWS."""
    if isinstance(error, ClientError):
        return _refusal(error, fleet)
    for kind, remedy in _NO_CREDENTIALS:
        if isinstance(error, kind):
            # A program's whole output, for example.
            text = shorten(str(error), _MOST_QUOTED, placeholder=" …").rstrip(".")
            return AccessDenied(f"AWS credentials: {text}. {remedy}")
    if isinstance(error, EndpointConnectionError) and endpoint:
        return Unavailable(
            f"endpoint {endpoint}: nothing answers there. Start the fleet again with: {command('fleet up')}"
            " (or fix AWS_ENDPOINT_URL)"
        )
    if isinstance(error, EndpointConnectionError):
        return Unavailable(f"AWS: {str(error).rstrip('.')}. Fix AWS_REGION if there is no such region, or the network")
    if isinstance(error, _CONNECTION_FAILURES):
        return _connection_failure(error, endpoint)
    return ServiceError(f"AWS: {error}")


def _connection_failure(error: Exception, endpoint: str) -> CloudKonError:
    # Our own check of a new connection (server_proof), whose error botocore wraps like any other.
    own = error.kwargs.get("error") if isinstance(error, HTTPClientError) else None
    if isinstance(own, CloudKonError):
        return own
    # botocore quotes a response that it can't read, which may be a whole page of HTML.
    quoted = shorten(str(error), _MOST_QUOTED, placeholder=" …")
    return Unavailable(f"{endpoint or 'AWS'}: the connection failed: {quoted}")


def code_of(error: ClientError) -> str:
    """Return the service's error code, without the name space that SQS adds to some."""
    return str(error.response.get("Error", {}).get("Code", "")).rpartition("#")[2]


def error_for_code(code: str, text: str, fleet: str) -> CloudKonError:
    """Return the error for a service's error code, of a whole call or of one entry of a batch. ``text`` is its text."""
    if code in THROTTLED:
        return Throttled(text)
    if code in MISSING_FLEET:
        return no_fleet(fleet, text)
    if code in MISSING_OBJECT:
        return ObjectMissing(text)
    if code in DENIED:
        return AccessDenied(text)
    return Unavailable(text) if code in TRANSIENT else ServiceError(text)


def no_fleet(fleet: str, reason: str) -> NoFleet:
    """Return the error for a queue, table or bucket of the fleet that doesn't exist."""
    return NoFleet(f"fleet {fleet!r}", f"it is not up ({reason.rstrip('.')})", f"Start it with: {command('fleet up')}")


def _refusal(error: ClientError, fleet: str) -> CloudKonError:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    message = error.response.get("Error", {}).get("Message", "")
    code = code_of(error)
    what = f"AWS refused {error.operation_name} with {code}: {message or 'no reason given'}"
    remedy = next((text for codes, text in REMEDIES.items() if code in codes), "")
    if message.startswith(_WRONG_CODE):
        remedy = "Wait for the next code, then repeat the command: AWS accepts each code once"
    found = error_for_code(code, f"{what.rstrip('.')}. {remedy}" if remedy else what, fleet)
    if type(found) is ServiceError and status == _TOO_MANY_REQUESTS:
        found = Throttled(str(found))
    elif type(found) is ServiceError and status >= _SERVER_ERROR:
        found = Unavailable(str(found))
    if isinstance(found, ServiceError):
        found.code = code
    return found
