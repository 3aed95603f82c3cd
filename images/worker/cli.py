"""Parses the command line of ``python -m images.worker``."""

import sys
from pathlib import Path

import click

from cloudkon.errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, CloudKonError
from cloudkon.kernel import make_undumpable
from cloudkon.log import Log
from cloudkon.model import WORKER
from cloudkon.settings import Settings
from cloudkon.terminal import print_json, print_lines, say, say_error

from .handlers import find_handlers


@click.command(epilog="All other settings are CLOUDKON_… environment variables; see the README.")
@click.option("--until-empty", is_flag=True, help="Exit when the queue is empty and nothing is in flight.")
@click.option(
    "--local",
    type=click.Path(path_type=Path),
    metavar="WORKLOAD",
    help="Run a workload file in this process, without AWS.",
)
@click.option(
    "--slots", type=click.IntRange(1, 1024), help="Number of tasks to run at once.  [default: CLOUDKON_SLOTS, or 1]"
)
@click.option("--json", "as_json", is_flag=True, help="With --local: print the summary as JSON.")
def main(*, until_empty: bool, local: Path | None, slots: int | None, as_json: bool) -> None:
    """Receive tasks from the queue of the pool "worker" and run them until SIGTERM.

    \b
    python -m images.worker                                   run one worker of the fleet
    python -m images.worker --until-empty                     exit when the queue is empty
    python -m images.worker --local workload.txt --slots 4    run a file without a fleet
    """  # noqa: D301  (click's mark for lines whose breaks are kept)
    try:
        if local is None:
            sys.exit(_serve(until_empty=until_empty, slots=slots))
        sys.exit(_run_locally(local, slots, as_json=as_json))
    except CloudKonError as error:
        say_error(str(error))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        say("interrupted: no results were kept. Run the command again")
        sys.exit(EXIT_INTERRUPTED)


def _serve(*, until_empty: bool, slots: int | None) -> int:
    from .program import serve  # noqa: PLC0415  (boto3 takes a third of a second to import)

    return serve(WORKER, find_handlers, until_empty=until_empty, slots=slots)


def _run_locally(workload: Path, slots: int | None, *, as_json: bool) -> int:
    from .local import read_workload, run_workload  # noqa: PLC0415  (only this mode needs it)

    make_undumpable()
    settings = Settings.from_environment().with_slots(slots)
    handlers = find_handlers(settings)
    summary = run_workload(read_workload(workload, handlers), handlers, settings, Log("error"))
    if as_json:
        print_json(summary.as_dict())
    else:
        print_lines(str(summary))
    return EXIT_FAILED if summary.failed else EXIT_OK
