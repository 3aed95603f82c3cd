"""Passes a request to the emulator only if it is signed with the fleet's secret and no web page has sent it."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from .bodies import MEBIBYTE, Body, Message, Reader, Receive
from .interface import HEALTH_PATH, PROOF_PATH, SAVE_PATH
from .proof import Prover
from .signature import STREAMING, UNSIGNED, RefusedRequest, Request, Verifier

Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Receive, Send], Awaitable[None]]

ADMINISTRATION: Final = "/_"
"""The beginning of paths that no AWS service has: the emulator's own, which reset it, configure it or run functions."""
MOST_UNCHECKED: Final = 20 * MEBIBYTE
"""Bytes of a body that is read before its signature can be checked, which needs its hash. DynamoDB's largest request
has 16 MiB, those of SQS (1 MiB) and CloudFormation are smaller, also when a form writes each byte as three."""
UNCHECKED_TOGETHER: Final = 64 * MEBIBYTE
UNCHECKED_SECONDS: Final = 20
MOST_CHECKED: Final = 1024 * MEBIBYTE
"""Bytes of a body whose client has proved itself before: an object in S3. The emulator takes each as a whole, so this
is less than S3's 5 GiB; AWS's programs and ours send large objects in parts of 8 MiB."""
CHECKED_SECONDS: Final = 60
READ_ONLY: Final = (b"Get", b"List", b"Describe", b"Query", b"Scan", b"BatchGet", b"ReceiveMessage")
"""Beginnings of operations after which no save is due. A message that was only received may be received again."""


class Authentication:
    """An ASGI application around the emulator's."""

    def __init__(
        self,
        application: Application,
        verifier: Verifier,
        prover: Prover,
        hosts: frozenset[str],
        *,
        on_loaded: Callable[[], object],
        save: Callable[[], Awaitable[str]],
    ) -> None:
        """``hosts`` are the accepted values of the header Host.

        ``on_loaded`` is called when the emulator has read its state, before the first request. ``save`` returns its
        problem, or an empty string.
        """
        self._application, self._verifier, self._prover, self._hosts = application, verifier, prover, hosts
        self._unchecked = Reader(
            most=MOST_UNCHECKED, together=UNCHECKED_TOGETHER, seconds=UNCHECKED_SECONDS, trusted=False
        )
        self._checked = Reader(most=MOST_CHECKED, together=MOST_CHECKED, seconds=CHECKED_SECONDS, trusted=True)
        self._on_loaded, self._save = on_loaded, save
        self.changes = 0
        """How many requests may have changed the state."""

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """Answer one connection scope. No WebSocket is accepted."""
        if scope["type"] == "http":
            path = scope["raw_path"].partition(b"?")[0]
            request = Request.of(scope["method"], path, scope["query_string"], scope["headers"])
            body = Body(request.headers, receive)
            try:
                await self._answer(scope, request, body, receive, send)
            except RefusedRequest as refused:
                await body.drain(MOST_UNCHECKED)
                async with body.forgotten():
                    await _refuse(scope, send, refused)
        elif scope["type"] == "lifespan":
            await self._application(scope, receive, self._when_loaded(send))
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})

    def _when_loaded(self, send: Send) -> Send:
        async def call_and_send(message: Message) -> None:
            if message["type"] == "lifespan.startup.complete":
                self._on_loaded()
            await send(message)

        return call_and_send

    async def _answer(
        self, scope: Mapping[str, Any], request: Request, body: Body, receive: Receive, send: Send
    ) -> None:
        self._check_sender(request)
        if scope["path"] in (HEALTH_PATH, PROOF_PATH):
            is_proof = scope["path"] == PROOF_PATH
            answer = self._prover.proof(request.query, *scope["server"]) if is_proof else b"{}"
            async with body.forgotten():
                await _respond(send, 200, b"text/plain" if is_proof else b"application/json", answer)
            return
        content = await self._authenticated_content(request, body)
        if scope["path"] == SAVE_PATH:
            problem = await self._save()
            await _respond(
                send, 507 if problem else 200, b"application/json", json.dumps({"problem": problem}).encode()
            )
        elif scope["path"].startswith(ADMINISTRATION):
            raise RefusedRequest("AccessDenied", f"{scope['path']} belongs to no AWS service")
        else:
            try:
                await self._application(scope, _replay(content, receive), send)
            finally:
                self.changes += _may_change(request)

    def _check_sender(self, request: Request) -> None:
        """Refuse web pages: under another name than ours (a name that was rebound to loopback), or with an origin."""
        if request.headers.get("host", "").lower() not in self._hosts:
            raise RefusedRequest("AccessDenied", "the header Host does not name this emulator")
        if "origin" in request.headers:
            raise RefusedRequest("AccessDenied", "requests of web pages are refused")

    async def _authenticated_content(self, request: Request, body: Body) -> bytes:
        """Return the body, after the signature was checked: before the body is read, if the client sends its hash."""
        claim, claimed_hash = self._verifier.claim(request), request.body_hash
        if claimed_hash:
            self._verifier.check_signature(request, claim, claimed_hash)
            content = await self._checked.read(body)
            unsigned = claimed_hash == UNSIGNED or claimed_hash.startswith(STREAMING)
            if not unsigned and _digest(content) != claimed_hash:
                raise RefusedRequest("XAmzContentSHA256Mismatch", "the body is not the one that was signed")
            return content
        content = await self._unchecked.read(body)
        self._verifier.check_signature(request, claim, _digest(content))
        return content


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def _may_change(request: Request) -> bool:
    if request.method in ("GET", "HEAD"):
        return False
    operation = request.headers.get("x-amz-target", "").rpartition(".")[2].encode("latin-1")
    return not operation.startswith(READ_ONLY)


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a ``receive`` that yields the body once more, and then what the client does next."""
    pending: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay


async def _refuse(scope: Mapping[str, Any], send: Send, refused: RefusedRequest) -> None:
    """Answer in the shape of the service's own errors, so that every AWS library reads code and reason."""
    kind = next((value for name, value in scope["headers"] if name.lower() == b"content-type"), b"")
    if kind.startswith(b"application/x-amz-json"):
        body = json.dumps({"__type": refused.code, "message": refused.reason}).encode()
    else:
        kind = b"text/xml"
        error = f"<Code>{refused.code}</Code><Message>{_escape(refused.reason)}</Message>"
        # S3 has the error at the top, other services inside of a response: botocore reads this form for both.
        body = f"<ErrorResponse><Error>{error}</Error></ErrorResponse>".encode()
    await _respond(send, 403, kind, body)


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


async def _respond(send: Send, status: int, kind: bytes, body: bytes) -> None:
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
