"""Hints: results as they come by on the result queue. They make waiting livelier; the ledger alone decides."""

from collections.abc import Callable

import trio

from cloudkon.errors import CloudKonError, MalformedMessage
from cloudkon.model import Delivery, Result, Run
from cloudkon.ports import BATCH, Queue
from cloudkon.wire.report import decode_report

LONGEST_POLL = 2.0
"""Seconds of one receive, so that Ctrl-C is soon heard."""
VISIBILITY = 30.0
"""Seconds for which what was received is hidden from other clients, should this one die with it."""


class ReportListener:
    """Which tasks of a run have been reported. Only this run's reports are deleted, all others are put back."""

    def __init__(self, results: Queue, run: Run, on_result: Callable[[Result], None] = lambda _result: None) -> None:
        """Listen on the result queue for one run; ``on_result`` is told each result once."""
        self._results = results
        self._run = run
        self._on_result = on_result
        # A byte a task: a run of a million costs a megabyte, a set of numbers sixty.
        self._reported = bytearray(run.count)
        self.fresh = 0
        self.total = 0

    async def listen(self, seconds: float, enough: int) -> None:
        """Take reports for so long, or until ``enough`` tasks were reported that were not before.

        ``fresh`` then says how many were, ``total`` how many ever. A failing queue is borne: it is only a hint.
        """
        self.fresh = 0
        deadline = trio.current_time() + seconds
        try:
            while self.fresh < enough and trio.current_time() < deadline:
                if not await self._take_some(deadline - trio.current_time()):
                    break
        except CloudKonError:
            pass
        if self.fresh < enough:
            await trio.sleep_until(deadline)

    async def _take_some(self, seconds: float) -> bool:
        """Take one batch; ``False`` if others' reports are in the way, which would come again and again."""
        await trio.lowlevel.checkpoint()
        # Not to be cut short from here on: what was received and not put back stays hidden from everybody for a while.
        with trio.CancelScope(shield=True):
            deliveries = await self._results.receive(BATCH, min(seconds, LONGEST_POLL), VISIBILITY)
            ours = [delivery for delivery in deliveries if self._is_ours(delivery)]
            others = [delivery for delivery in deliveries if delivery not in ours]
            if others:
                await self._results.set_visibility(others, [0.0] * len(others))
            if ours:
                await self._results.delete(ours)
        return not others

    def _is_ours(self, delivery: Delivery) -> bool:
        try:
            results = decode_report(delivery.body)
        except MalformedMessage:
            return False
        if not results or any(result.task.run != self._run.id for result in results):
            return False
        for result in results:
            seq = result.task.seq
            if 0 <= seq < self._run.count and not self._reported[seq]:
                self._reported[seq] = 1
                self.fresh += 1
                self.total += 1
                self._on_result(result)
        return True
