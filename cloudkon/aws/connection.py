"""Connection: boto3's clients for one fleet's services, called from trio."""

import os
from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar, overload

import boto3
import botocore.session
import trio
from botocore.config import Config
from botocore.exceptions import NoRegionError, ProfileNotFound

from cloudkon import __version__
from cloudkon.aws.aws_errors import BOTO_ERRORS, to_cloudkon_error
from cloudkon.aws.quick_json import use_quick_json
from cloudkon.errors import InvalidSetting
from cloudkon.settings import LONGEST_POLL, Settings

if TYPE_CHECKING:  # the stubs are there for development only
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

P = ParamSpec("P")
R = TypeVar("R")

CALLS = 64
"""Calls that are under way at a time: threads, and connections a service."""
_PATIENCE = {"sqs": LONGEST_POLL + 10.0, "dynamodb": 10.0, "s3": 20.0}
"""Seconds a service may stay silent: SQS a long poll and more, the ledger far less than a lease; a cancelled transfer
waits for its next bytes that long."""
_DEFAULT_PATIENCE = 60.0
_EMULATOR_REGION = "us-east-1"
_OWN_BACKOFF = ("sqs", "dynamodb")
"""Services whose callers back off by themselves."""


class Connection:
    """Makes each client once, and runs its calls in threads. May be shared by all tasks of a process."""

    def __init__(self, settings: Settings, session: Callable[[], boto3.Session] | None = None) -> None:
        """Find the endpoint; raises ``NoFleet`` if the target is local and no fleet is up here.

        ``session`` makes boto3's session where it is not to be the one of the settings.
        """
        self._settings = settings
        self._session = session or self._session_of_settings
        self.endpoint = settings.service_endpoint()
        """Where an emulator answers; empty on AWS."""
        self._clients: dict[str, Any] = {}
        self._lock = Lock()
        self._limiter = trio.CapacityLimiter(CALLS)
        self._under_way = 0
        self._answered = 0.0
        """When a call ended last, or the first of those under way began, by trio's clock."""

    @property
    def fleet(self) -> str:
        """The fleet's name, for errors."""
        return self._settings.fleet

    def seconds_without_answer(self) -> float:
        """For how many seconds calls have been under way without one of them ending, well or badly.

        Each has its time-out, so minutes of it mean that no call will ever end: its thread hangs where no time-out
        reaches, as in looking up a name. Transfers don't count, since they take as long as their files are large.
        """
        return trio.current_time() - self._answered if self._under_way else 0.0

    @property
    def region(self) -> str:
        """The region that calls go to. Raises ``InvalidSetting`` where none is set."""
        # Not STS: without a region it has a client all the same, for a global endpoint in no region.
        return self.client("sqs").meta.region_name

    @overload
    def client(self, service: Literal["sqs"]) -> "SQSClient": ...
    @overload
    def client(self, service: Literal["dynamodb"]) -> "DynamoDBClient": ...
    @overload
    def client(self, service: Literal["s3"]) -> "S3Client": ...
    @overload
    def client(self, service: Literal["cloudformation"]) -> "CloudFormationClient": ...
    @overload
    def client(self, service: str) -> object: ...
    def client(self, service: str) -> object:
        """Make a service's client, or give the one there is. The first one takes 0.2 s: call it in a thread.

        Raises ``InvalidSetting`` for an endpoint or a profile that can't be used.
        """
        # boto3's sessions are not thread-safe, its clients are.
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._make_client(service)
            return self._clients[service]

    async def call(self, function: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
        """Run a blocking call in a thread; its errors come as those of ``cloudkon.errors``.

        Cancelled, it returns at once and leaves the thread to its call: a long poll must not hold up a shutdown.
        What the call does then still takes effect, as if its answer had been lost.
        """
        if not self._under_way:
            self._answered = trio.current_time()
        self._under_way += 1
        ended = True
        try:
            return await self._run(partial(function, *arguments, **named), abandon=True)
        except trio.Cancelled:
            # By us, which is no sign of life.
            ended = False
            raise
        finally:
            self._under_way -= 1
            if ended:
                self._answered = trio.current_time()

    async def transfer(self, function: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
        """Run a blocking call that touches files in a thread, and never leave it behind: its files may be gone.

        The call is to ask ``trio.from_thread.check_cancelled()`` often.
        """
        return await self._run(partial(function, *arguments, **named), abandon=False)

    async def _run(self, call: Callable[[], R], *, abandon: bool) -> R:
        try:
            return await trio.to_thread.run_sync(call, abandon_on_cancel=abandon, limiter=self._limiter)
        except BOTO_ERRORS as error:
            raise to_cloudkon_error(error, self.fleet, self.endpoint) from error

    def _make_client(self, service: str) -> object:
        endpoint = self.endpoint or None
        try:
            client = self._session().client(service, endpoint_url=endpoint, config=self._config(service))  # type: ignore[call-overload]  # the stubs list each service's name
        except ProfileNotFound as error:
            raise InvalidSetting(f"profile {self._settings.profile!r}", str(error), "Mend AWS_PROFILE") from error
        except NoRegionError as error:
            raise InvalidSetting("region", "none is set", "Set AWS_REGION, or one in AWS's configuration") from error
        except ValueError as error:
            raise InvalidSetting(f"endpoint {endpoint!r}", str(error), "Mend AWS_ENDPOINT_URL") from error
        use_quick_json(client.meta.events)
        return client

    def _session_of_settings(self) -> boto3.Session:
        settings = self._settings
        if settings.target != "aws":
            return _emulator_session(settings.region or _EMULATOR_REGION)
        session = boto3.Session(profile_name=settings.profile or None, region_name=settings.region or None)
        if self.endpoint and session.get_credentials() is None:
            return _emulator_session(settings.region or _EMULATOR_REGION)
        return session

    def _config(self, service: str) -> Config:
        emulated: dict[str, Any] = {
            # A bucket's name as part of the host name needs DNS that an emulator doesn't have.
            "s3": {"addressing_style": "path"},
            # A proxy of the environment can't reach loopback or a container's network.
            "proxies": {},
            # Sums in a trailer make a body that some emulators store as it is framed.
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
        }
        return Config(
            # Saves 15-20 % of a call's CPU; the types are checked before, by mypy.
            parameter_validation=False,
            # A user agent made anew for each request costs as much again.
            user_agent=f"cloudkon/{__version__}",
            # The pipeline's own backoff knows its leases; a retry hidden in a client would outlast them.
            retries={"total_max_attempts": 1 if service in _OWN_BACKOFF else 5, "mode": "standard"},
            connect_timeout=5,
            read_timeout=_PATIENCE.get(service, _DEFAULT_PATIENCE),
            # A call more than there are connections would open one and throw it away after use: a TLS handshake each.
            max_pool_connections=CALLS,
            # NAT gateways forget a silent connection after 350 s, and the next call would wait for its time-out.
            tcp_keepalive=True,
            **(emulated if self.endpoint else {}),
        )


def _emulator_session(region: str) -> boto3.Session:
    """Sign with credentials that mean nothing, whatever the user's environment and files hold.

    An emulator checks none; the user's real ones must not travel to it, nor an expired login or a missing profile
    stop a fleet that needs neither; and emulators read the account from the key, so all programs must use the same.
    """
    nowhere = (None, None, os.devnull, None)
    core = botocore.session.Session(
        session_vars={
            "profile": (None, None, None, None),
            "config_file": nowhere,
            "credentials_file": nowhere,
        }
    )
    return boto3.Session(
        aws_access_key_id="cloudkon",
        aws_secret_access_key="cloudkon",  # noqa: S106  (no secret: see above)
        region_name=region,
        botocore_session=core,
    )
