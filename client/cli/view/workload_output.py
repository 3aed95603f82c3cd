"""Writes the workload file of ``generate``, ``animoto`` and ``slideshow``, and defines their ``--output``."""

from collections.abc import Iterator
from pathlib import Path

import click

from cloudkon.programs import command
from cloudkon.terminal import data_output, say

from ...push.workload import DEFAULT_WORKLOAD, write_workload
from .formatting import counted

output_option = click.option(
    "-o", "--output", default=str(DEFAULT_WORKLOAD), show_default=True, help="The file to write; - for standard output."
)


def write_output(instructions: Iterator[str], output: str, count: int) -> None:
    """Write ``count`` instructions to the file or to standard output, and report how to push the file."""
    if output == "-":
        # A workload is always UTF-8, also if the terminal has another encoding.
        data_output("utf-8").writelines(f"{instruction}\n" for instruction in instructions)
        return
    write_workload(instructions, Path(output))
    argument = "" if Path(output) == DEFAULT_WORKLOAD else f" {output}"
    say(f"{output}: {counted(count, 'instruction')}. Push with: {command(f'client push{argument}')}")
