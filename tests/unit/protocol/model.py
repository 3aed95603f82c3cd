"""Models a fleet that is small enough to search exhaustively: the real state machines, in a world full of faults.

Workers receive, claim, run, renew, complete, release, publish and delete. The ledger's responses are lost before or
after the effect, or the effect comes late. Messages have copies and become visible early. Workers die at any step, and
runs are cancelled. Each interleaving of these, up to a number of faults and of ticks, is one path.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from cloudkon.model import ChunkKey, ChunkRecord, ChunkState, Result, TaskId, TaskState
from cloudkon.ports import Insert, Read, Update, Write, WriteOutcome
from cloudkon.protocol import (
    Claim,
    Claimed,
    Claiming,
    Completing,
    Done,
    Held,
    Instant,
    Lost,
    Recorded,
    Releasing,
    Renewed,
    Renewing,
    Terms,
    Withdrawing,
)
from tests.unit.protocol.exploration import Broken

TICK = 1000
"""Milliseconds of one tick. The model's time goes by ticks."""
ALL_KINDS = frozenset({"death", "early", "stop", "lost answer", "throttle", "late", "slow", "pause"})
"""The kinds of faults. A search that shows why one rule is needed is faster with only the kinds that show it. "give up"
is a kind of its own: a claim that is given up is withdrawn."""


class Message(NamedTuple):
    """One copy of a chunk's message: the worker with the newest handle, and whether it is visible or deleted."""

    holder: int = -1
    visible: bool = True
    deleted: bool = False


class Job(NamedTuple):
    """What a worker does with one delivery. ``call`` is a running call: the request, and when it was sent."""

    stage: str
    message: int
    machine: Any = None
    claim: Claim | None = None
    call: tuple[Any, Instant] | None = None
    record: ChunkRecord | None = None


class ChunkWorld(NamedTuple):
    """One chunk as the services see it. ``late`` has writes whose callers gave up, and which may still take effect."""

    record: ChunkRecord | None
    messages: tuple[Message, ...]
    published: frozenset[tuple[Result, ...]] = frozenset()
    late: tuple[tuple[str, Write], ...] = ()


class World(NamedTuple):
    """One state of the model.

    ``jobs`` is indexed by worker and chunk, ``restarts`` counts the deaths of each worker, and ``claims`` counts the
    tokens that each worker may have written.
    """

    now: int
    chunks: tuple[ChunkWorld, ...]
    jobs: tuple[tuple[Job | None, ...], ...]
    restarts: tuple[int, ...]
    claims: tuple[int, ...]
    cancelled: bool
    faults: int

    def with_chunk(self, chunk: int, **changes: Any) -> "World":  # noqa: ANN401  (any of its fields)
        chunks = list(self.chunks)
        chunks[chunk] = chunks[chunk]._replace(**changes)
        return self._replace(chunks=tuple(chunks))

    def with_message(self, chunk: int, copy: int, **changes: Any) -> "World":  # noqa: ANN401  (any of its fields)
        messages = list(self.chunks[chunk].messages)
        messages[copy] = messages[copy]._replace(**changes)
        return self.with_chunk(chunk, messages=tuple(messages))

    def with_job(self, worker: int, chunk: int, job: Job | None) -> "World":
        jobs = [list(row) for row in self.jobs]
        jobs[worker][chunk] = job
        return self._replace(jobs=tuple(map(tuple, jobs)))

    def after_fault(self) -> "World":
        return self._replace(faults=self.faults - 1)


@dataclass(frozen=True)
class Model:
    """The size of a search, and the rules that are dropped in it. Times are in ticks."""

    workers: int = 2
    copies: tuple[int, ...] = (2,)
    lease: int = 2
    margin: int = 0
    skew: tuple[int, ...] = (0, 0, 0)
    ticks: int = 5
    faults: int = 2
    kinds: frozenset[str] = ALL_KINDS
    cancels: bool = False
    dropped: frozenset[str] = frozenset()

    def may(self, kind: str, world: World) -> bool:
        """Whether a fault of that kind can happen now."""
        return world.faults > 0 and kind in self.kinds

    @property
    def terms(self) -> Terms:
        return Terms(self.lease * TICK, self.margin * TICK)

    def start(self) -> World:
        chunks = tuple(ChunkWorld(None, (Message(),) * copies) for copies in self.copies)
        rows = ((None,) * len(self.copies),) * self.workers
        zeros = (0,) * self.workers
        return World(0, chunks, rows, zeros, zeros, cancelled=False, faults=self.faults)

    def steps(self, world: World) -> Iterator[tuple[str, World]]:
        """Iterate over all next states, each with a description of the step."""
        if world.now < self.ticks:
            yield "tick", self._tick(world)
            if self.may("pause", world):
                yield "tick, while workers are paused", world._replace(now=world.now + 1).after_fault()
        if self.cancels and not world.cancelled:
            yield "cancel", world._replace(cancelled=True)
        for chunk, state in enumerate(world.chunks):
            yield from self._messages(world, chunk, state)
            for place, (kind, write) in enumerate(state.late):
                late = state.late[:place] + state.late[place + 1 :]
                yield f"late {kind} lands", self._write(world.with_chunk(chunk, late=late), chunk, kind, write)[0]
        for worker in range(self.workers):
            yield from self._worker(world, worker)

    # -- time and the queue ----------------------------------------------------------------------------------------

    def _tick(self, world: World) -> World:
        """Time passes. Workers stop work whose lease they can't rely on any more."""
        world = world._replace(now=world.now + 1)
        for worker, row in enumerate(world.jobs):
            for chunk, job in enumerate(row):
                if job and self._is_over(world, job):
                    world = self._abandon(self._drop_call(world, chunk, job).with_job(worker, chunk, None), worker)
        return world

    def _is_over(self, world: World, job: Job) -> bool:
        if job.stage not in ("running", "renewing") or job.claim is None or "own clock" in self.dropped:
            return False
        return world.now >= job.claim.trusted_until

    def _abandon(self, world: World, worker: int) -> World:
        """A worker stopped its own work. A late renewal may extend its lease, so others see it as dead."""
        return world._replace(restarts=tuple(n + (w == worker) for w, n in enumerate(world.restarts)))

    def _messages(self, world: World, chunk: int, state: ChunkWorld) -> Iterator[tuple[str, World]]:
        """A message becomes visible again: normally if no worker holds it, as a fault if one does."""
        for copy, message in enumerate(state.messages):
            if message.visible or message.deleted:
                continue
            job = world.jobs[message.holder][chunk]
            if not job or job.message != copy:
                yield f"c{chunk} m{copy} is back", world.with_message(chunk, copy, visible=True)
            elif world.now > self.lease + self.margin and "early" not in self.kinds:
                yield f"c{chunk} m{copy} was not hidden in time", world.with_message(chunk, copy, visible=True)
            elif self.may("early", world):
                yield f"c{chunk} m{copy} is back early", world.with_message(chunk, copy, visible=True).after_fault()

    def _receive(self, world: World, worker: int, chunk: int) -> Iterator[tuple[str, World]]:
        for copy, message in enumerate(world.chunks[chunk].messages):
            if message.visible and not message.deleted:
                number = world.claims[worker]
                token = f"w{worker}.{world.restarts[worker]}.{number}"
                machine = Claiming(ChunkKey("r", chunk, 1), 1, token, self.terms)
                job = Job("claiming", copy, machine)
                after = world.with_message(chunk, copy, visible=False, holder=worker)
                yield f"w{worker} receives c{chunk} m{copy}", after.with_job(worker, chunk, job)

    # -- a worker --------------------------------------------------------------------------------------------------

    def _worker(self, world: World, worker: int) -> Iterator[tuple[str, World]]:
        if any(world.jobs[worker]) and self.may("death", world):
            yield f"w{worker} dies", self._die(world, worker)
        for chunk, job in enumerate(world.jobs[worker]):
            if job is None:
                yield from self._receive(world, worker, chunk)
            else:
                for what, after in self._job(world, worker, chunk, job):
                    yield f"w{worker} c{chunk} {what}", after

    def _die(self, world: World, worker: int) -> World:
        """A worker dies with all its jobs. Its running calls may still take effect. A new process replaces it."""
        for chunk, job in enumerate(world.jobs[worker]):
            if job:
                world = self._drop_call(world, chunk, job).with_job(worker, chunk, None)
        return self._abandon(world, worker).after_fault()

    def _drop_call(self, world: World, chunk: int, job: Job) -> World:
        """The caller gives up: the write takes effect late, or never. One late write at a time is enough to search."""
        if job.call and not isinstance(job.call[0], Read) and not world.chunks[chunk].late:
            return world.with_chunk(chunk, late=((job.stage, job.call[0]),))
        return world

    def _job(self, world: World, worker: int, chunk: int, job: Job) -> Iterator[tuple[str, World]]:
        if job.call:
            yield from self._outcomes(world, worker, chunk, job)
            if job.claim and job.stage == "renewing":
                # The slots don't wait for the response to the heartbeat.
                late = self._drop_call(world, chunk, job)
                yield from self._running(late, worker, chunk, job._replace(call=None, machine=None))
        elif job.machine:
            now = Instant((world.now + self.skew[worker]) * TICK, float(world.now))
            calling = job._replace(call=(job.machine.ask(now), now))
            yield from self._outcomes(world, worker, chunk, calling)
            if self.may("slow", world):
                # Sending and taking effect as two steps matters only if a tick is between them.
                yield f"calls slowly ({job.stage})", world.with_job(worker, chunk, calling).after_fault()
        elif job.stage == "running":
            yield from self._running(world, worker, chunk, job)
        elif job.stage == "publishing":
            assert job.record
            state = world.chunks[chunk]
            after = world.with_chunk(chunk, published=state.published | {job.record.progress.results})
            stage = "completing" if "publish after complete" in self.dropped and job.claim else "deleting"
            again = job.claim if stage == "completing" else None
            machine = Completing(again, job.record.progress, self.terms) if again else None
            yield "publishes", after.with_job(worker, chunk, job._replace(stage=stage, machine=machine))
        elif job.stage == "deleting":
            yield "deletes", self._delete(world, worker, chunk, job).with_job(worker, chunk, None)
        else:
            assert job.stage == "giving back"
            yield "gives back", self._give_back(world, worker, chunk, job).with_job(worker, chunk, None)

    def _delete(self, world: World, worker: int, chunk: int, job: Job) -> World:
        """Only the newest handle counts."""
        message = world.chunks[chunk].messages[job.message]
        return world.with_message(chunk, job.message, deleted=True) if message.holder == worker else world

    def _give_back(self, world: World, worker: int, chunk: int, job: Job) -> World:
        message = world.chunks[chunk].messages[job.message]
        return world.with_message(chunk, job.message, visible=True) if message.holder == worker else world

    def _running(self, world: World, worker: int, chunk: int, job: Job) -> Iterator[tuple[str, World]]:
        assert job.claim
        claim = job.claim
        message = world.chunks[chunk].messages[job.message]
        if "carry on under the lease" in self.dropped and message.holder != worker:
            yield "stops at its stale handle", world.with_job(worker, chunk, None)
            return
        if world.cancelled and "cancelled is a result" in self.dropped:
            yield "drops the cancelled chunk", self._delete(world, worker, chunk, job).with_job(worker, chunk, None)
            return
        state = TaskState.CANCELLED if world.cancelled else TaskState.SUCCEEDED
        progress = replace(
            claim.record.progress, results=(Result(TaskId("r", chunk), state, output=claim.token, worker=str(worker)),)
        )
        done = Completing(claim, progress, self.terms)
        if "publish after complete" in self.dropped:
            record = replace(claim.record, state=ChunkState.DONE, progress=progress)
            yield "ends", world.with_job(worker, chunk, job._replace(stage="publishing", record=record))
        elif "delete after complete" in self.dropped:
            after = self._delete(world, worker, chunk, job)
            yield "ends", after.with_job(worker, chunk, job._replace(stage="completing", machine=done))
        else:
            yield "ends", world.with_job(worker, chunk, job._replace(stage="completing", machine=done))
        if claim.record.lease_end < (world.now + self.skew[worker] + self.lease) * TICK:
            machine = Renewing(claim, claim.record.progress, self.terms)
            yield "heartbeat", world.with_job(worker, chunk, job._replace(stage="renewing", machine=machine))
        if self.may("stop", world):
            machine_r = Releasing(claim, claim.record.progress, self.terms)
            released = job._replace(stage="releasing", machine=machine_r)
            yield "is told to stop", world.with_job(worker, chunk, released).after_fault()

    def _outcomes(self, world: World, worker: int, chunk: int, job: Job) -> Iterator[tuple[str, World]]:
        """The possible outcomes of a running call."""
        assert job.call
        request = job.call[0]
        if isinstance(request, Read):
            yield "reads", self._respond(world, worker, chunk, job, world.chunks[chunk].record)
            return
        landed, outcome = self._write(world, chunk, job.stage, request)
        yield f"{job.stage}: {outcome.value}", self._respond(landed, worker, chunk, job, outcome)
        failed = WriteOutcome.FAILED
        if outcome is WriteOutcome.WRITTEN and self.may("lost answer", world):
            yield f"{job.stage}: done, answer lost", self._respond(landed, worker, chunk, job, failed).after_fault()
        if self.may("throttle", world):
            yield f"{job.stage}: throttled", self._respond(world, worker, chunk, job, failed).after_fault()
        late = self._drop_call(world, chunk, job)
        if self.may("late", world):
            yield f"{job.stage}: will land late", self._respond(late, worker, chunk, job, failed).after_fault()
        if job.stage == "claiming" and self.may("give up", world):
            # An unexpected error, or no answer for too long: the claim may have been made, or is made late.
            machine_w = Withdrawing(job.machine.key, job.machine.token, self.terms)
            withdrawn = job._replace(stage="withdrawing", machine=machine_w, call=None)
            for how, at in (("done", landed), ("not done", world), ("perhaps late", late)):
                unknown = self._abandon(at.with_job(worker, chunk, withdrawn), worker).after_fault()
                yield f"gives up a claim that is {how}", unknown
        if job.claim and job.stage == "completing" and self.may("stop", world):
            # The shutdown ends while the response to a completion is missing: the chunk is released all the same.
            machine = Releasing(job.claim, job.claim.record.progress, self.terms)
            given_up = job._replace(stage="releasing", machine=machine, call=None)
            yield "is told to stop while completing", late.with_job(worker, chunk, given_up).after_fault()

    def _respond(
        self, world: World, worker: int, chunk: int, job: Job, answer: WriteOutcome | ChunkRecord | None
    ) -> World:
        assert job.call
        verdict = job.machine.on_response(*job.call, answer)
        if job.stage == "claiming" and answer in (WriteOutcome.WRITTEN, WriteOutcome.FAILED):
            claims = tuple(n + (w == worker) for w, n in enumerate(world.claims))
            world = world._replace(claims=claims)
        job = job._replace(call=None)
        after: Job | None
        if isinstance(verdict, Claimed | Renewed):
            if verdict.claim.trusted_until <= world.now and "own clock" not in self.dropped:
                return self._abandon(world.with_job(worker, chunk, None), worker)
            after = job._replace(stage="running", machine=None, claim=verdict.claim)
        elif isinstance(verdict, Recorded | Done):
            stage = "deleting" if "publish after complete" in self.dropped else "publishing"
            after = job._replace(stage=stage, machine=None, record=verdict.record)
        elif isinstance(verdict, Held | Lost):
            held = isinstance(verdict, Held)
            after = (
                job._replace(stage="deleting", machine=None) if held and "never delete held" in self.dropped else None
            )
        elif isinstance(verdict, Releasing):
            after = job._replace(stage="releasing", machine=verdict)
        elif type(verdict) is type(job.machine):
            after = job._replace(machine=verdict)
        else:
            after = job._replace(stage="giving back", machine=None)
        return world.with_job(worker, chunk, after)

    # -- the ledger ------------------------------------------------------------------------------------------------

    def _write(self, world: World, chunk: int, stage: str, write: Write) -> tuple[World, WriteOutcome]:
        found = world.chunks[chunk].record
        if not self._admits(stage, write, found):
            return world, WriteOutcome.REFUSED
        if found and found.state is ChunkState.DONE and found.progress.results != write.record.progress.results:
            raise Broken(f"promise 2: {stage} replaced a recorded result")
        mine = found and (stage == "claiming" or found.owner == write.record.owner or stage == "releasing")
        if found and not mine:
            raise Broken(f"promise 3: {stage} of {write.record.owner} wrote over {found.owner}")
        if stage == "releasing" and found and isinstance(write, Update) and found.owner != write.owner:
            raise Broken("promise 3: a release released another worker's claim")
        return world.with_chunk(chunk, record=write.record), WriteOutcome.WRITTEN

    def _admits(self, stage: str, write: Write, found: ChunkRecord | None) -> bool:
        """Whether a conditional write takes effect. A dropped rule weakens its condition."""
        if isinstance(write, Insert):
            return found is None
        if found is None:
            return False
        lax: dict[str, dict[str, Any]] = {
            f"{stage}: owner and attempt": {"owner": found.owner, "attempt": found.attempt},
            f"{stage}: state": {"state": None},
            f"{stage}: lease end": {"lease_end": None},
            f"{stage}: later lease only": {"lease_not_after": None},
        }
        for rule in self.dropped & lax.keys():
            write = replace(write, **lax[rule])
        return write.admits(found)
