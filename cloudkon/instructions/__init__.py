"""What users may write on a line: the grammar of each instruction, checked at push and again by the worker."""

from cloudkon.instructions.grammar import Grammar, Instruction, check, grammar_of, parse, pool_of, word_of

__all__ = ["Grammar", "Instruction", "check", "grammar_of", "parse", "pool_of", "word_of"]
