"""Runs ``python -m fleet``: prints one line for an error, and exits with the codes of ``cloudkon.errors``."""

import os
import sys

import click

from cloudkon.errors import EXIT_BAD_INPUT, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, CloudKonError
from cloudkon.programs import command
from cloudkon.terminal import prepare_streams, say, say_error

from .cli.commands import fleet


def main() -> int:
    """Run the command line; return the exit code."""
    prepare_streams()
    try:
        fleet.main(prog_name=command("fleet"), standalone_mode=False)
    except BaseExceptionGroup as group:
        return _report(_first(group))
    except (
        click.ClickException,
        click.Abort,
        click.exceptions.Exit,
        CloudKonError,
        KeyboardInterrupt,
        OSError,
    ) as error:
        return _report(error)
    return EXIT_OK


def _first(error: BaseException) -> BaseException:
    """Choose the error to report from several: an interruption comes before all others."""
    while isinstance(error, BaseExceptionGroup):
        interrupted = error.subgroup(KeyboardInterrupt)
        error = (interrupted or error).exceptions[0]
    return error


def _report(error: BaseException) -> int:
    """Print what ended the command in one line; return its exit code. A bug of ours is raised again."""
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, KeyboardInterrupt | click.Abort):
        say("")
        say(f"interrupted; see what runs with: {command('fleet status')}")
        return EXIT_INTERRUPTED
    if isinstance(error, BrokenPipeError):
        # The reader has closed its end (head), but the command may not have finished. Without a valid descriptor,
        # Python reports the error again in its last flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    if isinstance(error, CloudKonError):
        say_error(str(error))
        return error.exit_code
    if isinstance(error, click.ClickException):
        say_error(f"{error.format_message()} (see --help)")
        return EXIT_BAD_INPUT
    raise error


if __name__ == "__main__":
    sys.exit(main())
