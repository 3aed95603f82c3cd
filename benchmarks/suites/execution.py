"""Measures what it costs to run an empty task in a slot's process, and an empty command line, beside Python's ways."""

import multiprocessing
import subprocess
import time
from collections.abc import Awaitable, Callable
from multiprocessing.pool import Pool
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

import trio

from benchmarks.harness.table import Budget, Table
from cloudkon.handler import Context
from cloudkon.log import Log
from cloudkon.model import TaskId
from cloudkon.settings import Settings
from images.worker.execution.slot_process import open_slot_process
from images.worker.handlers.exec_handler import run_command

ROUNDS: Final = 30
TASKS: Final = 300
"""Empty tasks a round."""
COMMANDS: Final = 20
"""Empty command lines a round."""
MOST_OVER_POOL: Final = 1.5
MOST_OVER_SUBPROCESS: Final = 2.0
_LINE: Final = "true"
Batch = Callable[[int], Awaitable[object]]
"""Runs so many tasks, one after the other."""


def measure(share: float) -> list[Table]:
    """Measure both, in turns with what stands beside them."""
    return [trio.run(_measure, max(2, round(ROUNDS * share)))]


async def _measure(rounds: int) -> Table:
    table = Table(
        "One empty task",
        ("what", "µs, least", "µs, median", "ratio of medians"),
        f"Wall time of one task, by {rounds} rounds of {TASKS} empty handlers and {COMMANDS} command lines `{_LINE}`, "
        "in turns; a ratio is to the first row of its group. A slot's process is set back after each task. A command "
        "line runs in a session of its own, with an output that is kept and read, and all that it starts ends with it; "
        "`subprocess` and `xargs` promise nothing of that kind.",
    )
    settings, log = Settings(), Log("error")
    with TemporaryDirectory(prefix="cloudkon-bench-") as directory, _pool() as pool:
        context = Context(TaskId("bench", 0), 1, "token", 0.0, str(Path(directory) / "scratch"), settings, log)
        async with open_slot_process(settings, log) as process:
            handlers = await _in_turns(
                {
                    "`multiprocessing.Pool.apply`": _blocking(lambda: pool.apply(give_nothing, ("", None))),
                    "an empty handler in a slot": _awaiting(lambda: process.run(give_nothing, "", context)),
                },
                rounds,
                TASKS,
            )
        commands = await _in_turns(
            {
                "`subprocess.run`": _blocking(_subprocess),
                "`xargs`": _xargs,
                "`exec`": _awaiting(lambda: run_command(_LINE, context)),
            },
            rounds,
            COMMANDS,
        )
    _add(table, handlers, "an empty handler in a slot beside `Pool.apply`", MOST_OVER_POOL)
    _add(table, commands, f"`exec {_LINE}` beside `subprocess.run`", MOST_OVER_SUBPROCESS)
    return table


def give_nothing(arguments: str, context: Context | None) -> None:
    """Do nothing: an empty synchronous handler."""


def _pool() -> Pool:
    return multiprocessing.get_context("spawn").Pool(1)


def _subprocess() -> None:
    subprocess.run(["/bin/sh", "-c", _LINE], stdin=subprocess.DEVNULL, capture_output=True, check=True)


async def _xargs(count: int) -> None:
    command = ["xargs", "-I", "LINE", "/bin/sh", "-c", "LINE"]
    subprocess.run(command, input=f"{_LINE}\n" * count, text=True, capture_output=True, check=True)  # noqa: ASYNC221  (nothing else runs)


def _blocking(run: Callable[[], object]) -> Batch:
    async def batch(count: int) -> None:
        for _ in range(count):
            run()

    return batch


def _awaiting(run: Callable[[], Awaitable[object]]) -> Batch:
    async def batch(count: int) -> None:
        for _ in range(count):
            await run()

    return batch


async def _in_turns(ways: dict[str, Batch], rounds: int, count: int) -> dict[str, list[float]]:
    """Return the microseconds of a task, by way and round."""
    for batch in ways.values():
        await batch(1)
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, batch in ways.items():
            begun = time.perf_counter()
            await batch(count)
            found[name].append(1e6 * (time.perf_counter() - begun) / count)
    return found


def _add(table: Table, found: dict[str, list[float]], name: str, most: float) -> None:
    """Add a group of rows; the last one is ours."""
    base = median(next(iter(found.values())))
    ratio = 1.0
    for what, times in found.items():
        ratio = median(times) / base
        table.rows.append((what, f"{min(times):,.0f}", f"{median(times):,.0f}", f"{ratio:.2f}"))
        table.figures.append({"what": what, "microseconds": times})
    table.budgets.append(Budget(f"median of {name}", most, ratio, ".2f", least=False))
