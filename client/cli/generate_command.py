"""The ``generate`` command."""

import click

from cloudkon.errors import InvalidInput

from ..push.workload import repeat_instruction
from .session import Session, pass_session
from .view.workload_output import output_option, write_output


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("count", type=int)
@click.argument("instruction", nargs=-1, required=True)
@output_option
@pass_session
def generate(session: Session, count: int, instruction: tuple[str, ...], output: str) -> None:
    """Write COUNT lines of INSTRUCTION.

    \b
    Examples:
      python -m client generate 1000 sleep 10
      python -m client generate 20 -o simulations.txt -- exec python simulate.py --seed 3
    """  # noqa: D301  (click's mark for text that keeps its lines)
    if count < 1:
        raise InvalidInput(f"COUNT {count}", "it must be at least 1")
    write_output(repeat_instruction(count, " ".join(instruction), session.settings.handlers), output, count)
