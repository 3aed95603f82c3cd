"""Runs the emulator behind the authentication, and saves its state while it runs and when it ends."""

import asyncio
import importlib
import json
import os
import resource
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from .authentication import Authentication
from .confinement import Confinement
from .interface import HOST, LISTENER, OBJECTS_DIR, ORDERLY, PORT, SCRATCH_DIR, SECRET, SNAPSHOTS, STATE_DIR
from .proof import Prover
from .receipts import invalidate_receipts
from .saved_state import Restorers, StateNotRead, read_state
from .signature import Verifier
from .snapshots import Services, Snapshots, newest, remove_partial
from .stored_buckets import StoredBuckets

ACCESS_KEY: Final = "cloudkon"
"""Always the same, because the emulator derives the account from it."""
SAVE_SECONDS: Final = 3.0
"""From one save to the next, if there were changes."""
SAVE_SHARE: Final = 0.1
"""The most of the time that saving may take, so large states are saved less often."""
KEEP_ALIVE_SECONDS: Final = 75.0
"""How long a connection may be idle, and how long a client may take to send the head of its request."""
BACKLOG: Final = 1024
"""Connections that may wait to be accepted; the same number as the supervisor's, whose socket this sets too."""
MOST_QUEUED_PARTS: Final = 4
"""Parts of a body, of 64 KiB each, that wait in the memory of each connection until its request is looked at."""
EXIT_NOT_SAVED: Final = 1
EXIT_NOT_READ: Final = 2


@dataclass(frozen=True, slots=True)
class Place:
    """Where one emulator listens and keeps its files."""

    host: str
    port: int
    listener: int | None
    """The descriptor of a socket that listens there already."""
    secret: str
    snapshots: Path | None
    writable: tuple[Path, ...]

    @classmethod
    def from_environment(cls) -> "Place":
        """Read the variables, and remove the secret from them."""
        snapshots, listener = os.environ.get(SNAPSHOTS, ""), os.environ.get(LISTENER, "")
        names = (STATE_DIR, OBJECTS_DIR, SCRATCH_DIR)
        return cls(
            os.environ[HOST],
            int(os.environ[PORT]),
            int(listener) if listener else None,
            os.environ.pop(SECRET),
            Path(snapshots) if snapshots else None,
            tuple(Path(os.environ[name]) for name in names if os.environ.get(name))
            + ((Path(snapshots),) if snapshots else ()),
        )


class Server:
    """The emulator's ASGI application, served with authentication and saved."""

    def __init__(self, place: Place) -> None:
        """Import the emulator, which reads its variables then."""
        self._place = place
        # Otherwise Python looks for a place by writing a file, which fails on a full disk, and the imports with it.
        tempfile.tempdir = os.environ.get(SCRATCH_DIR)
        self._emulator: Any = importlib.import_module("ministack.app")
        self._persistence: Any = importlib.import_module("ministack.core.persistence")
        # The service reads the stored objects when it is imported.
        self._store: Any = importlib.import_module("ministack.services.s3")
        self._queues: Any = importlib.import_module("ministack.services.sqs")
        self._hypercorn = importlib.import_module("hypercorn.asyncio")
        self._config = importlib.import_module("hypercorn.config").Config()
        self._config.bind = [f"{place.host}:{place.port}" if place.listener is None else f"fd://{place.listener}"]
        self._config.backlog = BACKLOG
        self._config.max_app_queue_size = MOST_QUEUED_PARTS
        # A connection over HTTP/2 then holds no more than one over HTTP/1.1.
        self._config.h2_max_concurrent_streams = 1
        self._config.keep_alive_timeout = KEEP_ALIVE_SECONDS
        self._config.loglevel = self._emulator.LOG_LEVEL
        self._confinement = Confinement(place.writable, (place.host, place.port))
        self._stored_buckets = StoredBuckets()
        self._saved_changes = 0

    def run(self) -> int:
        """Serve until SIGTERM; return the exit code."""
        self._confinement.begin()
        return asyncio.run(self._serve())

    async def _serve(self) -> int:
        hosts = frozenset(f"{name}:{self._place.port}" for name in (self._place.host, "localhost"))
        self._authentication = Authentication(
            self._emulator.app,
            Verifier(ACCESS_KEY, self._place.secret),
            Prover(self._place.secret),
            hosts,
            on_loaded=self._repair_loaded_state,
            save=self._save,
        )
        # Instead of the emulator's own save at its end, which logs errors and goes on.
        self._emulator.save_all = lambda _: None
        self._emulator._load_persisted_state = self._read_state  # noqa: SLF001  (the emulator has no option for it)
        self._snapshots: Snapshots | None = None
        if self._place.snapshots:
            self._snapshots = Snapshots(self._place.snapshots, self._services, self._write_state)
        saving = asyncio.create_task(self._keep_saved())
        await self._hypercorn.serve(self._authentication, self._config, mode="asgi")
        saving.cancel()
        problem = self._snapshots.save_at_end() if self._snapshots else ""
        if problem:
            _log(f"the state was not saved: {problem}")
        return EXIT_NOT_SAVED if problem else 0

    def _read_state(self) -> None:
        """Read the saved state; end the process if that fails, because the next saves would replace it."""
        try:
            for problem in read_state(Path(os.environ[STATE_DIR]), self._persistence.load_state, self._restorers()):
                _log(problem)
        except StateNotRead as error:
            _log(f"{error}. Nothing was changed: free some space or memory, or repair the file, and the fleet goes on")
            os._exit(EXIT_NOT_READ)

    def _restorers(self) -> Restorers:
        def restorer(module: str) -> Callable[[Any], object]:
            # The module is imported only if there is something for it.
            return lambda state: self._emulator._get_module(module).load_persisted_state(state)  # noqa: SLF001  (the emulator has no other way)

        return {service: restorer(module) for service, module in self._emulator._state_map.items()}  # noqa: SLF001  (likewise)

    def _repair_loaded_state(self) -> None:
        """After a crash, let the state be one that a crash can leave."""
        self._stored_buckets.take(self._store._buckets._data)  # noqa: SLF001  (the service shows one account's only)
        try:
            # Something may happen from now on, so that this state is not the last one any more.
            Path(os.environ[STATE_DIR], ORDERLY).unlink()
        except FileNotFoundError:
            invalidate_receipts(queue for _, queue in self._queues._queues.all_items())  # noqa: SLF001  (likewise)

    async def _keep_saved(self) -> None:
        """Save after changes, every few seconds."""
        wait = SAVE_SECONDS
        while True:
            await asyncio.sleep(wait)
            if self._authentication.changes != self._saved_changes:
                began = time.monotonic()
                problem = await self._save()
                if problem:
                    _log(f"the state was not saved: {problem}")
                wait = max(SAVE_SECONDS, (time.monotonic() - began) / SAVE_SHARE)

    async def _save(self) -> str:
        if not self._snapshots:
            return ""
        self._stored_buckets.give_back(self._store._buckets._data)  # noqa: SLF001  (see above)
        changes = self._authentication.changes
        problem = await self._snapshots.save(self._fork)
        if not problem:
            self._saved_changes = changes
        return problem

    def _fork(self) -> int:
        with self._confinement.fork_allowed(), warnings.catch_warnings():
            # Python warns of forks beside threads. The copy calls nothing that another thread may have locked.
            warnings.simplefilter("ignore", DeprecationWarning)
            return os.fork()

    def _services(self) -> Services:
        found: Services = self._emulator._build_persistence_save_dict()  # noqa: SLF001  (the emulator has no other list)
        return found

    def _write_state(self, directory: Path, service: str, state: Any) -> None:  # noqa: ANN401  (the service's own)
        """Write a service's state as the emulator itself would, and raise its errors."""
        version = self._persistence._state_format_version(service)  # noqa: SLF001  (the emulator's file format)
        text = json.dumps(
            {"__ministack_format__": version, "payload": state},
            default=self._persistence._json_default,  # noqa: SLF001  (see above)
        )
        (directory / f"{service}.json").write_text(text, encoding="utf-8")


def run() -> int:
    """Serve the place that the environment names; return the exit code."""
    place = Place.from_environment()
    os.umask(0o077)
    if place.snapshots:
        place.snapshots.mkdir(parents=True, exist_ok=True)
        remove_partial(place.snapshots)
        os.environ[STATE_DIR] = str(newest(place.snapshots) or os.environ[STATE_DIR])
    _raise_descriptor_limit()
    return Server(place).run()


def _raise_descriptor_limit() -> None:
    """Let many clients connect at once: the soft limit is often 1024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _log(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
