"""Real fleet: the command lines, as a user types them, on a real account."""

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
"""Longer than any verb's own patience."""


def own_account() -> Account:
    """The account and region of this shell's credentials. Raises ``CloudKonError`` without them."""
    return find_account(Connection(Settings.from_environment({**os.environ, "CLOUDKON_TARGET": "aws"})))


class RealFleet:
    """A fleet of a name that no other has."""

    def __init__(self, account: Account, directory: Path, shown: Callable[[], AbstractContextManager[None]]) -> None:
        """Nothing is made yet; state and workloads go into ``directory``, what is said ``shown`` on the screen."""
        self.account = account
        self.name = f"trial-{secrets.token_hex(3)}"
        self.directory = directory
        self._environment = {
            **os.environ,
            "CLOUDKON_TARGET": "aws",
            "CLOUDKON_FLEET": self.name,
            "CLOUDKON_STATE_DIR": str(directory / "state"),
            "CLOUDKON_BUCKET": "",
        }
        self._shown = shown
        self._began = False

    def say(self, text: str) -> None:
        """Tell the person who waits."""
        with self._shown():
            print(text, file=sys.stderr, flush=True)  # noqa: T201  (that person's screen)

    def run(self, program: str, *words: str, seconds: float = COMMAND_SECONDS) -> str:
        """Run ``python -m PROGRAM WORDS`` and give its standard output; its progress is shown as it comes."""
        self._began = True
        self.say(f"$ python -m {program} {' '.join(words)}")
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
        self.say(done.stdout.rstrip())
        return done.stdout

    def up(self) -> None:
        """Bring it up, no larger than was estimated."""
        self.run("fleet", "up", "--max-instances", str(INSTANCES))

    def status(self) -> dict[str, Any]:
        """What ``fleet status --json`` says."""
        found: dict[str, Any] = json.loads(self.run("fleet", "status", "--json", seconds=300))
        return found

    def wait_for_workers(self, count: int, *, instances: int | None = None, seconds: float = COMMAND_SECONDS) -> None:
        """Until the pool ``worker`` has so many, and the group so many instances if that is given."""
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
        """Have nothing be left, with more than one try. Give what is wrong all the same: what AWS lists, and a ``down``
        that never ended well.
        """
        if not self._began:
            return []
        for turn in range(DOWN_TRIES):
            try:
                self.run("fleet", "down", "--delete-data", "--yes", seconds=DOWN_SECONDS)
            except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
                self.say(f"down, try {turn + 1} of {DOWN_TRIES}: {error}")
            else:
                return self.left()
        return [*self.left(), f"fleet {self.name} was never wholly down"]

    def left(self) -> list[str]:
        """What ``down``'s own audit finds, whether or not a ``down`` came so far.

        Not all that the tagging service lists: it names ended instances and ECS tasks for an hour.
        """
        settings = with_store(Settings.from_environment(self._environment), self.account)
        stacks = AccountStacks(settings, self.account, ControlPlane(Connection(settings)))
        return trio.run(partial(audit, stacks, with_data=True))
