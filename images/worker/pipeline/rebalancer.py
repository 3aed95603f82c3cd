"""Surplus: gives back what waits behind a task that turned out long, for a worker that has nothing to do.

How much is taken in goes by what tasks took lately, and the next one may be of another kind: without this, a task of a
millisecond could wait for ten minutes behind another in the hands of one worker while all others idle.
"""

from typing import Final

import trio

from .claimed_chunk import ClaimedChunk, Stage
from .finisher import Finisher
from .stage_services import StageServices

PATIENCE: Final = 2.0
"""Seconds that a chunk may wait in our hands. What is taken in is work for a tenth of a second, so two are a surprise;
to give it back and to claim it anew costs two writes and two requests."""


class Rebalancer:
    """Looks at what waits, twice in the time that it may."""

    def __init__(self, kit: StageServices, closing: Finisher) -> None:
        """Everything passed in."""
        self._kit = kit
        self._closing = closing

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await trio.sleep(PATIENCE / 2)
            now = trio.current_time()
            for holding in list(self._kit.inflight.holdings.values()):
                if _waits(holding) and now >= holding.since + PATIENCE:
                    holding.pending.clear()
                    self._closing.release(holding)


def _waits(holding: ClaimedChunk) -> bool:
    """Whether nothing of it was begun. A suspect's tasks run one at a time on whatever worker: none would be sooner."""
    untouched = holding.idle and len(holding.pending) + len(holding.results) == len(holding.arrival.chunk)
    return holding.stage is Stage.ACTIVE and untouched and bool(holding.pending) and not holding.careful
