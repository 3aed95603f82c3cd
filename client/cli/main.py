"""Defines the client's commands, and converts every error to one line and an exit code."""

import errno
import os
import sys
from collections.abc import Sequence
from importlib import import_module

import click

from cloudkon import __version__
from cloudkon.errors import EXIT_BAD_INPUT, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, CloudKonError
from cloudkon.programs import command
from cloudkon.terminal import prepare_streams, say_error

COMMANDS = {
    "generate": ("generate_command", "Write a workload file that repeats one instruction."),
    "animoto": ("animoto_command", "Write a workload file of slideshows; uploads local pictures."),
    "slideshow": ("slideshow_command", "Write a workload file of slideshows described in JSON files."),
    "push": ("push_command", "Push a workload as a run, or resume an interrupted push."),
    "watch": ("watch_command", "Show how a run goes on until it ends."),
    "check": ("check_command", "Count a run's tasks by state; --wait until all have ended."),
    "results": ("results_command", "Print the results of a run: a table, JSON or CSV."),
    "failures": ("failures_command", "Count a run's failed tasks by their errors."),
    "retry": ("retry_command", "Push a run's failed tasks again, as a new run."),
    "pull": ("pull_command", "Fetch a run's videos and other objects from the store."),
    "cancel": ("cancel_command", "Cancel the tasks of a run that have not ended."),
    "runs": ("runs_command", "List the latest runs."),
    "status": ("status_command", "Show the fleet's queues and its latest runs."),
    "dlq": ("dlq_command", "List dead letters; send them again or drop them."),
    "purge": ("purge_command", "Delete all messages on the fleet's queues."),
    "completion": ("shell_completion", "Print a script with which a shell completes commands."),
    "bench": ("bench_command", "Measure the fleet by the experiments of the CloudKon reports."),
}
"""Each command's module and line in the help. A module is imported only when its command is used: help stays fast."""

EPILOG = f"""\b
Examples:
  {command("client generate 1000 sleep 10")}
  {command("client push")}
  {command("client check --wait")}

Exit codes: 0 success, and all tasks asked about succeeded; 1 a service or
tasks failed; 2 invalid input; 130 interrupted. Settings are read from the
environment: CLOUDKON_FLEET, CLOUDKON_TARGET, AWS_ENDPOINT_URL, …
"""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  (click's signature)
        """Return the commands, in the order in which a run needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  (click's signature)
        """Import the command with that name."""
        if cmd_name not in COMMANDS:
            return None
        found = getattr(import_module(f".{COMMANDS[cmd_name][0]}", __package__), cmd_name)
        assert isinstance(found, click.Command)
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  (as above)
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def program() -> None:
    """Push work to a CloudKon fleet, follow it, and fetch the results."""


def main(arguments: Sequence[str] | None = None, session: object = None) -> int:
    """Run the command line and return its exit code. ``session`` replaces the one made from the environment."""
    prepare_streams()
    try:
        code = program.main(
            arguments,
            prog_name=command("client"),
            complete_var="_CLIENT_COMPLETE",
            standalone_mode=False,
            obj=session,
        )
        sys.stdout.flush()
    except CloudKonError as error:
        return _fail(str(error), error.exit_code)
    except click.ClickException as error:
        return _usage_error(error)
    except click.Abort:
        return _fail("interrupted. You can run the same command again", EXIT_INTERRUPTED)
    except BrokenPipeError:
        return _reader_gone()
    except OSError as error:
        return _fail(_file_error_text(error), EXIT_FAILED)
    return code if isinstance(code, int) else EXIT_OK


def _usage_error(error: click.ClickException) -> int:
    """Print in one line what was wrong in the command line, and how to get help; without a command, print the help."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return EXIT_BAD_INPUT
    context = error.ctx if isinstance(error, click.UsageError) else None
    help_command = f" See: {context.command_path} --help" if context else ""
    text = error.format_message()
    return _fail(f"{text}{'' if text.endswith(('.', '?')) else '.'}{help_command}", EXIT_BAD_INPUT)


def _file_error_text(error: OSError) -> str:
    text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error)
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return text
    # Errors of unnamed files don't name their folder.
    places = [os.environ.get("CLOUDKON_STATE_DIR") or ".cloudkon", os.environ.get("TMPDIR") or "/tmp"]  # noqa: S108  (the default)
    return f"{text}. Make room here, in {places[0]} or in {places[1]}, and run the same command again"


def _fail(text: str, code: int) -> int:
    say_error(text)
    return code


def _reader_gone() -> int:
    """The reader of our output has exited, as ``head`` does: end silently, also when Python flushes at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return EXIT_FAILED
