"""Runs one schedule of faults, which an integer seed determines, and checks that the fleet keeps its promises.

The real pipeline runs in virtual time against services in memory. Calls are slow and fail in whole or in part, before
their effect, after it or long before it; messages are delivered twice, early and in any order. Workers' clocks differ.
Workers die at any step, are stopped, disconnected and replaced, and read two versions of messages. After the fault
phase, either the workers are killed or stopped and new workers must complete the run in time, or the same workers must
do so with the state that the faults left in their memory.
"""

from collections.abc import Sequence
from pathlib import Path

import pytest
import trio

from cloudkon.memory.virtual_clock import VirtualClock
from cloudkon.model import WORKER, Chunk, Delivery, Outgoing, Priority, Result, Run, TaskState
from cloudkon.wire.message import decode_message
from images.worker.execution.progress_log import ProgressWatch
from tests.simulation.alarms import AlarmClock
from tests.simulation.invariants import Bounds, InvariantChecker, PromiseBroken
from tests.simulation.schedule_params import MOST_SKEW, ScheduleParams
from tests.simulation.services import CheckedLedger, CheckedQueue, FaultyQueue
from tests.simulation.worker_lifecycle import CURRENT_WORKER, SimulatedWorker, StepCounter
from tests.simulation.workloads import HANDLER, MAX_ATTEMPTS, RETRY, TIMEOUT, TaskBehaviour, workload_handler
from tests.support.fault_injection import Around, Call, InterceptedQueue
from tests.support.memory_fleet import JITTER, Fleet

LEASE, MARGIN, POLL, STOP = 12.0, 3.0, 5.0, 5.0
RECOVERY = LEASE + MARGIN + POLL + JITTER
"""Seconds within which the work of a dead worker must be claimed again."""
HELD = MARGIN + MOST_SKEW / 2
"""Seconds after the end of a lease within which other workers must see that it is over."""
MOST_CALLS = 4
"""Calls for each second of a worker and for each tenth of a task: three times the most of thousands of seeds."""
_NEWER = '{"v":3,'
_OLDER = '{"v":1,'
_MOST_STEPS = 400


class ChaosSchedule:
    """One schedule of faults: draws it, runs the fleet through it, and checks the results."""

    def __init__(self, seed: int, scratch: Path) -> None:
        params = self.params = ScheduleParams.draw(seed)
        rng = params.rng
        self.chunk = rng.choice([1, 1, 2, 5])
        self.behaviours = [
            TaskBehaviour.draw(rng, params.task_seconds, params.long_outputs, params.killers)
            for _ in range(params.tasks)
        ]
        self.cancelled = rng.random() < 0.1
        self.malformed = rng.random() < 0.1
        # Workers of the older version can't read every message and record.
        self.workers_survive = not self.params.rolling_deploy and rng.random() < 0.3
        self.checker = InvariantChecker(Bounds(LEASE, RECOVERY, HELD, self.chunk), self.params.ledger_reliable)
        self.checker.on_progress = self._check_end
        ledger = CheckedLedger(self.checker)
        queue, high = (FaultyQueue(self.params, self.checker) for _ in Priority)
        self.priority = rng.choice(list(Priority))
        self.fleet = Fleet(scratch, queue=queue, high=high, results=CheckedQueue(self.checker), ledger=ledger)
        self.checker.read_record = ledger.read_record
        self.checker.dead_letters = self._dead_letter_bodies
        self.workers: list[SimulatedWorker] = []
        self.created = 0
        self.fault_phase = trio.CancelScope()
        self.ended = trio.Event()

    async def run(self) -> None:
        """Run the schedule; raise ``PromiseBroken`` if it breaks a promise."""
        run = await self.fleet.push(
            *(behaviour.instruction for behaviour in self.behaviours),
            chunk=self.chunk,
            copies=self.params.copies,
            seal=self._seal,
            priority=self.priority,
        )
        if self.malformed:
            await self.fleet.queue.send([Outgoing("hello")])
        self.params.install(self.fleet)
        if not self.params.rolling_deploy:
            for queue in self._queues():
                queue.around["set_visibility"] = self._observe_hides(queue.around["set_visibility"])
        async with trio.open_nursery() as nursery:
            self.params.nursery = nursery
            await self._run_fault_phase(nursery, run)
            await self._recover(nursery)
            nursery.cancel_scope.cancel()
        await self._check(run)

    # -- events ----------------------------------------------------------------------------------------------------

    async def _run_fault_phase(self, nursery: trio.Nursery, run: Run) -> None:
        rng = self.params.rng
        for _ in range(self.params.workers):
            nursery.start_soon(self._keep_worker, self.params.slots, self.params)
        if self.cancelled:
            nursery.start_soon(self._cancel, run)
        with self.fault_phase:
            self.fault_phase.deadline = self.params.fault_seconds
            while True:
                await trio.sleep(rng.expovariate(1 / self.params.event_interval))
                if living := [worker for worker in self.workers if not worker.ended]:
                    self._hit(rng.choice(living))

    async def _recover(self, nursery: trio.Nursery) -> None:
        """End the fault phase, and wait until new workers or the surviving ones have completed the run."""
        self.params.faults_over.set()
        chunks = [self.behaviours[first : first + self.chunk] for first in range(0, len(self.behaviours), self.chunk)]
        longest = [sum(behaviour.longest_seconds for behaviour in behaviours) for behaviours in chunks]
        # Two deaths blame no task. What a death interrupts runs again.
        deaths = sum(behaviour.kills for behaviour in self.behaviours) * (2 + MAX_ATTEMPTS)
        again = max(behaviour.longest_seconds for behaviour in self.behaviours)
        one_by_one = self.workers_survive or deaths or self.checker.takeovers
        seconds = sum(longest) if one_by_one else max(longest)
        if not self.workers_survive:
            self._replace_all(nursery)
        self._check_end()
        with trio.move_on_after(STOP + seconds + 2 * RECOVERY + deaths * (RECOVERY + again)):
            await self.ended.wait()

    def _replace_all(self, nursery: trio.Nursery) -> None:
        self.checker.on_recovery()
        gently = self.params.rng.random() < 0.3
        for worker in self.workers:
            if not worker.ended:
                (worker.stop if gently else worker.kill)()
        # One slot for each task: a chunk waits for nothing but its own tasks and the recovery.
        for _ in range(self.params.rng.choice([1, 2])):
            nursery.start_soon(self._keep_worker, len(self.behaviours), None)

    def _hit(self, worker: SimulatedWorker) -> None:
        """Kill, stop or disconnect a worker, or deliver every message of the queues again."""
        params, rng = self.params, self.params.rng
        chance = rng.random()
        if chance < params.deaths + params.stops:
            end = worker.kill if chance < params.deaths else worker.stop
            if rng.random() < 0.5:
                worker.after_steps(rng.randint(1, _MOST_STEPS), end)
            else:
                end()
        elif chance < params.deaths + params.stops + params.disconnects:
            worker.disconnected_until = trio.current_time() + rng.uniform(0.5, 3) * LEASE
        elif params.queue_anomalies:
            for queue in self._queues():
                queue.show_all()

    async def _keep_worker(self, slots: int, params: ScheduleParams | None) -> None:
        """Run one worker after the other; with ``params``, only in the fault phase unless workers survive it."""
        while params is None or params.faults_active or self.workers_survive:
            worker = self._new_worker(slots, recovering=not self.params.faults_active)
            self.workers.append(worker)
            await worker.run_to_end()
            self.workers.remove(worker)
            if params:
                await params.wait(params.rng.random() * 4)

    def _new_worker(self, slots: int, *, recovering: bool) -> SimulatedWorker:
        params, rng = self.params, self.params.rng
        clock = VirtualClock(rng.uniform(-MOST_SKEW / 2, MOST_SKEW / 2))
        name = f"worker-{self.created}"
        self.created += 1
        pipeline = self.fleet.worker(
            name,
            {HANDLER: workload_handler(self.checker)},
            clock=clock,
            slots=slots,
            lease_seconds=LEASE,
            skew_seconds=MARGIN,
            poll_seconds=POLL,
            stop_seconds=STOP,
            task_timeout_seconds=TIMEOUT,
            max_attempts=MAX_ATTEMPTS,
            retry_seconds=RETRY,
        )
        version = 1 if params.rolling_deploy and not recovering and rng.random() < 0.5 else 2
        worker = SimulatedWorker(name, clock, version, pipeline.run, pipeline.stop, self.checker.on_worker_end)
        if not recovering and params.deaths and rng.random() < 0.3:
            worker.after_steps(rng.randint(1, _MOST_STEPS), worker.kill)
        return worker

    async def _cancel(self, run: Run) -> None:
        await self.params.wait(self.params.rng.random() * self.params.fault_seconds)
        await self.fleet.ledger.cancel_run(run.id)

    def _seal(self, body: str) -> str:
        key = decode_message(body).key
        if self.params.rolling_deploy and self.params.rng.random() < 0.5:
            body = body.replace(_OLDER, _NEWER, 1)
        self.checker.chunk_keys[body] = key
        return body

    def _observe_hides(self, around: Around) -> Around:
        """Report to the checker for how long copies of held chunks are hidden; heartbeats hide for a whole lease."""

        async def call(inner: Call, deliveries: Sequence[Delivery], seconds: Sequence[float]) -> object:
            for delivery, wait in zip(deliveries, seconds, strict=True):
                if 0 < wait != LEASE + MARGIN:
                    self.checker.on_hide(delivery.body, wait)
            return await around(inner, deliveries, seconds)

        return call

    # -- checks ----------------------------------------------------------------------------------------------------

    def _check_end(self) -> None:
        """End the phase when every chunk is DONE and every message is gone: no fault could change anything then."""
        done = all(self.checker.done(key) for key in self.checker.chunk_keys.values())
        left = any(queue.inner._messages for queue in self._queues())  # type: ignore[attr-defined]  # as ``_dead_letter_bodies`` does
        if not done or left:
            return
        if not self.params.faults_active:
            self.ended.set()
        elif not self.params.delayed_calls:
            self.fault_phase.cancel()

    def _queues(self) -> tuple[InterceptedQueue, InterceptedQueue]:
        return self.fleet.queue, self.fleet.high

    def _dead_letter_bodies(self) -> list[str]:
        queue = self.fleet.dead_letters.inner
        return [message.content.body for message in queue._messages.values()]  # type: ignore[attr-defined]  # looks inside the queue

    async def _check(self, run: Run) -> None:
        violation = self.checker.violation
        recorded = await self.fleet.recorded(run)
        if not self.ended.is_set():
            backlog = await self.fleet.services.backlog(WORKER.name)
            violation("1 or 5", f"{len(recorded)} of {run.count} tasks ended in time; the queues hold {backlog}")
        else:
            try:
                await self.fleet.finish(run, within=0.1)
            except AssertionError as error:
                violation("2 or 4", error)
        allowed = MOST_CALLS * ((self.params.workers + 2) * trio.current_time() + 10 * run.count)
        if (calls := self._calls()) > allowed:
            violation("5", f"{calls} calls for {run.count} tasks: a loop repeats them without progress")
        for seq, result in recorded.items():
            self._check_result(self.behaviours[seq], result)
        if set(self._dead_letter_bodies()) != ({"hello"} if self.malformed else set()):
            violation("6", f"dead letters are {self._dead_letter_bodies()}")
        if self.checker.violations:
            raise PromiseBroken("; ".join(self.checker.violations[:3]))

    def _calls(self) -> int:
        """The calls of all services, except the ones that check whether the run is cancelled."""
        fleet = self.fleet
        services = (fleet.queue, fleet.high, fleet.results, fleet.dead_letters, fleet.ledger, fleet.store)
        return sum(service.calls.total() for service in services) - fleet.ledger.calls["read_run"]

    def _check_result(self, behaviour: TaskBehaviour, result: Result) -> None:
        states = {behaviour.expected_state}
        if self.cancelled:
            states.add(TaskState.CANCELLED)
        if self.checker.false_suspicions[result.task.seq] >= MAX_ATTEMPTS:
            # A task that kills its workers looks the same as one whose workers die that often while it runs alone.
            states.add(TaskState.FAILED)
        if result.state not in states:
            self.checker.violation("6", f"{result.task} ({behaviour}) is {result.state}: {result.error}")
        if result.state is TaskState.SUCCEEDED:
            if result.attempts != behaviour.failures + 1:
                self.checker.violation("6", f"{result.task} ({behaviour}) is charged with {result.attempts} attempts")
            store = self.fleet.store.inner
            output = result.output
            if output.startswith("s3://"):
                output = store._objects.get(output, b"").decode()  # type: ignore[attr-defined]  # looks inside
            returned = self.checker.outputs.get((result.task.seq, result.worker, result.attempts), [])
            if output not in returned:
                text = f"{result.task} is recorded with an output that no handler of {result.worker} returned"
                self.checker.violation("2", text)


def _decode(body: str) -> Chunk:
    """Read a message as the worker's own version does: the newer version differs only in its number."""
    worker = CURRENT_WORKER.get()
    if worker and worker.version > 1:
        body = body.replace(_NEWER, _OLDER, 1)
    return decode_message(body)


def run_seed(seed: int, scratch: Path) -> list[object]:
    """Run one schedule and return its trace, which is the same each time: the seed also fixes trio's order of tasks."""
    schedules: list[ChaosSchedule] = []

    async def main() -> None:
        schedules.append(ChaosSchedule(seed, scratch))
        await schedules[0].run()

    # Trio's own switch for deterministic scheduling, made for hypothesis (trio issue 239).
    clock = AlarmClock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trio.sleep", clock.sleep)
        patch.setattr("trio._core._run._ALLOW_DETERMINISTIC_SCHEDULING", True)
        patch.setattr("images.worker.pipeline.receiver.read_message", _decode)
        # No handler here leaves a file, and looking for one takes a fiftieth of the CPU time.
        patch.setattr(ProgressWatch, "log_new", lambda _: None)
        trio._core._run._r.seed(seed)
        trio.run(main, clock=clock, instruments=[StepCounter()])
    return schedules[0].checker.trace
