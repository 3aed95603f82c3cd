"""docs/client.md documents every command and every option of the client."""

import re
import shlex
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import click
import pytest

from client.cli.main import COMMANDS, program

PAGE = (Path(__file__).parents[3] / "docs/client.md").read_text()


def commands(group: click.Group, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*above, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*above, name))


def section(name: str) -> str:
    """Return the page's section on a command."""
    found = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
    assert found is not None, f"docs/client.md has no section on {name}"
    return found[1]


ALL = dict(commands(program))


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_and_option_is_documented(path: tuple[str, ...]) -> None:
    text = section(path[0])
    if len(path) > 1:
        assert f"`{' '.join(path)}" in text
    for parameter in ALL[path].params:
        if isinstance(parameter, click.Option):
            for name in parameter.opts:
                # With a table of options, each option needs its own row: other rows may mention it too.
                if re.search(r"^\| `-", text, re.MULTILINE):
                    assert re.search(rf"^\| [^|]*`(?:[^`|]*\s)?{name}\b", text, re.MULTILINE), f"{name} has no row"
                assert re.search(rf"`(?:[^`]*\s)?{name}\b", text), f"{' '.join(path)} {name} is not documented"


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_every_command_and_option_has_help(path: tuple[str, ...]) -> None:
    command = ALL[path]
    assert command.help
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{' '.join(path)} {parameter.opts[0]} has no help"


@pytest.mark.parametrize("path", ALL, ids=" ".join)
def test_help_has_examples_that_parse(path: tuple[str, ...]) -> None:
    """Each example is parsed like a command line: its command and all of its options exist."""
    _, mark, examples = (ALL[path].help or "").partition("Examples:\n")
    assert mark
    found = re.findall(r"python -m client ([^|&>)\n]+)", examples)
    assert found
    for words in map(shlex.split, found):
        command = ALL[max((one for one in ALL if tuple(words[: len(one)]) == one), key=len)]
        known = {option for parameter in command.params for option in parameter.opts}
        given = takewhile(lambda word: word != "--", words)
        assert {word for word in given if word.startswith("-") and word != "-"} <= known


def test_page_names_no_unknown_command() -> None:
    assert set(re.findall(r"^## (\w+)$", PAGE, re.MULTILINE)) == set(COMMANDS)
    assert set(re.findall(r"python -m client ([a-z]\w*)", PAGE)) <= set(COMMANDS)
