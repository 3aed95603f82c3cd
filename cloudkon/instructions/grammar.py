"""Splits instructions into word and arguments, and finds the pool and the check of each word.

The first word names the handler. Only the handler knows what its arguments mean.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import NamedTuple

from cloudkon.errors import InvalidInstruction
from cloudkon.instructions.animoto import check_animoto
from cloudkon.instructions.exec import check_exec
from cloudkon.instructions.sleep import check_sleep
from cloudkon.model import ANIMOTO, WORKER, Pool
from cloudkon.wire.message import check_size


class Instruction(NamedTuple):
    """One instruction: its first word, and the rest without white space at its ends."""

    word: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Grammar:
    """The pool that runs an instruction, and the check of its arguments, which raises ``InvalidInstruction``."""

    pool: Pool
    check: Callable[[str], None]


BUILT_IN = {
    "sleep": Grammar(WORKER, check_sleep),
    "exec": Grammar(WORKER, check_exec),
    "animoto": Grammar(ANIMOTO, check_animoto),
}


def parse(line: str) -> Instruction:
    """Split an instruction after its first word."""
    word, _, arguments = line.strip().partition(" ")
    return Instruction(word, arguments.strip())


def word_of(line: str) -> str:
    """Return the first word of an instruction, as ``parse`` finds it."""
    return line.strip().partition(" ")[0]


def grammar_of(word: str, others: Collection[str] = ()) -> Grammar:
    """Return the grammar of an instruction's first word. ``others`` are the words of users' own handlers.

    Raises ``InvalidInstruction`` for an unknown word.
    """
    if word in BUILT_IN:
        return BUILT_IN[word]
    if word in others:
        return Grammar(WORKER, lambda _arguments: None)
    raise InvalidInstruction(
        f"instruction {word!r:.40}",
        "no handler accepts it",
        "Known: " + ", ".join([*BUILT_IN, *sorted(others)]) + ". Name handlers of your own image in CLOUDKON_HANDLERS",
    )


def check(line: str, others: Collection[str] = ()) -> Pool:
    """Check a whole line. Returns the pool that runs it, or raises ``InvalidInstruction``."""
    check_size(line)
    word, arguments = parse(line)
    grammar = grammar_of(word, others)
    grammar.check(arguments)
    return grammar.pool


def pool_of(line: str, others: Collection[str] = ()) -> Pool:
    """Return the pool of a line that was checked before."""
    return grammar_of(parse(line).word, others).pool
