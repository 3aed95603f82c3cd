"""Workload: a text of instructions, one a line. Blank lines and lines that begin with ``#`` say nothing."""

import codecs
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from cloudkon.errors import InvalidInstruction, InvalidWorkload
from cloudkon.instructions import check
from cloudkon.wire.message import INSTRUCTION_LIMIT
from cloudkon.words import Pool

DEFAULT_WORKLOAD = Path("workload.txt")
LONGEST_LINE = INSTRUCTION_LIMIT + 1024
"""Bytes of a line that are looked at: with more it is over the limit whatever follows, and memory stays bounded."""
HOW_TO_GET_ONE = "Make one with: python -m client generate 100 sleep 10"


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


def lines_in(stream: IO[bytes]) -> Iterator[Line]:
    """The lines of a workload that say something."""
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
        if data and not data.startswith(b"#"):
            yield Line(number, data)


def choose_workload(given: str | None) -> Path:
    """The workload file to push, or raise ``InvalidWorkload`` that says what to do."""
    path = Path(given) if given else DEFAULT_WORKLOAD
    if path.is_dir():
        raise InvalidWorkload(str(path), "it is a folder, not a file of instructions", HOW_TO_GET_ONE)
    if path.exists():
        return path
    if given:
        raise InvalidWorkload(given, "there is no such file", HOW_TO_GET_ONE)
    raise InvalidWorkload("workload", f"no file was given and there is no {path} here", HOW_TO_GET_ONE)


def write_workload(instructions: Iterator[str], path: Path) -> None:
    """Write a workload file, whole or not at all. What is no plain file (a pipe, a device) is just written to."""
    if path.exists() and not path.is_file():
        with path.open("w", encoding="utf-8") as stream:
            stream.writelines(f"{instruction}\n" for instruction in instructions)
        return
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with partial.open("w", encoding="utf-8") as stream:
            stream.writelines(f"{instruction}\n" for instruction in instructions)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def repeat_instruction(count: int, instruction: str, handlers: tuple[str, ...]) -> Iterator[str]:
    """The same instruction ``count`` times; raises ``InvalidInstruction`` at once if nobody could run it."""
    text = " ".join(instruction.split("\n")).strip()
    check(text, handlers)
    return itertools.repeat(text, count)
