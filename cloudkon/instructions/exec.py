"""Checks ``exec COMMAND LINE``, which runs by ``/bin/sh -c`` if the setting ``allow_exec`` is on."""

from cloudkon.errors import InvalidInstruction


def check_exec(arguments: str) -> None:
    """Raise ``InvalidInstruction`` if the command line is missing, or can't be passed to a process."""
    if not arguments:
        raise InvalidInstruction("exec", "the command line is missing", "Write it as: exec python simulate.py --seed 3")
    if "\0" in arguments:
        raise InvalidInstruction("exec", "the command line contains a NUL byte", "Remove it")
