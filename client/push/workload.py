"""Workload: which file to push, and how one is written."""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

from cloudkon.errors import InvalidInput, InvalidWorkload
from cloudkon.instructions import check

DEFAULT_WORKLOAD = Path("workload.txt")
HOW_TO_GET_ONE = "Make one with: python -m client generate 100 sleep 10"


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
    """Write a workload file, whole or not at all. What is no plain file (a pipe, a device) is just written to.

    Raises ``InvalidInput`` where no file can be made, ``OSError`` where it can't be written.
    """
    if path.is_dir():
        raise InvalidInput(f"--output {path}", "it is a folder", "Name a file in it")
    if not path.parent.is_dir():
        raise InvalidInput(f"--output {path}", f"there is no folder {path.parent}", "Make it first")
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
