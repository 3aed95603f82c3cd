"""``exec COMMAND LINE``: runs it by ``/bin/sh -c``. Off unless the pool's setting ``allow_exec`` is on."""

from cloudkon.errors import InvalidInstruction


def check_exec(arguments: str) -> None:
    """Raise ``InvalidInstruction`` if there is no command line, or one that no process can be given."""
    if not arguments:
        raise InvalidInstruction("exec", "there is no command line", "Write it as: exec python simulate.py --seed 3")
    if "\0" in arguments:
        raise InvalidInstruction("exec", "the command line has a NUL byte in it", "Take it out")
