"""Proves to a client that this server knows the fleet's secret, before the client sends anything else.

Its counterpart is ``cloudkon.aws.server_proof``. The proof names the address at which this server was reached, so a
program at another address can't pass it on as its own.
"""

import hashlib
import hmac
import re
from typing import Final

from .signature import RefusedRequest

LABEL: Final = "cloudkon-server-proof"
"""No other use of the secret signs text that begins with it."""
_QUERY: Final = re.compile(rb"nonce=([0-9a-f]{64})")


class Prover:
    """Answers the nonces of clients."""

    def __init__(self, secret: str) -> None:
        """``secret`` is the fleet's."""
        self._secret = secret.encode()

    def proof(self, query: bytes, host: str, port: int) -> bytes:
        """Return the proof for one client, which reached this server at ``host`` and ``port``.

        Raises ``RefusedRequest`` if the query is not a nonce of 64 hexadecimal digits.
        """
        found = _QUERY.fullmatch(query)
        if not found:
            raise RefusedRequest("InvalidParameterValue", "nonce is not 64 hexadecimal digits")
        text = f"{LABEL} {host}:{port} {found[1].decode('ascii')}"
        return hmac.digest(self._secret, text.encode(), hashlib.sha256).hex().encode("ascii")
