"""Runs the command lines on a real account, each with the credentials of its verb's role."""

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import trio

from cloudkon.aws.account import with_store
from cloudkon.errors import EXIT_OK, CloudKonError
from cloudkon.settings import Settings
from fleet.aws.audit import audit
from fleet.aws.resources.account_stacks import AccountStacks
from tests.aws.account_session import AccountSession, program_environment
from tests.aws.estimate import INSTANCES
from tests.aws.program_run import Execute, execute
from tests.aws.verb_roles import VerbRoles

COMMAND_SECONDS: Final = 2400.0
"""Longer than any verb's own timeout, and shorter than a role's credentials last."""
POLL_SECONDS: Final = 15.0
SHOWN_LINES: Final = 20
SHOWN_CHARACTERS: Final = 400
"""How much of a command's output the user sees; policies and results are longer."""
CLIENT: Final = "client"
DELETE_DATA: Final = "down-delete-data"
"""The name of the role for ``down --delete-data``, which needs more than ``down``."""


class TrialFailed(CloudKonError):
    """Something is not as it should be; the text says what."""


class RealFleet:
    """A fleet with a unique name, and the commands that the trial types."""

    def __init__(
        self,
        session: AccountSession,
        name: str,
        directory: Path,
        report: Callable[[str], None],
        pause: Callable[[float], None],
        execute: Execute = execute,
    ) -> None:
        """Make nothing yet. State and workloads go into ``directory``. ``pause`` waits, and raises at a limit."""
        self.session = session
        self.name = name
        self.directory = directory
        self.report = report
        self.pause = pause
        self.roles = VerbRoles(session, name, pause)
        # Beside its directory, which is removed. What AWS answers is worth keeping: see recordings/README.md.
        self.recording = os.environ.get("CLOUDKON_RECORD") or f"{directory}-recording"
        self._environment = {
            **os.environ,
            "CLOUDKON_TARGET": "aws",
            "CLOUDKON_FLEET": name,
            "CLOUDKON_STATE_DIR": str(directory / "state"),
            "CLOUDKON_BUCKET": "",
            "CLOUDKON_RECORD": self.recording,
        }
        self._execute = execute
        self.is_up = False
        """Whether there may be something that ``down`` must delete."""

    def run(
        self, program: str, *words: str, seconds: float = COMMAND_SECONDS, codes: tuple[int, ...] = (EXIT_OK,)
    ) -> str:
        """Run ``python -m PROGRAM WORDS`` under its verb's role, and return its standard output.

        Raises ``TrialFailed`` if the exit code is not one of ``codes``, or after ``seconds``.
        """
        return self._run(self.roles.assume(role_of(program, words)), program, *words, seconds=seconds, codes=codes)

    def run_as_user(self, program: str, *words: str, seconds: float = COMMAND_SECONDS) -> str:
        """Run it with the user's own credentials."""
        return self._run(self.session.keys(), program, *words, seconds=seconds, codes=(EXIT_OK,))

    def _run(self, keys: Mapping[str, str], program: str, *words: str, seconds: float, codes: tuple[int, ...]) -> str:
        line = f"python -m {program} {' '.join(words)}"
        self.report(f"$ {line}")
        environment = program_environment(keys, self.session.account.region, self._environment)
        try:
            finished = self._execute((program, *words), environment, seconds, lambda: self.pause(0.0))
        except subprocess.TimeoutExpired as error:
            raise TrialFailed(f"{line}: it did not end in {seconds:.0f} s") from error
        for shown in finished.output.splitlines()[:SHOWN_LINES]:
            self.report(shown[:SHOWN_CHARACTERS])
        if finished.code not in codes:
            raise TrialFailed(f"{line}: exit code {finished.code}")
        return finished.output

    def up(self, *options: str) -> None:
        """Bring the fleet up, no larger than estimated."""
        self.is_up = True
        self.run("fleet", "up", "--max-instances", str(INSTANCES), *options)

    def status(self) -> dict[str, Any]:
        """Return the output of ``fleet status --json``."""
        found: dict[str, Any] = json.loads(self.run("fleet", "status", "--json", seconds=300))
        return found

    def wait_until(self, reached: Callable[[dict[str, Any]], bool], what: str, seconds: float) -> None:
        """Wait until the status is as wanted. Raises ``TrialFailed`` with ``what`` after ``seconds``."""
        waited = 0.0
        while not reached(status := self.status()):
            if waited >= seconds:
                raise TrialFailed(f"{what} after {seconds:.0f} s: {status}")
            self.pause(POLL_SECONDS)
            waited += POLL_SECONDS

    def left(self) -> list[str]:
        """Return what ``down``'s own audit finds, whether or not a ``down`` got that far.

        The tagging service would list more: ended instances and ECS tasks, for an hour.
        """
        settings = with_store(Settings(target="aws", fleet=self.name), self.session.account)
        stacks = AccountStacks(settings, self.session.account, self.session.control)
        return trio.run(partial(audit, stacks, with_data=True))


def role_of(program: str, words: tuple[str, ...]) -> str:
    """Return the name of the role that a command runs under."""
    if program == "client":
        return CLIENT
    if words[0] == "down" and "--delete-data" in words:
        return DELETE_DATA
    # A build needs no permission on AWS; who builds also publishes.
    return {"build": "publish"}.get(words[0], words[0])
