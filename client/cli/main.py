"""Program: the commands there are, and the one place where errors become lines and exit codes."""

import errno
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path

import click

from cloudkon import __version__
from cloudkon.errors import EXIT_BAD_INPUT, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, CloudKonError

COMMANDS = {
    "generate": ("workload_commands", "Write a workload file of the same instruction many times."),
    "animoto": ("workload_commands", "Write a workload file of slideshows; uploads local pictures."),
    "slideshow": ("workload_commands", "Write a workload file of slideshows that JSON files describe."),
    "push": ("push_command", "Push a workload as a run, or go on with a push that broke off."),
    "watch": ("watch_command", "Show how a run goes on until it ends."),
    "check": ("check_command", "Count a run's tasks by state; --wait until all have ended."),
    "results": ("results_command", "Print the results of a run: a table, JSON or CSV."),
    "failures": ("failures_command", "Count a run's failed tasks by their errors."),
    "retry": ("retry_command", "Push a run's failed tasks again, as a new run."),
    "pull": ("pull_command", "Fetch a run's videos and other objects from the store."),
    "cancel": ("cancel_command", "Cancel the tasks of a run that have not ended."),
    "runs": ("runs_command", "List the latest runs."),
    "status": ("status_command", "Show the fleet's queues and its latest runs."),
    "dlq": ("dlq_command", "Look through dead letters; send them again or drop them."),
    "purge": ("dlq_command", "Empty the fleet's queues."),
    "completion": ("shell_completion", "Print a script by which a shell completes commands."),
    "bench": ("bench_command", "Measure the fleet by the experiments of the CloudKon reports."),
}
"""Each command's module and its line in the help: modules are imported when used, so that help is quick."""

EPILOG = """\b
Examples:
  python -m client generate 1000 sleep 10
  python -m client push
  python -m client check --wait

Exit codes: 0 all done, and all tasks asked about succeeded; 1 a service or
tasks failed; 2 the input must be mended; 130 interrupted. Settings are read
from the environment: CLOUDKON_FLEET, CLOUDKON_TARGET, AWS_ENDPOINT_URL, …
"""


class LazyGroup(click.Group):
    """A group whose commands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  (click's signature)
        """The commands, in the order of a run's life."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  (click's signature)
        """Import the command of that name."""
        if cmd_name not in COMMANDS:
            return None
        command = getattr(import_module(f".{COMMANDS[cmd_name][0]}", __package__), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  (as above)
        """List them without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def program() -> None:
    """Give work to a CloudKon fleet, follow it, and bring the results home."""


def main(arguments: Sequence[str] | None = None, session: object = None) -> int:
    """Run the command line; give its exit code. ``session`` stands in for the one made from the environment."""
    _ready_streams()
    try:
        code = program.main(
            arguments,
            prog_name="python -m client",
            complete_var="_CLIENT_COMPLETE",
            standalone_mode=False,
            obj=session,
        )
        sys.stdout.flush()
    except CloudKonError as error:
        return _fail(str(error), error.exit_code)
    except click.ClickException as error:
        return _refuse(error)
    except click.Abort:
        return _fail("interrupted. The same command may be given again", EXIT_INTERRUPTED)
    except BrokenPipeError:
        return _lose_reader()
    except OSError as error:
        return _fail(_said_of_files(error), EXIT_FAILED)
    return code if isinstance(code, int) else EXIT_OK


def _ready_streams() -> None:
    """Have standard streams that take whatever is written.

    A program that was started without them (``>&-``) gets some that say nothing, where Python has ``None``. A terminal
    or a pipe of a narrow character set is given escapes for what is not in it.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115  (open for as long as the program runs)
        elif mode == "w" and isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _refuse(error: click.ClickException) -> int:
    """Say in one line what is wrong with what was typed, and where to look; where no command was, give the help."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return EXIT_BAD_INPUT
    context = error.ctx if isinstance(error, click.UsageError) else None
    where = f" See: {context.command_path} --help" if context else ""
    text = error.format_message()
    return _fail(f"{text}{'' if text.endswith(('.', '?')) else '.'}{where}", EXIT_BAD_INPUT)


def _said_of_files(error: OSError) -> str:
    said = f"{error.filename}: {error.strerror}" if error.filename else error.strerror or str(error)
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return said
    # Files without a name say nothing of where they lie.
    places = [os.environ.get("CLOUDKON_STATE_DIR") or ".cloudkon", os.environ.get("TMPDIR") or "/tmp"]  # noqa: S108  (the default)
    return f"{said}. Make room here, in {places[0]} or in {places[1]}, and give the same command again"


def _fail(text: str, code: int) -> int:
    click.echo(f"error: {text}", err=True)
    return code


def _lose_reader() -> int:
    """Whoever read our output has gone, as ``head`` does: end without a word, also when Python flushes at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return EXIT_FAILED
