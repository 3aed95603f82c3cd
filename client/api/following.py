"""Following: a run's results set its futures, in the background."""

from collections.abc import Sequence

import trio

from cloudkon.model import Result

from ..follow.result_stream import ResultStream
from .futures import TaskFuture
from .portal import FleetClosed


async def follow(feed: ResultStream, futures: Sequence[TaskFuture]) -> None:
    """Settle each task's future, by number, until the run has ended; never leaves one that will not be settled."""
    reason: BaseException | None = FleetClosed()
    try:
        while some := await feed.more():
            # Callbacks may wait, and call the fleet: never in the thread that everything else runs in.
            await trio.to_thread.run_sync(_settle, some, futures)
        reason = None
    except Exception as error:  # noqa: BLE001  (it is raised where a result is waited for)
        reason = error
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(_leave, reason, futures)


def _settle(results: Sequence[Result], futures: Sequence[TaskFuture]) -> None:
    for result in results:
        futures[result.task.seq].settle(result)


def _leave(reason: BaseException | None, futures: Sequence[TaskFuture]) -> None:
    """End those that have no result: with the reason, or as cancelled where the run ended without them."""
    for future in futures:
        if not future.done():
            if reason is None:
                future.give_up()
            else:
                future.set_exception(reason)
