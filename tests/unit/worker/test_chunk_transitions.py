"""Stages change a received or claimed chunk only through its methods."""

import ast
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from images.worker import pipeline
from images.worker.pipeline.claimed_chunk import ClaimedChunk
from images.worker.pipeline.received_chunk import ReceivedChunk

OWNERS = {"claimed_chunk.py", "received_chunk.py"}
STATE = {*ClaimedChunk.__slots__, *(one.name for one in fields(ReceivedChunk))}
CHANGING = {
    *("add", "append", "appendleft", "clear", "extend", "insert", "pop", "popitem", "popleft", "remove"),
    *("setdefault", "update"),
}
"""Methods of dictionaries, lists and deques that change them."""


def is_foreign_state(node: ast.expr) -> bool:
    """Whether an expression is an attribute of a chunk, or an item of one, seen from another object."""
    if isinstance(node, ast.Subscript):
        return is_foreign_state(node.value)
    if not isinstance(node, ast.Attribute) or node.attr not in STATE:
        return False
    return not (isinstance(node.value, ast.Name) and node.value.id == "self")


def changes(tree: ast.AST) -> Iterator[int]:
    """Yield the lines that change a chunk's attributes from outside."""
    for node in ast.walk(tree):
        targets: list[ast.expr] = []
        match node:
            case ast.Assign(targets=targets) | ast.Delete(targets=targets):
                pass
            case ast.AugAssign(target=target) | ast.AnnAssign(target=target):
                targets = [target]
            case ast.Call(func=ast.Attribute(value=value, attr=name)) if name in CHANGING:
                targets = [value]
        parts = [part for target in targets for part in getattr(target, "elts", [target])]
        if any(is_foreign_state(part) for part in parts):
            yield getattr(node, "lineno", 0)


def test_stages_assign_no_attribute_of_a_chunk() -> None:
    folder = Path(pipeline.__file__).parent
    sources = [path for path in folder.glob("*.py") if path.name not in OWNERS]
    assert len(sources) > 10
    found = [f"{path.name}:{line}" for path in sources for line in changes(ast.parse(path.read_text()))]
    assert not found, "give the chunk a method for this transition"


@pytest.mark.parametrize(
    "line",
    [
        "chunk.stage = Stage.LOST",
        "chunk.results[3] = result",
        "chunk.overdue, other = True, 1",
        "del chunk.running[3]",
        "chunk.size += 1",
        "chunk.pending.clear()",
        "self._chunk.pending.append(task)",
        "received.hidden_until = 3.0",
    ],
)
def test_check_finds_each_kind_of_change(line: str) -> None:
    assert list(changes(ast.parse(line))) == [1]


@pytest.mark.parametrize("line", ["stage = chunk.stage", "self.results = {}", "chunk.lose(overdue=True)"])
def test_check_allows_reading_and_own_attributes(line: str) -> None:
    assert not list(changes(ast.parse(line)))
