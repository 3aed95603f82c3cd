"""Runs a handler through the whole pipeline in this process, for its author's tests. It needs no AWS.

from images.worker.testing import rehearse

def test_primes() -> None:
    (result,) = rehearse({"primes": primes}, ["primes 10"])
    assert result.output == "4"
"""

import pickle
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from inspect import iscoroutinefunction
from pathlib import Path
from typing import Any, Final

import trio

from cloudkon.errors import InvalidInput, InvalidInstruction
from cloudkon.instructions import check
from cloudkon.log import Log
from cloudkon.memory import memory_services
from cloudkon.model import WORKER, Result
from cloudkon.ports import Services, Store
from cloudkon.settings import Settings

from .execution.scratch import open_scratch
from .handlers import Handler, built_in
from .local import RUN, run_instructions
from .pipeline.worker import Worker

DEFAULTS: Final[Mapping[str, Any]] = {"retry_seconds": 0.0, "task_timeout_seconds": 60.0, "log_level": "error"}
"""Settings that differ from a fleet's, because a test should end soon. Environment variables are ignored."""


def rehearse(
    handlers: Mapping[str, Handler],
    instructions: Iterable[str],
    **settings: Any,  # noqa: ANN401  (any field of ``Settings``)
) -> list[Result]:
    """Run instructions as a fleet's worker would, and return their results in the same order.

    ``handlers`` has each handler by its instructions' first word; ``sleep`` and ``exec`` are added. ``settings`` are
    fields of ``cloudkon.settings.Settings``: ``max_attempts=1``, ``task_timeout_seconds=2``, ``slots=4``,
    ``log_level="debug"``. An output of more than 4 KiB is returned whole, where a fleet's result has its address.

    Raises ``InvalidInput`` for instructions that ``push`` would refuse, and for a handler that a slot process can't
    import. It runs its own event loop: from inside another one, call it in a thread.
    """
    chosen, known = _prepare(handlers, settings)
    lines = _checked(instructions, known)
    if not lines:
        return []
    services = memory_services()
    results, _ = run_instructions(lines, known, chosen, Log(chosen.log_level), services)
    return [_whole(results[seq], services.store) for seq in range(len(lines))]


@dataclass(frozen=True, slots=True)
class RehearsalWorker:
    """A worker of the pool "worker" for a fleet in memory: ``client.Fleet.in_memory`` runs it."""

    handlers: Mapping[str, Handler]
    settings: Settings

    @property
    def words(self) -> tuple[str, ...]:
        """The first words of the instructions that it can run."""
        return tuple(self.handlers)

    async def __call__(self, services: Services) -> None:
        """Work until cancelled."""
        with open_scratch() as scratch:
            await Worker(self.settings, WORKER, services, self.handlers, Log(self.settings.log_level), scratch).run()


def worker(
    handlers: Mapping[str, Handler],
    **settings: Any,  # noqa: ANN401  (as above)
) -> RehearsalWorker:
    """Return a worker with these handlers for a fleet in memory, for tests of programs that use ``client.Fleet``.

    The arguments are those of ``rehearse``. Raises ``InvalidInput`` for a handler that a slot process can't import.
    """
    chosen, known = _prepare(handlers, settings)
    return RehearsalWorker(known, chosen)


def _prepare(handlers: Mapping[str, Handler], settings: Mapping[str, Any]) -> tuple[Settings, dict[str, Handler]]:
    chosen = Settings(**{**DEFAULTS, **settings})
    chosen.check()
    known = {**handlers, **built_in(chosen)}
    _check_handlers(known)
    return chosen, known


def _check_handlers(handlers: Mapping[str, Handler]) -> None:
    for word, handler in handlers.items():
        if iscoroutinefunction(handler):
            continue
        try:
            pickle.dumps(handler)
        except (pickle.PicklingError, AttributeError, TypeError):
            reason = "it runs in its own process, which can't import it from the place of its definition"
            raise InvalidInput(f"handler {word!r}", reason, "Define it at the top of a module") from None


def _checked(instructions: Iterable[str], handlers: Mapping[str, Handler]) -> list[str]:
    if isinstance(instructions, str):
        raise InvalidInput("instructions", "this is a single string", "Pass a list of strings")
    lines = list(instructions)
    for line in lines:
        if check(line, tuple(handlers)) is not WORKER:
            raise InvalidInstruction(
                f"instruction {line!r:.60}", "only instructions of the pool worker can be rehearsed"
            )
    return lines


def _whole(result: Result, store: Store) -> Result:
    """Return the result with the output that the handler returned."""
    if not result.output.startswith(store.address(f"outputs/{RUN}/")):
        return result
    with tempfile.TemporaryDirectory(prefix="cloudkon-output-") as folder:
        path = Path(folder, "output")
        trio.run(store.get, result.output, path)
        return replace(result, output=path.read_bytes().decode())
