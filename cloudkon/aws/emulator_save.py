"""Asks the local fleet's emulator to save its state now."""

import http.client
import json
from typing import Final
from urllib.parse import urlsplit

import trio
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from cloudkon.aws.server_proof import UnprovenServer, check_server, secret_to_prove
from cloudkon.aws.sessions import EMULATOR_ACCESS_KEY
from cloudkon.errors import CloudKonError, Unavailable
from cloudkon.settings import Settings

PATH: Final = "/_cloudkon/save"
SECONDS: Final = 150.0
"""The time-out: longer than the emulator lets a save take."""


async def save_emulator(settings: Settings) -> None:
    """Have the state saved, and wait for the end.

    Raises ``CloudKonError`` if it can't be saved, and ``Unavailable`` if the emulator does not answer (another server
    at its address counts as none), or is one of an older release, which only saves at its end.
    """
    problem = await trio.to_thread.run_sync(_save, settings, abandon_on_cancel=True)
    if problem:
        raise CloudKonError(f"the emulator can't save messages and ledger: {problem}")


def _save(settings: Settings) -> str:
    endpoint, secret = settings.service_endpoint(), settings.emulator_secret()
    request = AWSRequest("POST", endpoint + PATH, headers={"Host": urlsplit(endpoint).netloc}, data=b"")
    SigV4Auth(Credentials(EMULATOR_ACCESS_KEY, secret), "cloudkon", "us-east-1").add_auth(request)
    connection = http.client.HTTPConnection(urlsplit(endpoint).netloc, timeout=SECONDS)
    try:
        connection.connect()
        if to_prove := secret_to_prove(settings):
            check_server(connection.sock, to_prove)
        connection.request("POST", PATH, b"", dict(request.headers.items()))
        answer = json.loads(connection.getresponse().read())
        return str(answer["problem"])
    except UnprovenServer as error:
        raise Unavailable(str(error)) from error
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        raise Unavailable(f"{endpoint}: the emulator does not save: {error!r}") from error
    finally:
        connection.close()
