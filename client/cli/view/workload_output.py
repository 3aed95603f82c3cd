"""Writes the workload file of ``generate``, ``animoto`` and ``slideshow``, and defines their ``--output``."""

import sys
from collections.abc import Iterator
from io import TextIOWrapper
from pathlib import Path

import click

from cloudkon.programs import command

from ...push.workload import DEFAULT_WORKLOAD, write_workload
from .display import say
from .formatting import counted

output_option = click.option(
    "-o", "--output", default=str(DEFAULT_WORKLOAD), show_default=True, help="The file to write; - for standard output."
)


def write_output(instructions: Iterator[str], output: str, count: int) -> None:
    """Write ``count`` instructions to the file or to standard output, and report how to push the file."""
    if output == "-":
        if isinstance(sys.stdout, TextIOWrapper):
            # A workload is always UTF-8, also if the terminal has another encoding.
            sys.stdout.reconfigure(encoding="utf-8")
        sys.stdout.writelines(f"{instruction}\n" for instruction in instructions)
        return
    write_workload(instructions, Path(output))
    argument = "" if Path(output) == DEFAULT_WORKLOAD else f" {output}"
    say(f"{output}: {counted(count, 'instruction')}. Push with: {command(f'client push{argument}')}")
