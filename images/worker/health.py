"""Health: whether the worker in this container still turns.

The worker touches a file in its scratch directory from its own event loop; ``python -m images.worker.health``, the
images' health check, looks at the file's age. An old file means a loop that is blocked or a process that is stopped.
A stage of the pipeline that fails ends the process, which needs no check, and an AWS outage is not ill health: a
worker in this one's place would find AWS no better, and would lose what this one holds under its leases.
"""

import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

BEAT_SECONDS = 5.0
"""Between two touches, of a file that no disk has to hold: a microsecond of CPU each."""
STALE_SECONDS = 30.0
"""Age at which a beat counts as missed: many times what a busy machine delays one."""
_FILE = "alive"


async def beat(scratch: Path) -> None:
    """Touch the file in the worker's scratch directory until cancelled.

    A scratch directory that can't be written is not raised here: the tasks that need it say so, and the check does.
    """
    # Here, because the check runs every half minute in each container, and trio would take most of its time.
    import trio  # noqa: PLC0415  (see above)

    while True:
        # Where it can't be touched the file gets old, which is what there is to say.
        with suppress(OSError):
            (scratch / _FILE).touch()
        await trio.sleep(BEAT_SECONDS)


def last_beat(parent: Path) -> float | None:
    """When a worker whose scratch directory is under ``parent`` last beat, in epoch seconds; ``None`` if none did."""
    times = []
    for path in parent.glob(f"cloudkon-*/{_FILE}"):
        try:
            times.append(path.stat().st_mtime)
        except OSError:
            # Its worker has ended in between.
            continue
    return max(times, default=None)


def check(parent: Path, now: float) -> str:
    """What is wrong with the worker under ``parent`` at ``now`` (epoch seconds), in one line; empty if nothing is."""
    beaten = last_beat(parent)
    if beaten is None:
        return f"no worker has beaten under {parent}: it has not started yet, or can't write there"
    age = now - beaten
    return f"the worker's loop has not turned for {age:.0f} s" if age > STALE_SECONDS else ""


def main() -> int:
    """The health check's exit code: 0 for a worker that turns, 1 for one that doesn't, with a line that says why."""
    trouble = check(Path(tempfile.gettempdir()), time.time())
    sys.stdout.write(f"{trouble or 'the worker turns'}\n")
    return 1 if trouble else 0


if __name__ == "__main__":
    sys.exit(main())
