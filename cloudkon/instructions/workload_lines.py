"""Reads the lines of a workload: one instruction a line. Empty lines and lines that begin with ``#`` are ignored."""

import codecs
import itertools
from collections.abc import Callable, Iterator
from typing import IO, NamedTuple

from cloudkon.errors import InvalidInstruction
from cloudkon.instructions.grammar import check
from cloudkon.model import Pool
from cloudkon.wire.message import INSTRUCTION_LIMIT

LONGEST_LINE = INSTRUCTION_LIMIT + 1024
"""Bytes of a line that are kept. A longer line is over the limit anyway, and memory stays bounded."""


class Line(NamedTuple):
    """One line that is not empty. ``number`` counts from 1; ``data`` has no white space at its ends."""

    number: int
    data: bytes

    def instruction(self) -> str:
        """Return its text, or raise ``InvalidInstruction`` if it is not UTF-8."""
        # A line over the limit may be cut inside a character. Its size is the error to report then.
        errors = "replace" if len(self.data) > INSTRUCTION_LIMIT else "strict"
        try:
            return self.data.decode(errors=errors).strip()
        except UnicodeDecodeError as error:
            raise InvalidInstruction("text", f"byte {error.start + 1} is not UTF-8", "Save the file as UTF-8") from None

    def check(self, handlers: tuple[str, ...]) -> tuple[str, Pool]:
        """Return its instruction and the pool that runs it, or raise ``InvalidInstruction``.

        ``handlers`` are the words of users' own handlers.
        """
        instruction = self.instruction()
        return instruction, check(instruction, handlers)


def _ignore(_line: "Line") -> None:
    return


def lines_in(stream: IO[bytes], on_comment: Callable[[Line], None] = _ignore) -> Iterator[Line]:
    """Iterate over the lines that have an instruction; call ``on_comment`` with each line that begins with ``#``."""
    for number in itertools.count(1):
        data = stream.readline(LONGEST_LINE)
        if not data:
            return
        rest = data
        while len(rest) == LONGEST_LINE and not rest.endswith(b"\n"):
            rest = stream.readline(LONGEST_LINE)
        if number == 1:
            data = data.removeprefix(codecs.BOM_UTF8)
        data = data.strip()
        if data.startswith(b"#"):
            on_comment(Line(number, data))
        elif data:
            yield Line(number, data)
