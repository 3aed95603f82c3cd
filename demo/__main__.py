"""Runs ``python -m demo``: starts a fleet on this machine, makes videos on your disk, and stops everything."""

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

from cloudkon.programs import command, module
from cloudkon.terminal import console, prepare_streams
from demo.pictures import folder_in, make_pictures
from demo.programs import CommandFailed, Programs
from demo.story import Plan, perform

EXIT_FAILED: Final = 1
EXIT_INTERRUPTED: Final = 130
STATE_DIR: Final = Path(".cloudkon")
"""Contains the emulator's installation. The demo shares only that with the user's own local fleet."""


@click.command()
@click.option(
    "--photos",
    envvar="PHOTOS",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder of pictures for the slideshows; PHOTOS=... does the same.  [default: pictures that the demo paints]",
)
@click.option("--workers", type=click.IntRange(1), default=4, show_default=True, help="Workers for the sleeps.")
@click.option("--sleeps", type=click.IntRange(1), default=1000, show_default=True, help="Tasks that sleep 10 ms.")
@click.option("--slideshows", type=click.IntRange(1), default=3, show_default=True, help="Slideshows to make.")
@click.option("--pictures", type=click.IntRange(1), default=12, show_default=True, help="Pictures in each.")
@click.option("--to", type=click.Path(file_okay=False, path_type=Path), default="videos", help="[default: videos]")
def main(*, photos: Path | None, workers: int, sleeps: int, slideshows: int, pictures: int, to: Path) -> NoReturn:
    """Watch a fleet work on this machine: tasks pass through queue and ledger, and videos land on your disk."""
    plan = Plan(workers, sleeps, slideshows, pictures, videos=to, workloads=STATE_DIR / "demo")
    plan.workloads.mkdir(parents=True, exist_ok=True)
    prepare_streams()
    screen = console(stderr=True)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        with _single_demo(plan.workloads / "demo.lock"):
            sys.exit(_run(plan, photos, screen))
    except KeyboardInterrupt:
        screen.print("interrupted")
        sys.exit(EXIT_INTERRUPTED)
    except CommandFailed as failure:
        screen.print(f"the demo failed: {failure}", style="red")
        sys.exit(EXIT_FAILED)


def _run(plan: Plan, photos: Path | None, screen: Console) -> int:
    """Run the demo, and always take the fleet down. Return the exit code, or raise ``CommandFailed``."""
    began = time.monotonic()
    folder = photos or _paint(screen)
    programs = Programs(plan.workloads.absolute(), _emulator(), screen)
    try:
        # Remove what a killed demo left.
        programs.take_down()
        tables = perform(plan, programs, folder)
    finally:
        programs.announce("stop everything and delete the demo's data")
        clean = programs.take_down()
    for table in tables:
        console().print(table)
    screen.print(f"The demo took {time.monotonic() - began:.0f} s. The videos are in {plan.videos}/")
    return 0 if clean else EXIT_FAILED


@contextmanager
def _single_demo(path: Path) -> Iterator[None]:
    """Hold a lock file, which the kernel releases when the process ends: two demos would share a fleet."""
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise click.ClickException("another demo runs in this directory; wait until it ends") from None
        yield


def _paint(screen: Console) -> Path:
    """Paint the demo's own pictures, the first time; return their folder."""
    folder = folder_in(STATE_DIR)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=screen, transient=True, disable=not screen.is_terminal) as progress:
        bar = progress.add_task("painting fractals", total=None)
        made = make_pictures(folder, lambda total: progress.reset(bar, total=total), lambda: progress.advance(bar))
    if made:
        screen.print(f"painted {made} fractals in {folder}")
    return folder


def _emulator() -> str:
    """Install the emulator, the first time; return its executable."""
    arguments = [sys.executable, "-m", module("fleet.local.install")]
    environment = {**os.environ, "CLOUDKON_STATE_DIR": str(STATE_DIR)}
    done = subprocess.run(arguments, env=environment, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S603  (ours)
    if done.returncode:
        raise CommandFailed(command("fleet.local.install"), done.returncode)
    return done.stdout.strip()


if __name__ == "__main__":
    main()
