"""A model of the fleet small enough to search exhaustively: the real protocol machines, and a world that is unkind.

Workers receive, claim, run, renew, complete, release, publish and delete; the ledger's answers are lost before or
after the effect, or the effect comes late; messages have copies and become visible early; workers die at any step;
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
)

TICK = 1000
"""Milliseconds; the model's time goes by ticks."""


ALL_KINDS = frozenset({"death", "early", "stop", "lost answer", "throttle", "late", "slow", "pause"})
"""The kinds of faults: a search for the need of one rule is quicker with only those that show it."""


class Broken(AssertionError):
    """A promise does not hold in a state that can be reached."""


class Message(NamedTuple):
    """One copy of a chunk's message: who has the newest handle, whether others can see it, whether it is gone."""

    holder: int = -1
    visible: bool = True
    deleted: bool = False


class Job(NamedTuple):
    """What a worker does with one delivery. ``asked`` is a call under way: the ask, and when it was made."""

    stage: str
    message: int
    machine: Any = None
    claim: Claim | None = None
    asked: tuple[Any, Instant] | None = None
    record: ChunkRecord | None = None


class Shelf(NamedTuple):
    """One chunk as the services see it; ``late`` are writes whose callers gave up, and which may still land."""

    record: ChunkRecord | None
    messages: tuple[Message, ...]
    published: frozenset[tuple[Result, ...]] = frozenset()
    late: tuple[tuple[str, Write], ...] = ()


class World(NamedTuple):
    """A state: ``jobs[worker][chunk]``; ``claims`` counts the tokens of a worker that it may have written."""

    now: int
    shelves: tuple[Shelf, ...]
    jobs: tuple[tuple[Job | None, ...], ...]
    lives: tuple[int, ...]
    claims: tuple[int, ...]
    cancelled: bool
    faults: int

    def with_shelf(self, chunk: int, **changes: Any) -> "World":  # noqa: ANN401  (any of its fields)
        shelves = list(self.shelves)
        shelves[chunk] = shelves[chunk]._replace(**changes)
        return self._replace(shelves=tuple(shelves))

    def with_message(self, chunk: int, copy: int, **changes: Any) -> "World":  # noqa: ANN401  (any of its fields)
        messages = list(self.shelves[chunk].messages)
        messages[copy] = messages[copy]._replace(**changes)
        return self.with_shelf(chunk, messages=tuple(messages))

    def with_job(self, worker: int, chunk: int, job: Job | None) -> "World":
        jobs = [list(row) for row in self.jobs]
        jobs[worker][chunk] = job
        return self._replace(jobs=tuple(map(tuple, jobs)))

    def after_fault(self) -> "World":
        return self._replace(faults=self.faults - 1)


@dataclass(frozen=True)
class Model:
    """The size of a search, and the rules that are dropped in it, if any. Times are in ticks."""

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
        """Whether a fault of that kind may happen now."""
        return world.faults > 0 and kind in self.kinds

    @property
    def terms(self) -> Terms:
        return Terms(self.lease * TICK, self.margin * TICK)

    def start(self) -> World:
        shelves = tuple(Shelf(None, (Message(),) * copies) for copies in self.copies)
        rows = ((None,) * len(self.copies),) * self.workers
        zeros = (0,) * self.workers
        return World(0, shelves, rows, zeros, zeros, cancelled=False, faults=self.faults)

    def steps(self, world: World) -> Iterator[tuple[str, World]]:
        """Every next state, with what happens on the way to it."""
        if world.now < self.ticks:
            yield "tick", self._tick(world)
            if self.may("pause", world):
                yield "tick, while workers are paused", world._replace(now=world.now + 1).after_fault()
        if self.cancels and not world.cancelled:
            yield "cancel", world._replace(cancelled=True)
        for chunk, shelf in enumerate(world.shelves):
            yield from self._messages(world, chunk, shelf)
            for place, (kind, write) in enumerate(shelf.late):
                late = shelf.late[:place] + shelf.late[place + 1 :]
                yield f"late {kind} lands", self._write(world.with_shelf(chunk, late=late), chunk, kind, write)[0]
        for worker in range(self.workers):
            yield from self._worker(world, worker)

    # -- time and the queue ----------------------------------------------------------------------------------------

    def _tick(self, world: World) -> World:
        """Time goes by; workers kill what they can't trust to be theirs any more."""
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
        """A worker killed its own work in time; a late renewal may keep its lease up: for others it is as dead."""
        return world._replace(lives=tuple(n + (w == worker) for w, n in enumerate(world.lives)))

    def _messages(self, world: World, chunk: int, shelf: Shelf) -> Iterator[tuple[str, World]]:
        """A message becomes visible again: in its time where nobody works on it, as a fault where somebody does."""
        for copy, message in enumerate(shelf.messages):
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
        for copy, message in enumerate(world.shelves[chunk].messages):
            if message.visible and not message.deleted:
                number = world.claims[worker]
                token = f"w{worker}.{world.lives[worker]}.{number}"
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
        """All its jobs are gone; calls under way may still land. Another process takes its place."""
        for chunk, job in enumerate(world.jobs[worker]):
            if job:
                world = self._drop_call(world, chunk, job).with_job(worker, chunk, None)
        return self._abandon(world, worker).after_fault()

    def _drop_call(self, world: World, chunk: int, job: Job) -> World:
        """Nobody waits for the call any more: it lands late, or never; one late write at a time is enough to search."""
        if job.asked and not isinstance(job.asked[0], Read) and not world.shelves[chunk].late:
            return world.with_shelf(chunk, late=((job.stage, job.asked[0]),))
        return world

    def _job(self, world: World, worker: int, chunk: int, job: Job) -> Iterator[tuple[str, World]]:
        if job.asked:
            yield from self._answers(world, worker, chunk, job)
            if job.claim and job.stage == "renewing":
                # The slots don't wait for the heartbeat's answer.
                late = self._drop_call(world, chunk, job)
                yield from self._running(late, worker, chunk, job._replace(asked=None, machine=None))
        elif job.machine:
            now = Instant((world.now + self.skew[worker]) * TICK, float(world.now))
            asking = job._replace(asked=(job.machine.ask(now), now))
            yield from self._answers(world, worker, chunk, asking)
            if self.may("slow", world):
                # Only across a tick does it matter that asking and landing are two steps.
                yield f"asks slowly ({job.stage})", world.with_job(worker, chunk, asking).after_fault()
        elif job.stage == "running":
            yield from self._running(world, worker, chunk, job)
        elif job.stage == "publishing":
            assert job.record
            shelf = world.shelves[chunk]
            after = world.with_shelf(chunk, published=shelf.published | {job.record.progress.results})
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
        message = world.shelves[chunk].messages[job.message]
        return world.with_message(chunk, job.message, deleted=True) if message.holder == worker else world

    def _give_back(self, world: World, worker: int, chunk: int, job: Job) -> World:
        message = world.shelves[chunk].messages[job.message]
        return world.with_message(chunk, job.message, visible=True) if message.holder == worker else world

    def _running(self, world: World, worker: int, chunk: int, job: Job) -> Iterator[tuple[str, World]]:
        assert job.claim
        claim = job.claim
        message = world.shelves[chunk].messages[job.message]
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

    def _answers(self, world: World, worker: int, chunk: int, job: Job) -> Iterator[tuple[str, World]]:
        """What may become of a call under way."""
        assert job.asked
        ask = job.asked[0]
        if isinstance(ask, Read):
            yield "reads", self._told(world, worker, chunk, job, world.shelves[chunk].record)
            return
        landed, outcome = self._write(world, chunk, job.stage, ask)
        yield f"{job.stage}: {outcome.value}", self._told(landed, worker, chunk, job, outcome)
        failed = WriteOutcome.FAILED
        if outcome is WriteOutcome.WRITTEN and self.may("lost answer", world):
            yield f"{job.stage}: done, answer lost", self._told(landed, worker, chunk, job, failed).after_fault()
        if self.may("throttle", world):
            yield f"{job.stage}: throttled", self._told(world, worker, chunk, job, failed).after_fault()
        late = self._drop_call(world, chunk, job)
        if self.may("late", world):
            yield f"{job.stage}: will land late", self._told(late, worker, chunk, job, failed).after_fault()
        if job.claim and job.stage == "completing" and self.may("stop", world):
            # Shutdown's end comes while a completion's answer is out: the chunk is released all the same.
            machine = Releasing(job.claim, job.claim.record.progress, self.terms)
            given_up = job._replace(stage="releasing", machine=machine, asked=None)
            yield "is told to stop while completing", late.with_job(worker, chunk, given_up).after_fault()

    def _told(
        self, world: World, worker: int, chunk: int, job: Job, answer: WriteOutcome | ChunkRecord | None
    ) -> World:
        assert job.asked
        verdict = job.machine.on_response(*job.asked, answer)
        if job.stage == "claiming" and answer in (WriteOutcome.WRITTEN, WriteOutcome.FAILED):
            claims = tuple(n + (w == worker) for w, n in enumerate(world.claims))
            world = world._replace(claims=claims)
        job = job._replace(asked=None)
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
        elif type(verdict) is type(job.machine):
            after = job._replace(machine=verdict)
        else:
            after = job._replace(stage="giving back", machine=None)
        return world.with_job(worker, chunk, after)

    # -- the ledger ------------------------------------------------------------------------------------------------

    def _write(self, world: World, chunk: int, stage: str, write: Write) -> tuple[World, WriteOutcome]:
        found = world.shelves[chunk].record
        if not self._admits(stage, write, found):
            return world, WriteOutcome.REFUSED
        if found and found.state is ChunkState.DONE and found.progress.results != write.record.progress.results:
            raise Broken(f"promise 2: {stage} replaced a recorded result")
        mine = found and (stage == "claiming" or found.owner == write.record.owner or stage == "releasing")
        if found and not mine:
            raise Broken(f"promise 3: {stage} of {write.record.owner} wrote over {found.owner}")
        if stage == "releasing" and found and isinstance(write, Update) and found.owner != write.owner:
            raise Broken("promise 3: a release gave away somebody else's claim")
        return world.with_shelf(chunk, record=write.record), WriteOutcome.WRITTEN

    def _admits(self, stage: str, write: Write, found: ChunkRecord | None) -> bool:
        """Whether a conditional write takes effect; a dropped rule makes its condition laxer."""
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
