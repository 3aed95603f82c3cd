"""Lines: a workload's text, one instruction a line. Blank lines and lines that begin with ``#`` say nothing."""

import codecs
import itertools
from collections.abc import Callable, Iterator
from typing import IO, NamedTuple

from cloudkon.errors import InvalidInstruction
from cloudkon.instructions.grammar import check
from cloudkon.model import Pool
from cloudkon.wire.message import INSTRUCTION_LIMIT

LONGEST_LINE = INSTRUCTION_LIMIT + 1024
"""Bytes of a line that are looked at: with more it is over the limit whatever follows, and memory stays bounded."""


class Line(NamedTuple):
    """One line with something on it; ``number`` counts from 1."""

    number: int
    data: bytes

    def instruction(self) -> str:
        """Its text, or raise ``InvalidInstruction`` if it is not UTF-8."""
        # A line over the limit may be cut within a character: let the size be what is said about it.
        errors = "replace" if len(self.data) > INSTRUCTION_LIMIT else "strict"
        try:
            return self.data.decode(errors=errors).strip()
        except UnicodeDecodeError as error:
            raise InvalidInstruction("text", f"byte {error.start + 1} is not UTF-8", "Save the file as UTF-8") from None

    def check(self, handlers: tuple[str, ...]) -> tuple[str, Pool]:
        """Its instruction and the pool that runs it, or raise ``InvalidInstruction``."""
        instruction = self.instruction()
        return instruction, check(instruction, handlers)


def _unheard(_line: "Line") -> None:
    return


def lines_in(stream: IO[bytes], on_comment: Callable[[Line], None] = _unheard) -> Iterator[Line]:
    """The lines of a workload that say something; ``on_comment`` is told of those that begin with ``#``."""
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
