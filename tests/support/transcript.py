"""Runs the commands that a page shows, and compares their output with the page."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

VARYING = (
    (re.compile(r"\x1b\[[0-9;?]*[A-Za-z]"), ""),
    (re.compile(r"[━╸╺─]+"), "━"),
    (re.compile(r"(?<=│) +- +(?=│)"), " N "),
    (re.compile(r"127\.0\.0\.1:\d+"), "ADDRESS"),
    (re.compile(r"\b[0-9a-f]{11}\b"), "RUN"),
    (re.compile(r"\bworker [\w.-]+-[0-9a-f]{4}\b"), "WORKER"),
    (re.compile(r"^[0-9a-f]{8}(?=  )"), "LETTER"),
    (re.compile(r"\b(?:\d+:\d\d (?:min|h)|\d+(?:\.\d+)? s)\b"), "TIME"),
    (re.compile(r"\b\d[\d,]*\.\d+\b"), "N"),
    (re.compile(r"\s+"), " "),
)
"""Text that may differ between two runs, in the order of replacement. Whole numbers may not differ."""
COUNTS = re.compile(r"\b\d[\d,]*\b|[▁▂▃▄▅▆▇█]+")
SHOWN_SECONDS = 300
"""How long a command may take while other tests use the machine."""


@dataclass(frozen=True, slots=True)
class Typed:
    """One command of a page, and the lines that the page shows below it."""

    command: str
    shown: tuple[str, ...]


def transcript(block: str) -> Iterator[Typed]:
    """Yield the commands of a block. A command begins with ``$``."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, *shown = part.splitlines()
        yield Typed(command, tuple(shown))


def fixed(line: str, *, counts_too: bool = False) -> str:
    """Replace the varying parts of a line; with ``counts_too`` also whole numbers and curves of them."""
    for varying, stands_for in VARYING:
        line = varying.sub(stands_for, line)
    return COUNTS.sub("N", line).strip() if counts_too else line.strip()


def answer(command: str, folder: Path, environment: Mapping[str, str]) -> tuple[int, list[str]]:
    """Run a command in a shell; return its exit code and the lines of both outputs in their order."""
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SHOWN_SECONDS,
        check=False,
    )
    return done.returncode, [line for line in re.split(r"[\r\n]+", done.stdout) if line.strip()]
