"""Chooses the workload file to push, and writes workload files."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

from cloudkon.errors import InvalidInput, InvalidWorkload
from cloudkon.instructions import check
from cloudkon.programs import command

DEFAULT_WORKLOAD = Path("workload.txt")
HOW_TO_GET_ONE = f"Make one with: {command('client generate 100 sleep 10')}"


def choose_workload(given: str | None) -> Path:
    """Return the workload file to push, or raise ``InvalidWorkload`` with what to type."""
    path = Path(given) if given else DEFAULT_WORKLOAD
    if path.is_dir():
        raise InvalidWorkload(str(path), "this is a folder, not a file of instructions", HOW_TO_GET_ONE)
    if path.exists():
        return path
    if given:
        raise InvalidWorkload(given, "no such file", HOW_TO_GET_ONE)
    raise InvalidWorkload("workload", f"no file was given and {path} does not exist", HOW_TO_GET_ONE)


def write_workload(instructions: Iterator[str], path: Path) -> None:
    """Write a workload file completely or not at all; a pipe or a device is written to directly.

    Raises ``InvalidInput`` if the path can't be a file, ``OSError`` if writing fails.
    """
    if path.is_dir():
        raise InvalidInput(f"--output {path}", "this is a folder", "Name a file in it")
    if not path.parent.is_dir():
        raise InvalidInput(f"--output {path}", f"folder {path.parent} does not exist", "Create it first")
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
    """Return the same instruction ``count`` times; raises ``InvalidInstruction`` at once if no handler runs it."""
    text = " ".join(instruction.split("\n")).strip()
    check(text, handlers)
    return itertools.repeat(text, count)
