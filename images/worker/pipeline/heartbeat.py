"""Heartbeat: keeps our leases and hidden messages alive, and kills work whose lease can't be trusted any more.

Losing a message's handle does not stop work: it goes on under the lease, and the other copy will meet DONE.
"""

import trio

from cloudkon.ports import QueueOutcome
from cloudkon.protocol import Lost, Renewed, Renewing, StateMachine

from .claimed_chunk import ClaimedChunk, ReceivedChunk, Stage
from .stage_services import StageServices

_DUE = 2 / 3
"""Of a lease or a visibility left when it is renewed."""
_LOOKS = 12
"""Times a lease at the least that the holdings are looked through."""
_SHORTEST_LOOK = 0.1
"""Seconds between two looks, where the settings leave no margin."""
_STORE_SECONDS = 1.0
"""For how long the start of a suspect waits for the store: without it, the tasks with long outputs run again."""


class Heartbeat:
    """Renews in batches; every renewal is a checkpoint of the results so far, of long outputs by their addresses."""

    def __init__(self, kit: StageServices) -> None:
        """Everything passed in."""
        self._kit = kit
        self.lost = 0
        """Claims lost while their tasks ran or waited."""

    async def run(self) -> None:
        """Beat until cancelled."""
        terms = self._kit.terms
        # From two margins after we must let go of a chunk, less what the clocks differ by, another may have it:
        # a few looks a lease are too seldom where leases are long.
        every = min(terms.lease / 1000 / _LOOKS, max(terms.margin / 2000, _SHORTEST_LOOK))
        async with trio.open_nursery() as nursery:
            while True:
                await trio.sleep(every)
                self._lose_overdue()
                if to_renew := self._take_due():
                    nursery.start_soon(self._renew, to_renew)
                    for holding in to_renew:
                        if holding.stage is Stage.ACTIVE and holding.keeping is None and holding.overfull:
                            nursery.start_soon(self._keep_long, holding)
                if to_hide := self._due_to_hide():
                    nursery.start_soon(self._hide, to_hide)

    async def record(self, holding: ClaimedChunk) -> bool:
        """Renew one holding now, so that its progress is in the ledger; ``False`` if it is not ours any more."""
        if holding.overfull:
            with trio.move_on_after(_STORE_SECONDS):
                await self._store_long(holding)
        await holding.renewal.acquire()
        before = holding.claim
        await self._renew([holding])
        if holding.renewed and holding.claim is before:
            # The ledger did not answer in time. Nothing may start unrecorded.
            self._lose(holding, overdue=True)
        return holding.stage is Stage.ACTIVE

    def _take_due(self) -> list[ClaimedChunk]:
        """The holdings to renew now, with their ``renewal`` acquired."""
        now = trio.current_time()
        trusted = self._kit.terms.trusted_seconds
        due = [
            holding
            for holding in self._kit.inflight.holdings.values()
            if holding.renewed and holding.claim.trusted_until - now < trusted * _DUE and holding.renewal.value
        ]
        for holding in due:
            holding.renewal.acquire_nowait()
        return due

    async def _renew(self, holdings: list[ClaimedChunk]) -> None:
        """Renew holdings whose ``renewal`` was acquired; each is released as soon as its own answer is there."""
        by_key = {holding.key: holding for holding in holdings}

        def each(verdict: Renewed | Lost) -> None:
            holding = by_key.pop(verdict.key)
            holding.renewal.release()
            if isinstance(verdict, Renewed):
                holding.claim = verdict.claim
            elif holding.renewed:
                self._lose(holding, overdue=False)

        machines: list[StateMachine[Renewed | Lost]] = [
            Renewing(one.claim, one.checkpoint, self._kit.terms) for one in holdings
        ]
        await self._kit.driver.run(machines, each, until=max(one.claim.trusted_until for one in holdings))
        for holding in by_key.values():
            holding.renewal.release()

    async def _keep_long(self, holding: ClaimedChunk) -> None:
        """Store what the last renewal had to leave out, and renew once more, with the addresses."""
        await self._store_long(holding)
        await holding.renewal.acquire()
        if holding.stage is Stage.ACTIVE:
            await self._renew([holding])
        else:
            holding.renewal.release()

    async def _store_long(self, holding: ClaimedChunk) -> None:
        """Store long outputs that the completion would store later: it costs no request more."""
        if holding.keeping is not None:
            await holding.keeping.wait()
            return
        holding.keeping = kept = trio.Event()
        try:
            await self._kit.outputs.fit(holding.results, holding.claim.token, lambda: holding.stage is Stage.ACTIVE)
        finally:
            holding.keeping = None
            kept.set()

    def _lose_overdue(self) -> None:
        """Let go of what was not renewed in time: apart from any call, for one that hangs must not hide it."""
        now = trio.current_time()
        for holding in list(self._kit.inflight.holdings.values()):
            if holding.renewed and now >= holding.claim.trusted_until:
                self._lose(holding, overdue=True)

    def _lose(self, holding: ClaimedChunk, *, overdue: bool) -> None:
        self.lost += 1
        why = "not renewed in time" if overdue else "renewal refused"
        self._kit.log.warning("claim-lost", chunk=str(holding.key), stage="running", why=why)
        holding.lose(overdue=overdue)
        self._kit.inflight.forget(holding.key)

    def _due_to_hide(self) -> list[ReceivedChunk]:
        """The arrivals whose messages to hide for longer now, which count as hidden from now on."""
        now, visibility = trio.current_time(), self._kit.settings.visibility_seconds
        due = [arrival for arrival in self._kit.inflight.hidden() if arrival.hidden_until - now < visibility * _DUE]
        for arrival in due:
            arrival.hidden_until = now + visibility
        return due

    async def _hide(self, arrivals: list[ReceivedChunk]) -> None:
        visibility = self._kit.settings.visibility_seconds
        pairs = [(arrival, delivery) for arrival in arrivals for delivery in arrival.deliveries.values()]
        outcomes = await self._kit.queue_client.hide([delivery for _, delivery in pairs], visibility)
        for (arrival, delivery), outcome in zip(pairs, outcomes, strict=True):
            if outcome is QueueOutcome.GONE:
                self._kit.log.info("handle-stale", chunk=str(arrival.key), message=delivery.message_id)
                if arrival.deliveries.get(delivery.message_id) is delivery:
                    del arrival.deliveries[delivery.message_id]
