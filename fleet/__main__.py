"""``python -m fleet``: one line of words for whatever goes wrong, and the exit codes of ``cloudkon.errors``."""

import os
import sys

import click

from cloudkon.errors import EXIT_BAD_INPUT, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, CloudKonError

from .cli.commands import fleet


def main() -> int:
    """Run the command line; give the exit code."""
    try:
        fleet.main(prog_name="python -m fleet", standalone_mode=False)
    except BaseExceptionGroup as group:
        return _ended(_first(group))
    except (
        click.ClickException,
        click.Abort,
        click.exceptions.Exit,
        CloudKonError,
        KeyboardInterrupt,
        OSError,
    ) as error:
        return _ended(error)
    return EXIT_OK


def _first(error: BaseException) -> BaseException:
    """Of the errors that happened together, the one to tell: an interruption before all others."""
    while isinstance(error, BaseExceptionGroup):
        interrupted = error.subgroup(KeyboardInterrupt)
        error = (interrupted or error).exceptions[0]
    return error


def _ended(error: BaseException) -> int:
    """Say in one line what ended the command, and give its exit code; raise again what is a fault of ours."""
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code
    if isinstance(error, KeyboardInterrupt | click.Abort):
        click.echo("\ninterrupted; see what runs with: python -m fleet status", err=True)
        return EXIT_INTERRUPTED
    if isinstance(error, BrokenPipeError):
        # The reader has seen enough (head), but the command may have been broken off in its middle. Python would
        # complain again when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    if isinstance(error, CloudKonError):
        click.echo(f"error: {error}", err=True)
        return error.exit_code
    if isinstance(error, click.ClickException):
        click.echo(f"error: {error.format_message()} (see --help)", err=True)
        return EXIT_BAD_INPUT
    raise error


if __name__ == "__main__":
    sys.exit(main())
