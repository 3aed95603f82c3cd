"""Chaos: one integer seed fixes a whole schedule of what goes wrong, and the fleet must bear it.

The real pipeline runs in virtual time against services in memory that are slow, fail in whole and in part, before,
after and long before the effect, and deliver twice, early and in any order; workers' clocks differ, workers die at
any step, are told to stop, are cut off and replaced, and read two versions of messages. When the storm is over, those
that lived in it die or are told to stop, and fresh workers must bring everything to its end in time; or they live
on, and must do it themselves, with whatever the storm left in their heads.
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
from tests.simulation.invariants import PromiseBroken, Terms, Witness
from tests.simulation.schedule_params import MOST_SKEW, Storm
from tests.simulation.services import UnrulyQueue, WitnessedLedger, WitnessedQueue
from tests.simulation.worker_lifecycle import LIFE, Fuses, Life
from tests.simulation.workloads import MAX_ATTEMPTS, RETRY, TIMEOUT, Toil, toiling
from tests.support.fault_injection import Around, Call, MeddledQueue
from tests.support.memory_fleet import JITTER, Fleet

LEASE, MARGIN, POLL, STOP = 12.0, 3.0, 5.0, 5.0
RECOVERY = LEASE + MARGIN + POLL + JITTER
"""Seconds within which the work of a dead worker must be claimed again."""
HELD = MARGIN + MOST_SKEW / 2
"""Seconds from the end of a lease within which others must come to see it as over."""
MOST_CALLS = 4
"""A second and worker, and for a tenth of a task: three times what the worst of thousands of seeds came to."""
_NEWER = '{"v":3,'
_OLDER = '{"v":1,'
_LONGEST_FUSE = 400


class Chaos:
    """One schedule."""

    def __init__(self, seed: int, scratch: Path) -> None:
        self.storm = Storm.of(seed)
        rng = self.storm.rng
        self.chunk = rng.choice([1, 1, 2, 5])
        self.toils = [Toil.of(rng, self.storm.seconds, self.storm.long) for _ in range(self.storm.tasks)]
        self.cancelled = rng.random() < 0.1
        self.malformed = rng.random() < 0.1
        # Workers of the older version could not read all that there is.
        self.lasting = not self.storm.rolling and rng.random() < 0.3
        self.witness = Witness(Terms(LEASE, RECOVERY, HELD, self.chunk), self.storm.spares_the_ledger)
        self.witness.progressed = self._look
        ledger = WitnessedLedger(self.witness)
        queue, high = (UnrulyQueue(self.storm, self.witness) for _ in Priority)
        self.priority = rng.choice(list(Priority))
        self.fleet = Fleet(scratch, queue=queue, high=high, results=WitnessedQueue(self.witness), ledger=ledger)
        self.witness.peek = ledger.peek
        self.witness.letters = self._letters
        self.lives: list[Life] = []
        self.born = 0
        self.rage = trio.CancelScope()
        self.ended = trio.Event()

    async def run(self) -> None:
        """Let it all happen; raise ``PromiseBroken``."""
        run = await self.fleet.push(
            *(toil.instruction for toil in self.toils),
            chunk=self.chunk,
            copies=self.storm.copies,
            seal=self._seal,
            priority=self.priority,
        )
        if self.malformed:
            await self.fleet.queue.send([Outgoing("hello")])
        self.storm.unleash(self.fleet)
        if not self.storm.rolling:
            for queue in self._queues():
                queue.around["set_visibility"] = self._watch(queue.around["set_visibility"])
        async with trio.open_nursery() as nursery:
            self.storm.services = nursery
            await self._rage(nursery, run)
            await self._calm(nursery)
            nursery.cancel_scope.cancel()
        await self._judge(run)

    # -- what happens ----------------------------------------------------------------------------------------------

    async def _rage(self, nursery: trio.Nursery, run: Run) -> None:
        rng = self.storm.rng
        slots = rng.choice([1, 3, 6])
        for _ in range(self.storm.places):
            nursery.start_soon(self._occupy, slots, self.storm)
        if self.cancelled:
            nursery.start_soon(self._cancel, run)
        with self.rage:
            self.rage.deadline = self.storm.length
            while True:
                await trio.sleep(rng.expovariate(1 / self.storm.haste))
                if living := [life for life in self.lives if not life.ended]:
                    self._strike(rng.choice(living))

    async def _calm(self, nursery: trio.Nursery) -> None:
        """End the storm, and wait until everything has come to its end, by fresh workers or by those that lived."""
        self.storm.over.set()
        chunks = [self.toils[first : first + self.chunk] for first in range(0, len(self.toils), self.chunk)]
        longest = [sum(toil.longest for toil in toils) for toils in chunks]
        if self.lasting:
            seconds = sum(longest)
        else:
            seconds = max(longest)
            self._replace_all(nursery)
        self._look()
        kills = sum(toil.kills for toil in self.toils) * (MAX_ATTEMPTS + 1)
        with trio.move_on_after(STOP + seconds + (2 + kills) * RECOVERY):
            await self.ended.wait()

    def _replace_all(self, nursery: trio.Nursery) -> None:
        self.witness.calmed()
        gently = self.storm.rng.random() < 0.3
        for life in self.lives:
            if not life.ended:
                (life.stop if gently else life.die)()
        # Each in a slot of its own: nothing waits for anything but its own chunk's tasks and the recovery.
        for _ in range(self.storm.rng.choice([1, 2])):
            nursery.start_soon(self._occupy, len(self.toils), None)

    def _strike(self, life: Life) -> None:
        """Something befalls a worker, or the queue."""
        storm, rng = self.storm, self.storm.rng
        what = rng.random()
        if what < storm.deaths + storm.stops:
            fate = life.die if what < storm.deaths else life.stop
            if rng.random() < 0.5:
                life.light_fuse(rng.randint(1, _LONGEST_FUSE), fate)
            else:
                fate()
        elif what < storm.deaths + storm.stops + storm.partings:
            life.cut_off_until = trio.current_time() + rng.uniform(0.5, 3) * LEASE
        elif storm.unruly:
            for queue in self._queues():
                queue.show_all()

    async def _occupy(self, slots: int, storm: Storm | None) -> None:
        """Let one worker after the other live in one place, in the storm's only as long as it has workers."""
        while storm is None or storm.raging or self.lasting:
            life = self._bear(slots, calm=not self.storm.raging)
            self.lives.append(life)
            await life.live()
            self.lives.remove(life)
            if storm:
                await storm.wait(storm.rng.random() * 4)

    def _bear(self, slots: int, *, calm: bool) -> Life:
        storm, rng = self.storm, self.storm.rng
        clock = VirtualClock(rng.uniform(-MOST_SKEW / 2, MOST_SKEW / 2))
        name = f"worker-{self.born}"
        self.born += 1
        worker = self.fleet.worker(
            name,
            {"toil": toiling(self.witness)},
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
        version = 1 if storm.rolling and not calm and rng.random() < 0.5 else 2
        life = Life(name, clock, version, worker.run, worker.stop, self.witness.ended)
        if not calm and storm.deaths and rng.random() < 0.3:
            life.light_fuse(rng.randint(1, _LONGEST_FUSE), life.die)
        return life

    async def _cancel(self, run: Run) -> None:
        await self.storm.wait(self.storm.rng.random() * self.storm.length)
        await self.fleet.ledger.cancel_run(run.id)

    def _seal(self, body: str) -> str:
        key = decode_message(body).key
        if self.storm.rolling and self.storm.rng.random() < 0.5:
            body = body.replace(_OLDER, _NEWER, 1)
        self.witness.bodies[body] = key
        return body

    def _watch(self, around: Around) -> Around:
        """Have the witness see for how long copies are hidden that others hold: heartbeats hide for a whole time."""

        async def call(inner: Call, deliveries: Sequence[Delivery], seconds: Sequence[float]) -> object:
            for delivery, wait in zip(deliveries, seconds, strict=True):
                if 0 < wait != LEASE + MARGIN:
                    self.witness.hidden(delivery.body, wait)
            return await around(inner, deliveries, seconds)

        return call

    # -- what came of it -------------------------------------------------------------------------------------------

    def _look(self) -> None:
        """Whether every chunk is done and every message gone: then nothing is left for a storm, either."""
        done = all(self.witness.done(key) for key in self.witness.bodies.values())
        left = any(queue.inner._messages for queue in self._queues())  # type: ignore[attr-defined]  # as below
        if not done or left:
            return
        if not self.storm.raging:
            self.ended.set()
        elif not self.storm.drifting:
            self.rage.cancel()

    def _queues(self) -> tuple[MeddledQueue, MeddledQueue]:
        return self.fleet.queue, self.fleet.high

    def _letters(self) -> list[str]:
        queue = self.fleet.dead_letters.inner
        return [message.content.body for message in queue._messages.values()]  # type: ignore[attr-defined]  # as above

    async def _judge(self, run: Run) -> None:
        say = self.witness.say
        recorded = await self.fleet.recorded(run)
        if not self.ended.is_set():
            left = await self.fleet.services.backlog(WORKER.name)
            say("1 or 5", f"{len(recorded)} of {run.count} tasks ended in time, and {left} is left")
        else:
            try:
                await self.fleet.finish(run, within=0.1)
            except AssertionError as broken:
                say("2 or 4", broken)
        allowed = MOST_CALLS * ((self.storm.places + 2) * trio.current_time() + 10 * run.count)
        if (calls := self._calls()) > allowed:
            say("5", f"{calls} calls for {run.count} tasks: somebody runs in circles")
        for seq, result in recorded.items():
            self._judge_result(self.toils[seq], result)
        if set(self._letters()) != ({"hello"} if self.malformed else set()):
            say("6", f"dead letters are {self._letters()}")
        if self.witness.broken:
            raise PromiseBroken("; ".join(self.witness.broken[:3]))

    def _calls(self) -> int:
        """How many were made of all services, those apart that look whether the run was cancelled."""
        fleet = self.fleet
        services = (fleet.queue, fleet.high, fleet.results, fleet.dead_letters, fleet.ledger, fleet.store)
        return sum(service.calls.total() for service in services) - fleet.ledger.calls["read_run"]

    def _judge_result(self, toil: Toil, result: Result) -> None:
        states = {toil.ends}
        if self.cancelled:
            states.add(TaskState.CANCELLED)
        if result.error.startswith("worker lost") and self._takeovers(result) >= MAX_ATTEMPTS:
            # Nobody can tell a task that kills its workers from one whose workers happened to die that often.
            states.add(TaskState.FAILED)
        if result.state not in states:
            self.witness.say("6", f"{result.task} ({toil}) is {result.state}: {result.error}")
        if result.state is TaskState.SUCCEEDED:
            if result.attempts != toil.failures + 1:
                self.witness.say("6", f"{result.task} ({toil}) is charged with {result.attempts} attempts")
            store = self.fleet.store.inner
            text = result.output
            if text.startswith("s3://"):
                text = store._objects.get(text, b"").decode()  # type: ignore[attr-defined]  # it looks inside
            given = self.witness.answers.get((result.task.seq, result.worker, result.attempts), [])
            if text not in given:
                self.witness.say("2", f"{result.task} is recorded with an output that {result.worker} never gave")

    def _takeovers(self, result: Result) -> int:
        return self.witness.takeovers[result.task.seq // self.chunk]


def _decode(body: str) -> Chunk:
    """Read a message as the worker's own version does: the newer one differs in nothing but its number."""
    life = LIFE.get()
    if life and life.version > 1:
        body = body.replace(_NEWER, _OLDER, 1)
    return decode_message(body)


def run_seed(seed: int, scratch: Path) -> list[object]:
    """Run one schedule, the same each time: trio's own order of tasks is drawn from the seed too. Give its trace."""
    chaos: list[Chaos] = []

    async def main() -> None:
        chaos.append(Chaos(seed, scratch))
        await chaos[0].run()

    # Trio's own switch for this, which it has for hypothesis's sake (trio issue 239).
    clock = AlarmClock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trio.sleep", clock.sleep)
        patch.setattr("trio._core._run._ALLOW_DETERMINISTIC_SCHEDULING", True)
        patch.setattr("images.worker.pipeline.receiver.read_message", _decode)
        # No handler here leaves a file, and to look for some is a fiftieth of all.
        patch.setattr(ProgressWatch, "log_new", lambda _: None)
        trio._core._run._r.seed(seed)
        trio.run(main, clock=clock, instruments=[Fuses()])
    return chaos[0].witness.trace
