"""Checks AWS Signature Version 4 of a request, as AWS's own services do."""

import hashlib
import hmac
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import quote, quote_from_bytes, unquote_to_bytes

ALGORITHM: Final = "AWS4-HMAC-SHA256"
WINDOW_SECONDS: Final = 900.0
"""How far a request's time may be from ours, as on AWS."""
UNSIGNED: Final = "UNSIGNED-PAYLOAD"
STREAMING: Final = "STREAMING-"
"""Values of ``x-amz-content-sha256`` (the second as a prefix) with which the signature does not cover the body."""
_AUTHORIZATION: Final = re.compile(
    ALGORITHM + r" +Credential=([^/,\s]+)/(\d{8})/([^/,\s]*)/([^/,\s]+)/aws4_request, *"
    r"SignedHeaders=([^,\s]+), *Signature=([0-9a-f]{64})"
)
_TIME: Final = re.compile(r"\d{8}T\d{6}Z")
_UNESCAPED: Final = "-_.~"


class RefusedRequest(Exception):
    """A request that the emulator must not see. ``code`` is AWS's name of the reason."""

    def __init__(self, code: str, reason: str) -> None:
        """``reason`` is for the user who made the request."""
        super().__init__(reason)
        self.code, self.reason = code, reason


@dataclass(frozen=True, slots=True)
class Request:
    """What a signature covers, apart from the body; ``path`` and ``query`` are as sent."""

    method: str
    path: bytes
    query: bytes
    headers: dict[str, str]

    @classmethod
    def of(cls, method: str, path: bytes, query: bytes, headers: Iterable[tuple[bytes, bytes]]) -> "Request":
        """Take the headers as ASGI has them. Values of a repeated name are joined with commas."""
        joined: dict[str, str] = {}
        for raw_name, raw_value in headers:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            joined[name] = f"{joined[name]},{value}" if name in joined else value
        return cls(method, path, query, joined)

    @property
    def body_hash(self) -> str:
        """What the client says of its body: a hash, ``UNSIGNED-PAYLOAD`` or similar; empty if it says nothing."""
        return self.headers.get("x-amz-content-sha256", "")


class Claim(NamedTuple):
    """What a request says of its signature: its time, its scope, the signed headers, and the signature itself."""

    moment: str
    date: str
    region: str
    service: str
    signed: str
    signature: str


class Verifier:
    """Knows one access key and checks signatures made with it."""

    def __init__(self, access_key: str, secret: str, clock: Callable[[], float] = time.time) -> None:
        """``secret`` is the key's secret access key; ``clock`` returns epoch seconds."""
        self._access_key, self._secret, self._clock = access_key, secret, clock
        self._signing_key = lru_cache(maxsize=64)(self._derive_signing_key)

    def check(self, request: Request, body_hash: str) -> None:
        """Raise ``RefusedRequest`` unless the request is signed with the secret, about now.

        ``body_hash`` is what the client says of its body, or else the body's SHA-256.
        """
        self.check_signature(request, self.claim(request), body_hash)

    def claim(self, request: Request) -> Claim:
        """Return what the request says of its signature.

        Raises ``RefusedRequest`` if no body could make it valid: another key, another time, or no signature at all.
        """
        text = request.headers.get("authorization", "")
        if not text:
            raise RefusedRequest("MissingAuthenticationToken", "the request is not signed")
        found = _AUTHORIZATION.fullmatch(text)
        if not found:
            raise RefusedRequest("IncompleteSignature", f"the Authorization header is not one of {ALGORITHM}")
        access_key, date, region, service, signed, signature = found.groups()
        if access_key != self._access_key:
            raise RefusedRequest("InvalidClientTokenId", f"the access key id is not {self._access_key!r}")
        moment = request.headers.get("x-amz-date", "")
        if abs(self._clock() - _epoch_seconds(moment, date)) > WINDOW_SECONDS:
            raise RefusedRequest("RequestTimeTooSkewed", f"it was signed more than {WINDOW_SECONDS:.0f} s from now")
        if "host" not in signed.split(";"):
            raise RefusedRequest("SignatureDoesNotMatch", "the signature does not cover the header Host")
        return Claim(moment, date, region, service, signed, signature)

    def check_signature(self, request: Request, claim: Claim, body_hash: str) -> None:
        """Raise ``RefusedRequest`` unless the claimed signature was made with the secret."""
        moment, date, region, service, signed, signature = claim
        scope = f"{date}/{region}/{service}/aws4_request"
        hashed = hashlib.sha256(_canonical(request, service, signed, body_hash).encode("latin-1")).hexdigest()
        to_sign = f"{ALGORITHM}\n{moment}\n{scope}\n{hashed}"
        expected = hmac.digest(self._signing_key(date, region, service), to_sign.encode("latin-1"), "sha256").hex()
        if not hmac.compare_digest(expected, signature):
            raise RefusedRequest("SignatureDoesNotMatch", "the signature was not made with this fleet's secret")

    def _derive_signing_key(self, *scope: str) -> bytes:
        key = f"AWS4{self._secret}".encode()
        for part in (*scope, "aws4_request"):
            key = hmac.digest(key, part.encode("latin-1"), "sha256")
        return key


@lru_cache(maxsize=16)
def _epoch_seconds(moment: str, date: str) -> float:
    if not _TIME.fullmatch(moment) or not moment.startswith(date):
        raise RefusedRequest("IncompleteSignature", "the header X-Amz-Date is missing or not the signature's date")
    try:
        return datetime.strptime(moment, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise RefusedRequest("IncompleteSignature", f"X-Amz-Date {moment} is no time") from None


def _canonical(request: Request, service: str, signed: str, body_hash: str) -> str:
    """Return the request in the one form that client and server sign. S3 encodes its path once, others twice."""
    path = "/"
    if request.path != b"/":
        raw = unquote_to_bytes(request.path) if service == "s3" else request.path
        path = quote_from_bytes(raw, safe="/" + _UNESCAPED)
    headers = "".join(f"{name}:{' '.join(request.headers.get(name, '').split())}\n" for name in signed.split(";"))
    return "\n".join(
        (
            request.method,
            path,
            _canonical_query(request.query),
            headers,
            signed,
            body_hash,
        )
    )


def _canonical_query(query: bytes) -> str:
    if not query:
        return ""
    pairs = (part.partition(b"=") for part in query.split(b"&") if part)
    return "&".join(
        f"{name}={value}" for name, value in sorted((_encode(name), _encode(value)) for name, _, value in pairs)
    )


def _encode(text: bytes) -> str:
    return quote(unquote_to_bytes(text), safe=_UNESCAPED)
