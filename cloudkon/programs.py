"""The names of the three programs' packages: the one place that knows what a user types to start them.

Texts that name a command and processes that start a program ask here, so that the packages can be installed under
another name (``cloudkon.client``) by changing ``PREFIX`` alone.
"""

from typing import Final

PREFIX: Final = ""
"""Goes before ``client``, ``fleet`` and ``images``: empty as long as these are top-level packages."""


def module(name: str) -> str:
    """Return the full name of a program's module: ``module("images.worker")`` for ``python -m``."""
    return f"{PREFIX}{name}"


def command(words: str) -> str:
    """Return what a user types: ``command("client push jobs.txt")`` is ``python -m client push jobs.txt``."""
    return f"python -m {PREFIX}{words}"
