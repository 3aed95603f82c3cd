"""Conventions that no linter checks: banned words, one source for command names, small folders, unique file names."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PRODUCT = ("cloudkon", "client", "fleet", "images")
PROSE = {".py", ".md", ".sh", ".yaml", ".yml", ".toml", ".Dockerfile"}
TOP = ("README.md", "SECURITY.md", "Makefile", "Dockerfile.worker", "Dockerfile.animoto", "pyproject.toml", ".ci/run")
MOST_MODULES = 24
"""Modules in one folder: with more of them no reader finds one by looking."""
BANNED = re.compile(
    r"\b(?:mend(?:s|ed|ing)?|reckon(?:s|ed|ing)?|lest|heed(?:s|ed|ing)?|hung(?:er|ry)|meddling|toil|sated|surmises?"
    r"|of no use|be it|has it that)\b",
    re.IGNORECASE,
)
SAME_INTERFACE = {"target", "scaling", "snapshot", "logs", "ledger", "queue", "store", "waker", "cli"}
"""Names that several files of the product share because they implement the same interface."""


def prose_files(tree: str) -> list[Path]:
    """The files of a folder that hold words for people, without this one, which names the banned words."""
    found = (path for path in (ROOT / tree).rglob("*") if path.suffix in PROSE and "__pycache__" not in path.parts)
    return sorted(path for path in found if path != Path(__file__))


def modules() -> list[Path]:
    """The product's modules, without packages' own files."""
    return sorted(path for tree in PRODUCT for path in (ROOT / tree).rglob("*.py") if not path.name.startswith("__"))


def banned_lines(path: Path) -> list[str]:
    """The lines of a file that hold a banned word."""
    lines = path.read_text(encoding="utf-8").splitlines()
    name = path.relative_to(ROOT)
    return [f"{name}:{number}: {line.strip()}" for number, line in enumerate(lines, 1) if BANNED.search(line)]


def spelled_out_commands(source: str) -> Iterator[int]:
    """The lines of strings that spell out how to start a program; docstrings and ``cloudkon.programs`` may do so."""
    tree = ast.parse(source)
    exempt = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"command", "module"}:
            exempt |= {id(argument) for argument in node.args}
    spelled = re.compile(r"python -m (?:client|fleet|images)\b|^(?:images\.(?:worker|animoto)|fleet\.local)(?:\.\w+)*$")
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or id(node) in exempt or not isinstance(node.value, str):
            continue
        if spelled.search(node.value):
            yield node.lineno


@pytest.mark.parametrize("tree", [*PRODUCT, "benchmarks", "demo", "docs", "examples", "tests"])
def test_banned_words_occur_in_no_file(tree: str) -> None:
    files = prose_files(tree)
    assert files
    assert not [line for path in files for line in banned_lines(path)]


def test_banned_words_occur_in_no_file_at_the_top() -> None:
    assert not [line for name in TOP for line in banned_lines(ROOT / name)]


def test_banned_words_are_found_as_whole_words_only() -> None:
    assert BANNED.search("Mend the cause")
    assert BANNED.search("waiting is of no use")
    assert not BANNED.search("amend, recommend, lesson, celestial, toilet, maybe it")


def test_commands_are_named_by_one_function() -> None:
    found = {
        f"{path.relative_to(ROOT)}:{line}"
        for tree in PRODUCT
        for path in (ROOT / tree).rglob("*.py")
        if path != ROOT / "cloudkon/programs.py"
        for line in spelled_out_commands(path.read_text(encoding="utf-8"))
    }
    assert not found


def test_spelled_out_commands_are_found() -> None:
    source = (
        '"""python -m client."""\nx = f"{y} python -m fleet up"\nz = ["-m", "images.worker", module("fleet.local")]\n'
    )
    assert list(spelled_out_commands(source)) == [2, 3]


def test_folders_are_small_enough_to_look_through() -> None:
    counts: dict[Path, int] = defaultdict(int)
    for path in modules():
        counts[path.parent.relative_to(ROOT)] += 1
    assert not {folder: count for folder, count in counts.items() if count > MOST_MODULES}


def test_files_share_a_name_only_where_they_share_an_interface() -> None:
    places: dict[str, list[str]] = defaultdict(list)
    for path in modules():
        places[path.stem].append(str(path.relative_to(ROOT)))
    assert not {name: found for name, found in places.items() if len(found) > 1 and name not in SAME_INTERFACE}
