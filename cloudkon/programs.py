"""Knows the names of the three programs' packages, and so what a user types to start them.

Texts that name a command, and code that starts a program, get the name from here. To install the packages under another
name (``cloudkon.client``), change ``PREFIX`` alone.
"""

from typing import Final

PREFIX: Final = ""
"""Stands before ``client``, ``fleet`` and ``images``; empty while these are top-level packages."""


def module(name: str) -> str:
    """Return the full name of a program's module: ``module("images.worker")`` for ``python -m``."""
    return f"{PREFIX}{name}"


def command(words: str) -> str:
    """Return what a user types: ``command("client push jobs.txt")`` is ``python -m client push jobs.txt``."""
    return f"python -m {PREFIX}{words}"
