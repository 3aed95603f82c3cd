"""Formats the snapshots of ``watch``: as a panel on a terminal, as a line, and as JSON."""

from collections.abc import Iterator

from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cloudkon.model import Result
from cloudkon.printable import printable
from cloudkon.programs import command

from ...follow.watch import ACTIVE_SECONDS, RunSnapshot
from .formatting import clock_time, counted, lasting

SHOWN_KINDS = 3
"""Kinds of failures that are shown."""
SILENCE_SECONDS = 20.0
"""How long a run may show no worker before the user is told how to start one."""
_BLOCKS = "▁▂▃▄▅▆▇█"


def as_line(snapshot: RunSnapshot) -> str:
    """Format a snapshot as one line, for logs and pipes."""
    parts = [clock_time(snapshot.at), _progress(snapshot)]
    parts += [f"{snapshot.counts.running:,} running"] if snapshot.counts.running else []
    parts += [f"{snapshot.counts.failed:,} failed"] if snapshot.counts.failed else []
    parts += [f"{snapshot.counts.unknown:,} unknown"] if snapshot.counts.unknown else []
    parts += [_pace(snapshot)] if _pace(snapshot) else []
    parts += [*_idle(snapshot), *_dead(snapshot)]
    parts += [_trouble(snapshot)] if snapshot.trouble else []
    return "  ".join(parts)


def as_json(snapshot: RunSnapshot) -> dict[str, object]:
    """Return a snapshot as ``watch --json`` prints it; times in seconds, ``time`` since the epoch."""
    counts, run = snapshot.counts, snapshot.run
    return {
        "time": round(snapshot.at, 3),
        "run": run.id,
        "tasks": run.count,
        "waiting": counts.waiting,
        "running": counts.running,
        "succeeded": counts.succeeded,
        "failed": counts.failed,
        "cancelled": counts.cancelled,
        "unknown": counts.unknown,
        "exact": counts.exact,
        "complete": snapshot.complete,
        "tasks_per_second": None if snapshot.rate is None else round(snapshot.rate, 2),
        "seconds_left": None if snapshot.seconds_left is None else round(snapshot.seconds_left, 1),
        "pools": {
            pool: {
                "queued": depth.visible + depth.delayed,
                "in_flight": depth.in_flight,
                "workers": snapshot.workers.get(pool, 0),
            }
            for pool, depth in snapshot.backlog.items()
        },
        "dead_letters": snapshot.dead_letters,
        "slowest": [
            {"task": str(one.task), "seconds": one.seconds, "worker": one.worker}
            for one in snapshot.highlights.slowest()
        ],
        "failures": [
            {"count": kind.count, "error": kind.example.error, "task": str(kind.example.task)}
            for kind in snapshot.highlights.failures.kinds()[:SHOWN_KINDS]
        ],
        "trouble": snapshot.trouble,
        "dollars": None if snapshot.dollars is None else round(snapshot.dollars, 6),
    }


def as_panel(snapshot: RunSnapshot, instructions: dict[int, str], width: int) -> Group:
    """Format a snapshot for a terminal, each line cut to ``width``; ``instructions`` are known ones by task number."""
    run = snapshot.run
    bar = Table.grid()
    # In a table, because a bar alone prints no line break.
    bar.add_row(ProgressBar(total=max(1, run.count), completed=snapshot.counts.ended, width=min(width, 60)))
    head = f"run {run.id}: {counted(run.count, 'task')}, {lasting(snapshot.at - run.started)} old"
    lines = [
        head + (", cancelled" if snapshot.cancelled else ""),
        "  ".join([_progress(snapshot), _pace(snapshot)]).rstrip(),
    ]
    rest = [
        *_states(snapshot),
        *_curve(snapshot, width),
        *_pools(snapshot),
        *_spent(snapshot),
        *_idle(snapshot),
        *_dead(snapshot),
    ]
    rest += _tasks(snapshot, instructions)
    texts = [Text(printable(line), no_wrap=True, overflow="ellipsis") for line in (*lines, *rest)]
    if snapshot.trouble:
        texts.append(Text(_trouble(snapshot), style="bold red"))
    return Group(texts[0], bar, *texts[1:])


def named_tasks(snapshot: RunSnapshot) -> list[int]:
    """Return the numbers of the tasks that the panel names."""
    kinds = snapshot.highlights.failures.kinds()[:SHOWN_KINDS]
    return [one.task.seq for one in (*snapshot.highlights.slowest(), *(kind.example for kind in kinds))]


def _progress(snapshot: RunSnapshot) -> str:
    about = "" if snapshot.counts.exact else "about "
    ended, count = snapshot.counts.ended, snapshot.run.count
    # Rounded down: never 100 % before the last task.
    share = int(1000 * ended / count) / 10 if count else 100.0
    return f"{about}{ended:,} of {count:,} ({share:.1f} %)"


def _pace(snapshot: RunSnapshot) -> str:
    if snapshot.rate is None or snapshot.complete:
        return ""
    left = "" if snapshot.seconds_left is None else f", {lasting(snapshot.seconds_left)} left"
    return f"{snapshot.rate:,.1f}/s{left}"


def _states(snapshot: RunSnapshot) -> Iterator[str]:
    counts = snapshot.counts
    shown = {
        name: getattr(counts, name) for name in ("waiting", "running", "succeeded", "failed", "cancelled", "unknown")
    }
    yield "  ".join(f"{count:,} {name}" for name, count in shown.items() if count)


def _curve(snapshot: RunSnapshot, width: int) -> Iterator[str]:
    rates = snapshot.curve[-max(1, width - 30) :]
    highest = max(rates, default=0.0)
    if highest > 0:
        blocks = "".join(_BLOCKS[round(rate / highest * (len(_BLOCKS) - 1))] for rate in rates)
        yield f"tasks/s {blocks} up to {highest:,.1f}"


def _pools(snapshot: RunSnapshot) -> Iterator[str]:
    for pool, depth in snapshot.backlog.items():
        active = snapshot.workers.get(pool, 0)
        workers = f", {counted(active, 'worker')} active in {lasting(ACTIVE_SECONDS)}" if active else ""
        queued = depth.visible + depth.delayed
        yield f"pool {pool}: {queued:,} messages queued, {depth.in_flight:,} in flight{workers}"


def _spent(snapshot: RunSnapshot) -> Iterator[str]:
    if snapshot.dollars is not None:
        yield f"about ${snapshot.dollars:.4f} of requests so far; for machines see: {command('fleet status')}"


def _idle(snapshot: RunSnapshot) -> list[str]:
    """Report pools that have work but no active worker. Workers get time to start after a push."""
    if snapshot.trouble or snapshot.counts.running or snapshot.at - snapshot.run.started < SILENCE_SECONDS:
        return []
    idle = [
        pool
        for pool, depth in snapshot.backlog.items()
        if depth.visible and not depth.in_flight and not snapshot.workers.get(pool)
    ]
    return [f"no active worker: {command(f'fleet scale 1 --pool {pool}')}" for pool in idle]


def _dead(snapshot: RunSnapshot) -> list[str]:
    if not snapshot.dead_letters or snapshot.complete:
        return []
    return [f"{counted(snapshot.dead_letters, 'dead letter')}: {command('client dlq list')}"]


def _tasks(snapshot: RunSnapshot, instructions: dict[int, str]) -> Iterator[str]:
    def named(result: Result) -> str:
        instruction = instructions.get(result.task.seq, "")
        return f"{result.task.seq}" + (f" ({printable(instruction)[:40]})" if instruction else "")

    slowest = snapshot.highlights.slowest()
    if slowest:
        yield "slowest: " + "; ".join(f"{lasting_exactly(one.seconds)} task {named(one)}" for one in slowest)
    for kind in snapshot.highlights.failures.kinds()[:SHOWN_KINDS]:
        yield f"failed {kind.count:,}x: task {named(kind.example)}: {printable(kind.example.error)}"


def lasting_exactly(seconds: float) -> str:
    """Format short times to the millisecond, longer ones as ``lasting`` does."""
    return f"{seconds:.3f} s" if seconds < 10 else lasting(seconds)  # noqa: PLR2004  (milliseconds matter below)


def _trouble(snapshot: RunSnapshot) -> str:
    return f"no update since {clock_time(snapshot.news_at)}, retrying: {printable(snapshot.trouble)}"
