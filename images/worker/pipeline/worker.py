"""Worker: the pipeline put together, from its start to its drain.

    receive → claim → execute (slots) → complete → publish → delete

While a slot runs, the next chunks are received and claimed and the last ones are recorded: it never waits for AWS.
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
from .batcher import Batcher
from .cancellations import Cancellations
from .claimer import Claimer
from .executor import Executor
from .finisher import Finisher
from .heartbeat import Heartbeat
from .inflight import InFlight
from .metrics import Metrics
from .ready_queue import ReadyQueue
from .rebalancer import Rebalancer
from .receiver import Receiver
from .stage_services import StageServices

_KEPT_FOR_FLUSHING = 0.2
"""Of the stop timeout: what runs gets the rest."""
_LONGEST_KEPT = 8.0


def worker_name() -> str:
    """Who says so, in results and logs: the host, the process, and enough chance to tell restarts apart."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(2)}"


class Worker:
    """One worker process's pipeline. Clock, chance, services and handlers are passed in."""

    def __init__(  # noqa: PLR0913  (the composition root: this is the list of what there is)
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
        """``scratch`` is the directory under which tasks get theirs, ``until_empty`` ends it with its queues.

        With the ECS ``agent`` of its container it protects itself from scale-in, and its log carries metrics.
        """
        self.name = name or worker_name()
        self._stopping = trio.Event()
        self._patience = trio.CancelScope()
        log = log.bind(worker=self.name, pool=pool.name)
        clock = clock or TrioClock()
        rng = rng or random.Random()  # noqa: S311  (jitter, not secrets)
        queues = PoolQueues(services, pool)
        self._kit = kit = StageServices(
            name=self.name,
            settings=settings,
            terms=Terms.of(settings),
            clock=clock,
            rng=rng,
            log=log,
            driver=LedgerDriver(services.ledger, clock, rng, log),
            queue_client=QueueClient(queues, services.dead_letters[pool.name], services.results, rng, log),
            outputs=Outputs(services.store, rng, log),
            inflight=InFlight(self._relief),
            ready_queue=ReadyQueue(settings.slots, self._hunger),
            cancellations=Cancellations(services.ledger, settings.cancel_poll_seconds, log),
            metrics=Metrics(settings.fleet, pool.name, clock, rng) if agent else None,
        )
        attempts = Attempts(handlers, settings, clock, log, scratch)
        self._progress = ProgressWatch(scratch, log)
        self._closing = Finisher(kit)
        self._heartbeat = Heartbeat(kit)
        self._claims = Claimer(kit, self._closing)
        self._slots = Executor(kit, attempts, self._closing, self._heartbeat)
        self._surplus = Rebalancer(kit, self._closing)
        self._rejects: Batcher[Rejection] = Batcher(kit.queue_client.reject, size=10, age=0.5, idle=lambda: True)
        self._agent = agent
        self._intake = Receiver(
            kit,
            queues,
            Payloads(services.store, scratch),
            attempts.check,
            self._claims.put,
            self._rejects.put,
            until_empty=until_empty,
        )

    def stop(self) -> None:
        """Begin to drain: what runs may end within the stop timeout, everything else is given back."""
        self._stopping.set()

    async def run(self) -> None:
        """Work until told to stop, or until the queues are empty if asked so; returns when nothing is left in hand."""
        self._kit.log.info("started", slots=self._kit.settings.slots)
        async with trio.open_nursery() as stages:
            for stage in (self._claims, self._closing, self._heartbeat, self._slots, self._rejects, self._surplus):
                stages.start_soon(stage.run)
            stages.start_soon(self._kit.cancellations.watch, self._active_runs, self._slots.cancel_run)
            stages.start_soon(self._progress.run, self._kit.settings.lease_seconds / 3)
            stages.start_soon(self._await_stop)
            if self._agent:
                stages.start_soon(self._protection(self._agent).run)
            if metrics := self._kit.metrics:
                # CloudWatch wants its metrics however little the log is to say.
                on_response = replace(self._kit.log, level="info")
                stages.start_soon(metrics.run, on_response, self._busy_share, self._claims_lost)
            with self._patience:
                await self._intake.run()
                self._drain()
                await self._kit.inflight.empty()
                await self._closing.flushed()
                await self._rejects.empty()
            stages.cancel_scope.cancel()
        if self._patience.cancelled_caught:
            # Nothing is lost: leases and visibility run out, and others take over.
            self._kit.log.warning("stopped-unfinished", chunks=len(self._kit.inflight))
        self._kit.log.info("ended", claims_lost=self._claims_lost())

    async def _await_stop(self) -> None:
        await self._stopping.wait()
        stop = self._kit.settings.stop_seconds
        self._patience.deadline = trio.current_time() + stop
        self._intake.close()
        self._drain()
        await trio.sleep(stop - min(_LONGEST_KEPT, stop * _KEPT_FOR_FLUSHING))
        self._slots.kill()

    def _drain(self) -> None:
        if self._slots.draining:
            return
        self._kit.log.info("draining", chunks=len(self._kit.inflight))
        self._kit.ready_queue.close()
        self._claims.draining = True
        self._closing.draining = True
        self._slots.drain()
        self._closing.nudge()

    def _protection(self, agent: Agent) -> Protection:
        inflight, intake = self._kit.inflight, self._intake
        return Protection(
            agent, lambda: len(inflight) > 0, lambda: inflight.left, intake.pause, intake.resume, self._kit.log
        )

    def _busy_share(self) -> float:
        return self._kit.ready_queue.running / self._kit.ready_queue.slots

    def _claims_lost(self) -> int:
        return self._heartbeat.lost + self._closing.lost

    def _active_runs(self) -> set[str]:
        return {key.run for key in self._kit.inflight.holdings}

    def _relief(self) -> None:
        """A chunk left our hands, perhaps without any slot having had it (cancelled, done before, held elsewhere)."""
        if self._kit.ready_queue.free:
            self._intake.nudge()

    def _hunger(self) -> None:
        """A slot found nothing to run: more may be wanted, and batches may go."""
        self._intake.nudge()
        self._closing.nudge()
