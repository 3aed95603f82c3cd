"""Completes a run's futures with its results, in the background."""

from collections.abc import Sequence

import trio

from cloudkon.model import Result

from ..follow.result_stream import ResultStream
from .futures import TaskFuture
from .portal import FleetClosed


async def follow(stream: ResultStream, futures: Sequence[TaskFuture]) -> None:
    """Complete each task's future, by number, until the run is over; no future stays pending, whatever happens."""
    reason: BaseException | None = FleetClosed()
    try:
        while some := await stream.more():
            # In another thread: callbacks may block and may call the fleet, which needs this thread.
            await trio.to_thread.run_sync(_settle, some, futures)
        reason = None
    except Exception as error:  # noqa: BLE001  (raised where a result is waited for)
        reason = error
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(_complete_rest, reason, futures)


def _settle(results: Sequence[Result], futures: Sequence[TaskFuture]) -> None:
    for result in results:
        futures[result.task.seq].settle(result)


def _complete_rest(reason: BaseException | None, futures: Sequence[TaskFuture]) -> None:
    """Complete the futures without a result: with the error, or as cancelled if the run ended without them."""
    for future in futures:
        if not future.done():
            if reason is None:
                future.give_up()
            else:
                future.set_exception(reason)
