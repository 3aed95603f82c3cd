"""Answers: what a command prints when it has ended, for people or, with ``--json``, as one object for programs."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

import click

json_option: Final = click.option("--json", "as_json", is_flag=True, help="As one JSON object.")


def answer(found: Mapping[str, Any], text: str, *, as_json: bool) -> None:
    """Print it on standard output; no line at all for a text that is empty."""
    if as_json:
        click.echo(json.dumps(found, indent=2))
    elif text:
        click.echo(text)


def line_writer(*, as_json: bool) -> Callable[[str, str], None]:
    """What prints a worker's line: behind its name, or as an object a line, with what was JSON as an object in it."""

    def write(source: str, text: str) -> None:
        click.echo(json.dumps({"worker": source, "said": _read(text)}) if as_json else f"{source} | {text}")

    return write


def _read(text: str) -> Any:  # noqa: ANN401  (JSON)
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return found if isinstance(found, dict) else text
