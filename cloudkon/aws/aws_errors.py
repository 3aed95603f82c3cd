"""What went wrong at AWS, in our words: botocore's errors as the tree of ``cloudkon.errors``."""

from textwrap import shorten

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

BOTO_ERRORS = (BotoCoreError, ClientError, ResponseParserError, HTTPError)
"""All that a call through boto3 raises of its own."""

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
REMEDIES = {
    frozenset(
        {"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"}
    ): "Log in again, then go on by the same command",
    frozenset(
        {"InvalidClientTokenId", "SignatureDoesNotMatch", "UnrecognizedClientException"}
    ): "Mend AWS_PROFILE or the keys; a region that is not enabled for the account answers the same",
    frozenset({"RequestTimeTooSkewed"}): "Set this machine's clock",
    frozenset({"OptInRequired"}): "Sign the account up for this service, or take another region by AWS_REGION",
}
"""What mends some of those."""
PASSING = frozenset(
    {
        "ConcurrentUpdateException",  # Application Auto Scaling: another change of the same target is under way
        "InternalError",
        "InternalServerError",
        "RequestTimeout",
        "ResourceContention",  # Auto Scaling: the same of a group
        "ServiceUnavailable",
    }
)
_NO_CREDENTIALS = (
    CredentialRetrievalError,
    LoginError,
    NoAuthTokenError,
    NoCredentialsError,
    PartialCredentialsError,
    SSOError,
    TokenRetrievalError,
)
_LOST_ON_ITS_WAY = (
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
_SAID_WIDTH = 300
"""Characters of botocore's own words that are quoted."""


def to_cloudkon_error(error: Exception, fleet: str, endpoint: str) -> CloudKonError:
    """Name one of ``BOTO_ERRORS``. ``endpoint`` is where an emulator should answer, or empty on AWS."""
    if isinstance(error, ClientError):
        return _refusal(error, fleet)
    if isinstance(error, _NO_CREDENTIALS):
        return AccessDenied(
            f"AWS credentials: {error}. Set AWS_PROFILE or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or log in"
        )
    if isinstance(error, EndpointConnectionError) and endpoint:
        return Unavailable(
            f"endpoint {endpoint}: nothing answers there. Start the fleet again with: python -m fleet up"
            " (or mend AWS_ENDPOINT_URL)"
        )
    if isinstance(error, EndpointConnectionError):
        return Unavailable(f"AWS: {str(error).rstrip('.')}. Mend AWS_REGION if there is no such region, or the network")
    if isinstance(error, _LOST_ON_ITS_WAY):
        # botocore quotes an answer that it can't read, a whole page of HTML it may be.
        said = shorten(str(error), _SAID_WIDTH, placeholder=" …")
        return Unavailable(f"{endpoint or 'AWS'}: the call failed on its way: {said}")
    return ServiceError(f"AWS: {error}")


def code_of(error: ClientError) -> str:
    """The service's own word for it; SQS prefixes some with a name space."""
    return str(error.response.get("Error", {}).get("Code", "")).rpartition("#")[2]


def named(code: str, what: str, fleet: str) -> CloudKonError:
    """Name a code that a service gave, for a whole call or for one entry of a batch. ``what`` says who and why."""
    if code in THROTTLED:
        return Throttled(what)
    if code in MISSING_FLEET:
        return no_fleet(fleet, what)
    if code in MISSING_OBJECT:
        return ObjectMissing(what)
    if code in DENIED:
        return AccessDenied(what)
    return Unavailable(what) if code in PASSING else ServiceError(what)


def no_fleet(fleet: str, reason: str) -> NoFleet:
    """Say that a queue, table or bucket of the fleet doesn't exist."""
    return NoFleet(f"fleet {fleet!r}", f"it is not up ({reason.rstrip('.')})", "Start it with: python -m fleet up")


def _refusal(error: ClientError, fleet: str) -> CloudKonError:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    message = error.response.get("Error", {}).get("Message", "")
    code = code_of(error)
    what = f"AWS refused {error.operation_name} with {code}: {message or 'no reason given'}"
    remedy = next((text for codes, text in REMEDIES.items() if code in codes), "")
    found = named(code, f"{what.rstrip('.')}. {remedy}" if remedy else what, fleet)
    if type(found) is ServiceError and status == _TOO_MANY_REQUESTS:
        found = Throttled(str(found))
    elif type(found) is ServiceError and status >= _SERVER_ERROR:
        found = Unavailable(str(found))
    if isinstance(found, ServiceError):
        found.code = code
    return found
