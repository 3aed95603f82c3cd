"""Witness: sees every effect on the services, and holds each to the promises of the design the moment it happens."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import trio

from cloudkon.handler import Context
from cloudkon.memory.virtual_clock import EPOCH
from cloudkon.model import ChunkKey, ChunkRecord, ChunkState, TaskId
from cloudkon.model.chunk_record import NO_OWNER
from cloudkon.ports import Insert, Write
from cloudkon.ports.ledger import Update
from cloudkon.wire.report import decode_report, to_row
from tests.simulation.worker_lifecycle import LIFE, Life
from tests.support.memory_fleet import JITTER

SHORT = 1000
"""Characters of an output that every checkpoint has room for."""


class PromiseBroken(AssertionError):
    """Seen from outside, something happened that must not."""


@dataclass
class Terms:
    """What workers were set to, in seconds; ``chunk`` is in tasks."""

    lease: float
    recovery: float
    """Within which a dead worker's work must be claimed again, when all is calm."""
    held: float
    """After the end of a lease, within which others must come to see it as over."""
    chunk: int


@dataclass
class Witness:
    """Writes down what is broken rather than raising it: workers would take it for a failing service."""

    terms: Terms
    spares_the_ledger: bool
    broken: list[str] = field(default_factory=list)
    trace: list[object] = field(default_factory=list)
    """All that happened, for comparing two runs of one seed."""
    peek: Callable[[ChunkKey], ChunkRecord | None] = lambda _: None
    letters: Callable[[], list[str]] = list
    """The bodies of all dead letters."""
    bodies: dict[str, ChunkKey] = field(default_factory=dict)
    """The chunk of each message that can be read."""
    claimants: dict[str, Life] = field(default_factory=dict)
    takeovers: Counter[int] = field(default_factory=Counter)
    """How often each chunk was taken from a worker that did not give it back."""
    answers: dict[tuple[int, str, int], list[str]] = field(default_factory=dict)
    """What handlers answered, by task, worker and attempt."""
    ends: dict[str, dict[int, float]] = field(default_factory=dict)
    """When tasks succeeded with a short output under each token, by their worker's wall clock."""
    failures: dict[str, dict[int, int]] = field(default_factory=dict)
    """Failed attempts of tasks under each token."""
    leases: dict[ChunkKey, int] = field(default_factory=dict)
    """The latest end of a lease that each chunk ever had, in epoch milliseconds."""
    calm_since: float = float("inf")
    """When the storm ended or, later, the last worker's life."""
    starts: int = 0
    progressed: Callable[[], None] = lambda: None

    def say(self, promise: str, what: object) -> None:
        self.broken.append(f"promise {promise} at {trio.current_time():.3f}: {what}")

    # -- lives -----------------------------------------------------------------------------------------------------

    def ended(self, life: Life) -> None:
        self.trace.append((trio.current_time(), "ended", life.name))
        if self.calm_since < float("inf"):
            self.calm_since = trio.current_time()

    def calmed(self) -> None:
        self.calm_since = trio.current_time()

    # -- handlers --------------------------------------------------------------------------------------------------

    def started(self, context: Context) -> None:
        self.starts += 1
        self.trace.append((trio.current_time(), "started", context.task.seq, context.attempt))
        self._check_claim(context, "starts")

    def stopped(self, context: Context, answer: str | None) -> None:
        """``answer`` is ``None`` where it has none."""
        life = LIFE.get()
        assert life
        if life.ended:
            return
        self._check_claim(context, "still runs")
        if answer is not None:
            seq = context.task.seq
            self.answers.setdefault((seq, life.name, context.attempt), []).append(answer)
            if len(answer) <= SHORT:
                self.ends.setdefault(context.token, {})[seq] = life.clock.wall()

    def failed(self, context: Context) -> None:
        """An attempt fails by itself."""
        self.failures.setdefault(context.token, {})[context.task.seq] = context.attempt

    def _check_claim(self, context: Context, does: str) -> None:
        record = self.peek(self._key(context.task))
        if record is None or record.state is not ChunkState.CLAIMED or record.owner != context.token:
            self.say("3", f"{context.task} {does} without a claim")

    # -- queues ----------------------------------------------------------------------------------------------------

    def deleted(self, body: str) -> None:
        self.trace.append((trio.current_time(), "deleted", body))
        key = self.bodies.get(body)
        if not (key and self.done(key)) and body not in self.letters():
            self.say("1", f"the message of {key or body} was deleted before it was done")
        self.progressed()

    def hidden(self, body: str, seconds: float) -> None:
        """A worker wants to see the message of what others hold again in so many seconds."""
        if not (key := self.bodies.get(body)):
            return
        over = self.leases.get(key, 0) / 1000 - EPOCH + self.terms.held
        longest = max(0.0, over - trio.current_time()) + JITTER
        if seconds > longest:
            self.say("5", f"the message of {key} was hidden {seconds - longest:.3f} s longer than anybody holds it")

    def published(self, body: str) -> None:
        for result in decode_report(body):
            record = self.peek(self._key(result.task))
            rows = [to_row(one) for one in record.progress.results] if record else []
            if record is None or record.state is not ChunkState.DONE or to_row(result) not in rows:
                self.say("4", f"{result.task} was published, and is not recorded so")

    # -- ledger ----------------------------------------------------------------------------------------------------

    def wrote(self, found: ChunkRecord | None, write: Write, life: Life) -> None:
        """A write took effect; ``found`` is what it replaced."""
        record = write.record
        claim = isinstance(write, Insert) or record.attempt != write.attempt
        kind = "claim" if claim else "release" if record.owner == NO_OWNER else record.state.value
        self.trace.append((trio.current_time(), kind, record.key.number, record.attempt))
        self.leases[record.key] = max(record.lease_end, self.leases.get(record.key, 0))
        if found:
            self._check_order(found, record, kind)
        if claim:
            self.claimants[record.owner] = life
            self._check_claiming(found, record)
        else:
            assert isinstance(write, Update)
            self._check_author(found, write, kind)
        if record.state is ChunkState.DONE:
            self.progressed()

    def _check_order(self, found: ChunkRecord, record: ChunkRecord, kind: str) -> None:
        if found.state is ChunkState.DONE:
            self.say("2", f"a {kind} replaced the recorded results of {record.key}")
        kept = {result.task.seq: result for result in record.progress.results}
        for result in found.progress.results:
            if kept.get(result.task.seq) != result:
                self.say("2", f"a {kind} changed the result of {result.task}")

    def _check_claiming(self, found: ChunkRecord | None, record: ChunkRecord) -> None:
        late = trio.current_time() - self.calm_since - self.terms.recovery
        if late > 0:
            self.say("5", f"{record.key} was claimed {late:.3f} s too late")
        if found and found.state is not ChunkState.DONE and not found.released and found.owner != record.owner:
            self._check_takeover(found, record)
        if record.progress.losses > self.takeovers[record.key.number]:
            self.say("6", f"{record.key} is said to have lost a worker that gave it back")

    def _check_takeover(self, found: ChunkRecord, record: ChunkRecord) -> None:
        left = found.lease_end / 1000 - EPOCH - trio.current_time()
        if left > 0:
            self.say("3", f"{record.key} was claimed with {left:.3f} s left of somebody's lease")
        self.takeovers[record.key.number] += 1
        if self.spares_the_ledger and not self.claimants[found.owner].ended:
            self.say("6", f"{record.key} was taken from {self.claimants[found.owner].name}, which lives")

    def _check_author(self, found: ChunkRecord | None, write: Update, kind: str) -> None:
        record = write.record
        author = write.owner if kind == "release" else record.owner
        if found is None or (found.owner, found.attempt) != (author, record.attempt):
            self.say("3", f"a {kind} of {record.key} was taken from a worker that had lost its claim")
        elif kind == "release":
            for seq, attempt in self.failures.get(author, {}).items():
                if record.progress.failures.get(seq, 0) < attempt:
                    self.say("6", f"a release of {record.key} forgot that task {seq} failed {attempt} times")
        elif kind == "CLAIMED":
            if record.lease_end <= found.lease_end:
                self.say("3", f"a renewal of {record.key} made its lease shorter")
            if self.spares_the_ledger:
                self._check_checkpoint(record)

    def _check_checkpoint(self, record: ChunkRecord) -> None:
        asked = record.lease_end / 1000 - self.terms.lease
        kept = {result.task.seq for result in record.progress.results}
        for seq, ended in self.ends.get(record.owner, {}).items():
            if ended < asked - 0.1 and seq not in kept:
                self.say("5", f"a renewal of {record.key} left out the result of task {seq}")

    def done(self, key: ChunkKey) -> bool:
        record = self.peek(key)
        return record is not None and record.state is ChunkState.DONE

    def _key(self, task: TaskId) -> ChunkKey:
        return ChunkKey(task.run, task.seq // self.terms.chunk, 1)
