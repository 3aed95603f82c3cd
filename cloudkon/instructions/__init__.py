"""Defines the grammar of each instruction, which ``push`` checks, and the worker checks again."""

from cloudkon.instructions.grammar import Grammar, Instruction, check, grammar_of, parse, pool_of, word_of

__all__ = ["Grammar", "Instruction", "check", "grammar_of", "parse", "pool_of", "word_of"]
