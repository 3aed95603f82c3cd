"""Program: what ``python -m images.worker`` and ``python -m images.animoto`` share: start, signals, end."""

import signal
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path

import trio

from cloudkon.aws import connect
from cloudkon.errors import EXIT_OK, CloudKonError
from cloudkon.log import Log
from cloudkon.ports import Queue
from cloudkon.settings import Settings
from cloudkon.words import Pool
from images.worker.handlers import Handler
from images.worker.health import beat
from images.worker.scratch import open_scratch
from images.worker.worker import Worker


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
        services = connect(settings)
        with open_scratch() as scratch:
            worker = Worker(settings, pool, services, handlers, log, scratch, until_empty=until_empty)
            trio.run(_run, worker, services.queues[pool.name], scratch)
    except CloudKonError as error:
        log.error("failed", error=str(error))  # noqa: TRY400  (our log, and the text is the user's)
        return error.exit_code
    return EXIT_OK


async def _run(worker: Worker, queue: Queue, scratch: Path) -> None:
    # A fleet that isn't there, or credentials that don't do, must show at once and not as an endless retry.
    await queue.depth()
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_stop_on_signal, worker, signals)
            nursery.start_soon(beat, scratch)
            await worker.run()
            nursery.cancel_scope.cancel()


async def _stop_on_signal(worker: Worker, signals: AsyncIterator[int]) -> None:
    async for _ in signals:
        worker.stop()
