"""docs/handlers.md: its modules pass its tests, its entry points exist, and it explains the whole context."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest

from cloudkon.handler import Context
from cloudkon.model import Result
from cloudkon.model.result import CHUNK_OUTPUT_LIMIT, OUTPUT_LIMIT
from images.worker.handlers import GROUP
from images.worker.testing import DEFAULTS
from tests.support.pages import ROOT, blocks, page, section

TEXT = page("handlers.md")
MODULES = {
    name[1]: block for block in blocks(TEXT, "python") if (name := re.match(r"# (\w+\.py)\n", block)) is not None
}
INTERNAL = {"scratch_path", "made"}
"""Fields that only the worker uses."""


def run_tests(directory: Path) -> str:
    """Run the tests in a directory as their author would, without a fleet or an AWS account."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "CLOUDKON_"))}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=prepend", str(directory)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment | {"PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_handlers_on_the_page_pass_the_tests_on_the_page(tmp_path: Path) -> None:
    assert set(MODULES) == {"shouting.py", "test_shouting.py"}
    for name, text in MODULES.items():
        (tmp_path / name).write_text(text)
    assert f"{MODULES['test_shouting.py'].count('def test_')} passed" in run_tests(tmp_path)


def test_example_package_passes_its_own_tests() -> None:
    assert " passed" in run_tests(ROOT / "examples/own_handlers")


@pytest.mark.parametrize(
    ("description", "sources"),
    [
        (blocks(TEXT, "toml")[0], MODULES),
        (
            (ROOT / "examples/own_handlers/pyproject.toml").read_text(),
            {"own_handlers.py": (ROOT / "examples/own_handlers/own_handlers.py").read_text()},
        ),
    ],
    ids=["page", "example"],
)
def test_entry_points_name_existing_handlers(description: str, sources: dict[str, str]) -> None:
    points = tomllib.loads(description)["project"]["entry-points"][GROUP]
    assert points
    for value in points.values():
        module, _, name = value.partition(":")
        tree = ast.parse(sources[f"{module}.py"])
        (handler,) = (one for one in tree.body if getattr(one, "name", "") == name)
        assert isinstance(handler, ast.FunctionDef | ast.AsyncFunctionDef)
        assert [argument.arg for argument in handler.args.args] == ["arguments", "context"]


def test_every_attribute_of_the_context_is_explained() -> None:
    explained = set(re.findall(r"`(\w+)(?:\([^`]*\))?`", section(TEXT, "What a handler gets")))
    public = {name for name in dir(Context) if not name.startswith("_")} - INTERNAL
    assert public <= explained


def test_every_field_of_a_result_and_every_different_default_is_explained() -> None:
    text = section(TEXT, "Testing a handler")
    assert {one.name for one in fields(Result)} <= set(re.findall(r"`(\w+)`", text))
    assert len(DEFAULTS) == 3
    assert f"time-out of {DEFAULTS['task_timeout_seconds']:g} s" in text


def test_limits_equal_those_of_the_code() -> None:
    text = " ".join(section(TEXT, "What a handler returns").split())
    assert f"{OUTPUT_LIMIT // 1024} KiB ({CHUNK_OUTPUT_LIMIT // 1024} KiB a chunk)" in text
