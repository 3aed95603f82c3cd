"""Imports: the three programs can be installed under another name, and public names stay importable."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import cloudkon

ROOT = Path(__file__).parents[2]
PROGRAMS = ("client", "fleet", "images")
FILES = sorted(path for program in PROGRAMS for path in (ROOT / program).rglob("*.py"))
# Names that authors of handlers and scripts import from earlier versions, and their present names.
OLD_NAMES = {
    ("client", "Kind"): ("client", "FailureKind"),
    ("client", "Tally"): ("client", "RunCounts"),
    ("images.worker.context", "Context"): ("cloudkon.handler", "Context"),
    ("images.worker.rehearsal", "rehearse"): ("images.worker.testing", "rehearse"),
    ("images.worker.rehearsal", "worker"): ("images.worker.testing", "worker"),
    ("cloudkon.words", "Record"): ("cloudkon.model", "ChunkRecord"),
    ("cloudkon.words", "Result"): ("cloudkon.model", "Result"),
    ("cloudkon.words", "TaskState"): ("cloudkon.model", "TaskState"),
}


def absolute_imports(path: Path) -> Iterator[str]:
    """Iterate over the modules of the three programs that a file imports by absolute names."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and not node.level and node.module:
            names.append(node.module)
        yield from (name for name in names if name.split(".")[0] in PROGRAMS)


def test_imports_inside_a_program_are_relative() -> None:
    assert len(FILES) > 200
    found = {str(path.relative_to(ROOT)): names for path in FILES if (names := list(absolute_imports(path)))}
    assert not found


def test_absolute_imports_are_found(tmp_path: Path) -> None:
    path = tmp_path / "one.py"
    path.write_text("import fleet.target\nfrom client.api import fleet\nfrom .x import y\nimport cloudkon\n")
    assert list(absolute_imports(path)) == ["fleet.target", "client.api"]


@pytest.mark.parametrize("name", cloudkon.__all__)
def test_public_names_of_the_core_can_be_imported(name: str) -> None:
    assert getattr(cloudkon, name)


def test_unknown_name_of_the_core_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Fleeet'"):
        _ = cloudkon.Fleeet


def test_core_imports_no_program_until_fleet_is_used() -> None:
    code = (
        "import sys, cloudkon, cloudkon.handler, cloudkon.aws, cloudkon.memory\n"
        "assert not {'client', 'fleet', 'images'} & set(sys.modules)\n"
        "assert cloudkon.Fleet is sys.modules['client.api.fleet'].Fleet\n"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


@pytest.mark.parametrize(("old", "new"), OLD_NAMES.items())
def test_old_names_are_still_importable(old: tuple[str, str], new: tuple[str, str]) -> None:
    assert getattr(import_module(old[0]), old[1]) is getattr(import_module(new[0]), new[1])
