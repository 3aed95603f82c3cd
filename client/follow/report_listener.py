"""Receives a run's reports from the result queue.

A report is a hint: anybody who can send a message can write one. It shows progress between two readings of the ledger,
and says which chunk to read next. What it says of a result is not used.
"""

from collections.abc import Callable

import trio

from cloudkon.errors import CloudKonError, MalformedMessage
from cloudkon.model import Delivery, Run
from cloudkon.ports import BATCH, Queue
from cloudkon.wire.report import decode_report

LONGEST_POLL = 2.0
"""Seconds of one receive at the most, so that Ctrl-C takes effect soon."""
VISIBILITY = 30.0
"""Seconds for which received reports are hidden from other clients if this one dies."""


class ReportListener:
    """Records which tasks of a run were reported. Deletes this run's reports alone, and puts all others back."""

    def __init__(self, results: Queue, run: Run, on_task: Callable[[int], None] = lambda _seq: None) -> None:
        """Listen on the result queue for one run; ``on_task`` is called with the number of each task, once."""
        self._results = results
        self._run = run
        self._on_task = on_task
        # A byte a task: a million tasks take a megabyte, where a set of numbers takes sixty.
        self._reported = bytearray(run.count)
        self.fresh = 0
        self.total = 0

    async def listen(self, seconds: float, enough: int) -> None:
        """Receive reports for some seconds, or until ``enough`` tasks were reported that were not reported before.

        Afterwards ``fresh`` is the number of these tasks, and ``total`` the number of all that were ever reported.
        Errors of the queue are ignored: nothing depends on it.
        """
        self.fresh = 0
        deadline = trio.current_time() + seconds
        try:
            while self.fresh < enough and trio.current_time() < deadline:
                if not await self._receive_batch(deadline - trio.current_time()):
                    break
        except CloudKonError:
            pass
        if self.fresh < enough:
            await trio.sleep_until(deadline)

    async def _receive_batch(self, seconds: float) -> bool:
        """Receive one batch; return ``False`` if it held other runs' reports, which would be received again."""
        await trio.lowlevel.checkpoint()
        # Shielded, because messages that were received and not put back stay hidden from every client for a while.
        with trio.CancelScope(shield=True):
            deliveries = await self._results.receive(BATCH, min(seconds, LONGEST_POLL), VISIBILITY)
            ours = [delivery for delivery in deliveries if self._is_ours(delivery)]
            others = [delivery for delivery in deliveries if delivery not in ours]
            if others:
                await self._results.set_visibility(others, [0.0] * len(others))
            if ours:
                await self._results.delete(ours)
        return not others

    def forget(self, tasks: range) -> None:
        """Forget that tasks were reported, because the ledger does not say so."""
        for seq in tasks:
            self.total -= self._reported[seq]
            self._reported[seq] = 0

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
                self._on_task(seq)
        return True
