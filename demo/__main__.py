"""``python -m demo``: a fleet on this machine, from its start to videos on your disk, and nothing left running."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NoReturn

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from demo.pictures import folder_in, make_pictures
from demo.programs import CommandFailed, Programs
from demo.story import Plan, perform

EXIT_FAILED: Final = 1
EXIT_INTERRUPTED: Final = 130
HOME: Final = Path(".cloudkon")
"""Holds the emulator's installation, which the demo shares with the user's own local fleet, and nothing else of it."""


@click.command()
@click.option(
    "--photos",
    envvar="PHOTOS",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder of pictures for the slideshows; PHOTOS=... does the same.  [default: the demo paints its own]",
)
@click.option("--workers", type=click.IntRange(1), default=4, show_default=True, help="Workers for the sleeps.")
@click.option("--sleeps", type=click.IntRange(1), default=1000, show_default=True, help="Tasks that sleep 10 ms.")
@click.option("--slideshows", type=click.IntRange(1), default=3, show_default=True, help="Slideshows to make.")
@click.option("--pictures", type=click.IntRange(1), default=12, show_default=True, help="Pictures in each.")
@click.option("--to", type=click.Path(file_okay=False, path_type=Path), default="videos", help="[default: videos]")
def main(*, photos: Path | None, workers: int, sleeps: int, slideshows: int, pictures: int, to: Path) -> NoReturn:
    """Watch a fleet on this machine do its work: tasks through queue and ledger, and videos on your disk."""
    plan = Plan(workers, sleeps, slideshows, pictures, videos=to, workloads=HOME / "demo")
    plan.workloads.mkdir(parents=True, exist_ok=True)
    console = Console(stderr=True)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        with _alone(plan.workloads / "demo.lock"):
            sys.exit(_show(plan, photos, console))
    except KeyboardInterrupt:
        console.print("interrupted")
        sys.exit(EXIT_INTERRUPTED)
    except CommandFailed as failure:
        console.print(f"[red]the demo ends here:[/] {failure}")
        sys.exit(EXIT_FAILED)


def _show(plan: Plan, photos: Path | None, console: Console) -> int:
    """Perform it, and take the fleet down whatever happens. Gives the exit code, or raises ``CommandFailed``."""
    begun = time.monotonic()
    folder = photos or _painted(console)
    programs = Programs(plan.workloads.absolute(), _emulator(), console)
    try:
        # Whatever a killed demo left running or half-done.
        programs.take_down()
        tables = perform(plan, programs, folder)
    finally:
        programs.say("take it all down")
        clean = programs.take_down()
    for table in tables:
        Console().print(table)
    console.print(f"All of it took {time.monotonic() - begun:.0f} s. The videos are in {plan.videos}/")
    return 0 if clean else EXIT_FAILED


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock file, which the kernel frees when the process ends; two demos at a time would share a fleet."""
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise click.ClickException("another demo runs in this directory; wait for its end") from None
        yield


def _painted(console: Console) -> Path:
    """The folder of the demo's own pictures, made the first time."""
    folder = folder_in(HOME)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("painting fractals", total=None)
        made = make_pictures(folder, lambda total: progress.reset(bar, total=total), lambda: progress.advance(bar))
    if made:
        console.print(f"painted {made} fractals in {folder}", highlight=False)
    return folder


def _emulator() -> str:
    """The emulator's executable, installed the first time."""
    command = [sys.executable, "-m", "fleet.local.install"]
    environment = {**os.environ, "CLOUDKON_STATE_DIR": str(HOME)}
    found = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603  (ours)
    if found.returncode:
        raise CommandFailed("python -m fleet.local.install", found.returncode)
    return found.stdout.strip()


if __name__ == "__main__":
    main()
