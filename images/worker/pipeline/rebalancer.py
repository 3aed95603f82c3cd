"""Gives back chunks that wait behind a task that turned out long, so that idle workers can run them.

A worker prefetches by how long tasks took lately, and the next task may be of another kind. Without this stage, a task
of a millisecond could wait for ten minutes behind a long one in one worker while all others are idle. The same holds
for chunks behind a careful one, whose tasks run alone, and for a careful chunk itself, which waits for all tasks that
run.
"""

from typing import Final

import trio

from cloudkon.errors import CloudKonError

from .claimed_chunk import ClaimedChunk, Stage
from .finisher import Finisher
from .stage_services import StageServices

PATIENCE_SECONDS: Final = 2.0
"""How long a chunk may wait in this worker. Prefetched work lasts for a tenth of a second, so two seconds mean that the
estimate was wrong. To give a chunk back and claim it again costs two writes and two requests."""
_MOST_DOUBLINGS: Final = 30
"""Enough for any task's duration."""


class Rebalancer:
    """Checks waiting chunks every ``PATIENCE_SECONDS / 2`` seconds."""

    def __init__(self, services: StageServices, finisher: Finisher) -> None:
        """Give chunks back through ``finisher``."""
        self._services = services
        self._finisher = finisher
        self._asking = False
        """Whether the queues are being asked about the careful chunk that is next."""

    async def run(self) -> None:
        """Check until cancelled."""
        async with trio.open_nursery() as nursery:
            while True:
                await trio.sleep(PATIENCE_SECONDS / 2)
                self._services.ready_queue.check_overtaking()
                for chunk in list(self._services.inflight.claimed.values()):
                    if not self._has_waited(chunk):
                        continue
                    if not self._services.ready_queue.is_next_careful(chunk):
                        self._give_back(chunk)
                    elif not self._asking:
                        # Not here: a call that hangs must not keep the other chunks.
                        nursery.start_soon(self._give_back_to_idle, chunk)

    def _has_waited(self, chunk: ClaimedChunk) -> bool:
        """Whether none of the chunk's tasks has started, although it waited for as long as it may.

        A careful chunk waits twice as long after each time that it was given back. Where every worker has long tasks or
        careful chunks, it must not go around for ever, and in the end it outwaits the longest task.
        """
        if chunk.stage is not Stage.ACTIVE or not chunk.untouched:
            return False
        doublings = min(chunk.given_back, _MOST_DOUBLINGS) if chunk.careful else 0
        return trio.current_time() >= chunk.waiting_since + PATIENCE_SECONDS * 2.0**doublings

    async def _give_back_to_idle(self, chunk: ClaimedChunk) -> None:
        """Give back the careful chunk that is next if other workers may be idle.

        While messages wait on the queue, no worker is. The chunk would wait behind them all, and then again in a worker
        whose slots are busy.
        """
        self._asking = True
        try:
            depth = await self._services.queue_client.depth()
        except CloudKonError as error:
            self._services.log.warning("depth-failed", error=str(error))
        except Exception as error:  # noqa: BLE001  (whatever it is, the chunk stays, and the worker goes on)
            self._services.log.unexpected("depth-failed", error)
        else:
            if not depth.visible and self._has_waited(chunk):
                self._give_back(chunk)
        finally:
            self._asking = False

    def _give_back(self, chunk: ClaimedChunk) -> None:
        if chunk.careful:
            chunk.note_given_back()
        chunk.drop_pending()
        self._finisher.release(chunk)
