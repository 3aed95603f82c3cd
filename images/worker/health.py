"""Checks whether the pipeline of the worker in this container makes progress.

The worker's event loop writes a heartbeat file in its scratch directory. ``python -m images.worker.health``, the
images' health check, reads it. An old file means that the event loop is blocked or the process is stopped. A file with
text in it means that calls to AWS hang: each call has a time-out, and every stage of the pipeline needs such calls.

A stage that fails ends the process, which needs no check. An AWS outage, in which calls fail, does not make the worker
unhealthy: a new worker would meet the same outage, and the leases of this one would be lost.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cloudkon.terminal import print_line

BEAT_SECONDS = 5.0
"""Time between two heartbeats. The file is usually in memory; writing it takes some microseconds of CPU."""
STALE_SECONDS = 30.0
"""Age at which a heartbeat counts as missing: many times the delay on a busy machine."""
SILENT_SECONDS = 180.0
"""Time after which calls count as hung. The longest call, a long poll without an answer, ends after 35."""
_FILE = "alive"


async def beat(scratch: Path, silence: Callable[[], float]) -> None:
    """Write the heartbeat file in the worker's scratch directory until cancelled.

    ``silence`` returns for how many seconds calls have been under way without one of them ending. If the file can't be
    written, nothing is raised here: the tasks that need the scratch directory fail, and so does the check.
    """
    # Imported here: the check runs every half minute in each container, and trio would take most of its time.
    import trio  # noqa: PLC0415  (see above)

    while True:
        # If the file can't be written it gets old, which is what the check reports.
        with suppress(OSError):
            silent = silence()
            (scratch / _FILE).write_text(f"{silent:.0f}" if silent > SILENT_SECONDS else "")
        await trio.sleep(BEAT_SECONDS)


def last_beat(parent: Path) -> tuple[float, str] | None:
    """Return the time (epoch seconds) and the text of the newest heartbeat file of a worker.

    ``parent`` is the folder of the workers' scratch directories. ``None`` if no file is there.
    """
    beats = []
    for path in parent.glob(f"cloudkon-*/{_FILE}"):
        try:
            beats.append((path.stat().st_mtime, path.read_text()))
        except OSError:
            # Its worker ended meanwhile.
            continue
    return max(beats, default=None)


def check(parent: Path, now: float) -> str:
    """Return why the worker under ``parent`` is unhealthy at ``now`` (epoch seconds); empty if it is healthy."""
    newest = last_beat(parent)
    if newest is None:
        return f"no heartbeat file in {parent}: the worker has not started yet, or can't write there"
    beaten, silent = newest
    age = now - beaten
    if age > STALE_SECONDS:
        return f"the worker's event loop has been blocked for {age:.0f} s"
    return f"calls to AWS hang: none has ended for {silent} s" if silent else ""


def main() -> int:
    """Print the state of the worker in one line; return 0 if it is healthy, else 1."""
    problem = check(Path(tempfile.gettempdir()), time.time())
    print_line(problem or "healthy")
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())
