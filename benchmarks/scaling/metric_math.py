"""Evaluates CloudWatch's metric math over one-minute points, as far as the compute template uses it.

A minute without a point is ``None``. It is handled as in the CloudWatch User Guide (Using math expressions with
CloudWatch metrics): operators treat it as 0 where another operand has a point, a division by 0 has no point, ``IF`` has
no point without its condition but 0 without the chosen value, and ``FILL`` fills every minute.
"""

import ast
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final

Point = float | None
Points = Sequence[Point]
"""One point a minute, the oldest first."""
Value = Points | float
"""The value of an expression; a number counts for all minutes."""

_OPERATORS: Final[Mapping[type, Callable[[Any, Any], Any]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Gt: operator.gt,
    ast.Lt: operator.lt,
    ast.GtE: operator.ge,
    ast.LtE: operator.le,
    ast.Div: lambda one, other: one / other if other else None,
}


def evaluate(expression: str, metrics: Mapping[str, Points]) -> list[Point]:
    """Return the expression's points. Raises ``ValueError`` for syntax that the template does not use."""
    found = _value(_parsed(expression), metrics)
    assert not isinstance(found, float), "a number is not a metric"
    return list(found)


@cache
def _parsed(expression: str) -> ast.expr:
    """Parse an expression as Python: only the logical words differ, and ``IF`` and ``FILL`` are calls in both."""
    return ast.parse(re.sub(r"\bAND\b", "and", expression), mode="eval").body


def _value(node: ast.expr, metrics: Mapping[str, Points]) -> Value:  # noqa: PLR0911  (a case each)
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    if isinstance(node, ast.Name):
        return metrics[node.id]
    if isinstance(node, ast.BinOp):
        return _each(_OPERATORS[type(node.op)], _value(node.left, metrics), _value(node.right, metrics))
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        return _each(_OPERATORS[type(node.ops[0])], _value(node.left, metrics), _value(node.comparators[0], metrics))
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And):
        return _each(lambda *values: all(values), *(_value(value, metrics) for value in node.values))
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.func.id == "IF":
            return _chosen(*(_value(one, metrics) for one in node.args))
        if node.func.id == "FILL":
            return _filled(_value(node.args[0], metrics), _value(node.args[1], metrics))
    raise ValueError(f"the simulation does not support {ast.unparse(node)}")


def _each(function: Callable[..., Any], *values: Value) -> Value:
    series = [value for value in values if not isinstance(value, float)]
    if not series:
        return float(function(*values))
    found: list[Point] = []
    for minute in range(len(series[0])):
        if all(one[minute] is None for one in series):
            found.append(None)
            continue
        result = function(*(_at(value, minute) or 0.0 for value in values))
        found.append(None if result is None else float(result))
    return found


def _chosen(test: Value, then: Value, other: Value | None = None) -> Points:
    assert not isinstance(test, float), "a condition that never changes"
    found: list[Point] = []
    for minute, condition in enumerate(test):
        if condition:
            found.append(_at(then, minute) or 0.0)
        else:
            found.append(None if condition is None or other is None else _at(other, minute))
    return found


def _filled(points: Value, filler: Value) -> Points:
    assert not isinstance(points, float)
    return [_at(filler, minute) if point is None else point for minute, point in enumerate(points)]


def _at(value: Value, minute: int) -> Point:
    return value if isinstance(value, float) else value[minute]
