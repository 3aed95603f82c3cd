"""Asks before a command deletes something, and defines ``--yes``, which answers beforehand."""

import sys

import click

from cloudkon.errors import InvalidInput
from cloudkon.terminal import confirm as ask

yes_option = click.option("--yes", is_flag=True, help="Don't ask for confirmation.")


def confirm(question: str, subject: str, *, yes: bool) -> None:
    """Return if the user agrees; otherwise raise ``InvalidInput`` about ``subject``, the command."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise InvalidInput(subject, "stdin is not a terminal", "Pass --yes to confirm")
    if not ask(question):
        raise InvalidInput(subject, "not confirmed, nothing was done")
