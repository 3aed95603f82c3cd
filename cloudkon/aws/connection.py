"""Calls boto3's clients for one fleet's services from trio, in threads."""

from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar, overload

import boto3
import trio
from botocore.config import Config
from botocore.exceptions import InvalidRegionError, NoRegionError

from cloudkon import __version__
from cloudkon.aws.aws_errors import translated
from cloudkon.aws.bucket_owner import require_owner
from cloudkon.aws.quick_json import use_quick_json
from cloudkon.aws.server_proof import require_proof, secret_to_prove
from cloudkon.aws.sessions import UNUSABLE, session_of, to_invalid_setting
from cloudkon.errors import InvalidSetting
from cloudkon.settings import LONGEST_POLL, Settings

if TYPE_CHECKING:  # the stubs are for development only
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sqs import SQSClient

P = ParamSpec("P")
R = TypeVar("R")

MOST_CALLS = 64
"""Calls at the same time: threads of the process, and connections to each service."""
_READ_TIMEOUT_SECONDS = {"sqs": LONGEST_POLL + 10.0, "dynamodb": 10.0, "s3": 20.0}
"""How long a call waits for data: for SQS longer than a long poll, for the ledger far shorter than a lease. A cancelled
transfer also waits that long for its next bytes."""
_DEFAULT_READ_TIMEOUT_SECONDS = 60.0
_OWN_BACKOFF = ("sqs", "dynamodb")
"""Services whose callers retry by themselves."""


class Connection:
    """Makes one client per service and runs its calls in threads. All tasks of a process can share one connection.

    All its clients are of one session. So a command with one connection finds its credentials once.
    """

    def __init__(self, settings: Settings, session: Callable[[], boto3.Session] | None = None) -> None:
        """Find the endpoint. Raises ``NoFleet`` if the target is local and no local fleet is up.

        ``session`` makes boto3's session, instead of the settings.
        """
        self._settings = settings
        self.endpoint = settings.service_endpoint()
        """The emulator's address; empty on AWS."""
        self._new_session = session or partial(session_of, settings, self.endpoint)
        self._opened: boto3.Session | None = None
        self._account = ""
        self._clients: dict[str, Any] = {}
        self._lock = Lock()
        self._limiter = trio.CapacityLimiter(MOST_CALLS)
        self._running = 0
        self._last_end = 0.0
        """When the last call ended, or when a call began while no other was running; by trio's clock."""

    @property
    def fleet(self) -> str:
        """The fleet's name, for errors."""
        return self._settings.fleet

    def seconds_without_answer(self) -> float:
        """Seconds for which calls have been running and none of them has ended, well or badly; 0.0 if none runs.

        Each call has a time-out. So some minutes mean that no call will ever end: the threads hang where time-outs
        don't work, for example in a DNS lookup. Transfers don't count, because they take longer for larger files.
        """
        return trio.current_time() - self._last_end if self._running else 0.0

    @property
    def region(self) -> str:
        """The region that calls go to. Raises ``InvalidSetting`` if none is set."""
        # SQS's client fails without a region. STS's would not: it has a global endpoint.
        return self.client("sqs").meta.region_name

    def account_number(self) -> str:
        """The twelve digits of the credentials' account, by one blocking call to STS for all callers.

        Every identity may make it (``GetCallerIdentity``). Raises an error of ``BOTO_ERRORS`` if STS refuses it.
        """
        if not self._account:
            sts: Any = self.client("sts")
            self._account = str(sts.get_caller_identity()["Account"])
        return self._account

    def owner_of(self, bucket: str) -> str:
        """The number of the account that must own a bucket; empty for a link bucket, and on emulators.

        It may call STS, as ``account_number`` does.
        """
        settings = self._settings
        if settings.target != "aws" or (bucket in settings.link_buckets and bucket != settings.store_bucket):
            return ""
        return settings.bucket_owner or self.account_number()

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
        """Return a service's client, and make it first if need be. The first one takes 0.2 s: call it in a thread.

        Raises ``InvalidSetting`` for an invalid endpoint or profile, ``AccessDenied`` if credentials can't be found.
        """
        # boto3's sessions are not thread-safe; its clients are.
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self._make_client(service)
            return self._clients[service]

    async def call(self, function: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
        """Run a blocking call in a thread, and translate its errors to those of ``cloudkon.errors``.

        When cancelled, it returns at once and leaves the thread to its call, so that a long poll can't delay a
        shutdown. The call still takes effect then, as if its response had been lost.
        """
        if not self._running:
            self._last_end = trio.current_time()
        self._running += 1
        call_ended = True
        try:
            return await self._run(partial(function, *arguments, **named), abandon=True)
        except trio.Cancelled:
            # We ended it, so it does not show that calls still end.
            call_ended = False
            raise
        finally:
            self._running -= 1
            if call_ended:
                self._last_end = trio.current_time()

    async def transfer(self, function: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
        """Run a blocking call that uses files in a thread, and always wait for its end: its files may be removed then.

        The call must check ``trio.from_thread.check_cancelled()`` often.
        """
        return await self._run(partial(function, *arguments, **named), abandon=False)

    async def _run(self, call: Callable[[], R], *, abandon: bool) -> R:
        with translated(self.fleet, self.endpoint):
            return await trio.to_thread.run_sync(call, abandon_on_cancel=abandon, limiter=self._limiter)

    def _make_client(self, service: str) -> object:
        with translated(self.fleet, self.endpoint):
            client = self._bare_client(service)
        use_quick_json(client.meta.events)
        if secret := secret_to_prove(self._settings):
            require_proof(client, secret)
        if self._settings.record:
            from cloudkon.aws.recording import record_calls  # noqa: PLC0415  (costs nothing unless it is wanted)

            record_calls(client, self._settings)
        if service == "s3":
            require_owner(client, self.owner_of)
        return client

    def _bare_client(self, service: str) -> Any:  # noqa: ANN401  (boto3 makes its clients' classes at run time)
        """Make a service's client. Raises ``InvalidSetting`` for what the user can fix, and botocore's other errors."""
        endpoint = self.endpoint or None
        try:
            # Some credentials are read now, for example those that a program prints (credential_process).
            return self._session().client(service, endpoint_url=endpoint, config=self._config(service))  # type: ignore[call-overload]  # the stubs list each service's name
        except UNUSABLE as error:
            raise to_invalid_setting(error, self._settings.profile) from error
        except NoRegionError as error:
            raise InvalidSetting(
                "region", "none is set", "Set AWS_REGION, or a region in AWS's configuration files"
            ) from error
        except InvalidRegionError as error:
            remedy = "Fix AWS_REGION, or the region in AWS's configuration files"
            raise InvalidSetting("region", str(error).rstrip("."), remedy) from error
        except ValueError as error:
            # Without an address of ours, it comes from a profile.
            subject = f"endpoint {endpoint!r}" if endpoint else "endpoint"
            remedy = "Fix AWS_ENDPOINT_URL" if endpoint else "Fix AWS_ENDPOINT_URL, or the profile's endpoint_url"
            raise InvalidSetting(subject, str(error), remedy) from error

    def _session(self) -> boto3.Session:
        """Return the session of all clients. boto3's sessions are not thread-safe, so the caller has the lock."""
        if self._opened is None:
            self._opened = self._new_session()
        return self._opened

    def _config(self, service: str) -> Config:
        emulated: dict[str, Any] = {
            # A bucket's name in the host name would need DNS entries, which an emulator doesn't have.
            # The client and the emulator would each hash all content, against errors that loopback doesn't make.
            "s3": {"addressing_style": "path", "payload_signing_enabled": False},
            # A proxy from the environment can't reach loopback or a container's network.
            "proxies": {},
            # With checksums in a trailer, some emulators store the body together with its framing.
            "request_checksum_calculation": "when_required",
            "response_checksum_validation": "when_required",
        }
        return Config(
            # Saves 15-20 % of a call's CPU time; mypy has checked the types before.
            parameter_validation=False,
            # Building a user agent for each request would cost as much again.
            user_agent=f"cloudkon/{__version__}",
            # The pipeline's own backoff considers leases; a retry hidden in a client would outlast them.
            retries={"total_max_attempts": 1 if service in _OWN_BACKOFF else 5, "mode": "standard"},
            connect_timeout=5,
            read_timeout=_READ_TIMEOUT_SECONDS.get(service, _DEFAULT_READ_TIMEOUT_SECONDS),
            # More calls than connections would each open a connection and drop it after use, with a TLS handshake each.
            max_pool_connections=MOST_CALLS,
            # NAT gateways drop an idle connection after 350 s, and the next call would wait for its time-out.
            tcp_keepalive=True,
            **(emulated if self.endpoint else {}),
        )
