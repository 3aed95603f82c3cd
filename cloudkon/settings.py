"""Settings: all that can be set, in one frozen value; read from ``CLOUDKON_*`` and written back for containers."""

import json
import os
from collections.abc import Mapping
from dataclasses import Field, dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

from cloudkon.errors import InvalidSetting, NoFleet
from cloudkon.model import Pool

PREFIX = "CLOUDKON_"
LONGEST_LEASE = 36_000
"""Seconds; well inside the 12 h for which SQS hides a delivery."""
LONGEST_POLL = 20
"""Seconds that SQS lets one receive wait."""
TARGETS = ("local", "docker", "aws")
DOCKER_ENDPOINT = "http://127.0.0.1:4566"
"""Where the docker target's LocalStack answers, unless an endpoint is set."""
ENDPOINT_FILE = "local.json"
"""In the state directory: where the local fleet's emulator listens, as ``{"endpoint_url": …}``."""

# AWS's own names are honoured where ours are not set, in this order.
_AWS_NAMES = {
    "endpoint_url": ("AWS_ENDPOINT_URL",),
    "region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
    "profile": ("AWS_PROFILE",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting with its default. Times are in seconds. The environment's name is ``CLOUDKON_`` and the field's."""

    fleet: str = "cloudkon"
    """The fleet's name; every queue, table and bucket begins with it."""
    target: str = "local"
    """Where it runs: local, docker or aws."""
    endpoint_url: str = ""
    """Where AWS's services answer, for an emulator; empty on AWS, and where the local or docker target's own do."""
    region: str = ""
    """AWS region; by default the profile's, and ``us-east-1`` on emulators."""
    profile: str = ""
    """Profile of AWS's shared configuration."""
    bucket: str = ""
    """The store; by default the fleet's name and ``-store``, on the target aws followed by account and region."""
    state_dir: Path = Path(".cloudkon")
    """Where this machine keeps what it knows: the local fleet, recorded pushes."""

    slots: int = 1
    """Tasks that one worker process runs at a time."""
    lease_seconds: float = 60.0
    """How long a claim lasts without a renewal: after a worker's death its work waits that long."""
    skew_seconds: float = 5.0
    """By how much workers' clocks may differ."""
    poll_seconds: float = 20.0
    """How long one receive waits for a message; SQS allows 20."""
    stop_seconds: float = 30.0
    """From SIGTERM to the end: what has not ended by then is released."""
    max_attempts: int = 3
    """Attempts a task gets before it is FAILED."""
    retry_seconds: float = 1.0
    """Wait before a task's second attempt; doubled for each further one."""
    task_timeout_seconds: float = 3600.0
    """How long one attempt may take."""
    cancel_poll_seconds: float = 3.0
    """How often a run's cancelled flag is read, at the most."""
    log_level: str = "info"
    """debug, info, warning or error."""

    allow_exec: bool = False
    """Whether ``exec`` may run command lines."""
    handlers: tuple[str, ...] = ()
    """First words that handlers of your own image take, comma-separated, so that ``push`` lets them through."""
    allow_private_links: bool = False
    """Whether links may lead to private, loopback or link-local addresses."""
    link_buckets: tuple[str, ...] = ()
    """Buckets beside the store that ``s3://`` links may name, comma-separated."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read them, or raise ``InvalidSetting`` that names the variable. Empty variables count as unset."""
        environment = os.environ if environment is None else environment
        values: dict[str, Any] = {}
        for one in fields(cls):
            for name in (PREFIX + one.name.upper(), *_AWS_NAMES.get(one.name, ())):
                if text := environment.get(name, ""):
                    values[one.name] = _parse(name, text, one)
                    break
        found = cls(**values)
        found.check()
        return found

    def check(self) -> None:
        """Raise ``InvalidSetting`` for values that can't work."""
        _require(self.target in TARGETS, "target", f"{self.target!r} is none of " + ", ".join(TARGETS))
        _require(self.slots >= 1, "slots", "must be at least 1")
        _require(self.max_attempts >= 1, "max_attempts", "must be at least 1")
        _require(1 <= self.lease_seconds <= LONGEST_LEASE, "lease_seconds", f"must be 1 to {LONGEST_LEASE}")
        _require(self.skew_seconds >= 0, "skew_seconds", "must not be negative")
        _require(0 <= self.poll_seconds <= LONGEST_POLL, "poll_seconds", f"must be 0 to {LONGEST_POLL}")
        for name in ("stop_seconds", "retry_seconds", "task_timeout_seconds", "cancel_poll_seconds"):
            _require(getattr(self, name) >= 0, name, "must not be negative")

    def with_slots(self, slots: int | None) -> Self:
        """The same with another number of slots, if one is given."""
        return self if slots is None else replace(self, slots=slots)

    def to_environment(self) -> dict[str, str]:
        """The variables that make these settings again, without those at their default."""
        return {
            PREFIX + one.name.upper(): _format(getattr(self, one.name))
            for one in fields(self)
            if getattr(self, one.name) != one.default
        }

    @property
    def store_bucket(self) -> str:
        """The bucket's name."""
        return self.bucket or f"{self.fleet}-store"

    @property
    def ledger_table(self) -> str:
        """The ledger's table."""
        return f"{self.fleet}-ledger"

    @property
    def result_queue(self) -> str:
        """The result queue's name."""
        return f"{self.fleet}-results"

    def queue_name(self, pool: Pool) -> str:
        """A pool's queue."""
        return pool.queue_name(self.fleet)

    @property
    def visibility_seconds(self) -> float:
        """How long a delivery stays invisible: a dead worker's comes back when its lease can be taken over."""
        return self.lease_seconds + self.skew_seconds

    def service_endpoint(self) -> str:
        """Where AWS's services answer, or nothing for AWS itself. Raises ``NoFleet`` if the local fleet is not up."""
        if self.endpoint_url or self.target == "aws":
            return self.endpoint_url
        if self.target == "docker":
            return DOCKER_ENDPOINT
        path = self.state_dir / ENDPOINT_FILE
        try:
            return str(json.loads(path.read_text())["endpoint_url"])
        except (OSError, ValueError, KeyError):
            raise NoFleet(
                f"fleet {self.fleet!r}",
                "no local fleet is up here",
                "Start one with: python -m fleet up (or set AWS_ENDPOINT_URL, or CLOUDKON_TARGET=aws)",
            ) from None


def _parse(name: str, text: str, one: "Field[Any]") -> object:
    try:
        if one.type is bool:
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[text.lower()]
        if one.type in (int, float, Path):
            return one.type(text)
    except (KeyError, ValueError):
        kind = {"bool": "yes or no", "int": "a whole number", "float": "a number"}.get(
            getattr(one.type, "__name__", ""), "a path"
        )
        raise InvalidSetting(f"setting {name}={text!r}", f"it is not {kind}") from None
    if one.type is str:
        return text
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _format(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _require(good: bool, name: str, reason: str) -> None:
    if not good:
        raise InvalidSetting(f"setting {PREFIX}{name.upper()}", reason)
