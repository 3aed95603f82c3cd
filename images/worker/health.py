"""Health: whether the pipeline of the worker in this container makes progress.

The worker writes a file in its scratch directory from its own event loop; ``python -m images.worker.health``, the
images' health check, looks at it. An old file means a loop that is blocked or a process that is stopped. One with
text in it means that calls to AWS hang: each of them has its time-out, and all stages of the pipeline live on them.
A stage that fails ends the process, which needs no check. An AWS outage, in which calls fail, is not ill health: a
worker in this one's place would find AWS no better, and would lose what this one holds under its leases.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

BEAT_SECONDS = 5.0
"""Between two beats, into a file that no disk has to hold: some microseconds of CPU each."""
STALE_SECONDS = 30.0
"""Age at which a beat counts as missed: many times what a busy machine delays one."""
SILENT_SECONDS = 180.0
"""After which calls count as hung. The longest, a long poll that nobody answers, ends after 35."""
_FILE = "alive"


async def beat(scratch: Path, silence: Callable[[], float]) -> None:
    """Write the file in the worker's scratch directory until cancelled.

    ``silence`` gives for how many seconds calls have been under way without one of them ending. A scratch directory
    that can't be written is not raised here: the tasks that need it say so, and the check does.
    """
    # Here, because the check runs every half minute in each container, and trio would take most of its time.
    import trio  # noqa: PLC0415  (see above)

    while True:
        # Where it can't be written the file gets old, which is what there is to say.
        with suppress(OSError):
            silent = silence()
            (scratch / _FILE).write_text(f"{silent:.0f}" if silent > SILENT_SECONDS else "")
        await trio.sleep(BEAT_SECONDS)


def last_beat(parent: Path) -> tuple[float, str] | None:
    """When a worker whose scratch directory is under ``parent`` last beat, in epoch seconds, and what it wrote.

    ``None`` if none did.
    """
    beats = []
    for path in parent.glob(f"cloudkon-*/{_FILE}"):
        try:
            beats.append((path.stat().st_mtime, path.read_text()))
        except OSError:
            # Its worker has ended in between.
            continue
    return max(beats, default=None)


def check(parent: Path, now: float) -> str:
    """What is wrong with the worker under ``parent`` at ``now`` (epoch seconds), in one line; empty if nothing is."""
    found = last_beat(parent)
    if found is None:
        return f"no worker has beaten under {parent}: it has not started yet, or can't write there"
    beaten, silent = found
    age = now - beaten
    if age > STALE_SECONDS:
        return f"the worker's loop has not turned for {age:.0f} s"
    return f"no call to AWS has ended for {silent} s, though some are under way" if silent else ""


def main() -> int:
    """The health check's exit code: 0 for a worker that turns, 1 for one that doesn't, with a line that says why."""
    trouble = check(Path(tempfile.gettempdir()), time.time())
    sys.stdout.write(f"{trouble or 'the worker turns'}\n")
    return 1 if trouble else 0


if __name__ == "__main__":
    sys.exit(main())
