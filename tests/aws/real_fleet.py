"""Runs the command lines on a real account, as a user types them."""

import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, Final

import trio

from cloudkon.aws import Connection
from cloudkon.aws.account import Account, find_account, with_store
from cloudkon.aws.control_plane import ControlPlane
from cloudkon.settings import Settings
from fleet.aws.audit import audit
from fleet.aws.resources.account_stacks import AccountStacks
from tests.aws.estimate import INSTANCES

POLL_SECONDS: Final = 15.0
DOWN_TRIES: Final = 3
DOWN_SECONDS: Final = 2400.0
COMMAND_SECONDS: Final = 2400.0
"""Longer than any verb's own timeout."""


def own_account() -> Account:
    """Return the account and region of this shell's credentials. Raises ``CloudKonError`` without them."""
    return find_account(Connection(Settings.from_environment({**os.environ, "CLOUDKON_TARGET": "aws"})))


class RealFleet:
    """A fleet with a unique name."""

    def __init__(self, account: Account, directory: Path, shown: Callable[[], AbstractContextManager[None]]) -> None:
        """Nothing is created yet; state and workloads go into ``directory``, reports are ``shown`` on the screen."""
        self.account = account
        self.name = f"trial-{secrets.token_hex(3)}"
        self.directory = directory
        self._environment = {
            **os.environ,
            "CLOUDKON_TARGET": "aws",
            "CLOUDKON_FLEET": self.name,
            "CLOUDKON_STATE_DIR": str(directory / "state"),
            "CLOUDKON_BUCKET": "",
            # Beside its directory, which may be removed. What AWS answers is worth keeping: see recordings/README.md.
            "CLOUDKON_RECORD": os.environ.get("CLOUDKON_RECORD") or f"{directory}-recording",
        }
        self._shown = shown
        self._started = False

    def report(self, text: str) -> None:
        """Show a text to the user."""
        with self._shown():
            print(text, file=sys.stderr, flush=True)  # noqa: T201  (the user's screen)

    def run(self, program: str, *words: str, seconds: float = COMMAND_SECONDS) -> str:
        """Run ``python -m PROGRAM WORDS`` and return its standard output; its progress is shown live."""
        self._started = True
        self.report(f"$ python -m {program} {' '.join(words)}")
        with self._shown():
            done = subprocess.run(
                [sys.executable, "-m", program, *words],
                env=self._environment,
                cwd=Path(__file__).parents[2],
                stdout=subprocess.PIPE,
                text=True,
                timeout=seconds,
                check=True,
            )
        self.report(done.stdout.rstrip())
        return done.stdout

    def up(self) -> None:
        """Bring the fleet up, no larger than estimated."""
        self.run("fleet", "up", "--max-instances", str(INSTANCES))

    def status(self) -> dict[str, Any]:
        """Return the output of ``fleet status --json``."""
        found: dict[str, Any] = json.loads(self.run("fleet", "status", "--json", seconds=300))
        return found

    def wait_for_workers(self, count: int, *, instances: int | None = None, seconds: float = COMMAND_SECONDS) -> None:
        """Wait until the pool ``worker`` has ``count`` workers, and the group that many ``instances`` if given."""
        deadline = time.monotonic() + seconds
        while True:
            status = self.status()
            pool = status["pools"]["worker"]
            there = (pool["desired"], pool["running"]) == (count, count)
            if there and (instances is None or status["instances"]["running"] == instances):
                return
            assert time.monotonic() < deadline, f"{count} workers were not reached: {status}"
            time.sleep(POLL_SECONDS)

    def take_down(self) -> list[str]:
        """Take the fleet down, in several tries. Return what is wrong nevertheless: what AWS lists, and a ``down`` that
        never succeeded.
        """
        if not self._started:
            return []
        for turn in range(DOWN_TRIES):
            try:
                self.run("fleet", "down", "--delete-data", "--yes", seconds=DOWN_SECONDS)
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
                self.report(f"down, try {turn + 1} of {DOWN_TRIES}: {error}")
            else:
                return self.left()
        return [*self.left(), f"fleet {self.name} was never fully down"]

    def left(self) -> list[str]:
        """Return what ``down``'s own audit finds, whether or not a ``down`` got that far.

        The tagging service would list more: ended instances and ECS tasks, for an hour.
        """
        settings = with_store(Settings.from_environment(self._environment), self.account)
        stacks = AccountStacks(settings, self.account, ControlPlane(Connection(settings)))
        return trio.run(partial(audit, stacks, with_data=True))
