"""Mutates how careful chunks are run: each fault lets a task be blamed for another one, or lets nothing end."""

from dataclasses import replace

from cloudkon.model import Progress, Task
from cloudkon.ports import Request, Update
from cloudkon.protocol import Instant, Releasing
from images.worker.pipeline.claimed_chunk import ClaimedChunk
from images.worker.pipeline.executor import Executor
from images.worker.pipeline.heartbeat import Heartbeat
from images.worker.pipeline.ready_queue import ReadyQueue
from tests.simulation.planted_faults import Fault, Patch

KILLERS = "killers"


def careful_task_started_beside_others(patch: Patch) -> None:
    def hasty(self: ReadyQueue) -> tuple[ClaimedChunk, Task] | None:
        if self._alone or not self._careful:
            return None
        self._alone = True
        chunk = self._careful.popleft()
        return chunk, chunk.next_task()

    patch.setattr(ReadyQueue, "_take_alone", hasty)


def others_started_beside_a_careful_task(patch: Patch) -> None:
    take_nowait = ReadyQueue.take_nowait

    def greedy(self: ReadyQueue) -> tuple[ClaimedChunk, Task] | None:
        alone, self._alone = self._alone, False
        try:
            return take_nowait(self)
        finally:
            self._alone = alone

    patch.setattr(ReadyQueue, "take_nowait", greedy)


def suspect_not_recorded(patch: Patch) -> None:
    async def bold(*_: object) -> bool:
        return True

    patch.setattr(Executor, "_record_suspect", bold)


def suspect_not_cleared(patch: Patch) -> None:
    checkpoint_now = Heartbeat.checkpoint_now

    async def lazy(self: Heartbeat, chunk: ClaimedChunk) -> bool:
        return True if chunk.suspect is None else await checkpoint_now(self, chunk)

    patch.setattr(Heartbeat, "checkpoint_now", lazy)


def suspect_kept_in_a_release(patch: Patch) -> None:
    ask = Releasing.ask

    def keeping(self: Releasing, now: Instant) -> Request:
        asked = ask(self, now)
        assert isinstance(asked, Update)
        suspect = self.claim.record.progress.suspect
        return replace(asked, record=replace(asked.record, progress=replace(asked.record.progress, suspect=suspect)))

    patch.setattr(Releasing, "ask", keeping)


def no_chunk_ever_careful(patch: Patch) -> None:
    patch.setattr(Progress, "careful", property(lambda _: False))


def slots_never_released(patch: Patch) -> None:
    patch.setattr(ReadyQueue, "end_alone", lambda _: None)


CAREFUL_FAULTS = [
    Fault(careful_task_started_beside_others, KILLERS),
    Fault(others_started_beside_a_careful_task, KILLERS),
    Fault(suspect_not_recorded, KILLERS),
    Fault(suspect_not_cleared, KILLERS),
    Fault(suspect_kept_in_a_release, KILLERS),
    Fault(no_chunk_ever_careful, KILLERS),
    Fault(slots_never_released, KILLERS),
]
