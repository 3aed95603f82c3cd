"""Prints a command's result, as text or, with ``--json``, as one JSON object."""

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

import click

from cloudkon.terminal import print_json, print_line

json_option: Final = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def print_result(result: Mapping[str, Any], *lines: str, as_json: bool) -> None:
    """Print a result on standard output; print nothing for an empty line."""
    if as_json:
        print_json(result, indent=2)
        return
    for line in filter(None, lines):
        print_line(line)


def line_writer(*, as_json: bool) -> Callable[[str, str], None]:
    """Return what prints a worker's log line: behind the worker's name, or as one JSON object for each line."""

    def write(source: str, text: str) -> None:
        if as_json:
            print_json({"worker": source, "said": _parsed(text)})
        else:
            print_line(f"{source} | {text}")

    return write


def _parsed(text: str) -> Any:  # noqa: ANN401  (JSON)
    try:
        value = json.loads(text, parse_constant=_no_json, parse_float=_finite)
    except (RecursionError, ValueError):
        return text
    return value if isinstance(value, dict) else text


def _no_json(name: str) -> NoReturn:
    """Refuse ``NaN`` and ``Infinity``, which Python reads and JSON doesn't have."""
    raise ValueError(name)


def _finite(digits: str) -> float:
    """Refuse 1e999 as well: Python would read infinity, and print it as such."""
    if math.isinf(number := float(digits)):
        raise ValueError(digits)
    return number
