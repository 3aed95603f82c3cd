"""Implements ``results``: prints a run's results as lines, JSON or CSV."""

import csv
import sys
from collections.abc import Callable

import click

from cloudkon.errors import EXIT_FAILED, EXIT_OK, InvalidInput
from cloudkon.model import Result, TaskState
from cloudkon.ports import Services
from cloudkon.terminal import data_output, print_json, print_line, say

from ..records.run_records import ItemFaults
from ..records.runs import find_run
from ..results.results import as_json as result_as_json
from ..results.results import as_line
from ..results.selection import Selection, selected
from .session import Session, pass_session
from .view.display import report_faults
from .view.formatting import counted

STATES = [state.lower() for state in TaskState]
COLUMNS = ["task", "state", "output", "error", "attempts", "started", "seconds", "worker"]
Write = Callable[[Result], object]


@click.command()
@click.argument("run", required=False)
@click.option("--failed", is_flag=True, help="Same as --state failed.")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice(STATES, case_sensitive=False),
    help="Results in this state; may be given several times.",
)
@click.option("--instruction", default="", metavar="PATTERN", help="Results whose instruction matches: 'sleep 1*'.")
@click.option("--worker", default="", metavar="PATTERN", help="Results whose worker's name matches.")
@click.option("--longer", type=float, default=0.0, metavar="SECONDS", help="Results that took at least this long.")
@click.option("--shorter", type=float, metavar="SECONDS", help="Results that took at most this long.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object for each result.")
@click.option("--csv", "as_csv", is_flag=True, help="Print comma-separated values, with a header line.")
@pass_session
def results(  # noqa: PLR0913  (an argument for each option)
    session: Session,
    run: str | None,
    states: tuple[str, ...],
    instruction: str,
    worker: str,
    longer: float,
    shorter: float | None,
    *,
    failed: bool,
    as_json: bool,
    as_csv: bool,
) -> int:
    """Print the recorded results of RUN; by default of the run pushed last.

    Each line has a task's id, state, seconds, and its output or error. The order is the ledger's. PATTERN must match
    the whole text; * matches anything.

    \b
    Examples:
      python -m client results --state failed --longer 60
      python -m client results 3752369e039 --csv > results.csv
      python -m client results --instruction 'animoto *' --json | jq .output
    """  # noqa: D301  (click's mark for text that keeps its lines)
    if as_json and as_csv:
        raise InvalidInput("--json --csv", "these options exclude each other", "Give one of them")
    wanted = {TaskState(state.upper()) for state in states} | ({TaskState.FAILED} if failed else set())
    everything = not (wanted or instruction or worker or longer) and shorter is None
    selection = Selection(wanted, instruction, worker, longer, float("inf") if shorter is None else shorter)

    async def work(services: Services) -> int:
        found = await find_run(services.ledger, run, session.pushes)
        write = _writer(as_json=as_json, as_csv=as_csv)
        count, faults = 0, ItemFaults()
        async for result in selected(services, found, selection, faults):
            write(result)
            count += 1
        sys.stdout.flush()
        if everything and count + faults.unknown < found.count:
            say(f"not ended yet: {counted(found.count - count - faults.unknown, 'task')} of run {found.id}")
        report_faults(faults)
        return EXIT_FAILED if faults.unknown else EXIT_OK

    return session.run(work, "Run the same command again")


def _writer(*, as_json: bool, as_csv: bool) -> Write:
    # Nothing is flushed by line: that would take most of the time of a million lines.
    if as_csv:
        table = csv.DictWriter(data_output(), COLUMNS, lineterminator="\n")
        table.writeheader()
        return lambda result: table.writerow(result_as_json(result))
    if as_json:
        return lambda result: print_json(result_as_json(result), flush=False)
    return lambda result: print_line(as_line(result), flush=False)
