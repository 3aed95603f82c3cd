"""Heartbeat: keeps our leases and hidden messages alive, and kills work whose lease can't be trusted any more.

Losing a message's handle does not stop work: it goes on under the lease, and the other copy will meet DONE.
"""

import trio

from cloudkon.ports import QueueOutcome
from cloudkon.protocol import Lost, Machine, Renewed, Renewing
from images.worker.holding import Holding, Stage
from images.worker.kit import Kit

_DUE = 2 / 3
"""Of a lease or a visibility left when it is renewed."""
_LOOKS = 12
"""Times a lease that the holdings are looked through."""


class Heartbeat:
    """Renews in batches; every renewal is a checkpoint of the results so far."""

    def __init__(self, kit: Kit) -> None:
        """Everything passed in."""
        self._kit = kit
        self.lost = 0
        """Claims lost while their tasks ran or waited."""

    async def run(self) -> None:
        """Beat until cancelled."""
        every = self._kit.terms.lease / 1000 / _LOOKS
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch, every / 2)
            while True:
                await trio.sleep(every)
                nursery.start_soon(self._renew_due)
                nursery.start_soon(self._hide_due)

    async def record(self, holding: Holding) -> bool:
        """Renew one holding now, so that its progress is in the ledger; ``False`` if it is not ours any more."""
        await holding.renewal.acquire()
        before = holding.claim
        await self._renew([holding])
        if holding.renewed and holding.claim is before:
            # The ledger did not answer in time. Nothing may start unrecorded.
            self._lose(holding, overdue=True)
        return holding.stage is Stage.ACTIVE

    async def _renew_due(self) -> None:
        now = trio.current_time()
        trusted = self._kit.terms.trusted_seconds
        due = [
            holding
            for holding in self._kit.custody.holdings.values()
            if holding.renewed and holding.claim.trusted_until - now < trusted * _DUE and holding.renewal.value
        ]
        if not due:
            return
        for holding in due:
            holding.renewal.acquire_nowait()
        await self._renew(due)

    async def _renew(self, holdings: list[Holding]) -> None:
        """Renew holdings whose ``renewal`` was acquired; each is released as soon as its own answer is there."""
        by_key = {holding.key: holding for holding in holdings}

        def each(verdict: Renewed | Lost) -> None:
            holding = by_key.pop(verdict.key)
            holding.renewal.release()
            if isinstance(verdict, Renewed):
                holding.claim = verdict.claim
            elif holding.renewed:
                self._lose(holding, overdue=False)

        machines: list[Machine[Renewed | Lost]] = [
            Renewing(one.claim, one.checkpoint, self._kit.terms) for one in holdings
        ]
        await self._kit.registrar.settle(machines, each, until=max(one.claim.trusted_until for one in holdings))
        for holding in by_key.values():
            holding.renewal.release()

    async def _watch(self, every: float) -> None:
        """Look often, and apart from any call: a renewal that hangs must not hide that time is up."""
        while True:
            await trio.sleep(every)
            now = trio.current_time()
            for holding in list(self._kit.custody.holdings.values()):
                if holding.renewed and now >= holding.claim.trusted_until:
                    self._lose(holding, overdue=True)

    def _lose(self, holding: Holding, *, overdue: bool) -> None:
        self.lost += 1
        why = "not renewed in time" if overdue else "renewal refused"
        self._kit.log.warning("claim-lost", chunk=str(holding.key), stage="running", why=why)
        holding.lose(overdue=overdue)
        self._kit.custody.forget(holding.key)

    async def _hide_due(self) -> None:
        now, visibility = trio.current_time(), self._kit.settings.visibility_seconds
        due = [arrival for arrival in self._kit.custody.hidden() if arrival.hidden_until - now < visibility * _DUE]
        pairs = [(arrival, delivery) for arrival in due for delivery in arrival.deliveries.values()]
        for arrival in due:
            arrival.hidden_until = now + visibility
        outcomes = await self._kit.mailbox.hide([delivery for _, delivery in pairs], visibility)
        for (arrival, delivery), outcome in zip(pairs, outcomes, strict=True):
            if outcome is QueueOutcome.GONE:
                self._kit.log.info("handle-stale", chunk=str(arrival.key), message=delivery.message_id)
                if arrival.deliveries.get(delivery.message_id) is delivery:
                    del arrival.deliveries[delivery.message_id]
