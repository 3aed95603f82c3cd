"""The worker's command line."""

import json
import sys
from pathlib import Path

import click

from cloudkon.errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, CloudKonError
from cloudkon.log import Log
from cloudkon.model import WORKER
from cloudkon.settings import Settings

from .handlers import find_handlers


@click.command(epilog="Everything else is set by CLOUDKON_… variables; see the README.")
@click.option("--until-empty", is_flag=True, help="End when the queue is empty and nothing is in flight.")
@click.option("--local", type=click.Path(path_type=Path), metavar="WORKLOAD", help="Run a file here, without a server.")
@click.option("--slots", type=click.IntRange(1, 1024), help="Tasks at a time.  [default: CLOUDKON_SLOTS, or 1]")
@click.option("--json", "as_json", is_flag=True, help="With --local: the summary as JSON.")
def main(*, until_empty: bool, local: Path | None, slots: int | None, as_json: bool) -> None:
    """Take tasks off the queue of the pool "worker" and run them until SIGTERM.

    \b
    python -m images.worker                                   one worker of the fleet
    python -m images.worker --until-empty                     … that ends with the work
    python -m images.worker --local workload.txt --slots 4    no fleet at all
    """  # noqa: D301  (click's mark for lines that keep their breaks)
    try:
        if local is None:
            sys.exit(_serve(until_empty=until_empty, slots=slots))
        sys.exit(_run_locally(local, slots, as_json=as_json))
    except CloudKonError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        click.echo("interrupted; the local back end keeps nothing: run it again", err=True)
        sys.exit(EXIT_INTERRUPTED)


def _serve(*, until_empty: bool, slots: int | None) -> int:
    from .program import serve  # noqa: PLC0415  (boto3 takes a third of a second to import)

    return serve(WORKER, find_handlers, until_empty=until_empty, slots=slots)


def _run_locally(workload: Path, slots: int | None, *, as_json: bool) -> int:
    from .local import read_workload, run_workload  # noqa: PLC0415  (only this mode needs it)

    settings = Settings.from_environment().with_slots(slots)
    handlers = find_handlers(settings)
    summary = run_workload(read_workload(workload, handlers), handlers, settings, Log("error"))
    click.echo(json.dumps(summary.as_dict()) if as_json else str(summary))
    return EXIT_FAILED if summary.failed else EXIT_OK
