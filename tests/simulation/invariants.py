"""Checks every effect on the services against the design's promises at the moment it happens."""

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
from cloudkon.wire.report import decode_report
from cloudkon.wire.result_rows import to_row
from tests.simulation.worker_lifecycle import CURRENT_WORKER, SimulatedWorker
from tests.support.memory_fleet import JITTER

SHORT = 1000
"""Characters of an output that fits into every checkpoint."""


class PromiseBroken(AssertionError):
    """A schedule broke a promise of the design."""


@dataclass
class Bounds:
    """The workers' settings in seconds; ``chunk`` is in tasks."""

    lease: float
    recovery: float
    """The time within which a dead worker's chunk must be claimed again when no faults are injected."""
    held: float
    """The time after the end of a lease within which other workers must see that it is over."""
    chunk: int


@dataclass
class InvariantChecker:
    """Records violations instead of raising them: workers would take an exception for a failing service."""

    bounds: Bounds
    ledger_reliable: bool
    violations: list[str] = field(default_factory=list)
    trace: list[object] = field(default_factory=list)
    """The events of the schedule, for comparing two runs of one seed."""
    read_record: Callable[[ChunkKey], ChunkRecord | None] = lambda _: None
    dead_letters: Callable[[], list[str]] = list
    """The bodies of all dead letters."""
    chunk_keys: dict[str, ChunkKey] = field(default_factory=dict)
    """The chunk's key by the body of its message."""
    claim_owners: dict[str, SimulatedWorker] = field(default_factory=dict)
    takeovers: Counter[int] = field(default_factory=Counter)
    """How often each chunk was stolen from a worker that had not released it, by chunk number."""
    running: dict[str, dict[int, bool]] = field(default_factory=dict)
    """The tasks that run, by worker: whether each is recorded as the suspect."""
    false_suspicions: Counter[int] = field(default_factory=Counter)
    """How often each task was blamed for a death that the schedule caused, or for a lost lease."""
    careful_seen: bool = False
    """Whether a chunk was careful, so that other chunks may have to wait for it."""
    outputs: dict[tuple[int, str, int], list[str]] = field(default_factory=dict)
    """Handlers' outputs, by task, worker and attempt."""
    success_times: dict[str, dict[int, float]] = field(default_factory=dict)
    """The times at which tasks succeeded with a short output, by token and task, on their worker's wall clock."""
    failures: dict[str, dict[int, int]] = field(default_factory=dict)
    """Failed attempts by token and task."""
    leases: dict[ChunkKey, int] = field(default_factory=dict)
    """The latest lease end that each chunk ever had, in epoch milliseconds."""
    recovery_since: float = float("inf")
    """The end of the fault phase or, if later, of the last worker that ended."""
    starts: int = 0
    on_progress: Callable[[], None] = lambda: None

    def violation(self, promise: str, text: object) -> None:
        """Record that a promise, by its number in the design, is broken."""
        self.violations.append(f"promise {promise} at {trio.current_time():.3f}: {text}")

    # -- workers ---------------------------------------------------------------------------------------------------

    def on_worker_end(self, worker: SimulatedWorker) -> None:
        self.trace.append((trio.current_time(), "ended", worker.name))
        if self.recovery_since < float("inf"):
            self.recovery_since = trio.current_time()

    def on_recovery(self) -> None:
        self.recovery_since = trio.current_time()

    # -- handlers --------------------------------------------------------------------------------------------------

    def on_start(self, context: Context) -> None:
        self.starts += 1
        self.trace.append((trio.current_time(), "started", context.task.seq, context.attempt))
        self._check_claim(context, "starts")
        self._check_alone(context)

    def on_stop(self, context: Context, output: str | None) -> None:
        """Called when a handler returns or is stopped; ``output`` is ``None`` without one."""
        worker = CURRENT_WORKER.get()
        assert worker
        self.running[worker.name].pop(context.task.seq, None)
        if worker.ended:
            return
        self._check_claim(context, "still runs")
        if self.careful_seen and self.recovery_since < float("inf"):
            # Only now may its worker claim what waited meanwhile.
            self.recovery_since = trio.current_time()
        if output is not None:
            seq = context.task.seq
            self.outputs.setdefault((seq, worker.name, context.attempt), []).append(output)
            if len(output) <= SHORT:
                self.success_times.setdefault(context.token, {})[seq] = worker.clock.wall()

    def on_failure(self, context: Context) -> None:
        """Called when an attempt fails because its handler raises."""
        self.failures.setdefault(context.token, {})[context.task.seq] = context.attempt

    def _check_claim(self, context: Context, verb: str) -> None:
        record = self.read_record(self._key(context.task))
        if record is None or record.state is not ChunkState.CLAIMED or record.owner != context.token:
            self.violation("3", f"{context.task} {verb} without a claim")

    def _check_alone(self, context: Context) -> None:
        worker, seq = CURRENT_WORKER.get(), context.task.seq
        assert worker
        record = self.read_record(self._key(context.task))
        suspect = record is not None and record.progress.suspect == seq
        if record and record.owner == context.token and record.progress.careful and not suspect:
            self.violation("6", f"{context.task} of a careful chunk starts unrecorded")
        beside = self.running.setdefault(worker.name, {})
        if beside and (suspect or any(beside.values())):
            self.violation("6", f"{context.task} starts beside {beside}, although one of them must be alone")
        beside[seq] = suspect

    # -- queues ----------------------------------------------------------------------------------------------------

    def on_delete(self, body: str) -> None:
        self.trace.append((trio.current_time(), "deleted", body))
        key = self.chunk_keys.get(body)
        if not (key and self.done(key)) and body not in self.dead_letters():
            self.violation("1", f"the message of {key or body} was deleted before it was done")
        self.on_progress()

    def on_hide(self, body: str, seconds: float) -> None:
        """Called when a worker hides the message of a chunk that another worker holds for ``seconds``."""
        if not (key := self.chunk_keys.get(body)):
            return
        over = self.leases.get(key, 0) / 1000 - EPOCH + self.bounds.held
        longest = max(0.0, over - trio.current_time()) + JITTER
        if seconds > longest:
            self.violation("5", f"the message of {key} was hidden {seconds - longest:.3f} s longer than its lease")

    def on_publish(self, body: str) -> None:
        for result in decode_report(body):
            record = self.read_record(self._key(result.task))
            rows = [to_row(one) for one in record.progress.results] if record else []
            if record is None or record.state is not ChunkState.DONE or to_row(result) not in rows:
                self.violation("4", f"{result.task} was published with a result other than the recorded one")

    # -- ledger ----------------------------------------------------------------------------------------------------

    def on_write(self, found: ChunkRecord | None, write: Write, worker: SimulatedWorker) -> None:
        """Called when a write has taken effect; ``found`` is the record that it replaced."""
        record = write.record
        claim = isinstance(write, Insert) or record.attempt != write.attempt
        kind = "claim" if claim else "release" if record.owner == NO_OWNER else record.state.value
        self.trace.append((trio.current_time(), kind, record.key.number, record.attempt))
        self.leases[record.key] = max(record.lease_end, self.leases.get(record.key, 0))
        if found:
            self._check_order(found, record, kind)
        if claim:
            self.claim_owners[record.owner] = worker
            self._check_claiming(found, record)
        else:
            assert isinstance(write, Update)
            self._check_author(found, write, kind)
        if record.state is ChunkState.DONE:
            self.on_progress()

    def _check_order(self, found: ChunkRecord, record: ChunkRecord, kind: str) -> None:
        if found.state is ChunkState.DONE:
            self.violation("2", f"a {kind} replaced the recorded results of {record.key}")
        kept = {result.task.seq: result for result in record.progress.results}
        for result in found.progress.results:
            if kept.get(result.task.seq) != result:
                self.violation("2", f"a {kind} changed the result of {result.task}")

    def _check_claiming(self, found: ChunkRecord | None, record: ChunkRecord) -> None:
        late = trio.current_time() - self.recovery_since - self.bounds.recovery
        # A worker claims nothing while a careful chunk runs there or waits for the tasks that run.
        if late > 0 and not (self.careful_seen and any(self.running.values())):
            self.violation("5", f"{record.key} was claimed {late:.3f} s too late")
        if found and found.state is not ChunkState.DONE and not found.released and found.owner != record.owner:
            self._check_takeover(found, record)
        if record.progress.suspect is not None:
            self.violation("6", f"{record.key} is claimed with a suspect that does not run")
        self.careful_seen |= record.progress.careful
        if record.progress.losses > self.takeovers[record.key.number]:
            self.violation("6", f"{record.key} counts the loss of a worker that released it")

    def _check_takeover(self, found: ChunkRecord, record: ChunkRecord) -> None:
        left = found.lease_end / 1000 - EPOCH - trio.current_time()
        if left > 0:
            self.violation("3", f"{record.key} was claimed with {left:.3f} s left of another worker's lease")
        self.takeovers[record.key.number] += 1
        if (suspect := found.progress.suspect) is not None:
            self._check_blame(suspect, self.claim_owners[found.owner].killed_by)
        if self.ledger_reliable and not self.claim_owners[found.owner].ended:
            self.violation("6", f"{record.key} was stolen from {self.claim_owners[found.owner].name}, which is alive")

    def _check_blame(self, suspect: int, killer: int | None) -> None:
        if killer == suspect:
            return
        self.false_suspicions[suspect] += 1
        if killer is not None and self.ledger_reliable:
            self.violation("6", f"task {suspect} is blamed for the death that task {killer} caused")

    def _check_author(self, found: ChunkRecord | None, write: Update, kind: str) -> None:
        record = write.record
        author = write.owner if kind == "release" else record.owner
        if found is None or (found.owner, found.attempt) != (author, record.attempt):
            self.violation("3", f"a {kind} of {record.key} was accepted from a worker that had lost its claim")
        elif kind == "release":
            for seq, attempt in self.failures.get(author, {}).items():
                if record.progress.failures.get(seq, 0) < attempt:
                    self.violation("6", f"a release of {record.key} lost the {attempt} failures of task {seq}")
        elif kind == "CLAIMED":
            if record.lease_end <= found.lease_end:
                self.violation("3", f"a renewal of {record.key} made its lease shorter")
            if self.ledger_reliable:
                self._check_checkpoint(record)

    def _check_checkpoint(self, record: ChunkRecord) -> None:
        renewed = record.lease_end / 1000 - self.bounds.lease
        kept = {result.task.seq for result in record.progress.results}
        for seq, ended in self.success_times.get(record.owner, {}).items():
            if ended < renewed - 0.1 and seq not in kept:
                self.violation("5", f"a renewal of {record.key} left out the result of task {seq}")

    def done(self, key: ChunkKey) -> bool:
        record = self.read_record(key)
        return record is not None and record.state is ChunkState.DONE

    def _key(self, task: TaskId) -> ChunkKey:
        return ChunkKey(task.run, task.seq // self.bounds.chunk, 1)
