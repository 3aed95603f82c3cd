"""Holds every setting in one frozen value, read from ``CLOUDKON_*`` variables and written back for containers."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import Field, dataclass, fields, replace
from pathlib import Path
from typing import Any, Self

from cloudkon.errors import InvalidSetting, NoFleet
from cloudkon.log import LEVELS
from cloudkon.model import Pool
from cloudkon.ownership import check_own_directory, read_own
from cloudkon.programs import command

PREFIX = "CLOUDKON_"
LONGEST_LEASE = 36_000
"""Seconds; far below the 12 h for which SQS can hide a delivery."""
LONGEST_SKEW = 7_200
"""Seconds; together with the longest lease, a delivery is then hidden for no more than SQS's 12 h."""
LONGEST_WAIT = 31_536_000
"""Seconds; a year is more than any task takes, and far below what overflows a timer."""
MOST_SLOTS = 1024
"""Slots of one worker process. Each has a process of its own."""
MOST_ATTEMPTS = 1000
"""Attempts at one task. They are counted in its ledger item."""
LEAST_MEMORY_MIB = 512
"""MiB; a slideshow of small pictures in 1080p takes 350."""
MOST_MEMORY_MIB = 1_048_576
"""MiB; a TiB, more than any machine that this is meant for has."""
LONGEST_POLL = 20
"""Seconds that one receive may wait (SQS's limit)."""
TARGETS = ("local", "docker", "aws")
DOCKER_ENDPOINT = "http://127.0.0.1:4566"
"""The address of the docker target's LocalStack, unless an endpoint is set."""
ENDPOINT_FILE = "local.json"
"""In the state directory: the address of the local fleet's emulator, as ``{"endpoint_url": …}``."""
SECRET_FILE = "secret-key"  # noqa: S105  (a file's name)
"""In the state directory: the secret access key that requests to the local fleet's emulator are signed with."""
ANY_SECRET = "cloudkon"  # noqa: S105  (not a secret: LocalStack checks no signatures)
"""The secret access key for emulators that check no signatures."""

_FLEET = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}")
"""A fleet's name is part of the names of files, queues and containers. CloudFormation and S3 have finer rules."""
ACCOUNT_NUMBER = re.compile(r"[0-9]{12}")
# AWS's own variables count where ours are not set, in this order.
_AWS_NAMES = {
    "endpoint_url": ("AWS_ENDPOINT_URL",),
    "region": ("AWS_REGION", "AWS_DEFAULT_REGION"),
    "profile": ("AWS_PROFILE",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting with its default. All times are in seconds.

    The variable of a setting is ``CLOUDKON_`` and its name in capitals: ``CLOUDKON_LEASE_SECONDS=120``. Yes-or-no
    settings accept ``yes``, ``true`` and ``1``, or ``no``, ``false`` and ``0``; lists are comma-separated.
    """

    fleet: str = "cloudkon"
    """The fleet's name. The names of its queues, its table and its bucket begin with it."""
    target: str = "local"
    """Where the fleet runs: local, docker or aws."""
    endpoint_url: str = ""
    """The address of an emulator of AWS; empty for AWS itself, and for the local or docker target's own emulator."""
    region: str = ""
    """The AWS region; by default that of the profile, or ``us-east-1`` on emulators."""
    profile: str = ""
    """The profile in AWS's shared configuration files."""
    bucket: str = ""
    """The store's bucket; by default ``FLEET-store``, on target aws ``FLEET-store-ACCOUNT-REGION``."""
    bucket_owner: str = ""
    """On target aws, the account that must own the store's bucket, by its twelve digits; by default the
    account of the credentials. Calls about another account's bucket are refused."""
    state_dir: Path = Path(".cloudkon")
    """The directory for this machine's records: the local fleet's state and the recorded pushes."""

    slots: int = 1
    """How many tasks one worker process runs at the same time."""
    lease_seconds: float = 60.0
    """How long a claim lasts without a renewal. After a worker's death, its tasks wait that long."""
    skew_seconds: float = 5.0
    """How far the clocks of workers may differ."""
    poll_seconds: float = 20.0
    """How long one receive waits for a message, 0 to 20."""
    stop_seconds: float = 30.0
    """How long a worker may take to stop after SIGTERM. Tasks that still run then are released."""
    max_attempts: int = 3
    """How many attempts a task gets before it is FAILED."""
    retry_seconds: float = 1.0
    """The wait before a task's second attempt; it doubles before each further one."""
    task_timeout_seconds: float = 3600.0
    """How long one attempt at a task may take."""
    tasks_per_process: int = 0
    """After how many tasks a slot's process is replaced, for handlers that leak memory; 0 for never."""
    cancel_poll_seconds: float = 3.0
    """The shortest time between two reads of a run's cancelled flag."""
    log_level: str = "info"
    """Which lines are logged: those of this level and above. debug, info, warning or error."""

    allow_exec: bool = False
    """Whether ``exec`` instructions may run command lines."""
    handlers: tuple[str, ...] = ()
    """The first words of your own handlers' instructions, comma-separated, so that ``push`` accepts them."""
    allow_private_links: bool = False
    """Whether links in instructions may lead to private, loopback or link-local addresses. Those of metadata services
    are refused in any case."""
    animoto_memory_mib: int = 4096
    """How much memory a slot process, and each ffmpeg, may allocate while it makes a slideshow, in MiB, at least 512.
    Pictures that need more are refused."""
    link_buckets: tuple[str, ...] = ()
    """Buckets that ``s3://`` links may name besides the store, comma-separated."""
    record: str = ""
    """The folder in which a command records its requests to AWS and the answers, sanitised; empty for none."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Read the settings from variables, by default this process's. An empty variable counts as unset.

        Raises ``InvalidSetting``, which names the variable.
        """
        environment = os.environ if environment is None else environment
        values: dict[str, Any] = {}
        for setting in fields(cls):
            for name in (PREFIX + setting.name.upper(), *_AWS_NAMES.get(setting.name, ())):
                if text := environment.get(name, ""):
                    values[setting.name] = _parse(name, text, setting)
                    break
        found = cls(**values)
        found.check()
        return found

    def check(self) -> None:
        """Raise ``InvalidSetting`` for the first value that is out of its range."""
        _require(self.target in TARGETS, "target", f"{self.target!r} is not one of " + ", ".join(TARGETS))
        _require(_FLEET.fullmatch(self.fleet), "fleet", f"{self.fleet!r:.60} is not 1 to 60 letters, digits, - and _")
        _require(self.log_level in LEVELS, "log_level", f"{self.log_level!r:.60} is not one of " + ", ".join(LEVELS))
        _require(1 <= self.slots <= MOST_SLOTS, "slots", f"must be 1 to {MOST_SLOTS}")
        _require(1 <= self.max_attempts <= MOST_ATTEMPTS, "max_attempts", f"must be 1 to {MOST_ATTEMPTS}")
        _require(1 <= self.lease_seconds <= LONGEST_LEASE, "lease_seconds", f"must be 1 to {LONGEST_LEASE}")
        least = LEAST_MEMORY_MIB
        _require(
            least <= self.animoto_memory_mib <= MOST_MEMORY_MIB,
            "animoto_memory_mib",
            f"must be {least} to {MOST_MEMORY_MIB}",
        )
        _require(0 <= self.skew_seconds <= LONGEST_SKEW, "skew_seconds", f"must be 0 to {LONGEST_SKEW}")
        _require(0 <= self.poll_seconds <= LONGEST_POLL, "poll_seconds", f"must be 0 to {LONGEST_POLL}")
        _require(self.tasks_per_process >= 0, "tasks_per_process", "must not be negative")
        owner = self.bucket_owner
        _require(not owner or ACCOUNT_NUMBER.fullmatch(owner), "bucket_owner", f"{owner!r:.60} is not twelve digits")
        for name in ("stop_seconds", "retry_seconds", "task_timeout_seconds", "cancel_poll_seconds"):
            _require(0 <= getattr(self, name) <= LONGEST_WAIT, name, f"must be 0 to {LONGEST_WAIT}")
        for name, texts in (
            ("handlers", self.handlers),
            ("link_buckets", self.link_buckets),
            ("bucket", [self.bucket]),
        ):
            for text in texts:
                _require(not re.search(r"[\s/]", text), name, f"{text!r:.60} has a space or a slash")

    def with_slots(self, slots: int | None) -> Self:
        """The same settings with this number of slots; unchanged for ``None``."""
        return self if slots is None else replace(self, slots=slots)

    def to_environment(self) -> dict[str, str]:
        """The variables from which ``from_environment`` makes equal settings; defaults are left out."""
        return {
            PREFIX + setting.name.upper(): _format(getattr(self, setting.name))
            for setting in fields(self)
            if getattr(self, setting.name) != setting.default
        }

    @property
    def store_bucket(self) -> str:
        """The name of the store's bucket."""
        return self.bucket or f"{self.fleet}-store"

    @property
    def ledger_table(self) -> str:
        """The name of the ledger's table."""
        return f"{self.fleet}-ledger"

    @property
    def result_queue(self) -> str:
        """The name of the result queue."""
        return f"{self.fleet}-results"

    def queue_name(self, pool: Pool) -> str:
        """The name of a pool's queue of normal priority."""
        return pool.queue_name(self.fleet)

    @property
    def visibility_seconds(self) -> float:
        """How long a delivery stays invisible: a dead worker's message returns when its lease can be taken over."""
        return self.lease_seconds + self.skew_seconds

    def service_endpoint(self) -> str:
        """The address of the emulator, empty for AWS itself.

        Raises ``NoFleet`` if no local fleet is up, and ``InvalidInput`` if the state directory is another user's.
        """
        if self.endpoint_url or self.target == "aws":
            return self.endpoint_url
        if self.target == "docker":
            return DOCKER_ENDPOINT
        check_own_directory(self.state_dir)
        if address := _local_endpoint(self.state_dir):
            return address
        raise NoFleet(
            f"fleet {self.fleet!r}",
            "no local fleet is up here",
            f"Start one with: {command('fleet up')} (or set AWS_ENDPOINT_URL, or CLOUDKON_TARGET=aws)",
        )

    def emulator_secret(self) -> str:
        """The secret access key for the emulator: that of the fleet in the state directory, on target local.

        Raises ``InvalidInput`` if the directory or the secret's file is another user's.
        """
        if self.target != "local":
            return ANY_SECRET
        check_own_directory(self.state_dir)
        try:
            return read_own(self.state_dir / SECRET_FILE) or ANY_SECRET
        except (OSError, ValueError):
            # An endpoint that was set by hand, or a fleet of an older release, whose emulator checks no signatures.
            return ANY_SECRET


def _local_endpoint(state_dir: Path) -> str:
    """Return the address of the fleet of this directory; empty if none is up, or if the directory is a copy."""
    try:
        value = json.loads((state_dir / ENDPOINT_FILE).read_text())
        is_own = value.get("inode") in (None, state_dir.stat().st_ino)
        return str(value["endpoint_url"]) if is_own else ""
    except (OSError, ValueError, KeyError, AttributeError):
        return ""


def _parse(name: str, text: str, setting: "Field[Any]") -> object:
    try:
        if setting.type is bool:
            return {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}[text.lower()]
        if setting.type in (int, float, Path):
            return setting.type(text)
    except (KeyError, ValueError, OverflowError):
        kind = {"bool": "yes or no", "int": "a whole number", "float": "a number"}.get(
            getattr(setting.type, "__name__", ""), "a path"
        )
        raise InvalidSetting(f"setting {name}={text!r:.60}", f"it is not {kind}") from None
    if not text.isprintable():
        raise InvalidSetting(f"setting {name}={text!r:.60}", "it has a line break or another control character")
    if setting.type is str:
        return text
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _format(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _require(good: object, name: str, reason: str) -> None:
    if not good:
        raise InvalidSetting(f"setting {PREFIX}{name.upper()}", reason)
