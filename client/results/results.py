"""Results: what became of a run's tasks, as the ledger has it."""

from collections.abc import AsyncIterator

from cloudkon.model import Result, Run, TaskState
from cloudkon.ports import Ledger


async def results(ledger: Ledger, run: Run, *, failed_only: bool = False) -> AsyncIterator[Result]:
    """The results recorded so far, in the ledger's order (by shard, then chunk), a page at a time in memory."""
    async for record in ledger.records(run):
        for result in record.progress.results:
            if result.state is TaskState.FAILED or not failed_only:
                yield result


def as_json(result: Result) -> dict[str, object]:
    """A result as ``results --json`` writes it; times in seconds, ``started`` since the epoch."""
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
    """A result as one line for people. Control characters of an output don't reach the terminal."""
    text = printable(result.output or result.error)
    return f"{result.task}  {result.state:<9}  {result.seconds:9.3f} s  {text}".rstrip()


def printable(text: str) -> str:
    """A text without line breaks and without anything that could command a terminal."""
    return "".join(char if char.isprintable() else " " for char in text)
