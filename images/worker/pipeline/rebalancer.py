"""Gives back chunks that wait behind a task that turned out long, so that idle workers can run them.

A worker prefetches by how long tasks took lately, and the next task may be of another kind. Without this stage, a task
of a millisecond could wait for ten minutes behind a long one in one worker while all others are idle. The same holds
for chunks behind a careful one, whose tasks run alone.
"""

from typing import Final

import trio

from .claimed_chunk import ClaimedChunk, Stage
from .finisher import Finisher
from .stage_services import StageServices

PATIENCE_SECONDS: Final = 2.0
"""How long a chunk may wait in this worker. Prefetched work lasts for a tenth of a second, so two seconds mean that the
estimate was wrong. To give a chunk back and claim it again costs two writes and two requests."""

_MOST_CAREFUL_CLAIMS: Final = 10
"""Claims, without those whose workers died, after which a careful chunk stays where it is. Where every worker has
careful chunks, it must not go around for ever."""


class Rebalancer:
    """Checks waiting chunks every ``PATIENCE_SECONDS / 2`` seconds."""

    def __init__(self, services: StageServices, finisher: Finisher) -> None:
        """Give chunks back through ``finisher``."""
        self._services = services
        self._finisher = finisher

    async def run(self) -> None:
        """Check until cancelled."""
        while True:
            await trio.sleep(PATIENCE_SECONDS / 2)
            now = trio.current_time()
            for chunk in list(self._services.inflight.claimed.values()):
                if self._can_be_given_back(chunk) and now >= chunk.waiting_since + PATIENCE_SECONDS:
                    chunk.drop_pending()
                    self._finisher.release(chunk)

    def _can_be_given_back(self, chunk: ClaimedChunk) -> bool:
        """Whether another worker could run the chunk sooner: its tasks wait, and none of them runs.

        A careful chunk that is next stays. If it went to the end of a long queue instead, it would wait even longer.
        """
        if chunk.stage is not Stage.ACTIVE or not chunk.untouched:
            return False
        if not chunk.careful:
            return True
        claims = chunk.claim.record.attempt - chunk.inherited.losses
        return claims < _MOST_CAREFUL_CLAIMS and not self._services.ready_queue.is_next_careful(chunk)
