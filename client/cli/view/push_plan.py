"""Prints what a push would send, for ``push --dry-run``."""

from cloudkon.prices import prices
from cloudkon.terminal import print_json, print_line

from ...costs import estimate_cost
from ...push.durations import Durations
from ...push.staged_workload import StagedWorkload
from .formatting import counted, lasting, sized


def show_plan(staged: StagedWorkload, durations: Durations, *, as_json: bool) -> None:
    """Print the plan on standard output."""
    run = staged.plan("planned", 0.0)
    cost = estimate_cost(run.count, run.chunk_count, staged.size, durations.work or 0.0)
    if as_json:
        facts = {
            "tasks": run.count,
            "messages": run.chunk_count,
            "chunk_size": run.chunk_size,
            "bytes": staged.size,
            "pools": dict(staged.counts),
            "work_seconds": None if durations.work is None else round(durations.work, 3),
            "dollars": {"queues": cost.queues, "ledger": cost.ledger},
        }
        print_json(facts)
        return
    pools = ", ".join(f"{count:,} to pool {pool}" for pool, count in staged.counts.items())
    print_line(f"{counted(run.count, 'task')}: {pools}")
    print_line(
        f"{counted(run.chunk_count, 'message')} of up to {counted(run.chunk_size, 'task')}, {sized(staged.size)}"
    )
    if durations.work is not None:
        print_line(f"{lasting(durations.work)} of work for one slot")
    shares = f"${cost.queues:.4f} SQS, ${cost.ledger:.4f} DynamoDB"
    about = "about" if durations.work is not None else "at least"
    print_line(f"{about} ${cost.total:.4f} of requests on AWS: {shares} ({prices().origin})")
    print_line("nothing was sent")
