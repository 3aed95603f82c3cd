"""Signatures are checked as AWS checks them: held against AWS's published examples and against botocore's signer."""

import hashlib
from datetime import UTC, datetime

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from fleet.local.emulator_server.signature import RefusedRequest, Request, Verifier

SUITE_SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
S3_SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
"""The secrets of AWS's published examples."""
EMPTY = hashlib.sha256(b"").hexdigest()
HOST = "127.0.0.1:4567"

Headers = dict[str, str]


def _request(method: str, target: str, headers: Headers) -> Request:
    path, _, query = target.partition("?")
    return Request.of(
        method, path.encode(), query.encode(), [(name.encode(), value.encode()) for name, value in headers.items()]
    )


@pytest.mark.parametrize(
    ("method", "target", "extra", "signature"),
    [
        ("GET", "/", {}, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST", "/", {}, "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        ("GET", "/ሴ", {}, "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"),
        (
            "GET",
            "/?Param2=value2&Param1=value1",
            {},
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            "GET",
            "/",
            {"My-Header1": "value2,value2,value1"},
            "c9d5ea9f3f72853aea855b47ea873832890dbdd183b4468f858259531a5138ea",
        ),
        (
            "GET",
            "/",
            {"My-Header1": " value1", "My-Header2": ' "a   b   c"'},
            "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736",
        ),
    ],
    ids=["get-vanilla", "post-vanilla", "get-utf8", "query-order", "header-duplicate", "header-trim"],
)
def test_signature_of_awss_test_suite_is_accepted(method: str, target: str, extra: Headers, signature: str) -> None:
    headers = {"Host": "example.amazonaws.com", "X-Amz-Date": "20150830T123600Z"} | extra
    signed = ";".join(sorted(name.lower() for name in headers))
    headers["Authorization"] = (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders={signed}, Signature={signature}"
    )
    at = datetime(2015, 8, 30, 12, 40, tzinfo=UTC).timestamp()
    Verifier("AKIDEXAMPLE", SUITE_SECRET, lambda: at).check(_request(method, target, headers), EMPTY)


@pytest.mark.parametrize(
    ("method", "target", "extra", "body_hash", "signature"),
    [
        (
            "GET",
            "/test.txt",
            {"Range": "bytes=0-9"},
            EMPTY,
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            "PUT",
            "/test%24file.text",
            {"Date": "Fri, 24 May 2013 00:00:00 GMT", "X-Amz-Storage-Class": "REDUCED_REDUNDANCY"},
            hashlib.sha256(b"Welcome to Amazon S3.").hexdigest(),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        ("GET", "/?lifecycle", {}, EMPTY, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        (
            "GET",
            "/?max-keys=2&prefix=J",
            {},
            EMPTY,
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ],
    ids=["get-object", "put-object", "get-lifecycle", "list-objects"],
)
def test_signature_of_awss_s3_examples_is_accepted(
    method: str, target: str, extra: Headers, body_hash: str, signature: str
) -> None:
    fixed = {"X-Amz-Content-Sha256": body_hash, "X-Amz-Date": "20130524T000000Z"}
    headers = {"Host": "examplebucket.s3.amazonaws.com"} | fixed | extra
    signed = ";".join(sorted(name.lower() for name in headers))
    headers["Authorization"] = (
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
        f"SignedHeaders={signed},Signature={signature}"
    )
    at = datetime(2013, 5, 24, tzinfo=UTC).timestamp()
    request = _request(method, target, headers)
    Verifier("AKIAIOSFODNN7EXAMPLE", S3_SECRET, lambda: at).check(request, request.body_hash)


def _signed(
    method: str = "POST",
    target: str = "/",
    *,
    service: str = "sqs",
    body: bytes = b"{}",
    access_key: str = "cloudkon",
    secret: str = "ours",
) -> Headers:
    """Return the headers of a request that botocore has signed."""
    signer = S3SigV4Auth if service == "s3" else SigV4Auth
    aws_request = AWSRequest(method, f"http://{HOST}{target}", headers={"Host": HOST}, data=body)
    signer(Credentials(access_key, secret), service, "eu-west-1").add_auth(aws_request)
    return dict(aws_request.headers.items())


def _check(headers: Headers, method: str = "POST", target: str = "/", body: bytes = b"{}") -> None:
    request = _request(method, target, headers)
    Verifier("cloudkon", "ours").check(request, request.body_hash or hashlib.sha256(body).hexdigest())


@pytest.mark.parametrize(
    ("service", "method", "target"),
    [
        ("sqs", "POST", "/"),
        ("sqs", "POST", "/000000000000/cloudkon-worker"),
        ("dynamodb", "POST", "/"),
        ("cloudformation", "POST", "/"),
        ("s3", "GET", "/some-store"),
        ("s3", "GET", "/some-store?list-type=2&prefix=videos%2Fr%2B1%2F&encoding-type=url"),
        ("s3", "PUT", "/some-store/a%20b/%C3%A9%2B%25~.txt?partNumber=2&uploadId=x%3D%3D"),
        ("s3", "POST", "/some-store?delete"),
        ("s3", "HEAD", "/some-store/a//b/../c"),
    ],
)
def test_signature_of_botocore_is_accepted(service: str, method: str, target: str) -> None:
    _check(_signed(method, target, service=service), method, target)


def _code(headers: Headers, *, method: str = "POST", target: str = "/", body: bytes = b"{}") -> str:
    with pytest.raises(RefusedRequest) as caught:
        _check(headers, method, target, body)
    return caught.value.code


def test_signature_with_another_secret_or_key_is_refused() -> None:
    assert _code(_signed(secret="cloudkon")) == "SignatureDoesNotMatch"
    assert _code(_signed(access_key="somebody")) == "InvalidClientTokenId"


def test_signature_is_refused_for_another_request_than_the_signed_one() -> None:
    headers = _signed()
    assert _code(headers, body=b"{ }") == "SignatureDoesNotMatch"
    assert _code(headers, method="PUT") == "SignatureDoesNotMatch"
    assert _code(headers, target="/elsewhere") == "SignatureDoesNotMatch"
    assert _code(headers, target="/?Action=DeleteQueue") == "SignatureDoesNotMatch"
    assert _code(headers | {"Host": "localhost:4567"}) == "SignatureDoesNotMatch"


@pytest.mark.parametrize(
    "authorization",
    [
        "Basic Y2xvdWRrb246b3Vycw==",
        "AWS4-HMAC-SHA256",
        "AWS4-HMAC-SHA256 Credential=cloudkon/20150830/a/b/aws4_request, SignedHeaders=host, Signature=",
        "AWS4-HMAC-SHA256 Credential=cloudkon/a/b/aws4_request, SignedHeaders=host, Signature=" + "0" * 64,
        "AWS4-ECDSA-P256-SHA256 Credential=cloudkon/20150830/a/b/aws4_request, SignedHeaders=host, Signature="
        + "0" * 64,
    ],
)
def test_malformed_authorization_is_refused(authorization: str) -> None:
    assert _code(_signed() | {"Authorization": authorization}) == "IncompleteSignature"


def test_missing_authorization_is_refused() -> None:
    headers = _signed()
    del headers["Authorization"]
    assert _code(headers) == "MissingAuthenticationToken"


def test_repeated_authorization_is_refused() -> None:
    """A stranger's beside the owner's: which of the two counts must not depend on the reader."""
    pairs = [(name.encode(), value.encode()) for name, value in _signed().items()]
    pairs += [pair for pair in pairs if pair[0] == b"Authorization"]
    with pytest.raises(RefusedRequest) as caught:
        Verifier("cloudkon", "ours").check(Request.of("POST", b"/", b"", pairs), hashlib.sha256(b"{}").hexdigest())
    assert caught.value.code == "IncompleteSignature"


def test_signature_without_the_host_is_refused() -> None:
    headers = _signed()
    headers["Authorization"] = headers["Authorization"].replace("SignedHeaders=host;", "SignedHeaders=")
    assert _code(headers) == "SignatureDoesNotMatch"


@pytest.mark.parametrize(("minutes", "accepted"), [(-16, False), (-14, True), (14, True), (16, False)])
def test_signature_is_valid_for_a_quarter_of_an_hour(minutes: float, *, accepted: bool) -> None:
    headers = _signed()
    signed_at = datetime.strptime(headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    verifier = Verifier("cloudkon", "ours", lambda: signed_at + minutes * 60)
    request, body_hash = _request("POST", "/", headers), hashlib.sha256(b"{}").hexdigest()
    if accepted:
        verifier.check(request, body_hash)
    else:
        with pytest.raises(RefusedRequest, match="900 s"):
            verifier.check(request, body_hash)


@pytest.mark.parametrize("moment", ["", "20150830", "99999999T999999Z", "20150830T123600Z"])
def test_time_that_is_missing_malformed_or_not_the_signed_date_is_refused(moment: str) -> None:
    assert _code(_signed() | {"X-Amz-Date": moment}) == "IncompleteSignature"
