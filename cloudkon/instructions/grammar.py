"""Instruction: a first word that names the handler, and arguments that are the handler's own business."""

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
    """One line, cut behind its first word."""

    word: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Grammar:
    """Which pool runs an instruction, and how its arguments are checked before anything is sent."""

    pool: Pool
    check: Callable[[str], None]


BUILT_IN = {
    "sleep": Grammar(WORKER, check_sleep),
    "exec": Grammar(WORKER, check_exec),
    "animoto": Grammar(ANIMOTO, check_animoto),
}


def parse(line: str) -> Instruction:
    """Cut an instruction behind its first word."""
    word, _, arguments = line.strip().partition(" ")
    return Instruction(word, arguments.strip())


def word_of(line: str) -> str:
    """An instruction's first word, as ``parse`` finds it."""
    return line.strip().partition(" ")[0]


def grammar_of(word: str, others: Collection[str] = ()) -> Grammar:
    """The grammar of an instruction's first word; ``others`` are words that users' own handlers take.

    Raises ``InvalidInstruction`` for a word that nobody takes.
    """
    if word in BUILT_IN:
        return BUILT_IN[word]
    if word in others:
        return Grammar(WORKER, lambda _arguments: None)
    raise InvalidInstruction(
        f"instruction {word!r:.40}",
        "no handler takes it",
        "Known: " + ", ".join([*BUILT_IN, *sorted(others)]) + ". Name handlers of your own image in CLOUDKON_HANDLERS",
    )


def check(line: str, others: Collection[str] = ()) -> Pool:
    """Check a whole line; give the pool that runs it, or raise ``InvalidInstruction``."""
    check_size(line)
    word, arguments = parse(line)
    grammar = grammar_of(word, others)
    grammar.check(arguments)
    return grammar.pool


def pool_of(line: str, others: Collection[str] = ()) -> Pool:
    """The pool of a line that was checked before."""
    return grammar_of(parse(line).word, others).pool
