"""Reads a run's results from the ledger, and formats them."""

from collections.abc import AsyncIterator

from cloudkon.model import Result, Run, TaskState
from cloudkon.ports import Ledger
from cloudkon.printable import printable

from ..records.run_records import ItemFaults, read_records


async def results(
    ledger: Ledger, run: Run, faults: ItemFaults | None = None, *, failed_only: bool = False
) -> AsyncIterator[Result]:
    """Yield the results recorded so far, in the ledger's order (by shard, then chunk), a page at a time in memory.

    Items of the ledger that can't be right are added to ``faults``.
    """
    async for record in read_records(ledger, run, ItemFaults() if faults is None else faults):
        for result in record.progress.results:
            if result.state is TaskState.FAILED or not failed_only:
                yield result


def as_json(result: Result) -> dict[str, object]:
    """Return a result as ``results --json`` prints it; times in seconds, ``started`` since the epoch."""
    return {
        "task": str(result.task),
        "state": str(result.state),
        "output": result.output,
        "error": result.error,
        "attempts": result.attempts,
        "started": result.started,
        "seconds": result.seconds,
        "worker": result.worker,
    }


def as_line(result: Result) -> str:
    """Format a result as one line for people."""
    text = printable(result.output or result.error)
    return f"{result.task}  {result.state:<9}  {result.seconds:9.3f} s  {text}".rstrip()
