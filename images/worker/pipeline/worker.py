"""Builds one worker's pipeline from its stages, and runs it from start to drain.

    receive → claim → execute (slots) → complete → publish → delete

While a slot runs, the next chunks are received and claimed and the last ones are recorded: no slot waits for AWS.
"""

import os
import random
import secrets
import socket
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import trio

from cloudkon.log import Log
from cloudkon.model import Pool
from cloudkon.ports import Clock, Services, TrioClock
from cloudkon.protocol import LedgerDriver, Terms
from cloudkon.settings import Settings

from ..ecs import Agent, Protection
from ..execution.attempt import Attempts
from ..execution.progress_log import ProgressWatch
from ..handlers import Handler
from ..queues.outputs import Outputs
from ..queues.payloads import Payloads
from ..queues.pool_queues import PoolQueues
from ..queues.queue_client import QueueClient, Rejection
from ..queues.redelivery import Redelivery
from .batcher import Batcher
from .cancellations import Cancellations
from .chunk_failures import ChunkFailures
from .claimer import Claimer
from .executor import Executor
from .finisher import Finisher
from .heartbeat import Heartbeat
from .inflight import InFlight
from .lost_claims import LostClaims
from .metrics import Metrics
from .ready_queue import ReadyQueue
from .rebalancer import Rebalancer
from .receiver import Receiver
from .slot_starts import NoSlots, SlotStarts
from .stage_services import StageServices
from .task_durations import TaskDurations

_FLUSH_SHARE = 0.2
"""Share of the stop timeout that is kept for flushing; the running tasks get the rest."""
_MOST_FLUSH_SECONDS = 8.0


def worker_name() -> str:
    """Return a name for results and logs: the host, the process, and random digits that tell restarts apart."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"


class Worker:
    """The pipeline of one worker process. Clock, random numbers, services and handlers are passed in."""

    def __init__(  # noqa: PLR0913  (the composition root: this is everything that a worker depends on)
        self,
        settings: Settings,
        pool: Pool,
        services: Services,
        handlers: Mapping[str, Handler],
        log: Log,
        scratch: Path,
        *,
        clock: Clock | None = None,
        rng: random.Random | None = None,
        name: str = "",
        until_empty: bool = False,
        agent: Agent | None = None,
    ) -> None:
        """Make the stages; ``run`` runs them.

        ``scratch`` is the parent of the tasks' directories. With ``until_empty`` the worker ends when its queues are
        empty. With the ECS ``agent`` of its container it protects itself from scale-in and logs metrics.
        """
        self.name = name or worker_name()
        self.failure: NoSlots | None = None
        """Why the worker ended by itself; ``None`` if it was stopped or its queues are empty."""
        self._stopping = trio.Event()
        self._hurried = trio.Event()
        self._stop_scope = trio.CancelScope()
        """Its deadline is the end of the stop timeout."""
        log = log.bind(worker=self.name, pool=pool.name)
        clock = clock or TrioClock()
        rng = rng or random.Random()  # noqa: S311  (jitter, not secrets)
        queue_client = QueueClient(
            PoolQueues(services, pool), services.dead_letters[pool.name], services.results, rng, log
        )
        self._rejections: Batcher[Rejection] = Batcher(
            queue_client.reject,
            size=10,
            age=0.5,
            idle=lambda: True,
            # The message comes again by itself.
            on_failure=lambda rejection, error: log.unexpected(
                "reject-failed", error, message=rejection.delivery.message_id
            ),
        )
        terms, inflight = Terms.of(settings), InFlight(self._on_chunk_gone)
        driver = LedgerDriver(services.ledger, clock, rng, log)
        redelivery = Redelivery(queue_client, settings.visibility_seconds, rng)
        self._failures = ChunkFailures(driver, terms, clock, inflight, redelivery, self._rejections.put, log)
        durations = TaskDurations(settings.slots)
        self._services = shared = StageServices(
            name=self.name,
            pool=pool.name,
            settings=settings,
            terms=terms,
            clock=clock,
            rng=rng,
            log=log,
            driver=driver,
            queue_client=queue_client,
            redelivery=redelivery,
            outputs=Outputs(services.store, rng, log),
            inflight=inflight,
            ready_queue=ReadyQueue(durations, self._on_slot_idle),
            durations=durations,
            cancellations=Cancellations(services.ledger, settings.cancel_poll_seconds, log),
            lost_claims=LostClaims(log),
            failures=self._failures,
            metrics=Metrics(settings.fleet, pool.name, clock, rng) if agent else None,
        )
        attempts = Attempts(handlers, settings, clock, log, scratch)
        self._progress = ProgressWatch(scratch, log)
        self._finisher = Finisher(shared)
        self._heartbeat = Heartbeat(shared)
        self._claimer = Claimer(shared, self._finisher)
        starts = SlotStarts(shared, self._end_by)
        self._executor = Executor(shared, attempts, starts, self._finisher, self._heartbeat)
        self._rebalancer = Rebalancer(shared, self._finisher)
        self._agent = agent
        self._receiver = Receiver(
            shared,
            Payloads(services.store, scratch),
            attempts.check,
            self._claimer.put,
            self._rejections.put,
            until_empty=until_empty,
        )

    def stop(self) -> None:
        """Begin to drain: running tasks may end within the stop timeout, everything else is given back."""
        self._stopping.set()

    def stop_now(self) -> None:
        """Begin to drain, or go on with it, but give running tasks no more time: they are stopped and given back."""
        self._hurried.set()
        self._stopping.set()

    @property
    def stopping(self) -> bool:
        """Whether ``stop`` was called."""
        return self._stopping.is_set()

    def _end_by(self, failure: NoSlots) -> None:
        """Begin to drain, because the worker can't go on."""
        self.failure = self.failure or failure
        self.stop()

    async def run(self) -> None:
        """Work until ``stop`` is called or, with ``until_empty``, until the queues are empty; then drain.

        A worker that can't work drains too, and has a ``failure`` then.
        """
        self._services.log.info("started", slots=self._services.settings.slots)
        async with trio.open_nursery() as stages:
            self._start_stages(stages)
            with self._stop_scope:
                await self._receiver.run()
                self._drain()
                await self._services.inflight.wait_empty()
                await self._finisher.wait_empty()
                await self._rejections.wait_empty()
            stages.cancel_scope.cancel()
        if self._stop_scope.cancelled_caught:
            # Nothing is lost: leases and visibility timeouts end, and other workers take over.
            self._services.log.warning("stopped-unfinished", chunks=len(self._services.inflight))
        self._services.log.info("ended", claims_lost=self._services.lost_claims.count)

    def _start_stages(self, nursery: trio.Nursery) -> None:
        for stage in (
            self._claimer,
            self._finisher,
            self._heartbeat,
            self._executor,
            self._rejections,
            self._failures,
            self._rebalancer,
        ):
            nursery.start_soon(stage.run)
        nursery.start_soon(self._services.cancellations.watch, self._active_runs, self._executor.cancel_run)
        nursery.start_soon(self._progress.run, self._services.settings.lease_seconds / 3)
        nursery.start_soon(self._await_stop)
        if self._agent:
            nursery.start_soon(self._protection(self._agent).run)
        if metrics := self._services.metrics:
            # CloudWatch needs the metrics whatever the log's level is.
            log = replace(self._services.log, level="info")
            nursery.start_soon(metrics.run, log, self._busy_share, lambda: self._services.lost_claims.count)

    async def _await_stop(self) -> None:
        await self._stopping.wait()
        stop = self._services.settings.stop_seconds
        self._stop_scope.deadline = trio.current_time() + stop
        self._receiver.close()
        self._drain()
        with trio.move_on_after(stop - min(_MOST_FLUSH_SECONDS, stop * _FLUSH_SHARE)):
            await self._hurried.wait()
        self._executor.kill()

    def _drain(self) -> None:
        if self._executor.draining:
            return
        self._services.log.info("draining", chunks=len(self._services.inflight))
        self._services.ready_queue.close()
        self._claimer.draining = True
        self._finisher.draining = True
        self._executor.drain()
        self._finisher.nudge()

    def _protection(self, agent: Agent) -> Protection:
        inflight, receiver = self._services.inflight, self._receiver
        return Protection(
            agent,
            lambda: len(inflight) > 0,
            lambda: inflight.forgotten,
            receiver.pause,
            receiver.resume,
            self._services.log,
        )

    def _busy_share(self) -> float:
        return self._services.durations.running / self._services.settings.slots

    def _active_runs(self) -> set[str]:
        return {key.run for key in self._services.inflight.claimed}

    def _on_chunk_gone(self) -> None:
        """Called when a chunk left, perhaps without having run (cancelled, done before, held elsewhere)."""
        self._services.ready_queue.on_chunk_gone()
        if self._services.ready_queue.free:
            self._receiver.nudge()

    def _on_slot_idle(self) -> None:
        """Called when a slot found no task: more may be wanted, and batches may go."""
        self._receiver.nudge()
        self._finisher.nudge()
