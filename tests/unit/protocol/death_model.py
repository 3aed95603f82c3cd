"""Models workers of several slots among whose tasks are killers: who is blamed for a worker's death.

The ledger's records and their changes are the real ones; a call is one step that succeeds, or is given up after it took
effect or before. Time does not go by: a dead worker's chunks are free at once. The other model searches leases.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from cloudkon.model import ChunkKey, ChunkRecord, ChunkState, Progress, Result, TaskId, TaskState
from cloudkon.ports import Read
from cloudkon.protocol import Claim, Claiming, Instant, Releasing, Terms
from tests.unit.protocol.exploration import Broken

HEALTHY, KILLER, CROWDED = "healthy", "killer", "crowded"
"""A killer kills its worker whenever it runs; a crowded task only while another task runs beside it."""
_TERMS = Terms(lease=1000, margin=0)
_NOW = Instant(10_000, 10.0)
_LIVE, _OVER = 20_000, 1
"""Lease ends: of a claim that its worker still holds, and of one that it can't hold any more."""

TaskKey = tuple[int, int]
"""A task: its chunk's number, and its own number in the chunk."""


class Worker(NamedTuple):
    """A worker. ``held`` has the results of each chunk under its claim, recorded or not yet."""

    held: tuple[tuple[int, tuple[Result, ...]], ...] = ()
    running: frozenset[TaskKey] = frozenset()
    alone: TaskKey | None = None
    """The careful task for which everything else waits: from before it is recorded until its record is cleared."""

    def results(self, chunk: int) -> tuple[Result, ...] | None:
        """The chunk's results here; ``None`` if the worker has no claim to it."""
        return dict(self.held).get(chunk)

    def with_results(self, chunk: int, results: tuple[Result, ...]) -> "Worker":
        held = {**dict(self.held), chunk: tuple(sorted(results, key=lambda result: result.task.seq))}
        return self._replace(held=tuple(sorted(held.items())))

    def without(self, chunk: int) -> "Worker":
        """Stop the chunk's tasks and forget it."""
        return Worker(
            tuple(one for one in self.held if one[0] != chunk),
            frozenset(task for task in self.running if task[0] != chunk),
            None if self.alone and self.alone[0] == chunk else self.alone,
        )


class World(NamedTuple):
    """One state. A record's owner is the name of a worker that holds it, or held it and can't any more."""

    records: tuple[ChunkRecord | None, ...]
    workers: tuple[Worker, ...]
    faults: int
    stops: int

    def with_worker(self, index: int, worker: Worker) -> "World":
        return self._replace(workers=(*self.workers[:index], worker, *self.workers[index + 1 :]))

    def with_record(self, chunk: int, record: ChunkRecord) -> "World":
        # The other model searches fences: here, only the latest claim counts.
        record = replace(record, attempt=1, expires=0)
        return self._replace(records=(*self.records[:chunk], record, *self.records[chunk + 1 :]))

    def progress(self, chunk: int) -> Progress:
        record = self.records[chunk]
        assert record
        return record.progress

    def record_progress(self, chunk: int, progress: Progress) -> "World":
        record = self.records[chunk]
        assert record
        return self.with_record(chunk, replace(record, progress=progress))

    def after_fault(self) -> "World":
        return self._replace(faults=self.faults - 1)


@dataclass(frozen=True)
class DeathModel:
    """The size of a search, and the rules that are dropped in it."""

    chunks: tuple[tuple[str, ...], ...]
    """The kind of each task of each chunk."""
    workers: int = 1
    slots: int = 2
    max_attempts: int = 2
    faults: int = 1
    """Deaths and lost claims that the infrastructure causes. Each may cost one task one suspicion."""
    stops: int = 0
    """Workers that are told to stop, which may cost nothing."""
    dropped: frozenset[str] = frozenset()

    @property
    def start(self) -> World:
        return World((None,) * len(self.chunks), (Worker(),) * self.workers, self.faults, self.stops)

    @property
    def most_losses(self) -> int:
        """The deaths after which every killer must have ended: two without a suspect, then each as the suspect."""
        killers = sum(kinds.count(KILLER) for kinds in self.chunks)
        crowded = sum(kinds.count(CROWDED) for kinds in self.chunks)
        return killers * (2 + self.max_attempts) + crowded * 2 + self.faults

    def is_settled(self, world: World) -> bool:
        return all(record and record.state is ChunkState.DONE for record in world.records)

    def check(self, world: World) -> None:
        """Raise ``Broken`` if a task is blamed for another's deed, or a killer never ends."""
        for chunk, record in enumerate(world.records):
            if record is None:
                continue
            if record.progress.losses > self.most_losses:
                raise Broken("promise 5: a killer kills without end")
            for seq, kind in enumerate(self.chunks[chunk]):
                blamed = record.progress.suspicions.get(seq, 0)
                if kind != KILLER and blamed > self.faults - world.faults:
                    raise Broken(f"promise 6: c{chunk} t{seq} is blamed for another task")
            for result in record.progress.results:
                expected = TaskState.FAILED if self.chunks[chunk][result.task.seq] == KILLER else TaskState.SUCCEEDED
                paid = self.faults - world.faults >= self.max_attempts
                if result.state is not expected and not (paid and result.state is TaskState.FAILED):
                    raise Broken(f"promise 6: c{chunk} t{result.task.seq} is {result.state}")

    # -- steps -----------------------------------------------------------------------------------------------------

    def steps(self, world: World) -> Iterator[tuple[str, World]]:
        """Iterate over all next states, each with a description of the step."""
        for index, worker in enumerate(world.workers):
            for what, after in self._worker(world, index, worker):
                yield f"w{index} {what}", after

    def _worker(self, world: World, index: int, worker: Worker) -> Iterator[tuple[str, World]]:
        for chunk in range(len(self.chunks)):
            results = worker.results(chunk)
            if results is None:
                yield from self._claim(world, index, chunk)
                continue
            if len(results) == len(self.chunks[chunk]):
                yield from self._complete(world, index, chunk, results)
            yield from self._start(world, index, worker, chunk)
            if not any(task[0] == chunk for task in worker.running) and worker.alone is None:
                yield f"gives c{chunk} back", self._release(world, index, chunk)
            if world.faults:
                yield f"loses its claim to c{chunk}", self._lose(world, index, chunk).after_fault()
        for chunk, seq in sorted(worker.running):
            yield from self._run(world, index, worker, (chunk, seq))
        if worker.alone and worker.alone not in worker.running:
            yield from self._clear(world, index, worker, worker.alone)
        if world.faults and worker.held:
            yield "dies by the infrastructure", self._die(world, index).after_fault()
        if world.stops and worker.held:
            stopped = self._stop(world, index)
            yield "is told to stop", stopped._replace(stops=stopped.stops - 1)

    def _claim(self, world: World, index: int, chunk: int) -> Iterator[tuple[str, World]]:
        found = world.records[chunk]
        if found and (found.state is ChunkState.DONE or found.lease_end == _LIVE):
            return
        key = ChunkKey("r", chunk, 1)
        machine = Claiming(key, len(self.chunks[chunk]), f"w{index}", _TERMS)
        if found:
            # The token is new for each claim; a dead worker's must not be taken for our own.
            verdict = machine.on_response(Read(key), _NOW, replace(found, owner=f"{found.owner} before"))
            assert isinstance(verdict, Claiming), verdict
            machine = verdict
        request = machine.ask(_NOW)
        assert not isinstance(request, Read)
        record = replace(request.record, lease_end=_LIVE)
        results = list(record.progress.results)
        ended = {result.task.seq for result in results}
        for seq, times in sorted(record.progress.suspicions.items()):
            if times >= self.max_attempts and seq not in ended:
                results.append(_result(chunk, seq, TaskState.FAILED))
        worker = world.workers[index].with_results(chunk, tuple(results))
        yield f"claims c{chunk}", world.with_record(chunk, record).with_worker(index, worker)

    def _start(self, world: World, index: int, worker: Worker, chunk: int) -> Iterator[tuple[str, World]]:
        waiting = self._waiting(worker, chunk)
        if not waiting or len(worker.running) == self.slots:
            return
        next_task = (chunk, waiting[0])
        careful = world.progress(chunk).careful and "careful after two losses" not in self.dropped
        beside_others = "nothing runs beside a careful task" in self.dropped
        if not careful:
            if worker.alone is None or beside_others:
                after = worker._replace(running=worker.running | {next_task})
                yield f"starts c{chunk} t{waiting[0]}", world.with_worker(index, after)
            return
        if beside_others or (worker.alone is None and not worker.running):
            yield from self._start_alone(world, index, worker, next_task)

    def _start_alone(self, world: World, index: int, worker: Worker, task: TaskKey) -> Iterator[tuple[str, World]]:
        """Record the suspect, then start it. A write that is given up may have taken effect; the claim is lost."""
        chunk, seq = task
        started = world.with_worker(index, worker._replace(running=worker.running | {task}, alone=task))
        recorded = self._checkpoint(started, index, chunk, seq)
        name = f"c{chunk} t{seq}"
        yield f"records {name} and starts it", recorded
        if "recorded before it starts" in self.dropped:
            yield f"starts {name}", started
        if world.faults:
            yield f"gives up to record {name}", self._lose(started, index, chunk).after_fault()
            yield f"gives up to record {name}, which is recorded", self._lose(recorded, index, chunk).after_fault()

    def _run(self, world: World, index: int, worker: Worker, task: TaskKey) -> Iterator[tuple[str, World]]:
        chunk, seq = task
        kind = self.chunks[chunk][seq]
        if kind == KILLER or (kind == CROWDED and len(worker.running) > 1):
            yield f"is killed by c{chunk} t{seq}", self._die(world, index)
            return
        results = worker.results(chunk)
        assert results is not None
        after = worker.with_results(chunk, (*results, _result(chunk, seq, TaskState.SUCCEEDED)))
        after = after._replace(running=worker.running - {task})
        if "cleared before others start" in self.dropped:
            after = after._replace(alone=None)
        yield f"ends c{chunk} t{seq}", world.with_worker(index, after)

    def _clear(self, world: World, index: int, worker: Worker, task: TaskKey) -> Iterator[tuple[str, World]]:
        """After a careful task: the chunk's next one replaces it in the record, or the record is cleared."""
        chunk = task[0]
        if waiting := self._waiting(worker, chunk):
            yield from self._start_alone(world, index, worker, (chunk, waiting[0]))
        freed = world.with_worker(index, worker._replace(alone=None))
        yield f"clears c{chunk}", self._checkpoint(freed, index, chunk, None)

    def _complete(
        self, world: World, index: int, chunk: int, results: tuple[Result, ...]
    ) -> Iterator[tuple[str, World]]:
        worker = world.workers[index]
        if worker.alone and worker.alone[0] == chunk:
            return
        record = world.records[chunk]
        assert record
        progress = replace(record.progress, results=results)
        done = world.with_record(chunk, replace(record, state=ChunkState.DONE, progress=progress))
        yield f"completes c{chunk}", done.with_worker(index, worker.without(chunk))

    # -- what a step changes ---------------------------------------------------------------------------------------

    def _waiting(self, worker: Worker, chunk: int) -> list[int]:
        results = worker.results(chunk)
        assert results is not None
        over = {result.task.seq for result in results} | {seq for at, seq in worker.running if at == chunk}
        return [seq for seq in range(len(self.chunks[chunk])) if seq not in over]

    def _checkpoint(self, world: World, index: int, chunk: int, suspect: int | None) -> World:
        results = world.workers[index].results(chunk)
        assert results is not None
        return world.record_progress(chunk, replace(world.progress(chunk), results=results, suspect=suspect))

    def _release(self, world: World, index: int, chunk: int) -> World:
        worker, record = world.workers[index], world.records[chunk]
        results = worker.results(chunk)
        assert record
        assert results is not None
        progress = replace(record.progress, results=results)
        request = Releasing(Claim(record, 0.0), progress, _TERMS).ask(_NOW)
        assert not isinstance(request, Read)
        released = request.record
        if "a release clears the suspect" in self.dropped:
            released = replace(released, progress=progress)
        return world.with_record(chunk, released).with_worker(index, worker.without(chunk))

    def _lose(self, world: World, index: int, chunk: int) -> World:
        record = world.records[chunk]
        assert record
        lost = world.with_record(chunk, replace(record, lease_end=_OVER))
        return lost.with_worker(index, world.workers[index].without(chunk))

    def _die(self, world: World, index: int) -> World:
        for chunk, _ in world.workers[index].held:
            world = self._lose(world, index, chunk)
        return world

    def _stop(self, world: World, index: int) -> World:
        """The running tasks are stopped, and every chunk is released."""
        for chunk, _ in world.workers[index].held:
            world = self._release(world, index, chunk)
        return world


def _result(chunk: int, seq: int, state: TaskState) -> Result:
    return Result(TaskId(f"r{chunk}", seq), state)
