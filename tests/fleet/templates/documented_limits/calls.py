"""Finds the API calls that the programs make, in their source: which operation, and which members are given.

A call is a method of a client (``client.create_change_set(StackName=…)``) or an operation's name as a text
(``control.call("ecs", "update_service", desiredCount=…)``). Members also come from dictionaries (``**tagged``): keys in
the same file that are members of the operation count.
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from botocore import xform_name

from tests.fleet.templates.documented_limits.fields import model

SERVICES: Final = (
    "application-autoscaling",
    "autoscaling",
    "cloudformation",
    "cloudwatch",
    "dynamodb",
    "ec2",
    "ecr",
    "ecs",
    "freetier",
    "iam",
    "logs",
    "resourcegroupstaggingapi",
    "s3",
    "service-quotas",
    "sns",
    "sqs",
    "sts",
)
"""The services that the programs call."""
PROGRAMS: Final = ("cloudkon", "images", "fleet", "client")
_ROOT: Final = Path(__file__).parents[4]

Call = tuple[str, str, str]
"""A service, an operation and a member of its request."""


def calls() -> set[Call]:
    """Return each member that some call in the programs' source gives."""
    files = [path for program in PROGRAMS for path in (_ROOT / program).rglob("*.py")]
    return {call for path in files for call in _calls_in(ast.parse(path.read_text(encoding="utf-8")))}


def _calls_in(tree: ast.Module) -> Iterator[Call]:
    keys = {
        key.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Dict)
        for key in node.keys
        if isinstance(key, ast.Constant) and isinstance(key.value, str)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        words = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        # The call itself, or the method that is handed to what makes the call.
        words += [one.attr for one in (node.func, *node.args) if isinstance(one, ast.Attribute)]
        members = {one.arg for one in node.keywords if one.arg}
        for service, operation in _named(tuple(words)):
            shape = model(service).operation_model(operation).input_shape
            if shape is not None and members <= shape.members.keys():
                yield from ((service, operation, member) for member in members | keys & shape.members.keys())


def _named(words: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield the operations with one of these names, of the named service or, without one, of any."""
    services = [one for one in SERVICES if one in words] or SERVICES
    for service in services:
        operations = _operations(service)
        yield from ((service, operations[word]) for word in words if word in operations)


@cache
def _operations(service: str) -> dict[str, str]:
    return {xform_name(name): name for name in model(service).operation_names}
