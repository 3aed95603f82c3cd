"""Starts, signals and ends a worker process, for ``python -m images.worker`` and ``python -m images.animoto``."""

import gc
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from typing import Final

import trio

from cloudkon.aws import Connection, connect
from cloudkon.errors import EXIT_OK, CloudKonError
from cloudkon.kernel import make_undumpable
from cloudkon.log import Log
from cloudkon.model import ChunkKey, Pool
from cloudkon.ports import Services
from cloudkon.settings import Settings

from .ecs import Agent, AgentFault
from .execution.scratch import open_scratch
from .handlers import Handler
from .health import beat
from .pipeline.worker import Worker

_ALLOCATIONS: Final = 20_000
"""Objects made, less those freed, before Python collects the youngest generation. Its default of 700 is reached after
one or two chunks, whose objects are still in use: such collections took a sixth of the CPU of short tasks."""
_NO_CHUNK: Final = ChunkKey("-", 0, 1)
"""A key that no run has."""


def serve(
    pool: Pool,
    find_handlers: Callable[[Settings], Mapping[str, Handler]],
    *,
    until_empty: bool,
    slots: int | None = None,
) -> int:
    """Run a worker of a pool, with the settings in the environment, until SIGTERM or SIGINT; return the exit code.

    SIGINT to a worker that stops already ends its running tasks at once; they are released.
    With ``until_empty`` it also ends when the queues are empty. An error that ends it is one line on standard error.
    """
    log = Log()
    # Before the first task can look for credentials here.
    make_undumpable()
    try:
        settings = Settings.from_environment().with_slots(slots)
        log = Log(settings.log_level)
        handlers = find_handlers(settings)
        connection = Connection(settings)
        services = connect(settings, connection=connection)
        gc.freeze()
        gc.set_threshold(_ALLOCATIONS)
        with open_scratch() as scratch:
            make = partial(Worker, settings, pool, services, handlers, scratch=scratch, until_empty=until_empty)
            trio.run(_run, make, services, pool, log, partial(beat, scratch, connection.seconds_without_answer))
    except CloudKonError as error:
        log.error("failed", error=str(error))  # noqa: TRY400  (our log, and the text is the user's)
        return error.exit_code
    return EXIT_OK


async def _run(
    make: Callable[..., Worker], services: Services, pool: Pool, log: Log, keep_beating: Callable[[], Awaitable[None]]
) -> None:
    agent = Agent.of_environment(os.environ)
    if agent:
        log = await _with_ecs_names(log, agent)
    worker = make(log=log, agent=agent)
    # A missing fleet or wrong credentials must fail at once and not be retried without end. And the first call to a
    # service takes a third of a second, for which the first task should not have to wait.
    await services.queues[pool.name].depth()
    await services.ledger.read([_NO_CHUNK])
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_stop_on_signal, worker, signals)
            nursery.start_soon(keep_beating)
            await worker.run()
            nursery.cancel_scope.cancel()
    if worker.failure:
        raise worker.failure


async def _with_ecs_names(log: Log, agent: Agent) -> Log:
    """Return the log with the names of the ECS task; without them if the agent doesn't answer."""
    try:
        return log.bind(**(await agent.task()).facts())
    except AgentFault as fault:
        log.warning("ecs-task-unknown", error=str(fault))
        return log


async def _stop_on_signal(worker: Worker, signals: AsyncIterator[int]) -> None:
    async for number in signals:
        if number == signal.SIGINT and worker.stopping:
            # Before a Spot instance is interrupted, the time may be shorter than the stop timeout. It is not a second
            # SIGTERM that says so, since the ECS agent may stop the container too.
            worker.stop_now()
        else:
            worker.stop()
