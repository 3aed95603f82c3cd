"""docs/fleet.md documents every command and option of ``python -m fleet``, with the targets that accept it."""

import re

import click
import pytest
from click.testing import CliRunner

from cloudkon.errors import InvalidInput
from cloudkon.settings import TARGETS
from fleet.cli.commands import fleet
from tests.support.pages import page, rows, section
from tests.unit.fleet.test_aws_commands import STATUS, FakeCloud
from tests.unit.fleet.test_fleet_commands import FakeTarget

TEXT = page("fleet.md")
OPTIONS = {
    (command.name or "", parameter.opts[0]): parameter
    for command in fleet.commands.values()
    for parameter in command.params
    if isinstance(parameter, click.Option)
}
VALUES = {
    "--tags": "team=render",
    "--permissions-boundary": "arn:aws:iam::123456789012:policy/boundary",
    "--warm-throughput": "20000",
    "--pool": "worker",
    "--vpc": "vpc-1",
    "--subnets": "subnet-1",
    "--instance-types": "c7i.large",
    "--fleet": "pictures",
    "--account": "123456789012",
    "--region": "us-east-1",
    "--alarm-topic": "arn:aws:sns:eu-central-1:123456789012:told",
    "--task": "3752b94e8ff/7",
    "--tag": "1f2e",
    "--volume": "40",
    "--worker-cpu": "256",
    "--animoto-cpu": "256",
    "--worker-memory": "600",
    "--animoto-memory": "600",
}
REQUIRED = {
    "scale": ["2"],
    "policy": ["up", "--account", "*", "--region", "*"],
    ("deploy", "--tag"): ["--pool", "worker"],
    ("autoscale", "--min"): ["--max", "2"],
    ("autoscale", "--per-worker"): ["--max", "2"],
}
"""Other arguments that a command or an option needs."""


def options_in(command: str) -> dict[str, str]:
    """Return each option in the command's section, with the targets of its row."""
    return {
        name: row[1]
        for row in rows(section(TEXT, command), 3)
        for name in re.findall(r"(?<![\w-])--?[a-z][\w-]*", row[0])
    }


def is_refused(command: str, option: str, target: object) -> bool:
    """Whether a target of this kind refuses the option."""
    parameter = OPTIONS[command, option]
    arguments = [command, *REQUIRED.get(command, []), option]
    if not parameter.is_flag:
        arguments.append(VALUES.get(option, "1"))
    arguments += REQUIRED.get((command, option), [])
    if command == "down" and option != "--yes":
        arguments.append("--yes")
    error = CliRunner().invoke(fleet, arguments, obj=lambda: target).exception
    assert error is None or isinstance(error, InvalidInput | NotImplementedError), error
    return isinstance(error, InvalidInput) and "only target aws supports this" in str(error)


@pytest.mark.parametrize("command", fleet.commands)
def test_page_documents_exactly_the_options_of_each_command(command: str) -> None:
    there = {
        name
        for parameter in fleet.commands[command].params
        if isinstance(parameter, click.Option)
        for name in (*parameter.opts, *parameter.secondary_opts)
    }
    assert set(options_in(command)) == there


def test_page_documents_exactly_the_commands() -> None:
    assert set(re.findall(r"^## (.+)$", TEXT, re.MULTILINE)) == set(fleet.commands)


@pytest.mark.parametrize(("command", "option"), [one for one in OPTIONS if one != ("status", "--watch")])
def test_option_is_accepted_by_the_targets_that_the_page_names(command: str, option: str) -> None:
    named = options_in(command)[option]
    assert named in ("all", "aws")
    assert is_refused(command, option, FakeTarget()) == (named == "aws")
    assert not is_refused(command, option, FakeCloud())


@pytest.mark.parametrize("command", fleet.commands)
def test_each_command_and_option_has_a_help_text(command: str) -> None:
    assert fleet.commands[command].help
    for parameter in fleet.commands[command].params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{command} {parameter.opts[0]} has no help"
            assert f"`{parameter.opts[0]}" in section(TEXT, command)


def test_page_explains_each_field_of_the_status() -> None:
    cells = [cell for row in rows(section(TEXT, "status"), 2) for cell in row]
    explained = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
    found = STATUS.to_json()
    assert set(found) | set(found["pools"]["worker"]) <= explained


def test_page_compares_all_targets() -> None:
    assert "| | " + " | ".join(f"`{target}`" for target in TARGETS) + " |" in TEXT
