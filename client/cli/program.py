"""Program: the commands there are, and the one place where errors become lines and exit codes."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module

import click

from cloudkon import __version__
from cloudkon.errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, CloudKonError

COMMANDS = {
    "generate": ("client.cli.making", "Write a workload file of the same instruction many times."),
    "animoto": ("client.cli.making", "Write a workload file of slideshows; uploads local pictures."),
    "push": ("client.cli.pushing", "Push a workload as a run, or go on with a push that broke off."),
    "check": ("client.cli.following", "Count a run's tasks by state; --wait until all have ended."),
    "results": ("client.cli.following", "Print the results of a run."),
    "pull": ("client.cli.pulling", "Fetch a run's videos and other objects from the store."),
    "cancel": ("client.cli.following", "Cancel the tasks of a run that have not ended."),
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
        command = getattr(import_module(COMMANDS[cmd_name][0]), cmd_name)
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
    try:
        code = program.main(arguments, prog_name="python -m client", standalone_mode=False, obj=session)
        sys.stdout.flush()
    except CloudKonError as error:
        return _fail(str(error), error.exit_code)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return _fail("interrupted. The same command may be given again", EXIT_INTERRUPTED)
    except BrokenPipeError:
        return _lose_reader()
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _fail(f"{where}{error.strerror or error}", EXIT_FAILED)
    return code if isinstance(code, int) else EXIT_OK


def _fail(text: str, code: int) -> int:
    click.echo(f"error: {text}", err=True)
    return code


def _lose_reader() -> int:
    """Whoever read our output has gone, as ``head`` does: end without a word, also when Python flushes at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return EXIT_FAILED
