"""Fetches what a link leads to onto the disk: complete, limited in bytes and time, and only from allowed addresses."""

import math
import random
import socket
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from functools import partial
from http import HTTPStatus
from pathlib import Path
from urllib.parse import urljoin

import requests
import trio
import urllib3

import cloudkon
from cloudkon.backoff import Backoff
from cloudkon.errors import NoFleet, ObjectMissing, ObjectTooLarge, ServiceError, Unavailable
from cloudkon.instructions.animoto.bad_value import BadValue
from cloudkon.instructions.animoto.links import check_length
from cloudkon.ports import Store
from cloudkon.settings import Settings

from ..pictures.missing import Outlook, Unusable
from .address_guard import Destination, check_bucket, resolve
from .http_connection import Interrupter, PinnedAdapter, connect

_HEADERS = {
    "User-Agent": f"CloudKon-animoto/{cloudkon.__version__}",
    "Accept": "image/*, audio/*;q=0.5",
    # Pictures don't compress further, and a compressed response may be a decompression bomb.
    "Accept-Encoding": "identity",
}
_CHUNK = 64 * 1024
"""Bytes of a read, before and after decompression."""
_RETRYABLE = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.TOO_EARLY,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits for one link. Times are in seconds."""

    bytes: int = 64 * 1024 * 1024
    """A photo of 50 megapixels has 10 to 40 MB."""
    total: float = 120.0
    """All attempts with the waits between them."""
    transfer: float = 60.0
    """One attempt: from the look-up of the link's host to the last byte, redirects included."""
    connect: float = 10.0
    """Until one of the host's addresses accepts the connection."""
    silence: float = 15.0
    """Until the next byte."""
    redirects: int = 5
    attempts: int = 4
    first_wait: float = 0.5
    """Before the second attempt; doubled for each further one. Jitter adds up to half of it."""
    longest_wait: float = 30.0
    """If a server asks for a longer wait, the link is left to the task's next attempt."""


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Fetches links.

    Raises ``Unusable`` with the reason for what can't be fetched, and ``OSError`` if the disk fails.
    """

    settings: Settings
    store: Store
    limits: Limits = Limits()
    certificates: bool | str = True
    """Path of the certificates to trust; by default those that requests ships."""
    rng: random.Random | None = None
    """Draws the jitter of waits."""

    async def fetch(self, link: str, path: Path) -> None:
        """Write what the link leads to into ``path``, with retries where these may help."""
        with trio.move_on_after(self.limits.total):
            return await self._persist(link, path)
        raise Unusable(f"it took longer than {self.limits.total:g} s in several attempts", Outlook.LATER)

    async def _persist(self, link: str, path: Path) -> None:
        attempt = 1
        while True:
            try:
                return await self._try(link, path)
            except Unusable as error:
                wait = self._wait(attempt, error)
                if error.outlook is not Outlook.SOON or attempt >= self.limits.attempts:
                    raise
                if wait > self.limits.longest_wait:
                    reason = f"{error.reason}, and the server asks for a wait of {wait:.0f} s"
                    raise Unusable(reason, Outlook.LATER) from error
            await trio.sleep(wait)
            attempt += 1

    def _wait(self, attempt: int, error: Unusable) -> float:
        if error.retry_after is not None:
            return error.retry_after
        # A third of 1.5 times the wait is random: the result is between the wait and 1.5 times the wait.
        backoff = Backoff(first=1.5 * self.limits.first_wait, most=math.inf, jitter=1 / 3)
        return backoff.wait(attempt, self.rng)

    async def _try(self, link: str, path: Path) -> None:
        with trio.move_on_after(self.limits.transfer):
            if link.startswith("s3://"):
                return await self._fetch_s3(link, path)
            return await self._fetch_web(link, path)
        # Not retried here: a server that drips bytes does so again, and each try takes the whole limit.
        raise Unusable(f"it took longer than {self.limits.transfer:g} s", Outlook.LATER)

    async def _fetch_s3(self, link: str, path: Path) -> None:
        check_bucket(link, self.settings)
        try:
            # One request: the object that HEAD describes could be replaced before GET.
            await self.store.get(link, path, self.limits.bytes)
        except ObjectMissing:
            raise Unusable("no object is stored there") from None
        except ObjectTooLarge:
            raise _too_large(self.limits) from None
        except NoFleet:
            raise Unusable("there is no such bucket") from None
        except Unavailable as error:
            raise Unusable(f"the store failed: {error}", Outlook.SOON) from error
        except ServiceError as error:
            # Credentials may be fixed before the task's next attempt, but not within seconds.
            raise Unusable(f"the store refused: {error}", Outlook.LATER) from error

    async def _fetch_web(self, link: str, path: Path) -> None:
        url = _encoded_url(link)
        for _hop in range(self.limits.redirects + 1):
            destination = await resolve(url, allow_private=self.settings.allow_private_links)
            further = await self._request(destination, path)
            if further is None:
                return
            url = _encoded_url(further)
        raise Unusable(f"it redirects more than {self.limits.redirects} times")

    async def _request(self, destination: Destination, path: Path) -> str | None:
        """Request in a thread that ends at once when this call is cancelled."""
        try:
            connected = await connect(destination, self.limits.connect)
        except trio.TooSlowError:
            raise Unusable("the server does not answer", Outlook.SOON) from None
        except OSError as error:
            raise Unusable(f"the connection failed: {_innermost_reason(error)}", Outlook.SOON) from error
        interrupter = Interrupter(connected)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_interrupt_when_cancelled, interrupter)
                work = partial(_download, destination, connected, path, self.limits, self.certificates)
                found = await trio.to_thread.run_sync(_error_as_value, work)
                nursery.cancel_scope.cancel()
        finally:
            interrupter.release()
        if isinstance(found, Exception):
            raise found
        return found


async def _interrupt_when_cancelled(interrupter: Interrupter) -> None:
    try:
        await trio.sleep_forever()
    finally:
        interrupter.interrupt()


def _error_as_value(work: Callable[[], str | None]) -> str | Exception | None:
    """Return the result, or the error as a value, because a nursery would wrap a raised error in a group."""
    try:
        return work()
    except (Unusable, OSError) as error:
        return error


def _encoded_url(url: str) -> str:
    """Return the URL as it is sent: host names in ASCII, other characters escaped."""
    try:
        check_length(url)
        return requests.Request("GET", url).prepare().url or ""
    except (requests.RequestException, UnicodeError, BadValue) as error:
        # The error may repeat the URL, and with it a signature: like ``display_link``, this leaves out the query.
        raise Unusable(f"the address can't be read: {str(error).partition('?')[0]}") from None


def _download(
    destination: Destination, connected: socket.socket, path: Path, limits: Limits, certificates: bool | str
) -> str | None:
    """Write the response's body to ``path``, or return the URL that it redirects to."""
    request = requests.Request("GET", destination.url, headers=_HEADERS).prepare()
    # Without a session nothing comes from the environment: no proxy (it would resolve the name again), no .netrc.
    with closing(PinnedAdapter(connected)) as adapter:
        try:
            with adapter.send(
                request, stream=True, timeout=(limits.connect, limits.silence), verify=certificates
            ) as response:
                if response.is_redirect:
                    return urljoin(destination.url, response.headers["Location"])
                _check_response(response, limits)
                _save_body(response, path, limits)
                return None
        except requests.exceptions.SSLError as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise Unusable("its certificate is not trusted") from error
            raise Unusable("the encrypted connection was interrupted", Outlook.SOON) from error
        except (requests.Timeout, urllib3.exceptions.TimeoutError) as error:
            raise Unusable("the server does not answer", Outlook.SOON) from error
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise Unusable(f"the connection failed: {_innermost_reason(error)}", Outlook.SOON) from error
        except ValueError as error:
            # From urljoin and int, which read what the server sent: "Location: http://[", a length of 5,000 digits.
            raise Unusable(f"the server's answer can't be read: {error}") from error


def _check_response(response: requests.Response, limits: Limits) -> None:
    status = response.status_code
    if status in _RETRYABLE:
        raise Unusable(f"the server is busy or broken (HTTP {status})", Outlook.SOON, _retry_after(response))
    if status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
        raise Unusable(f"nothing is there (HTTP {status})")
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        raise Unusable(f"the server denies access (HTTP {status})")
    if status != HTTPStatus.OK:
        raise Unusable(f"the server answers HTTP {status}")
    declared = response.headers.get("Content-Length", "")
    if declared.isdecimal() and int(declared) > limits.bytes:
        raise _too_large(limits)


def _save_body(response: requests.Response, path: Path, limits: Limits) -> None:
    written = 0
    with path.open("wb") as file:
        # read1 returns the bytes of one socket read; read() would wait for a whole chunk, however long that takes.
        while chunk := response.raw.read1(_CHUNK, decode_content=True):
            written += len(chunk)
            if written > limits.bytes:
                raise _too_large(limits)
            file.write(chunk)


def _too_large(limits: Limits) -> Unusable:
    return Unusable(f"it is larger than {limits.bytes // 1024 // 1024} MiB")


def _retry_after(response: requests.Response) -> float | None:
    """Return the wait that the server asks for, as seconds or as a date (RFC 9110, 10.2.3)."""
    text = response.headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # OverflowError: a time zone of years
        return None
    return max(0.0, date.replace(tzinfo=date.tzinfo or UTC).timestamp() - time.time())


def _innermost_reason(error: BaseException) -> str:
    """Return the innermost error's text: the outer errors repeat the address and each other."""
    while error.args and isinstance(error.args[-1], BaseException):
        error = error.args[-1]
    reason = getattr(error, "reason", None)
    if isinstance(reason, BaseException):
        return _innermost_reason(reason)
    return str(getattr(error, "strerror", None) or error)
