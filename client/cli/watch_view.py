"""Sights: how one look of ``watch`` is shown, as a picture on a terminal, as a line, and as JSON."""

from collections.abc import Iterator

from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cloudkon.model import Result

from ..follow.watch import HEARD_SECONDS, RunSnapshot
from ..results.results import printable
from .formatting import clock_time, counted, lasting

KINDS = 3
"""Kinds of failures that are shown."""
SILENCE = 20.0
"""Seconds without any sign of a worker after which it is said."""
_BLOCKS = "▁▂▃▄▅▆▇█"


def as_line(sight: RunSnapshot) -> str:
    """A sight as one line, for logs and pipes."""
    parts = [clock_time(sight.at), _progress(sight)]
    parts += [f"{sight.counts.running:,} running"] if sight.counts.running else []
    parts += [f"{sight.counts.failed:,} failed"] if sight.counts.failed else []
    parts += [_pace(sight)] if _pace(sight) else []
    parts += [*_idle(sight), *_dead(sight)]
    parts += [_trouble(sight)] if sight.trouble else []
    return "  ".join(parts)


def as_json(sight: RunSnapshot) -> dict[str, object]:
    """A sight as ``watch --json`` writes it; times in seconds, ``time`` since the epoch."""
    counts, run = sight.counts, sight.run
    return {
        "time": round(sight.at, 3),
        "run": run.id,
        "tasks": run.count,
        "waiting": counts.waiting,
        "running": counts.running,
        "succeeded": counts.succeeded,
        "failed": counts.failed,
        "cancelled": counts.cancelled,
        "exact": counts.exact,
        "complete": sight.complete,
        "tasks_per_second": None if sight.rate is None else round(sight.rate, 2),
        "seconds_left": None if sight.seconds_left is None else round(sight.seconds_left, 1),
        "pools": {
            pool: {
                "queued": depth.visible + depth.delayed,
                "in_flight": depth.in_flight,
                "workers": sight.workers.get(pool, 0),
            }
            for pool, depth in sight.backlog.items()
        },
        "dead_letters": sight.dead_letters,
        "slowest": [
            {"task": str(one.task), "seconds": one.seconds, "worker": one.worker} for one in sight.highlights.slowest()
        ],
        "failures": [
            {"count": kind.count, "error": kind.example.error, "task": str(kind.example.task)}
            for kind in sight.highlights.failures.kinds()[:KINDS]
        ],
        "trouble": sight.trouble,
        "dollars": None if sight.dollars is None else round(sight.dollars, 6),
    }


def as_picture(sight: RunSnapshot, instructions: dict[int, str], width: int) -> Group:
    """A sight as the terminal shows it, each line cut to ``width``; ``instructions`` has those that are known."""
    run = sight.run
    bar = Table.grid()
    # In a table, because a bar alone doesn't end its line.
    bar.add_row(ProgressBar(total=max(1, run.count), completed=sight.counts.ended, width=min(width, 60)))
    head = f"run {run.id}: {counted(run.count, 'task')}, {lasting(sight.at - run.started)} old"
    lines = [head + (", cancelled" if sight.cancelled else ""), "  ".join([_progress(sight), _pace(sight)]).rstrip()]
    rest = [*_states(sight), *_curve(sight, width), *_pools(sight), *_spent(sight), *_idle(sight), *_dead(sight)]
    rest += _tasks(sight, instructions)
    texts = [Text(line, no_wrap=True, overflow="ellipsis") for line in (*lines, *rest)]
    if sight.trouble:
        texts.append(Text(_trouble(sight), style="bold red"))
    return Group(texts[0], bar, *texts[1:])


def named_tasks(sight: RunSnapshot) -> list[int]:
    """The numbers of the tasks that the picture names."""
    kinds = sight.highlights.failures.kinds()[:KINDS]
    return [one.task.seq for one in (*sight.highlights.slowest(), *(kind.example for kind in kinds))]


def _progress(sight: RunSnapshot) -> str:
    about = "" if sight.counts.exact else "about "
    ended, count = sight.counts.ended, sight.run.count
    # Never 100 % before the last one.
    share = int(1000 * ended / count) / 10 if count else 100.0
    return f"{about}{ended:,} of {count:,} ({share:.1f} %)"


def _pace(sight: RunSnapshot) -> str:
    if sight.rate is None or sight.complete:
        return ""
    left = "" if sight.seconds_left is None else f", {lasting(sight.seconds_left)} left"
    return f"{sight.rate:,.1f}/s{left}"


def _states(sight: RunSnapshot) -> Iterator[str]:
    counts = sight.counts
    shown = {name: getattr(counts, name) for name in ("waiting", "running", "succeeded", "failed", "cancelled")}
    yield "  ".join(f"{count:,} {name}" for name, count in shown.items() if count)


def _curve(sight: RunSnapshot, width: int) -> Iterator[str]:
    rates = sight.curve[-max(1, width - 30) :]
    highest = max(rates, default=0.0)
    if highest > 0:
        blocks = "".join(_BLOCKS[round(rate / highest * (len(_BLOCKS) - 1))] for rate in rates)
        yield f"tasks/s {blocks} up to {highest:,.1f}"


def _pools(sight: RunSnapshot) -> Iterator[str]:
    for pool, depth in sight.backlog.items():
        heard = sight.workers.get(pool, 0)
        workers = f", {counted(heard, 'worker')} heard in {lasting(HEARD_SECONDS)}" if heard else ""
        queued = depth.visible + depth.delayed
        yield f"pool {pool}: {queued:,} messages queued, {depth.in_flight:,} in flight{workers}"


def _spent(sight: RunSnapshot) -> Iterator[str]:
    if sight.dollars is not None:
        yield f"about ${sight.dollars:.4f} of requests so far; the machines are in: python -m fleet status"


def _idle(sight: RunSnapshot) -> list[str]:
    """Which pools have work and nobody who does it; a run that has just been pushed gives them time."""
    if sight.trouble or sight.counts.running or sight.at - sight.run.started < SILENCE:
        return []
    idle = [
        pool
        for pool, depth in sight.backlog.items()
        if depth.visible and not depth.in_flight and not sight.workers.get(pool)
    ]
    return [f"nobody works on it: python -m fleet scale 1 --pool {pool}" for pool in idle]


def _dead(sight: RunSnapshot) -> list[str]:
    if not sight.dead_letters or sight.complete:
        return []
    return [f"{counted(sight.dead_letters, 'dead letter')}: python -m client dlq list"]


def _tasks(sight: RunSnapshot, instructions: dict[int, str]) -> Iterator[str]:
    def named(result: Result) -> str:
        instruction = instructions.get(result.task.seq, "")
        return f"{result.task.seq}" + (f" ({printable(instruction)[:40]})" if instruction else "")

    slowest = sight.highlights.slowest()
    if slowest:
        yield "slowest: " + "; ".join(f"{lasting_exactly(one.seconds)} task {named(one)}" for one in slowest)
    for kind in sight.highlights.failures.kinds()[:KINDS]:
        yield f"failed {kind.count:,}x: task {named(kind.example)}: {printable(kind.example.error)}"


def lasting_exactly(seconds: float) -> str:
    """Short times to the millisecond, long ones as they are read."""
    return f"{seconds:.3f} s" if seconds < 10 else lasting(seconds)  # noqa: PLR2004  (from there on nobody counts them)


def _trouble(sight: RunSnapshot) -> str:
    return f"no news since {clock_time(sight.news_at)}, trying again: {printable(sight.trouble)}"
