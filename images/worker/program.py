"""Program: what ``python -m images.worker`` and ``python -m images.animoto`` share: start, signals, end."""

import gc
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from typing import Final

import trio

from cloudkon.aws import Connection, connect
from cloudkon.errors import EXIT_OK, CloudKonError
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
"""More objects made than freed until Python looks for cycles among the young ones. Its 700 are a chunk or two, whose
objects live for as long as the chunk: to look through them in vain took a sixth of the CPU of short tasks."""
_NO_CHUNK: Final = ChunkKey("-", 0, 1)
"""No run is called that."""


def serve(
    pool: Pool,
    find_handlers: Callable[[Settings], Mapping[str, Handler]],
    *,
    until_empty: bool,
    slots: int | None = None,
) -> int:
    """Run a worker of a pool, by the settings in the environment, until SIGTERM, SIGINT or the queue's end.

    Gives the exit code; a failure that nothing can be done about is one line on standard error.
    """
    log = Log()
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
    make: Callable[..., Worker], services: Services, pool: Pool, log: Log, beats: Callable[[], Awaitable[None]]
) -> None:
    agent = Agent.of_environment(os.environ)
    if agent:
        log = await _named(log, agent)
    worker = make(log=log, agent=agent)
    # A fleet that isn't there, or credentials that don't do, must show at once and not as an endless retry. And what
    # the first call of a service takes, a third of a second, is not to be the first task's wait.
    await services.queues[pool.name].depth()
    await services.ledger.read([_NO_CHUNK])
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_stop_on_signal, worker, signals)
            nursery.start_soon(beats)
            await worker.run()
            nursery.cancel_scope.cancel()


async def _named(log: Log, agent: Agent) -> Log:
    """The log with the ECS task's names, where the agent tells them: work doesn't depend on that."""
    try:
        return log.bind(**(await agent.task()).facts())
    except AgentFault as fault:
        log.warning("ecs-task-unknown", error=str(fault))
        return log


async def _stop_on_signal(worker: Worker, signals: AsyncIterator[int]) -> None:
    async for _ in signals:
        worker.stop()
