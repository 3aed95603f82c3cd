"""Runs the stub as a process beside the benchmark, and sends it the benchmark's commands."""

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_SECONDS: Final = 60
_ROOT: Final = Path(__file__).parents[2]
_LOOK_SECONDS: Final = 0.1
"""Seconds between two checks of a queue: enough for figures that come from the tasks' own times."""


@dataclass(frozen=True, slots=True)
class Stub:
    """A running stub and its address."""

    address: str
    pid: int

    def command(self, name: str, **fields: object) -> Any:  # noqa: ANN401  (JSON)
        """Send ``reset``, ``slow``, ``gate``, ``drain`` or ``counts`` with fields to the ``Service``; return its reply.

        ``drain`` returns the bodies of a queue's messages, the other commands return the counts.
        """
        request = urllib.request.Request(f"{self.address}/stub/{name}", json.dumps(fields).encode())  # noqa: S310  (ours)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=_SECONDS) as answer:
            return json.loads(answer.read())

    def counts(self) -> dict[str, Any]:
        """Requests by operation, units consumed, the stub's CPU seconds, and each queue's depth."""
        found: dict[str, Any] = self.command("counts")
        return found

    @contextmanager
    def without_latency(self) -> Iterator[None]:
        """Respond without latency within the block, for pushing the tasks of a later measurement."""
        self.command("slow", slow=False)
        try:
            yield
        finally:
            self.command("slow", slow=True)

    def wait_for_poll(self, queue: str, seconds: float = _SECONDS) -> None:
        """Wait for a worker's long poll of a queue. Raises ``RuntimeError`` if none comes."""
        deadline = time.monotonic() + seconds
        while not self.counts()["queues"].get(queue, {}).get("polls"):
            if time.monotonic() > deadline:
                raise RuntimeError(f"no worker polled queue {queue} within {seconds:g} s")
            time.sleep(_LOOK_SECONDS)

    def wait_until_drained(self, queue: str, seconds: float) -> None:
        """Wait until every message of a queue is deleted. Raises ``RuntimeError`` if that takes too long."""
        deadline = time.monotonic() + seconds
        while any((depth := self.counts()["queues"][queue])[name] for name in ("visible", "in_flight")):
            if time.monotonic() > deadline:
                raise RuntimeError(f"queue {queue} was not drained within {seconds:g} s: {depth}")
            time.sleep(_LOOK_SECONDS)


@contextmanager
def running_stub() -> Iterator[Stub]:
    """Run a stub for the duration of the block."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.stub"], cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        try:
            yield Stub(process.stdout.readline().strip(), process.pid)
        finally:
            process.stdin.close()
            process.wait(_SECONDS)
