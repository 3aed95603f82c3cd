"""Runs ``spot-notice.sh`` as on a Spot instance: with a metadata service, a Docker client and a clock of its own.

The script's programs ``docker``, ``date`` and ``sleep`` come from a directory in front of ``PATH``. The clock moves
only when the script sleeps, so every number is exact and no test waits.
"""

import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from tests.support.patience import PATIENCE, until
from tests.support.template_rendering import TEMPLATES
from tests.support.web import Request, Web

SCRIPT: Final = TEMPLATES / "spot-notice.sh"
START: Final = 1_800_000_000
"""The clock at the script's start, in seconds since 1970."""
FAILS: Final = "fails"
"""An answer of the metadata service: the connection is closed."""
_METADATA: Final = "/latest/meta-data"
_TOKEN: Final = "token-of-the-instance"
_HEADER: Final = "X-aws-ec2-metadata-token"
_LABEL: Final = "com.amazonaws.ecs.task-definition-family"
_PROGRAMS: Final = {
    "date": """
        if [[ $* == +%s ]]; then cat "$INSTANCE/clock"; else PATH=${PATH#*:} exec date "$@"; fi
    """,
    "sleep": """
        echo "$1" >> "$INSTANCE/sleeps"
        read -r now < "$INSTANCE/clock"
        echo $((now + $1)) > "$INSTANCE/clock.new"
        mv "$INSTANCE/clock.new" "$INSTANCE/clock"
    """,
    # As Docker's: ps lists running containers that have the label, and stop returns when its container has ended.
    "docker": f"""
        cd "$INSTANCE"
        if [[ $1 == ps ]]; then
            [[ -e daemon-fails ]] && {{ rm daemon-fails; exit 1; }}
            [[ $2 == --filter && $3 == label={_LABEL} && $4 == --format ]] || exit 125
            [[ $5 == '{{{{.ID}}}} {{{{.Label "{_LABEL}"}}}}' && $# -eq 5 ]] || exit 125
            grep ' ' containers
            exit 0
        fi
        if [[ $1 == kill ]]; then
            read -r now < clock
            [[ "$2 $3" == "--signal INT" ]] && echo "$4 $now" >> interrupts
            exit 0
        fi
        echo "$*" >> docker-calls
        [[ -e stop-fails ]] && {{ rm stop-fails; exit 1; }}
        while grep -q "^$4" containers; do PATH=${{PATH#*:}} sleep 0.02; done
    """,
}
"""Bash; ``INSTANCE`` is the directory of the test."""


class SpotInstance:
    """A simulated instance, on which the script runs from ``start`` to the end of the block.

    ``notices`` are the metadata service's answers to one look after the other: a notice as text, ``None`` (404), or
    ``FAILS``; the last one stays. ``containers`` has the family of the running containers by their id, from the look
    with that number on; a family may be empty: a container that ECS did not start.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.life_cycle: str | None = "spot"
        self.notices: Sequence[str | None] = [None]
        self.containers: Mapping[int, Mapping[str, str]] = {}
        self.looks = 0
        """Complete looks, and the one in progress."""
        self._web = Web()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        programs = self.directory / "programs"
        programs.mkdir()
        for name, text in _PROGRAMS.items():
            program = programs / name
            program.write_text(f"#!/bin/bash\n{text}")
            program.chmod(0o755)
        (self.directory / "clock").write_text(f"{START}\n")
        self._list({})
        self._web.__enter__()
        self._web.answers["/latest/api/token"] = self._give_token
        self._web.answers[f"{_METADATA}/instance-life-cycle"] = lambda request: self._give(request, self.life_cycle)
        self._web.answers[f"{_METADATA}/spot/instance-action"] = self._look
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._web.__exit__(kind, error, trace)

    def start(self) -> None:
        """Start the script for the fleet ``cloudkon``."""
        with (self.directory / "log").open("wb") as log:
            self._process = subprocess.Popen(
                ["bash", str(SCRIPT), "cloudkon"],
                env={
                    "PATH": f"{self.directory / 'programs'}:{os.environ['PATH']}",
                    "INSTANCE": str(self.directory),
                    "CLOUDKON_IMDS_ENDPOINT": self._web.link(""),
                },
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait(self) -> int:
        """Wait until the script ends by itself; return the exit code."""
        assert self._process is not None
        return self._process.wait(PATIENCE)

    def wait_for_looks(self, count: int) -> None:
        """Wait until the script has acted on so many looks, and Docker knows of all that it decided."""
        until(lambda: self.looks > count, f"look {count + 1}: {self.log}")
        until(lambda: len(self._lines("docker-calls")) >= self.log.count("stopping"), f"Docker's calls: {self.log}")

    @property
    def log(self) -> str:
        return (self.directory / "log").read_text()

    @property
    def stops(self) -> list[tuple[str, int]]:
        """Each container that Docker was told to stop, with the seconds that it got."""
        calls = [line.split() for line in self._lines("docker-calls")]
        assert all(call[:2] == ["stop", "-t"] and len(call) == 4 for call in calls), calls
        return sorted((call[3], int(call[2])) for call in calls)

    @property
    def interrupts(self) -> list[tuple[str, int]]:
        """Each SIGINT to a container, with the seconds since the script's start."""
        calls = [line.split() for line in self._lines("interrupts")]
        return [(container, int(now) - START) for container, now in calls]

    @property
    def sleeps(self) -> list[str]:
        return self._lines("sleeps")

    def fail_once(self, what: str) -> None:
        """Let Docker fail once: ``daemon`` in listing containers, ``stop`` in stopping one."""
        (self.directory / f"{what}-fails").touch()

    def _lines(self, name: str) -> list[str]:
        path = self.directory / name
        return path.read_text().splitlines() if path.exists() else []

    def _list(self, containers: Mapping[str, str]) -> None:
        lines = "".join(f"{identity} {family}".rstrip() + "\n" for identity, family in containers.items())
        new = self.directory / "containers.new"
        new.write_text(lines)
        new.replace(self.directory / "containers")

    def _give_token(self, request: Request) -> None:
        if request.command != "PUT" or not request.headers.get(f"{_HEADER}-ttl-seconds", "").isdigit():
            request.reply(400)
        else:
            request.reply(200, _TOKEN.encode())

    def _look(self, request: Request) -> None:
        if self.looks in self.containers:
            self._list(self.containers[self.looks])
        notice = self.notices[min(self.looks, len(self.notices) - 1)]
        self.looks += 1
        self._give(request, notice)

    @staticmethod
    def _give(request: Request, answer: str | None) -> None:
        if request.headers.get(_HEADER) != _TOKEN:
            request.reply(401)
        elif answer == FAILS:
            request.close_connection = True
        elif answer is None:
            request.reply(404)
        else:
            request.reply(200, answer.encode())


def notice(seconds: int, action: str = "terminate") -> str:
    """Return EC2's notice of an interruption so many seconds after the script's start."""
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(START + seconds))
    return json.dumps({"action": action, "time": moment})
