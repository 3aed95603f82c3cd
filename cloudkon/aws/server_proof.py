"""Has the local fleet's emulator prove that it knows the fleet's secret, on each connection, before anything is sent.

Another user of the machine can take the emulator's port while no supervisor of the fleet holds it: after the supervisor
was killed, or while a client still knows the port of a fleet that was stopped. Such a program must get no task, and
no worker may run what it gives out. A proof costs one small request for each connection, and none for each call.

The server's part is ``fleet.local.emulator_server.proof``.
"""

import hashlib
import hmac
import re
import secrets
import socket
import time
from typing import Any, Final

from botocore.awsrequest import AWSHTTPConnection, AWSHTTPConnectionPool
from urllib3.exceptions import ConnectTimeoutError

from cloudkon.errors import ServiceError
from cloudkon.programs import command
from cloudkon.settings import ANY_SECRET, Settings

PATH: Final = "/_cloudkon/proof"
LABEL: Final = "cloudkon-server-proof"
NONCE_BYTES: Final = 32
SECONDS: Final = 10.0
"""How long a proof may take: an emulator that was just started again answers late. The shortest time-out of a call."""
MOST_BYTES: Final = 4096
"""Of the answer, head and proof."""
_RECEIVE_BYTES: Final = 2048
_OK: Final = re.compile(rb"HTTP/1\.[01] 200\b")


class UnprovenServer(ServiceError):
    """The server at the emulator's address does not know the fleet's secret."""


def secret_to_prove(settings: Settings) -> str:
    """Return the secret that the server must know; empty if no local fleet of our own is to answer.

    Raises ``InvalidInput`` if the secret belongs to another user.
    """
    secret = settings.emulator_secret()
    return "" if secret == ANY_SECRET else secret


def check_server(connection: socket.socket, secret: str, seconds: float = SECONDS) -> None:
    """Have the server of a new connection prove that it knows the secret.

    Raises ``UnprovenServer`` if it does not, and ``OSError`` if the connection ends or the time is up first.
    """
    host, port = connection.getpeername()[:2]
    nonce = secrets.token_hex(NONCE_BYTES)
    expected = hmac.digest(secret.encode(), f"{LABEL} {host}:{port} {nonce}".encode(), hashlib.sha256).hex()
    before = connection.gettimeout()
    try:
        connection.settimeout(seconds)
        connection.sendall(f"GET {PATH}?nonce={nonce} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
        proof = _receive_body(connection, len(expected), seconds)
    finally:
        connection.settimeout(before)
    if not hmac.compare_digest(proof, expected.encode()):
        raise UnprovenServer(
            f"endpoint http://{host}:{port}: what listens on port {port} does not prove that it is this fleet's "
            f"emulator, so nothing was sent to it. Start the fleet again with: {command('fleet up')} (or, to use an "
            "emulator of your own, set CLOUDKON_TARGET=docker)"
        )


def require_proof(client: Any, secret: str) -> None:  # noqa: ANN401  (boto3 makes its clients' classes at run time)
    """Let a boto3 client send nothing on any connection before its server has proved that it knows the secret."""

    class Connection(AWSHTTPConnection):
        def connect(self) -> None:
            super().connect()
            try:
                check_server(self.sock, secret)
            except TimeoutError as error:
                self.close()
                raise ConnectTimeoutError(self, "the server is silent") from error
            except BaseException:
                self.close()
                raise

    class Pool(AWSHTTPConnectionPool):
        ConnectionCls = Connection

    # botocore has no option for it. Without https, because a proof is only due on loopback.
    client._endpoint.http_session._manager.pool_classes_by_scheme = {"http": Pool}  # noqa: SLF001  (see above)


def _receive_body(connection: socket.socket, size: int, seconds: float) -> bytes:
    """Return the body of an answer of ``size`` bytes; something else if the answer is none of these.

    Not by ``http.client``, which reads for as long as a server sends a byte from time to time.
    """
    deadline = time.monotonic() + seconds
    answer = b""
    while True:
        head, end, body = answer.partition(b"\r\n\r\n")
        complete = len(body) >= size or (end and not _OK.match(head))
        if complete or len(answer) > MOST_BYTES:
            return body
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the proof takes too long")
        connection.settimeout(left)
        part = connection.recv(_RECEIVE_BYTES)
        if not part:
            raise ConnectionResetError("the server has closed the connection")
        answer += part
